"""Every form of a call, on every API of both SDKs, by both of their clients: one generation, with the right ending."""

from __future__ import annotations

import json
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import pytest

from llm_track import llm_span, track_llm
from llm_track.testing import Events, capture_events

from .clients import Clients
from .events import answer_words
from .forms import APIS, FORMS, WHOLE, AbsentError, Api, Form, Scene
from .server import CaseServer

NEWEST = {"openai": 3, "anthropic": 2}
"""The major versions that have every form."""

MATRIX = [
    pytest.param(api, form, id=f"{api.name}-{name}")
    for api in APIS.values()
    for name, form in FORMS.items()
    if api.name in form.only
]


@pytest.fixture
def scene(api: Api, clients: Clients, server: CaseServer) -> Any:
    """An API, the clients of one mode, and the server."""
    made = Scene(api, clients, server)
    yield made
    if made.run is not None:
        made.run.over.set()


def run_form(form: Form, scene: Scene) -> Events | None:
    """Return the events of a form, or ``None`` where the SDK's version lacks the method."""
    with capture_events() as events:
        try:
            scene.find(scene.client_at(scene.server.play([]).url), scene.api.path)
            scene.mode.run(form.body(scene))
        except AbsentError:
            assert int(version(scene.api.sdk).partition(".")[0]) < NEWEST[scene.api.sdk]
            return None
    return events


@pytest.mark.parametrize(("api", "form"), MATRIX)
def test_a_form_of_a_call_is_one_generation(form: Form, scene: Scene) -> None:
    """However a model is called and its answer read, there is one generation that says how it ended."""
    if form.asynchronous and not scene.mode.prefix:
        assert not hasattr(scene.client([]), "__aenter__")
        return
    events = run_form(form, scene)
    if events is None:
        return
    (event,) = events
    properties = event.properties
    assert (event.name, properties["llm_outcome"]) == ("$ai_generation", form.outcome)
    assert properties["$ai_http_status"] == form.status
    assert properties["$ai_stream"] is form.streamed
    assert properties["$ai_parent_id"] == properties["$ai_trace_id"] == event.trace_id
    assert properties["$ai_span_id"] == event.uuid
    assert properties.get("$ai_is_error", False) is (form.outcome in ("failed", "broken", "cancelled"))
    assert (properties["$ai_stop_reason"] is not None) is (form.outcome == "completed" or form.whole)
    check_text(event, form, scene.api)
    check_retries(event, scene)


def check_text(event: Any, form: Form, api: Api) -> None:
    """A whole answer has its words and its id; of an answer in part there is a part."""
    said = answer_words(event)
    if form.outcome == "completed" or form.whole:
        assert "$ai_input_tokens" in event.properties or form.streamed
        assert (said, event.properties["$ai_response_id"]) == (WHOLE, api.response_id(form.streamed))
    elif form.outcome in ("failed", "never_read"):
        assert (said, "$ai_response_id" in event.properties) == ("", False)
    else:
        assert WHOLE.startswith(said)


def check_retries(event: Any, scene: Scene) -> None:
    """The event says what the SDK told the provider: how often it had tried before."""
    told = scene.run.requests[-1]["headers"].get("x-stainless-retry-count") if scene.run is not None else None
    if told is not None and event.properties["$ai_http_status"]:
        assert event.properties["llm_retry_count"] == int(told) == len(scene.run.requests) - 1


def asker(scene: Scene) -> Any:
    """Return a function, a coroutine function for an asynchronous client, that asks the model."""
    client = scene.client([scene.api.answer(False)])
    create = scene.find(client, f"{scene.api.path}.create")
    given = scene.api.arguments(False)
    if not scene.mode.prefix:
        return lambda: create(**given).model_dump()

    async def ask() -> Any:
        return (await create(**given)).model_dump()

    return ask


async def ask_in_span(scene: Scene) -> None:
    """Ask inside a block."""
    ask = asker(scene)
    with llm_span("checkout", user_id="u_1"):
        await scene.mode.call(ask)


async def ask_in_tool(scene: Scene) -> None:
    """Ask inside a tool."""
    await scene.mode.call(track_llm(kind="tool", name="look_up", user_id="u_1")(asker(scene)))


async def ask_in_generation(scene: Scene) -> None:
    """Ask inside a function that is a generation itself."""
    outer = track_llm(kind="generation", provider="acme", format=scene.api.format, user_id="u_1")
    await scene.mode.call(outer(asker(scene)))


async def ask_in_tool_of_generation(scene: Scene) -> None:
    """Ask inside a tool that a generation calls."""
    tool = track_llm(kind="tool", name="look_up")(asker(scene))
    outer = track_llm(kind="generation", provider="acme", format=scene.api.format, user_id="u_1")
    await scene.mode.call(outer(tool))


NESTED = {
    ask_in_span: ["$ai_generation", "$ai_trace"],
    ask_in_tool: ["$ai_generation", "$ai_trace"],
    ask_in_generation: ["$ai_generation"],
    ask_in_tool_of_generation: ["$ai_generation", "$ai_span", "$ai_generation"],
}
"""Where a model is asked -> the events, from the innermost outwards."""


def test_usage_that_was_asked_for_is_counted_and_not_shown(clients: Clients, server: CaseServer) -> None:
    """Where OpenAI sends usage only on request, the event has it; the program did not ask, and does not see it."""
    scene = Scene(APIS["chat_with_usage"], clients, server)

    async def read() -> list[Any]:
        chunks: list[Any] = await scene.mode.items(await scene.ask(streamed=True))
        return chunks

    with capture_events() as events:
        seen = [chunk.model_dump(exclude_unset=True) for chunk in scene.mode.run(read())]
    (event,) = events
    assert scene.run is not None
    assert scene.run.requests[0]["body"]["stream_options"] == {"include_usage": True}
    scene.run.over.set()
    assert seen == APIS["chat"].answer(True)["events"]
    names = ("$ai_input_tokens", "$ai_output_tokens", "$ai_total_tokens", "$ai_cache_read_input_tokens")
    assert [event.properties[name] for name in names] == [14, 3, 17, 8]


@pytest.mark.parametrize("body", NESTED)
@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_a_nested_call_is_one_generation_in_its_place(body: Any, scene: Scene) -> None:
    """Inside a span or a tool a call is a generation of its own; inside a generation it is that generation."""
    events = run_form(Form(body), scene)
    if events is None:
        return
    assert [event.name for event in events] == NESTED[body]
    assert {event.trace_id for event in events} == {events[0].trace_id}
    assert {event.distinct_id for event in events} == {"u_1"}
    assert answer_words(events[0]) == WHOLE
    assert events[0].properties["$ai_provider"] == ("acme" if len(events) == 1 else scene.api.sdk)
    for inner, outer in pairwise(events):
        assert inner.properties["$ai_parent_id"] == outer.properties["$ai_span_id"]


def changed_answer(scene: Scene, number: int) -> dict[str, Any]:
    """Return a stream whose words begin with a number."""
    answer: dict[str, Any] = json.loads(json.dumps(scene.api.answer(True)).replace('"Lis', f'"{number} Lis'))
    return answer | {"delay": 0.02}


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_calls_at_the_same_time_do_not_mix(scene: Scene) -> None:
    """Of calls that run at once, in threads or tasks, each event has the words and the user of its own call."""
    clients = [scene.client([changed_answer(scene, number)]) for number in range(16)]

    async def ask(number: int) -> None:
        with llm_span("step", user_id=str(number)):
            await scene.mode.items(await scene.ask(clients[number], streamed=True))

    async def ask_all(scene: Scene) -> None:
        scene.find(clients[0], scene.api.path)
        await scene.mode.together(ask(number) for number in range(16))

    events = run_form(Form(ask_all), scene)
    said = [(event.distinct_id, answer_words(event)) for event in events or () if event.name == "$ai_generation"]
    assert sorted(said) == sorted((str(number), f"{number} {WHOLE}") for number in range(16) if events is not None)
