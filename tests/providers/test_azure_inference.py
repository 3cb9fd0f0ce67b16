"""Azure AI Inference, the real SDK, against recorded and prepared answers: one event per call, with what was said."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.server import CaseServer, a_file
from conformance.wire_truth import COUNTS, truth

from llm_track.providers import Invocation
from llm_track.providers import azure_inference as described
from llm_track.testing import Events

from .calls import BOTH, only, shows
from .recorded import answer, enough, recorded
from .row import KEY

SDK = "azure.ai.inference"
STREAMS = pytest.mark.parametrize("streamed", [False, True])
USED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
FRAME = {"id": "c-1", "created": 1, "model": "snail-2506"}
MESSAGE = {"role": "assistant", "content": "slow snails"}
WHOLE = {**FRAME, "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}], "usage": USED}
ASKED = [{"role": "user", "content": "how do snails live"}]


def _chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {**FRAME, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


CHUNKS = [_chunk({"role": "assistant", "content": "slow "}), _chunk({"content": "snails"}, "stop", usage=USED)]
VECTORS = {"id": "e", "object": "list", "model": "snail-embed", "data": [{"index": 0, "embedding": [0.25]}]}


@pytest.fixture(scope="module")
def sdk(sdk: Any) -> Any:
    """The SDK, if it has its asynchronous clients."""
    pytest.importorskip("azure.ai.inference.aio", exc_type=ImportError)
    return sdk


def answers(streamed: bool) -> list[Any]:
    headers = {"x-request-id": "r-1"}
    return [{"events": CHUNKS, "done": True, "headers": headers} if streamed else {"json": WHOLE, "headers": headers}]


def made(sdk: Any, url: str, kind: str = "ChatCompletions", **more: Any) -> Any:
    """Return a client that has the same name in both worlds."""
    from azure.core.credentials import AzureKeyCredential

    settings = {"model": "snail", "retry_backoff_factor": 0, "retry_total": 1, **more}
    return getattr(sdk, f"{kind}Client")(url, AzureKeyCredential(KEY), **settings)


def ask(sdk: Any, played: Any, mode: str, streamed: bool = False, **more: Any) -> Any:
    """Ask, and read the answer to its end."""
    given = {"messages": ASKED, "stream": streamed, **more}
    if mode == "sync":
        with made(sdk, played.url) as client:
            answer = client.complete(**given)
            return list(answer) if streamed else answer

    async def asked() -> Any:
        async with made(sdk.aio, played.url) as client:
            answer = await client.complete(**given)
            return [chunk async for chunk in answer] if streamed else answer

    return asyncio.run(asked())


@STREAMS
@BOTH
def test_one_event(streamed: bool, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A call is one generation with its words, settings, counts, model, reason, status, request id and who bills."""
    got = ask(sdk, server.play(answers(streamed)), mode, streamed, temperature=0.5)
    assert len(got) == 2 if streamed else got.choices[0].message.content == "slow snails"
    event = only(events)
    told = event.properties
    assert (event.name, told["llm_outcome"], told["$ai_stream"]) == ("$ai_generation", "completed", streamed)
    assert (told["$ai_provider"], told["$ai_model"], told["$ai_http_status"]) == ("azure", "snail-2506", 200)
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"], told["$ai_stop_reason"]) == (11, 7, "stop")
    assert (told["llm_request_id"], told["llm_retry_count"]) == ("r-1", 0)
    assert (told["$ai_input"], told["$ai_model_parameters"]["temperature"]) == (ASKED, 0.5)
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow snails"}]
    assert ("$ai_time_to_first_token" in told) is streamed
    assert "canary" not in json.dumps(told)


@STREAMS
@BOTH
def test_a_refusal(streamed: bool, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """An error is one failed event with its status, code and request id, without the key that it quotes."""
    error = {"status": 400, "json": {"error": {"code": "too_much", "message": f"too much for {KEY}"}}}
    with pytest.raises(Exception, match="too much"):
        ask(sdk, server.play([{**error, "headers": {"apim-request-id": "r-2"}}]), mode, streamed)
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_is_error"], told["$ai_http_status"]) == ("failed", True, 400)
    assert (told["llm_error_code"], told["llm_request_id"], told["$ai_input"]) == ("too_much", "r-2", ASKED)
    assert "too much" in told["$ai_error"]
    assert "canary" not in json.dumps(told)


@STREAMS
@BOTH
def test_a_retry(streamed: bool, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A call that the SDK makes twice is one event, which says so."""
    played = server.play([{"status": 500, "json": {}}, *answers(streamed)])
    ask(sdk, played, mode, streamed)
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["llm_retry_count"]) == ("completed", 200, 1)


@BOTH
def test_a_stream_of_something_else(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A stream over which the SDK raises is one broken event."""
    text = f"data: {json.dumps(CHUNKS[0])}\n\nevent: odd\n\n"
    odd = a_file(text.encode(), headers={"content-type": "text/event-stream"})
    with pytest.raises(ValueError, match="not supported"):
        ask(sdk, server.play([odd]), mode, True)
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_is_error"], told["$ai_http_status"]) == ("broken", True, 200)


@pytest.mark.parametrize("kind", ["Embeddings", "ImageEmbeddings"])
@BOTH
def test_embeddings(kind: str, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts and pictures that are embedded are one embedding with its count, without vectors."""
    answer = {**VECTORS, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    given: Any = ["a"] if kind == "Embeddings" else [{"image": "data:image/png;base64,iVBORw0KGgo=", "text": "a"}]
    played = server.play([{"json": answer}])

    async def asked() -> None:
        async with made(sdk.aio, played.url, kind) as client:
            await client.embed(input=given)

    if mode == "sync":
        made(sdk, played.url, kind).embed(input=given)
    else:
        asyncio.run(asked())
    event = only(events)
    assert (event.name, event.properties["$ai_input_tokens"]) == ("$ai_embedding", 4)
    assert (event.properties["$ai_model"], len(event.properties["$ai_input"])) == ("snail-embed", 1)
    assert "0.25" not in json.dumps(event.properties)


def test_what_is_no_question_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Asking what model is served is a span."""
    info = {"model_name": "snail", "model_type": "chat_completion", "model_provider_name": "garden"}
    made(sdk, server.play([{"json": info}]).url).get_model_info()
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "info.retrieve")


def test_messages_of_the_sdks_own_classes(sdk: Any, server: CaseServer, events: Events) -> None:
    """Pictures, tools and their calls are drawn from what is sent, whatever classes a program uses for them."""
    m = pytest.importorskip("azure.ai.inference.models", exc_type=ImportError)
    call = m.ChatCompletionsToolCall(id="t-1", function=m.FunctionCall(name="weather", arguments='{"place":"Oslo"}'))
    picture = m.ImageContentItem(image_url=m.ImageUrl(url="data:image/png;base64,iVBORw0KGgo="))
    asked = [
        m.SystemMessage(content="be brief"),
        m.UserMessage(content=[m.TextContentItem(text="look"), picture]),
        m.AssistantMessage(tool_calls=[call]),
        m.ToolMessage(content="rain", tool_call_id="t-1"),
    ]
    tool = m.ChatCompletionsToolDefinition(function=m.FunctionDefinition(name="weather", parameters={}))
    ask(sdk, server.play(answers(False)), "sync", messages=asked, tools=[tool], model_extras={"effort": "high"})
    told = only(events).properties
    assert [one["role"] for one in told["$ai_input"]] == ["system", "user", "assistant", "tool"]
    assert "Oslo" in json.dumps(told["$ai_input"])
    assert told["$ai_tools"][0]["function"]["name"] == "weather"
    assert told["$ai_model_parameters"]["effort"] == "high"


def test_the_programs_own_hooks_are_called(sdk: Any, server: CaseServer, events: Events) -> None:
    """The hooks of a client and of a call see every request and response, as ever."""
    seen: list[str] = []
    played = server.play(answers(False))
    client = made(sdk, played.url, raw_response_hook=lambda response: seen.append("client"))
    client.complete(messages=ASKED)
    client.complete(messages=ASKED, raw_response_hook=lambda response: seen.append("call"))
    assert seen == ["client", "call"]
    assert len(events.settle()) == 2


def test_a_token_that_is_fetched_amid_a_call(sdk: Any, server: CaseServer, events: Events) -> None:
    """What a credential asks another host for is not what the call asks, and its token is in no event."""
    from azure.core import PipelineClient
    from azure.core.credentials import AccessToken
    from azure.core.pipeline.policies import CustomHookPolicy
    from azure.core.rest import HttpRequest

    tokens = server.play([{"status": 401, "json": {"error": {"message": "who"}}}])

    class Credential:
        def get_token(self, *scopes: str, **kwargs: Any) -> Any:
            PipelineClient(tokens.url, policies=[CustomHookPolicy()]).send_request(HttpRequest("GET", tokens.url))
            return AccessToken(KEY, 2**33)

    played = server.play([{"status": 403, "json": {"error": {"message": f"not {KEY}"}}}])
    client = sdk.ChatCompletionsClient(
        played.url.replace("http:", "https:"), Credential(), model="snail", retry_total=0
    )
    with pytest.raises(Exception, match=r"."):
        client.complete(messages=ASKED)
    told = only(events).properties
    assert (told["$ai_http_status"], told["$ai_model"]) == (0, "snail")
    assert len(tokens.requests) == 1
    assert "canary" not in json.dumps(told)


RECORDED = recorded("azure_openai")


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 60)


@pytest.mark.parametrize("item", RECORDED)
@BOTH
def test_recorded(item: Any, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Counts, model, reason and words of the event are those of the recorded answer; an error is a failed event."""
    response, body = item["response"], item["request"]["body"]
    played = server.play([answer(item)])
    right = truth(
        item["endpoint"], response["status"], response["headers"].get("content-type", ""), response["body"].encode()
    )
    try:
        _replay(sdk, played.url, mode, item["endpoint"], body)
    except Exception as error:
        if not right.error:
            raise AssertionError from error
    told = only(events).properties
    assert told["$ai_http_status"] == response["status"]
    if right.error:
        assert told["llm_outcome"] == "failed"
        return
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told["$ai_model"], told.get("$ai_stop_reason")) == (right.model, right.stop)
    assert shows(told, right.text)
    assert told["llm_outcome"] == "completed"


def _replay(sdk: Any, url: str, mode: str, endpoint: str, body: Any) -> None:
    kind, method = ("ChatCompletions", "complete") if endpoint == "chat.completions" else ("Embeddings", "embed")

    async def asked() -> None:
        async with made(sdk.aio, url, kind) as client:
            answer = await getattr(client, method)(body)
            if body.get("stream"):
                assert [chunk async for chunk in answer]

    if mode == "async":
        asyncio.run(asked())
        return
    answer = getattr(made(sdk, url, kind), method)(body)
    if body.get("stream"):
        assert list(answer)


def read(endpoint: str, *args: Any, **kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    client = SimpleNamespace(_config=SimpleNamespace(endpoint=endpoint))
    return described.PROVIDER.targets[0].read(Invocation(client, args, kwargs))


def sent(url: str, **headers: str) -> Any:
    request = SimpleNamespace(url=url, content='{"messages": []}', headers=headers)
    return SimpleNamespace(http_request=request)


def test_a_request_without_the_sdk() -> None:
    """The address says who bills and perhaps the model; what is sent is noted when it is sent, and from no other."""
    found = read("https://a.openai.azure.com/openai/deployments/snail", {"stream": True})
    assert (found.provider, found.body, found.stream) == ("azure", {"model": "snail"}, True)
    assert read("https://models.github.ai/inference", model="m").provider == "github"
    assert read("http://localhost", messages=[]).body == {}
    noted = {target.path: target.notes for target in described.PROVIDER.targets if target.notes is not None}
    on_request, on_response = noted["CustomHookPolicy.on_request"], noted["CustomHookPolicy.on_response"]
    call = SimpleNamespace(reading=found, witnessed=None)
    elsewhere = sent("https://login.example/token")
    on_request(call, Invocation(None, (elsewhere,), {}))
    on_response(call, Invocation(None, (elsewhere, None), {}))
    assert (found.written, call.witnessed) == (None, None)
    here = sent(found.base_url + "/chat/completions", authorization="Bearer t-1")
    on_request(call, Invocation(None, (here,), {}))
    assert (found.written(), list(found.secrets())) == ({"model": "snail", "messages": []}, ["Bearer t-1", "t-1"])
    context = {"history": [1, 2]}
    on_response(call, Invocation(None, (here, SimpleNamespace(http_response="r", context=context)), {}))
    assert described.PROVIDER.answer(call.witnessed) == ("r", 2)


def test_what_has_no_answer() -> None:
    """An exception without a response says nothing of HTTP, and an object without JSON has none."""
    assert described.PROVIDER.failure(ValueError("no")) == {}
    assert described.PROVIDER.to_json(b"bytes") is None
    error = ValueError("no")
    error.response = SimpleNamespace(  # type: ignore[attr-defined]  # as the SDK's exceptions have it
        status_code=404, headers={}, request=SimpleNamespace(url="http://localhost/x")
    )
    assert described.PROVIDER.failure(error)["http_status"] == 404
    assert described.PROVIDER.to_json(SimpleNamespace(as_dict=lambda: {"a": 1})) == {"a": 1}
