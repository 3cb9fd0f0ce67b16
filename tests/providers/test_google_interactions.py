"""The Interactions API of google-genai, the real SDK: background runs, continuations, tools, other requests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from conformance.server import CaseServer

from llm_track.testing import Events

from .calls import BOTH

KEY = "AIzaCanary7Qx2Lm9Zt4Rw8sVbK1nD3fG5"
SDK = "google.genai"
pytestmark = pytest.mark.filterwarnings("ignore")
USED = {"total_input_tokens": 11, "total_output_tokens": 7, "total_thought_tokens": 4, "total_tokens": 22}
SAID = {"type": "model_output", "content": [{"type": "text", "text": "slow snails"}]}


@pytest.fixture(scope="module")
def sdk(sdk: Any) -> Any:
    """The SDK, if it is new enough."""
    if not hasattr(sdk.Client, "interactions"):
        pytest.skip("this version knows no interactions")
    return sdk


def interaction(name: str, status: str = "completed", *steps: Any, **more: Any) -> dict[str, Any]:
    """Return an interaction."""
    used = {"usage": USED} if status not in ("in_progress", "queued") else {}
    dates = {"created": "2026-09-26T10:00:00Z", "updated": "2026-09-26T10:00:01Z"}
    return {
        "id": name,
        "object": "interaction",
        "model": "gemini-2.5-flash",
        "status": status,
        **dates,
        **used,
        **more,
    } | ({"steps": list(steps)} if steps else {"steps": []})


def asking(sdk: Any, server: CaseServer, mode: str, *answers: Any, **options: Any) -> Any:
    """Return a function that calls a method of the interactions of one client."""
    run = server.play(list(answers))
    client = sdk.Client(api_key=KEY, http_options={"base_url": run.url}, **options)

    async def ask(name: str, *args: Any, **kwargs: Any) -> Any:
        owner = (client.aio if mode == "async" else client).interactions
        answer = getattr(owner, name)(*args, **kwargs)
        answer = await answer if mode == "async" else answer
        if not kwargs.get("stream"):
            return answer
        return [event async for event in answer] if mode == "async" else list(answer)

    return ask


@BOTH
def test_a_background_run_is_told_once(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A run is a span when it is accepted and one generation when it is fetched done, with what was asked; polls
    are nothing, and fetching it again is a span."""
    pending, done = (
        {"json": interaction("v1_bg" + mode, "in_progress")},
        {"json": interaction("v1_bg" + mode, "completed", SAID)},
    )
    ask = asking(sdk, server, mode, pending, pending, done, done)

    async def run() -> None:
        await ask("create", model="gemini-2.5-flash", input="how do snails live", background=True)
        for _ in range(3):
            await ask("get", "v1_bg" + mode)

    asyncio.run(run())
    found = events.settle()
    assert [event.name for event in found] == ["$ai_span", "$ai_generation", "$ai_span"]
    told = found[1].properties
    assert told["$ai_input"] == [{"role": "user", "content": "how do snails live"}]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow snails"}]
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"], told["$ai_reasoning_tokens"]) == (11, 7, 4)
    assert [found[0].properties["$ai_span_name"], found[2].properties["$ai_span_name"]] == [
        "interactions", "interactions.retrieve",
    ]  # fmt: skip


@BOTH
def test_fetching_what_was_told(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """An interaction that somebody waited for is one generation; fetching it later is a span."""
    done = {"json": interaction("v1_fg" + mode, "completed", SAID)}
    ask = asking(sdk, server, mode, done, done)

    async def run() -> None:
        await ask("create", model="gemini-2.5-flash", input="how")
        await ask("get", "v1_fg" + mode)

    asyncio.run(run())
    assert [event.name for event in events.settle()] == ["$ai_generation", "$ai_span"]


@BOTH
def test_a_run_that_another_process_asked_for(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A run that is seen unfinished, and then done, is a generation here too."""
    name = "v1_other" + mode
    ask = asking(
        sdk, server, mode, {"json": interaction(name, "queued")}, {"json": interaction(name, "completed", SAID)}
    )

    async def run() -> None:
        for _ in range(2):
            await ask("get", name)

    asyncio.run(run())
    (event,) = events.settle()
    assert (event.name, event.properties["$ai_model"]) == ("$ai_generation", "gemini-2.5-flash")


@BOTH
def test_a_background_run_that_is_streamed(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A run whose events are read to the end is one generation; fetching it later is a span."""
    name = "v1_stream" + mode
    told = [
        {"event_type": "interaction.created", "interaction": {"id": name, "status": "in_progress"}},
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "slow"}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "interaction.completed", "interaction": interaction(name, "completed")},
    ]
    ask = asking(sdk, server, mode, {"events": told}, {"json": interaction(name, "completed", SAID)})

    async def run() -> None:
        await ask("create", model="gemini-2.5-flash", input="how", background=True, stream=True)
        await ask("get", name)

    asyncio.run(run())
    first, second = events.settle()
    assert (first.name, second.name) == ("$ai_generation", "$ai_span")
    assert first.properties["$ai_output_choices"] == [{"role": "assistant", "content": "slow"}]


@BOTH
def test_functions(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A call of a function is in the output, and what it returned in the next input, with the tools."""
    call = {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"place": "Oslo"}}
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    ask = asking(
        sdk,
        server,
        mode,
        {"json": interaction("v1_f1" + mode, "requires_action", call)},
        {"json": interaction("v1_f2" + mode, "completed", SAID)},
    )
    returned = [{"type": "function_result", "call_id": "c1", "name": "weather", "result": "rain"}]

    async def run() -> None:
        await ask("create", model="gemini-2.5-flash", input="how", tools=tools)
        await ask("create", model="gemini-2.5-flash", input=returned, previous_interaction_id="v1_f1" + mode)

    asyncio.run(run())
    first, second = (event.properties for event in events.settle())
    assert first["$ai_stop_reason"] == "requires_action"
    assert first["$ai_output_choices"][0]["tool_calls"][0]["function"]["name"] == "weather"
    assert "weather" in json.dumps(first["$ai_tools"])
    assert second["$ai_input"] == [{"role": "tool", "content": "rain", "tool_call_id": "c1"}]


@BOTH
def test_each_continuation_is_a_question(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Where the SDK asks again for the rest of a long answer, each request is billed and is a generation."""
    if int(sdk.__version__.partition(".")[0]) < 3:
        pytest.skip("this version does not continue by itself")
    first = interaction("v1_c1", "requires_continuation", SAID, continuation_token="t-1")
    ask = asking(sdk, server, mode, {"json": first}, {"json": interaction("v1_c2", "completed", SAID)})
    answer = asyncio.run(ask("create", model="gemini-2.5-flash", input="how"))
    assert len(answer.steps) == 2
    found = events.settle()
    assert [event.name for event in found] == ["$ai_generation"] * 2
    assert [event.properties["$ai_stop_reason"] for event in found] == ["requires_continuation", "completed"]
    assert "t-1" not in json.dumps(found[1].properties["$ai_model_parameters"])


@BOTH
def test_what_is_no_question_is_a_step(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Cancelling is a span with its name."""
    ask = asking(sdk, server, mode, {"json": interaction("v1_1", "cancelled")})
    asyncio.run(ask("cancel", "v1_1"))
    (event,) = events.settle()
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "interactions.cancel")


@BOTH
def test_vertex(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Through Vertex it is Google's cloud that bills."""
    if int(sdk.__version__.partition(".")[0]) < 2:
        pytest.skip("this version asks the developer API only")
    ask = asking(sdk, server, mode, {"json": interaction("v1_v" + mode, "completed", SAID)}, vertexai=True)
    asyncio.run(ask("create", model="gemini-2.5-flash", input="how"))
    (event,) = events.settle()
    assert event.properties["$ai_provider"] == "google-vertex"
