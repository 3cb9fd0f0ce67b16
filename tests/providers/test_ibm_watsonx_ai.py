"""IBM's SDK for watsonx, the real one, against recorded and prepared answers: what is special to it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.modes import SyncMode
from conformance.server import CaseServer

from llm_track.formats import watsonx as wire_format
from llm_track.providers import Invocation
from llm_track.providers import ibm_watsonx_ai as described
from llm_track.testing import Events

from .calls import only
from .recorded import answer, enough, recorded
from .row import KEY
from .rows import ibm_watsonx_ai as row

SDK = "ibm_watsonx_ai"
WHOLE = row.ROWS[1].whole
BUSY = {"status": 429, "json": {"errors": [{"code": "rate_limit", "message": "later"}]}}
pytestmark = pytest.mark.filterwarnings("ignore")


def model(played: Any, **more: Any) -> Any:
    """Return a model that is asked of a server."""
    made = row._make(played.url, SyncMode())
    from ibm_watsonx_ai.foundation_models import ModelInference

    return ModelInference(model_id="snail-1", api_client=made._client, validate=False, delay_time=0.01, **more)


def ask(asked: Any, form: str) -> Any:
    """Ask in one of the forms, and read the answer to its end."""
    if form == "generate":
        return asked.generate("slow?")
    if form == "generate_text_stream":
        return list(asked.generate_text_stream("slow?"))
    if form == "agenerate":
        return asyncio.run(asked.agenerate("slow?"))

    async def streamed() -> Any:
        return [piece async for piece in await asked.achat_stream([{"role": "user", "content": "slow?"}])]

    return asyncio.run(streamed())


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("generate", WHOLE),
        ("agenerate", WHOLE),
        ("generate_text_stream", row.ROWS[1].chunks),
        ("achat_stream", row.ROWS[0].chunks),
    ],
)
def test_a_request_that_is_repeated(form: str, answer: Any, sdk: Any, server: CaseServer, events: Events) -> None:
    """A request that the SDK sends again by itself, as it is told to come later, is one generation in all."""
    try:
        ask(model(server.play([BUSY, BUSY, answer]), max_retries=3), form)
    except RuntimeError:  # version 1.8 closes an answer that it waited for in a way that httpx refuses
        told = only(events).properties
        assert (form, told["llm_outcome"], told["$ai_http_status"]) == ("agenerate", "failed", 429)
        return
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["llm_retry_count"]) == ("completed", 200, 2)
    assert told["$ai_output_tokens"] == 7


def test_the_last_try(sdk: Any, server: CaseServer, events: Events) -> None:
    """A request that is given up is one failed event, after as many tries as there were."""
    with pytest.raises(Exception, match="later"):
        model(server.play([BUSY]), max_retries=2).generate("slow?")
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["llm_retry_count"]) == ("failed", 429, 2)


def test_several_texts(sdk: Any, server: CaseServer, events: Events) -> None:
    """Of several texts each is a request, and so a generation."""
    assert model(server.play([WHOLE])).generate_text(["a", "b", "c"]) == ["slow snails"] * 3
    found = events.settle()
    assert sorted(event.properties["$ai_input"][0]["content"] for event in found) == ["a", "b", "c"]


def test_vectors(sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding with its count, without vectors."""
    from ibm_watsonx_ai.foundation_models import Embeddings

    answer = {
        "model_id": "snail-embed",
        "results": [{"embedding": [0.25]}, {"embedding": [0.75]}],
        "input_token_count": 4,
    }
    made = model(server.play([{"json": answer}]))
    Embeddings(model_id="snail", api_client=made._client).embed_documents(["a", "b"])
    event = only(events)
    told = event.properties
    assert (event.name, told["$ai_model"], told["$ai_input_tokens"]) == ("$ai_embedding", "snail-embed", 4)
    assert told["$ai_input"] == ["a", "b"]
    assert "0.25" not in json.dumps(told)


def test_an_order_of_texts(sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are ordered are one generation with its count and the order."""
    from ibm_watsonx_ai.foundation_models import Rerank

    answer = {"model_id": "snail-rank", "results": [{"index": 1, "score": 0.75}], "input_token_count": 9}
    made = model(server.play([{"json": answer}]))
    Rerank(model_id="snail", api_client=made._client).generate(query="slow?", inputs=["fly", "snail"])
    event = only(events)
    told = event.properties
    assert (event.name, told["$ai_input_tokens"]) == ("$ai_generation", 9)
    assert [said["content"] for said in told["$ai_input"]] == ["slow?", "fly", "snail"]
    assert told["$ai_output_choices"][0]["content"] == '[{"index":1,"score":0.75}]'


def test_what_is_no_question_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Counting tokens is a span; what the SDK looks up for itself is nothing."""
    asked = model(server.play([{"json": {"model_id": "snail", "result": {"token_count": 2}}}]))
    asked.tokenize("slow?")
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "text.tokenization.create")
    asked._client.httpx_client.get(f"{asked._client.credentials.url}/ml/v1/foundation_model_specs")
    asked._client.httpx_client.post(f"{asked._client.credentials.url}/identity/token", content=f"apikey={KEY}")
    assert len(events.settle()) == 1


RECORDED = recorded("watsonx")


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 3)


@pytest.mark.parametrize("item", RECORDED)
def test_recorded(item: Any, sdk: Any, server: CaseServer, events: Events) -> None:
    """Counts, model, reason and words of the event are those of the recorded answer."""
    response, streamed = item["response"], item["endpoint"].endswith("_stream")
    asked = model(server.play([answer(item)]))
    words = item["request"]["body"]["input"]
    list(asked.generate_text_stream(words)) if streamed else asked.generate(words)
    lines = response["body"].splitlines() if streamed else [f"data: {response['body']}"]
    said = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    results = [one["results"][0] for one in said]
    told = only(events).properties
    assert told["$ai_input_tokens"] == max(one["input_token_count"] for one in results)
    assert told["$ai_output_tokens"] == results[-1]["generated_token_count"]
    assert (told["$ai_model"], told["$ai_stop_reason"]) == (said[0]["model_id"], results[-1]["stop_reason"])
    assert told["$ai_output_choices"][0]["content"] == "".join(one["generated_text"] for one in results)
    assert (told["llm_outcome"], told["$ai_input"]) == ("completed", [{"role": "user", "content": words}])


def read(path: str, method: str = "POST") -> Any:
    """Return the reading of a request, without the SDK."""
    url = SimpleNamespace(path=path)
    request = SimpleNamespace(url=url, method=method, headers={"authorization": "Bearer k-1"}, _content=b"{}")
    return described.PROVIDER.targets[0].read(Invocation(None, (request,), {"stream": True}))


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/ml/v1/text/chat", "generation", "text.chat"),
        ("/ml/v1/deployments/d-1/text/chat_stream", "generation", "text.chat"),
        ("/ml/v1-beta/generation/text", "generation", "text.generation"),
        ("/ml/v1/text/embeddings", "embedding", "text.embeddings"),
        ("/ml/v1/time_series/forecast", "endpoint", "time_series.forecast.create"),
    ],
)
def test_a_request_without_the_sdk(path: str, kind: str, name: str) -> None:
    """The end of the path says what a request is; its token is known, to be masked."""
    found = read(path)
    assert (found.kind, found.name, found.provider, found.content) == (kind, name, "watsonx", b"{}")
    assert (found.stream, list(found.secrets())) == (path.endswith("_stream"), ["Bearer k-1", "k-1"])


def test_requests_that_ask_no_model() -> None:
    """What goes elsewhere is left alone, and a call without a request to fail by itself."""
    assert read("/identity/token") is None
    assert read("/ml/v1/foundation_model_specs", "GET") is None
    assert described.PROVIDER.targets[0].read(Invocation(None, (), {})) is None


def test_repeats_without_the_sdk() -> None:
    """What the SDK would do is known only from the SDK; of a function that is not its own nothing is read."""
    attempt = 1
    assert not described.PROVIDER.repeats(SimpleNamespace(status_code=429))
    assert described.PROVIDER.answer({"response": attempt}) == (1, None)


def test_repeats_that_fail() -> None:
    """A coroutine that would send again, but cannot close the answer, will not."""
    place: dict[str, Any] = {"__name__": "ibm_watsonx_ai._wrappers.x", "provider": described.PROVIDER}
    lines = "async def again(response, attempt, wx_retry_status_codes, wx_max_retries):\n    {}\n    return {}"
    for closing, repeats in (("response.aclose", True), ("response.close", False)):
        exec(lines.format(closing, "provider.repeats(response)"), place)
        response = SimpleNamespace(status_code=429, aclose=None, close=None)
        assert asyncio.run(place["again"](response, 2, [429], 3)) is repeats


def send(code: int, names: str, call: str) -> Any:
    """Call something from a function that looks like the SDK's own, before and after its version 1.5."""
    place: dict[str, Any] = {"__name__": "ibm_watsonx_ai._wrappers.x", "provider": described.PROVIDER}
    lines = f"def again(response, attempt, {names}_retry_status_codes, {names}_max_retries):\n    return {call}"
    exec(lines, place)
    return place["again"](SimpleNamespace(status_code=code), 2, [429], 3)


@pytest.mark.parametrize("names", ["actual", "wx"])
def test_repeats_of_either_version(names: str) -> None:
    """A status that the SDK repeats for, before its last try, is no answer; the tries are counted."""
    assert send(429, names, "provider.repeats(response)")
    assert not send(200, names, "provider.repeats(response)")
    assert send(200, names, "provider.answer({'response': 1})") == (1, 2)


@pytest.mark.parametrize(
    ("body", "drawn"),
    [
        ({"input": "a"}, [{"role": "user", "content": "a"}]),
        ({"inputs": ["a", {"text": "b"}, 1]}, ["a", "b", "1"]),
        ({"query": "q", "inputs": [{"text": "a"}]}, [{"role": "user", "content": words} for words in ("q", "a")]),
        ({"messages": [{"role": "user", "content": "a"}]}, [{"role": "user", "content": "a"}]),
        ({}, []),
    ],
)
def test_what_is_asked(body: Any, drawn: Any) -> None:
    """Texts, chats and questions are drawn; where a program works is no setting of a model."""
    asked = wire_format.request({"model_id": "m", "project_id": "p", "parameters": {"top_k": 1, "x": None}, **body})
    assert (asked.model, asked.input) == ("m", drawn)
    assert asked.parameters == ({"parameters": {"top_k": 1, "x": None}} if "messages" in body else {"top_k": 1})


def test_an_error_in_an_answer() -> None:
    """IBM's list of errors is an error."""
    said = wire_format.response({"errors": [{"code": "busy", "message": "later"}], "trace": "t"})
    assert (said.error, said.error_type, said.output) == ("later", "busy", [])
