"""google-genai, the real SDK, against recorded and prepared answers: one event per question, with what was said."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from conformance.gemini_truth import GENERATED, chunks, truth
from conformance.server import CaseServer
from conformance.wire_truth import COUNTS

import llm_track
from llm_track.testing import Events

from .calls import BOTH, only, shows
from .recorded import enough, recorded

genai = pytest.importorskip("google.genai", exc_type=ImportError)

SDK = "google.genai"
STREAMS = pytest.mark.parametrize("streamed", [False, True])
KEY = "AIzaCanary7Qx2Lm9Zt4Rw8sVbK1nD3fG5"
MODEL = "gemini-2.5-flash"
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore:.* is not a valid TrafficType",  # older SDKs know fewer kinds
)


def said(words: str, **more: Any) -> dict[str, Any]:
    """Return an answer, or a chunk of one."""
    candidate = {"content": {"role": "model", "parts": [{"text": words}]}, "index": 0, **more}
    used = {"promptTokenCount": 5, "candidatesTokenCount": 6, "thoughtsTokenCount": 7, "totalTokenCount": 18}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": f"{MODEL}-001", "responseId": "g-1"}


WHOLE = said("slow snails", finishReason="STOP")
CHUNKS = [said("slow "), said("snails", finishReason="STOP")]


def client(played: Any, **more: Any) -> Any:
    """Return a client of a run of the server."""
    return genai.Client(api_key=KEY, http_options={"base_url": played.url}, **more)


def answers(streamed: bool) -> list[Any]:
    return [{"events": CHUNKS}] if streamed else [{"json": WHOLE}]


def ask(made: Any, mode: str, streamed: bool = False, **more: Any) -> Any:
    """Ask a model, and read its answer to the end."""
    given = {"model": MODEL, "contents": "how do snails live", **more}
    if mode == "sync":
        if streamed:
            return list(made.models.generate_content_stream(**given))
        return made.models.generate_content(**given)

    async def asked() -> Any:
        if streamed:
            return [chunk async for chunk in await made.aio.models.generate_content_stream(**given)]
        return await made.aio.models.generate_content(**given)

    return asyncio.run(asked())


def weather(place: str) -> str:
    """Tell the weather of a place."""
    return f"rain in {place}"


weather.__annotations__ = {"place": str, "return": str}  # older SDKs cannot read types that are text


@BOTH
def test_functions_that_the_sdk_calls(mode: str, server: CaseServer, events: Events) -> None:
    """Where the SDK calls functions by itself, each question to the model is a generation, in one trace of a span."""
    call = {"functionCall": {"name": "weather", "args": {"place": "Oslo"}}}
    asks = {**WHOLE, "candidates": [{"content": {"role": "model", "parts": [call]}, "finishReason": "STOP"}]}
    made = client(server.play([{"json": asks}, {"json": WHOLE}]))
    with llm_track.llm_span("weather desk", user_id="u_1"):
        assert ask(made, mode, config={"tools": [weather]}).text == "slow snails"
    found = events.settle()
    first, second = (event for event in found if event.name == "$ai_generation")
    assert first.trace_id == second.trace_id
    assert first.distinct_id == second.distinct_id == "u_1"
    assert first.properties["$ai_output_choices"][0]["tool_calls"][0]["function"]["name"] == "weather"
    assert [one["role"] for one in second.properties["$ai_input"]] == ["user", "assistant", "tool"]
    assert "rain in Oslo" in json.dumps(second.properties["$ai_input"])
    assert "weather" in json.dumps(first.properties["$ai_tools"])


@pytest.mark.parametrize(
    ("told", "tier", "dollars"),
    [
        ({"in_header": "standard"}, "standard", None),
        ({"in_header": "flex"}, "flex", (5 * 0.3e-6 + 13 * 2.5e-6) / 2),
        ({"in_counts": {"serviceTier": "flex"}}, "flex", (5 * 0.3e-6 + 13 * 2.5e-6) / 2),
        ({"in_counts": {"trafficType": "ON_DEMAND"}}, "on_demand", None),
        ({"in_counts": {"trafficType": "ON_DEMAND_FLEX"}}, "flex", (5 * 0.3e-6 + 13 * 2.5e-6) / 2),
    ],
)
@STREAMS
@BOTH
def test_the_tier_that_served_a_call(
    streamed: bool, mode: str, told: Any, tier: str, dollars: float | None, server: CaseServer, events: Events
) -> None:
    """The tier is the one that served, as the counts or a header of the answer say; ``flex`` costs half."""
    parts = [
        {**part, "modelVersion": MODEL, "usageMetadata": part["usageMetadata"] | told.get("in_counts", {})}
        for part in (*CHUNKS, WHOLE)
    ]
    answer: dict[str, Any] = {"events": parts[:2]} if streamed else {"json": parts[2]}
    if "in_header" in told:
        answer["headers"] = {"X-Gemini-Service-Tier": told["in_header"]}
    ask(client(server.play([answer])), mode, streamed)
    sent = only(events).properties
    assert sent["$ai_service_tier"] == tier
    assert sent.get("$ai_total_cost_usd") == (None if dollars is None else pytest.approx(dollars))
    assert sent["$ai_input_tokens"] == 5


@pytest.mark.parametrize("traffic", ["ON_DEMAND_PRIORITY", "PROVISIONED_THROUGHPUT", "ON_DEMAND_OFFPEAK"])
def test_traffic_without_a_price_that_is_known(traffic: str, server: CaseServer, events: Events) -> None:
    """What was paid for in advance, or costs what nobody tells, has no cost, and none that PostHog could make."""
    answer = {**WHOLE, "usageMetadata": WHOLE["usageMetadata"] | {"trafficType": traffic}}
    ask(client(server.play([{"json": answer}])), "sync")
    sent = only(events).properties
    assert not [name for name in sent if "cost" in name or name == "$ai_input_tokens"]
    assert sent["llm_input_tokens"] == 5


@STREAMS
@BOTH
def test_a_chat(streamed: bool, mode: str, server: CaseServer, events: Events) -> None:
    """Each turn of a chat is a generation, and the second one has the first in its input."""
    made = client(server.play(answers(streamed) * 2))

    def turns() -> None:
        chat = made.chats.create(model=MODEL)
        for words in ("one", "two"):
            _ = list(chat.send_message_stream(words)) if streamed else chat.send_message(words)

    async def aturns() -> None:
        chat = made.aio.chats.create(model=MODEL)
        for words in ("one", "two"):
            if streamed:
                _ = [chunk async for chunk in await chat.send_message_stream(words)]
            else:
                await chat.send_message(words)

    turns() if mode == "sync" else asyncio.run(aturns())
    first, second = (event.properties for event in events.settle())
    assert [one["role"] for one in first["$ai_input"]] == ["user"]
    assert "slow" in json.dumps(second["$ai_input"])


@BOTH
def test_embeddings(mode: str, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding without vectors, and without counts where Google sends none."""
    vectors = {"embeddings": [{"values": [0.5, 0.25]}, {"values": [0.5, 0.75]}]}
    made, given = client(server.play([{"json": vectors}])), {"model": "gemini-embedding-001", "contents": ["a", "b"]}
    if mode == "sync":
        made.models.embed_content(**given)
    else:
        asyncio.run(made.aio.models.embed_content(**given))
    event = only(events)
    assert (event.name, event.properties["$ai_model"]) == ("$ai_embedding", "gemini-embedding-001")
    assert event.properties["$ai_input"] == ["a", "b"]
    assert "$ai_input_tokens" not in event.properties
    assert "0.25" not in json.dumps(event.properties)


def test_what_is_no_question_is_a_step(server: CaseServer, events: Events) -> None:
    """Counting tokens is a span with its name."""
    made = client(server.play([{"json": {"totalTokens": 3}}]))
    made.models.count_tokens(model=MODEL, contents="a")
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "models.countTokens")


def test_vertex(server: CaseServer, events: Events) -> None:
    """Through Vertex it is Google's cloud that bills."""
    played = server.play([{"json": WHOLE}])
    made = genai.Client(vertexai=True, api_key=KEY, http_options={"base_url": played.url})
    ask(made, "sync")
    assert only(events).properties["$ai_provider"] == "google-vertex"


def test_taken_off_again(server: CaseServer) -> None:
    """After ``unpatch()`` the SDK is as it was before."""
    methods = ("request", "request_streamed", "async_request", "async_request_streamed")
    owner = genai._api_client.BaseApiClient
    before = [vars(owner)[name] for name in methods]
    llm_track.autopatch("google.genai")
    assert all(vars(owner)[name] is not method for name, method in zip(methods, before, strict=True))
    llm_track.unpatch()
    assert all(vars(owner)[name] is method for name, method in zip(methods, before, strict=True))


RECORDED = recorded("gemini", "vertex", endpoints=GENERATED)


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 50)


@pytest.mark.parametrize("item", RECORDED)
@BOTH
def test_recorded(item: Any, mode: str, server: CaseServer, events: Events) -> None:
    """Counts, model, words and reason of the event are those of the recorded answer."""
    said, streamed = chunks(item), "stream" in item["endpoint"]
    ask(client(server.play([{"events": said} if streamed else {"json": said[0]}])), mode, streamed)
    told, right = only(events).properties, truth(said)
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told["$ai_model"], told.get("$ai_stop_reason")) == (right.model, right.stop)
    assert shows(told, right.text)
    assert all(tool in json.dumps(told["$ai_output_choices"]) for tool in right.tools)
    assert told["llm_outcome"] == "completed"
