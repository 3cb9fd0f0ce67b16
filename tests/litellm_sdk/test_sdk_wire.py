"""Requests that LiteLLM sends by its own HTTP client: what they tell of a call, and that they are never calls."""

from __future__ import annotations

import asyncio
import importlib
import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from conformance.server import CaseServer

from llm_track.testing import Events

from .litellm_calls import FORMS, WORDS, chat, failing, only, only_after_collection, run
from .server import CACHE_WRITTEN, CACHED, INPUT, OUTPUT, Provider

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMS = pytest.mark.parametrize("streamed", [False, True])
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "thinking", "thinking": "snails? " * 20, "signature": "s"}, {"type": "text", "text": "slow"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 3,
        "output_tokens": 60,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
    },
}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mistral-small-2506"}
CHUNKS = [
    {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "slow"}, "finish_reason": None}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]},
]
USED = {"prompt_tokens": 21, "completion_tokens": 22, "total_tokens": 43}
COUNTED = [CHUNKS[0], {**CHUNKS[1], "usage": USED}]


@pytest.fixture(scope="module")
def cases() -> Iterator[CaseServer]:
    with CaseServer() as running:
        yield running


def asked_of(run_: Any, model: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of a call of a model at an address."""
    return {"model": model, "api_base": run_.url, "api_key": "k", "max_retries": 0, **more}


def tokens(told: dict[str, Any]) -> list[Any]:
    """Return the counts of an event's input and output."""
    return [told.get("$ai_input_tokens"), told.get("$ai_output_tokens")]


@BOTH
def test_what_only_the_wire_tells_of_claude(mode: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """How long a cache entry lives, searches and the dated model are in the event; LiteLLM's reasoning tokens not."""
    asked = asked_of(cases.play([{"json": CLAUDE}]), "anthropic/claude-sonnet-4-5", messages=chat(WORDS))
    run(litellm, FORMS["completion"].named(mode), asked)
    told = only(events).properties
    assert (tokens(told), told["$ai_model"]) == ([3, 60], "claude-sonnet-4-5-20250929")
    assert told["$ai_cache_creation_5m_input_tokens"] == 4
    assert told["$ai_cache_creation_1h_input_tokens"] == 3
    assert told["$ai_web_search_count"] == 2
    assert "$ai_reasoning_tokens" not in told


@STREAMS
@BOTH
def test_what_its_http_tells(streamed: bool, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Status and address are those of the request."""
    run(litellm, FORMS["claude"].named(mode), FORMS["claude"].given(provider, WORDS, stream=streamed))
    told = only(events).properties
    assert (told["$ai_http_status"], told["$ai_request_url"]) == (200, f"{provider.url}/v1/messages")
    assert streamed or told["llm_request_id"] == "req_snail"


@pytest.mark.parametrize("events_", [CHUNKS, COUNTED], ids=["uncounted", "counted"])
@pytest.mark.parametrize("function", ["responses", "aresponses", "anthropic_messages"])
def test_streams_between_two_apis(events_: Any, function: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """Where LiteLLM turns one API into another, the event has what was counted, and nothing that LiteLLM made up."""
    played = cases.play([{"events": events_, "done": True}])
    said = {"messages": chat(WORDS), "max_tokens": 9} if "messages" in function else {"input": WORDS}
    run(litellm, function, asked_of(played, "mistral/mistral-small-latest", stream=True, **said))
    told = only(events).properties
    assert tokens(told) == ([21, 22] if events_ is COUNTED else [None, None])
    assert ("$ai_total_cost_usd" in told) <= (events_ is COUNTED)
    assert told["$ai_model"] == "mistral-small-2506"


@BOTH
def test_embeddings_that_nobody_counts(mode: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """Gemini says nothing of what it embeds: the event has no counts and no cost, whatever LiteLLM estimates."""
    played = cases.play([{"json": {"embeddings": [{"values": [0.5, 0.25]}]}}])
    run(litellm, FORMS["embedding"].named(mode), asked_of(played, "gemini/gemini-embedding-001", input=[WORDS]))
    told = only(events).properties
    assert tokens(told) == [None, None]
    assert "$ai_total_cost_usd" not in told


@BOTH
def test_a_count_that_one_answer_lacks(mode: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """Ollama leaves the count of a cached prompt out: that one is missing in the event, the other one is not."""
    said = {"model": "llama3", "message": {"role": "assistant", "content": "slow"}, "done": True, "eval_count": 79}
    played = cases.play([{"json": {**said, "done_reason": "stop", "created_at": "2026-01-01T00:00:00Z"}}])
    run(litellm, FORMS["completion"].named(mode), asked_of(played, "ollama_chat/llama3", messages=chat(WORDS)))
    assert tokens(only(events).properties) == [None, 79]


@BOTH
def test_tokens_of_a_sound(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The counts of a transcription are the provider's, by whatever client it was asked."""
    run(litellm, FORMS["transcription"].named(mode), FORMS["transcription"].given(provider, WORDS))
    told = only(events).properties
    assert tokens(told) == [INPUT, OUTPUT]


@BOTH
def test_nobody_there(mode: str, litellm: Any, events: Events) -> None:
    """A connection that is refused has the status 0, though LiteLLM says 500."""
    asked = {"model": "anthropic/claude-sonnet-4-5", "api_base": "http://127.0.0.1:9", "api_key": "k"}
    failing(litellm, FORMS["completion"].named(mode), {**asked, "messages": chat(WORDS), "max_retries": 0})
    told = only(events).properties
    assert told["$ai_http_status"] == 0
    assert told["$ai_request_url"] == "http://127.0.0.1:9/v1/messages"


@BOTH
def test_requests_are_attempts(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Each request is an attempt: of one that failed model, provider and status are told."""
    provider.failures.append(500)
    run(litellm, FORMS["claude"].named(mode), FORMS["claude"].given(provider, WORDS, num_retries=1))
    told = only(events).properties
    assert told["llm_attempts"] == len(provider.requests) == 2
    (failed,) = told["llm_failed_attempts"]
    assert (failed["model"], failed["provider"], failed["http_status"]) == ("claude-sonnet-4-5", "anthropic", 500)
    assert tokens(told) == [INPUT, OUTPUT]


@BOTH
def test_a_request_of_no_call(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A request of LiteLLM's client that belongs to no call is no event."""
    handlers = litellm.llms.custom_httpx.http_handler
    handler = handlers.HTTPHandler() if mode == "sync" else handlers.AsyncHTTPHandler()
    asked = {"url": f"{provider.v1}/messages", "json": {"model": "m", "messages": chat(WORDS)}}
    if mode == "sync":
        handler.post(**asked)
    else:
        asyncio.run(handler.post(**asked))
    assert len(provider.requests) == 1
    assert events.settle() == []


@STREAMS
def test_a_request_of_a_callback(streamed: bool, litellm: Any, provider: Provider, events: Events) -> None:
    """What a callback of the program sends by that client is no attempt of the call that it is told of."""
    handler = litellm.llms.custom_httpx.http_handler.HTTPHandler()

    def post(self: Any, model: Any, messages: Any, kwargs: Any) -> None:
        handler.post(url=f"{provider.v1}/messages", json={"model": "m", "messages": chat("an aside")})

    logger = litellm.integrations.custom_logger.CustomLogger
    litellm.callbacks = [type("Posting", (logger,), {"log_pre_api_call": post})()]
    run(litellm, "completion", FORMS["claude"].given(provider, WORDS, stream=streamed))
    told = only(events).properties
    assert len(provider.requests) == 2
    assert "llm_attempts" not in told


@BOTH
def test_a_key_in_an_address(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Gemini's key is part of the address that a request goes to; it is in no event, of a failed call neither."""
    asked = {"model": "gemini/gemini-2.5-flash", "api_base": provider.url, "api_key": "AIzaCanary7Qx2Lm9Zt4Rw8sVb"}
    words = "AIzaCanary7Qx2Lm9Zt4Rw8sVb, answer 400"
    failing(litellm, FORMS["completion"].named(mode), {**asked, "messages": chat(words), "max_retries": 0})
    told = only(events).properties
    assert "Canary" not in json.dumps([told["$ai_error"], told["llm_stack_trace"], told.get("$ai_request_url")])


def test_cache_counts_of_claude(litellm: Any, provider: Provider, events: Events) -> None:
    """Claude counts its cache beside the input: the event says so, and what."""
    run(litellm, "completion", FORMS["claude"].given(provider, WORDS))
    told = only(events).properties
    assert told["$ai_cache_reporting_exclusive"] is True
    assert told["$ai_cache_read_input_tokens"] == CACHED
    assert told["$ai_cache_creation_input_tokens"] == CACHE_WRITTEN


GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "slow"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 6, "thoughtsTokenCount": 7, "totalTokenCount": 18},
    "modelVersion": "gemini-2.5-flash-001",
    "responseId": "g-1",
}


@STREAMS
@BOTH
def test_the_language_of_gemini(streamed: bool, mode: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """LiteLLM's functions in Gemini's own language are generations like all others, streamed or not."""
    played = cases.play([{"events": [GEMINI]} if streamed else {"json": GEMINI}])
    name = f"{'a' if mode == 'async' else ''}generate_content{'_stream' if streamed else ''}"
    asked = asked_of(played, "gemini/gemini-2.5-flash", contents=[{"role": "user", "parts": [{"text": WORDS}]}])
    config = {"temperature": 0.5, "maxOutputTokens": 99}
    function = getattr(litellm.google_genai, name)
    said = {**asked, "config": config, "metadata": {"user_id": "u_1"}}

    async def read() -> None:
        answer = await function(**said)
        if streamed:
            _ = [piece async for piece in answer]

    if mode == "async":
        asyncio.run(read())
    elif streamed:
        assert list(function(**said))
    else:
        function(**said)
    event = only(events)
    told = event.properties
    assert (event.name, event.distinct_id, told["$ai_provider"]) == ("$ai_generation", "u_1", "gemini")
    assert (tokens(told), told["$ai_reasoning_tokens"]) == ([5, 6], 7)
    assert (told["$ai_model"], told["$ai_stop_reason"]) == ("gemini-2.5-flash-001", "STOP")
    assert told["$ai_input"] == [{"role": "user", "content": WORDS}]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow"}]
    assert told["$ai_model_parameters"]["temperature"] == 0.5
    assert (told["$ai_stream"], told["llm_outcome"]) == (streamed, "completed")


@BOTH
def test_silence_in_the_language_of_gemini(mode: str, litellm: Any, cases: CaseServer, events: Events) -> None:
    """``no-log`` beside the arguments is heard there, too."""
    asked = asked_of(cases.play([{"json": GEMINI}]), "gemini/gemini-2.5-flash", contents=WORDS)
    function = getattr(litellm.google_genai, f"{'a' if mode == 'async' else ''}generate_content")
    answer = function(**asked, **{"no-log": True})
    if mode == "async":
        asyncio.run(_awaited(answer))
    assert events.settle() == []


async def _awaited(answer: Any) -> Any:
    return await answer


MESSAGE = [
    {"type": "message_start", "message": {**CLAUDE, "content": [], "usage": {"input_tokens": 13, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "slow "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "snails"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 77}},
    {"type": "message_stop"},
]


def test_no_cost_of_a_part(litellm: Any, cases: CaseServer, events: Events) -> None:
    """A stream that the program leaves when all of it is there has the counts of all, and never the cost of a part."""
    packet = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in MESSAGE)
    played = cases.play([{"base64": b64encode(packet.encode()).decode(), "headers": {"content-type": EVENT_STREAM}}])
    asked = asked_of(played, "anthropic/claude-sonnet-4-5", stream=True, messages=chat(WORDS), max_tokens=99)
    stream = litellm.completion(**asked)
    for _ in range(2):
        next(stream)
    del stream
    told = only_after_collection(events).properties
    assert tokens(told) == [13, 77]
    assert "$ai_total_cost_usd" not in told


EVENT_STREAM = "text/event-stream"


@BOTH
@pytest.mark.parametrize("inputs", [1, 3, 6])
def test_embeddings_that_are_counted_one_by_one(
    inputs: int, mode: str, litellm: Any, cases: CaseServer, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vertex counts each text: the event has their sum and a cost."""

    def granted(*args: Any, **kwargs: Any) -> Any:
        return "token", "project"

    async def granted_later(*args: Any, **kwargs: Any) -> Any:
        return "token", "project"

    base = litellm.llms.vertex_ai.vertex_llm_base.VertexBase
    monkeypatch.setattr(base, "_ensure_access_token", granted)
    monkeypatch.setattr(base, "_ensure_access_token_async", granted_later)
    counts = [{"embeddings": {"values": [0.5], "statistics": {"token_count": 5, "truncated": False}}}] * inputs
    played = cases.play([{"json": {"predictions": counts}}])
    asked = {"model": "vertex_ai/text-embedding-005", "api_base": f"{played.url}/models", "vertex_project": "p"}
    asked |= {"input": ["a"] * inputs, "vertex_location": "us-central1"}
    run(litellm, FORMS["embedding"].named(mode), asked)
    told = only(events).properties
    assert told["$ai_input_tokens"] == 5 * inputs
    assert told["$ai_total_cost_usd"] > 0


def test_counts_under_other_names(litellm: Any, cases: CaseServer, events: Events) -> None:
    """A rerank of Voyage counts tokens in a place of its own, and the event has them."""
    ranked = {"object": "list", "data": [{"index": 0, "relevance_score": 0.5}], "model": "rerank-2"}
    played = cases.play([{"json": {**ranked, "usage": {"total_tokens": 31}}}])
    run(litellm, "rerank", asked_of(played, "voyage/rerank-2", query=WORDS, documents=["a", "b"]))
    told = only(events).properties
    assert 31 in (told.get("$ai_input_tokens"), told.get("$ai_total_tokens"))


def test_a_hook_of_a_deployment(litellm: Any, provider: Provider, events: Events) -> None:
    """What a hook of the program posts amid a call, itself or in a task, is no attempt; its address stays private."""
    handlers = litellm.llms.custom_httpx.http_handler

    async def post(*args: Any, **kwargs: Any) -> None:
        await handlers.AsyncHTTPHandler().post(url=f"{provider.url}/services/canary-secret/messages", json={"a": 1})

    def in_a_task(*args: Any, **kwargs: Any) -> None:
        tasks.append(asyncio.get_running_loop().create_task(post()))

    tasks: list[Any] = []
    logger = litellm.integrations.custom_logger.CustomLogger
    own = {"async_pre_call_deployment_hook": post, "log_pre_api_call": in_a_task}
    litellm.callbacks = [type("Posting", (logger,), own)()]
    run(litellm, "acompletion", FORMS["claude"].given(provider, WORDS), pause=0.3)
    told = only(events).properties
    assert len(provider.requests) >= 2
    assert "llm_attempts" not in told
    assert "canary" not in json.dumps(told)


def test_a_handler_of_the_program_that_looks_something_up(
    litellm: Any, provider: Provider, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that the program makes counts by itself, whatever it asks by LiteLLM's client."""
    client = litellm.llms.custom_httpx.http_handler.HTTPHandler()

    def completion(self: Any, *args: Any, **kwargs: Any) -> Any:
        client.post(url=f"{provider.v1}/messages", json={"model": "m", "messages": chat("look up")})
        used = litellm.Usage(prompt_tokens=17, completion_tokens=5, total_tokens=22)
        return litellm.ModelResponse(choices=[{"message": {"role": "assistant", "content": "slow"}}], usage=used)

    mine = type("Mine", (litellm.CustomLLM,), {"completion": completion})()
    monkeypatch.setattr(litellm, "custom_provider_map", [{"provider": "mine", "custom_handler": mine}])
    run(litellm, "completion", {"model": "mine/snail", "messages": chat(WORDS)})
    told = only(events).properties
    assert tokens(told) == [17, 5]
    assert provider.url not in json.dumps(told)


@pytest.mark.parametrize("stands_in", ["mock", "requestless"])
def test_programs_that_mock_their_http(
    stands_in: str, litellm: Any, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test of the program puts in the place of an HTTP response is not looked at; the call is an event."""
    httpx = importlib.import_module("httpx")
    whole = {**CLAUDE, "usage": {"input_tokens": 3, "output_tokens": 60}}
    mock = Mock(status_code=200, headers={}, text=json.dumps(whole), json=lambda: whole)
    bare = httpx.Response(200, json=whole)
    bare.raise_for_status = lambda: bare  # type: ignore[method-assign]  # without a request it cannot
    monkeypatch.setattr(httpx.Client, "send", lambda self, *args, **kwargs: mock if stands_in == "mock" else bare)
    asked = {"model": "anthropic/claude-sonnet-4-5", "api_key": "k", "messages": chat(WORDS)}
    answer = litellm.completion(**asked)
    assert answer.choices[0].message.content == "slow"
    assert tokens(only(events).properties) == [3, 60]


def test_an_answer_that_litellm_cannot_read(litellm: Any, cases: CaseServer, events: Events) -> None:
    """What was answered with 200 was paid, though LiteLLM fails at it: the failed call has the provider's counts."""
    whole = {**CHUNK, "object": "chat.completion", "usage": USED, "choices": [{"index": 0, "finish_reason": "stop"}]}
    failing(litellm, "completion", asked_of(cases.play([{"json": whole}]), "mistral/m", messages=chat(WORDS)))
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"]) == ("failed", 200)
    assert tokens(told) == [21, 22]
