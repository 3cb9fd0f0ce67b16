"""Which answers of real SDKs are targets of feedback, beyond the rows: helpers, pairs, dicts, texts."""

from __future__ import annotations

import copy
import gc
import json
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.modes import AsyncMode, Mode, SyncMode
from conformance.server import CaseServer

import llm_track
from llm_track import _guard, answers, handing, places
from llm_track.testing import Events

from .calls import tracked
from .row import ASKED, KEY, WORDS, sdk
from .rows import anthropic, bedrock, cohere, google_genai, huggingface_hub, ibm_watsonx_ai, openai_language, xai_sdk

SECRET = "a secret of more than sixteen characters"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is known yet, and nothing has been logged."""
    monkeypatch.setattr(places, "memory", places.Memory())
    monkeypatch.setattr(_guard, "_said", set())


@pytest.fixture
def events() -> Iterator[Events]:
    """What tracked calls of all SDKs lead to."""
    with tracked() as captured:
        yield captured


def led(events: Events, **targets: Any) -> set[str]:
    """Return the names of the targets, feedback on which is feedback on the last call there was."""
    call = [event for event in events.settle() if event.name == "$ai_generation"][-1]
    for name, target in targets.items():
        llm_track.feedback(target, name)
    said = [event for event in events.settle() if event.name == "$ai_feedback"]
    assert {event.properties["llm_span_id"] for event in said} <= {call.uuid}
    return {event.properties["$ai_feedback_text"] for event in said}


def test_a_helper_of_anthropic(mode: Mode, server: CaseServer, events: Events) -> None:
    """The manager of a stream, the helper that it gives, its last event and the message that it puts together."""
    (row,) = anthropic.ROWS
    client = row.make(server.play([row.chunks]).url, mode)

    async def read() -> dict[str, Any]:
        manager = client.messages.stream(**anthropic.GIVEN)
        async with mode.within(manager) as helper:
            pieces = await mode.items(helper)
            final = await mode.call(helper.get_final_message)
        return {"manager": manager, "helper": helper, "last": pieces[-1], "final": final}

    found = mode.run(read())
    assert led(events, **found) == set(found)


def test_a_helper_of_openai(mode: Mode, server: CaseServer, events: Events) -> None:
    """The same of a chat's stream."""
    openai = sdk("openai")
    client = getattr(openai, f"{mode.prefix}OpenAI")(api_key=KEY, base_url=server.play([CHUNKS]).url, max_retries=0)
    chat = getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream

    async def read() -> dict[str, Any]:
        manager = chat(model="snail-1", messages=openai_language.MESSAGES)
        async with mode.within(manager) as helper:
            pieces = await mode.items(helper)
            final = await mode.call(helper.get_final_completion)
        chunk = [piece for piece in pieces if piece.type == "chunk"][-1]
        return {"manager": manager, "helper": helper, "chunk": chunk, "final": final}

    found = mode.run(read())
    assert led(events, **found) == set(found)


CHUNKS = openai_language.CHUNKS


def test_a_helper_of_responses(mode: Mode, server: CaseServer, events: Events) -> None:
    """The same of a response's stream, whose last event has the response."""
    openai = sdk("openai")
    if not hasattr(openai.OpenAI, "responses"):
        pytest.skip("this openai has no Responses")
    said = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [said]}
    about = {"id": "resp_1", "object": "response", "created_at": 1, "model": "snail-1", "parallel_tool_calls": True}
    about |= {"tool_choice": "auto", "tools": []}
    events_sent = [
        {"type": "response.created", "sequence_number": 0,
         "response": {**about, "status": "in_progress", "output": []}},
        {"type": "response.completed", "sequence_number": 1,
         "response": {**about, "status": "completed", "output": [message]}},
    ]  # fmt: skip
    run = server.play([{"events": events_sent, "named": True}])
    client = getattr(openai, f"{mode.prefix}OpenAI")(api_key=KEY, base_url=run.url, max_retries=0)

    async def read() -> dict[str, Any]:
        manager = client.responses.stream(model="snail-1", input=ASKED)
        async with mode.within(manager) as helper:
            pieces = await mode.items(helper)
            final = await mode.call(helper.get_final_response)
        return {"manager": manager, "helper": helper, "last": pieces[-1], "final": final}

    found = mode.run(read())
    assert led(events, **found) == set(found)


def test_pairs_of_xai(mode: Mode, events: Events) -> None:
    """A stream of xAI gives pairs of the answer so far and a chunk: the pair is a target, and so is each of it."""
    (row,) = xai_sdk.ROWS
    with xai_sdk.serve() as server:
        client = row.make(server.play([row.chunks]).url, mode)
        pair = mode.run(mode.items(xai_sdk.chat(client).stream()))[-1]
        mode.run(row.end(mode, client))
        assert type(pair) is tuple
        assert led(events, pair=pair, answer=pair[0], chunk=pair[1]) == {"pair", "answer", "chunk"}


def test_two_answers_in_one_are_no_target(server: CaseServer, events: Events) -> None:
    """A tuple, a dict or an object that holds answers of two calls leads to neither."""
    openai = sdk("openai")
    whole = openai_language.WHOLE["json"]
    run = server.play([{"json": whole}, {"json": {**whole, "id": "c-2"}}])
    client = openai.OpenAI(api_key=KEY, base_url=run.url, max_retries=0)
    first, second = (
        client.chat.completions.create(model="snail-1", messages=openai_language.MESSAGES) for _ in range(2)
    )
    both = {"tuple": (first, second), "dict": {"a": first, "b": second}, "object": SimpleNamespace(a=first, b=second)}
    assert led(events, **both, copies=(copy.copy(first), copy.copy(second))) == set()
    assert led(events, twice=(second, second), held={"answer": second, "user": "u"}) == {"twice", "held"}


async def converse(mode: Mode, server: CaseServer, request_id: str) -> Any:
    """Return an answer of Bedrock, a plain dict."""
    run = server.play([{"json": bedrock.ANSWER, "headers": {"x-amzn-requestid": request_id}}])
    client = bedrock.make(run.url, mode)
    answer = await mode.call(client.converse, modelId=bedrock.MODEL, messages=bedrock.MESSAGES)
    await mode.call(client.close)
    assert type(answer) is dict
    return answer


@pytest.mark.parametrize("secret", [None, SECRET])
def test_where_tokens_are_taken_a_dict_from_outside_names_no_call(
    secret: str | None, server: CaseServer, events: Events, caplog: Any
) -> None:
    """With a secret the dict that an SDK returned is a target; an equal one, as JSON may be, is none, and neither
    is an object of a class of the program's.  Without a secret they are."""
    llm_track.configure(feedback_secret=secret)
    mode = SyncMode()
    answer = mode.run(converse(mode, server, "req_9"))
    outside, held = json.loads(json.dumps(answer)), SimpleNamespace(request_id="req_9")
    all_of_them = {"answer", "outside", "held", "pair"}
    found = led(events, answer=answer, outside=outside, held=held, pair=(outside, 1))
    assert found == (all_of_them if secret is None else {"answer"})
    assert ("could have come from outside" in caplog.text) is (secret is not None)


def test_a_dict_that_an_sdk_makes_of_an_answer(mode: Mode, server: CaseServer, events: Events) -> None:
    """With a secret the dict that watsonx makes of what came is a target, and an equal one is none."""
    llm_track.configure(feedback_secret=SECRET)
    row = ibm_watsonx_ai.ROWS[0]
    answer = mode.run(mode.call(row.ask, mode, row.make(server.play([row.whole]).url, mode), False))
    assert type(answer) is dict
    assert led(events, answer=answer, outside=copy.deepcopy(answer)) == {"answer"}


def test_a_dict_that_came_to_lie_where_an_answer_was(server: CaseServer, events: Events) -> None:
    """With a secret a dict at the place of another one needs the id of that very answer; the last dicts are known."""
    llm_track.configure(feedback_secret=SECRET)
    mode = SyncMode()
    first, second = (mode.run(converse(mode, server, f"req_{number}")) for number in range(2))
    assert led(events, second=second) == {"second"}
    first["ResponseMetadata"] = second["ResponseMetadata"]
    assert led(events, first=first) == {"second"}
    call = answers.dict_of(second)
    assert call is not None
    for _ in range(1000):
        answers.note(call, {})
        answers.note(call, first)
    assert led(events, second=second) == {"second"}
    others = [{"number": number} for number in range(1001)]
    for other in others:
        answers.note(call, other)
    assert answers.dict_of(second) is None
    assert answers.dict_of(others[-1]) is call


def test_copies_of_an_sdks_own_objects_count_with_a_secret(server: CaseServer, events: Events) -> None:
    """With a secret a copy of an answer is still a target, as JSON makes no object of an SDK's class."""
    llm_track.configure(feedback_secret=SECRET)
    client = sdk("openai").OpenAI(api_key=KEY, base_url=server.play([openai_language.WHOLE]).url, max_retries=0)
    answer = client.chat.completions.create(model="snail-1", messages=openai_language.MESSAGES)
    assert led(events, copy=copy.deepcopy(answer), dumped=answer.model_dump()) == {"copy"}


def test_texts_and_lists_say_what_to_do(mode: Mode, server: CaseServer, events: Events, caplog: Any) -> None:
    """A text and a list, which nobody can tell from others, are refused; a log line names the ways there are."""
    row = huggingface_hub.ROWS[1]
    client = row.make(server.play([row.whole]).url, mode)
    words = mode.run(mode.call(client.text_generation, ASKED))
    assert words == "".join(WORDS)
    assert led(events, words=words, many=[words]) == set()
    assert "llm_span around the call, or llm_track.current_trace_id()" in caplog.text


@pytest.mark.parametrize("row", [cohere.ROWS[0], google_genai.ROWS[1], ibm_watsonx_ai.ROWS[0]], ids=str)
def test_a_stream_is_not_kept(row: Any, mode: Mode, server: CaseServer, events: Events) -> None:
    """A stream goes when the program lets go of it, unread, amid it or after it, and what was noted goes with it."""

    async def read(pieces: int) -> Any:
        client = row.make(server.play([row.chunks]).url, mode)
        stream = await mode.call(row.ask, mode, client, True)
        if pieces == 1:
            await mode.first(stream)
        elif pieces:
            await mode.items(stream)
        alive = weakref.ref(stream)
        del stream
        await mode.collect_garbage()
        return alive

    for pieces in (0, 1, 2):
        assert mode.run(read(pieces))() is None
    events.settle()
    gc.collect()
    assert handing._unread == {}
    assert [noted for noted in answers._notes.values() if noted() is None] == []


def test_a_stream_that_asked_several_times(mode: Mode, server: CaseServer, events: Events) -> None:
    """Where the SDK calls functions amid a stream, it is an answer of the last call."""
    genai = sdk("google.genai")
    row = google_genai.ROWS[1]
    asks = {"candidates": [{"content": {"role": "model", "parts": [CALLED]}, "finishReason": "STOP"}]}
    run = server.play([{"events": [asks]}, row.chunks])
    client = genai.Client(api_key=KEY, http_options={"base_url": run.url})

    async def read() -> Any:
        models = client.aio.models if mode.prefix else client.models
        given = {"model": "snail-1", "contents": ASKED, "config": {"tools": [weather]}}
        stream = await mode.call(models.generate_content_stream, **given)
        await mode.items(stream)
        return stream

    assert led(events, stream=mode.run(read())) == {"stream"}
    assert len(run.requests) == 2


CALLED = {"functionCall": {"name": "weather", "args": {"place": "Oslo"}}}


def weather(place: str) -> str:
    """Tell the weather of a place."""
    return f"rain in {place}"


weather.__annotations__ = {"place": str, "return": str}  # older SDKs cannot read types that are text


def test_answers_without_an_id(mode: Mode, server: CaseServer, events: Events) -> None:
    """Vectors of Google and of Hugging Face have no id: the object itself leads to its call."""
    vectors = {"embeddings": [{"values": [0.25, 0.5]}]}
    client = google_genai._make(server.play([{"json": vectors}]).url, mode)
    models = client.aio.models if mode.prefix else client.models
    embedded = mode.run(mode.call(models.embed_content, model="gemini-embedding-001", contents=ASKED))
    row = huggingface_hub.ROWS[1]
    hub = row.make(server.play([{"json": [0.25, 0.5]}]).url, mode)
    array = mode.run(mode.call(hub.feature_extraction, ASKED))
    for target in (embedded, array):
        assert llm_track.feedback(target, "good")
    told = events.settle()
    calls = [event.uuid for event in told if event.name == "$ai_embedding"]
    assert [event.properties["llm_span_id"] for event in told if event.name == "$ai_feedback"] == calls


def test_a_budget_refuses_when_it_is_awaited(server: CaseServer, events: Events) -> None:
    """A method of an SDK that hands over streams is looked at as every other one: when its coroutine is awaited."""
    mode = AsyncMode()
    row = cohere.ROWS[0]
    client = row.make(server.play([row.whole]).url, mode)

    async def ask() -> None:
        with llm_track.llm_span("shop", budget_usd=0):
            http = client._client_wrapper.httpx_client
            coroutine = http.request("v2/chat", method="POST", json={"model": "snail-1"})
            with pytest.raises(llm_track.BudgetExceeded):
                await coroutine

    mode.run(ask())
    mode.close()


def test_a_chat_of_google(mode: Mode, server: CaseServer, events: Events) -> None:
    """The stream of a chat, which reads one of a model's, is a target while it is read and after."""
    row = google_genai.ROWS[1]
    client = row.make(server.play([row.chunks]).url, mode)
    chats = client.aio.chats if mode.prefix else client.chats

    async def read() -> Any:
        stream = await mode.call(chats.create(model="snail-1").send_message_stream, ASKED)
        await mode.first(stream)
        assert llm_track.feedback(stream, "amid")
        await mode.items(stream)
        return stream

    assert led(events, late=mode.run(read())) == {"amid", "late"}


def test_a_raw_response_of_cohere(mode: Mode, server: CaseServer, events: Events) -> None:
    """The raw response of a stream is a target, as it holds the HTTP response."""
    row = cohere.ROWS[0]
    client = row.make(server.play([row.chunks]).url, mode)

    async def read() -> Any:
        async with mode.within(client.with_raw_response.chat_stream(**cohere.GIVEN_V2)) as response:
            assert llm_track.feedback(response, "amid")
            await mode.items(response.data)
        return response

    assert led(events, late=mode.run(read())) == {"amid", "late"}
