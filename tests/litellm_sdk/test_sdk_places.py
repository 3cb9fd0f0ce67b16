"""Who called LiteLLM, from where and beside what: names taken early, other SDKs, spans, tasks, batches, caches."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import openai
import pytest

import llm_track
from llm_track import patching
from llm_track.hooks import Hook
from llm_track.testing import Events, capture_events

from .litellm_calls import FORMS, NO_TOKENS, WORDS, calls, chat, counted, only, run
from .server import DELAY, Provider

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMS = pytest.mark.parametrize("streamed", [False, True])


def taken(litellm: Any, name: str, how: str) -> Callable[..., Any]:
    """Take a function the way that programs do."""
    if how == "from":
        found: dict[str, Callable[..., Any]] = {}
        exec(f"from litellm import {name}", found)
        return found[name]
    if how == "main":
        function: Callable[..., Any] = getattr(litellm.main, name)
        return function
    return functools.partial(getattr(litellm, name), temperature=0.5)


@pytest.mark.parametrize("how", ["from", "main", "partial"])
@pytest.mark.parametrize("form", ["completion", "embedding", "responses", "image_generation", "rerank"])
@BOTH
def test_a_function_taken_early_is_tracked(
    how: str, form: str, mode: str, litellm: Any, provider: Provider, request: Any
) -> None:
    """A function imported or bound before ``autopatch`` is tracked like any other, once."""
    asked = FORMS[form]
    if how == "main" and not hasattr(litellm.main, asked.named(mode)):
        how = "from"
    early = taken(litellm, asked.named(mode), how)
    events: Events = request.getfixturevalue("events")

    async def called() -> None:
        result = early(**asked.given(provider, WORDS))
        await result if mode == "async" else None

    asyncio.run(called())
    event = only(events)
    assert event.name == asked.event
    assert counted(event).items() >= asked.tokens.items()


def test_nothing_is_left_after_unpatch(litellm: Any, provider: Provider) -> None:
    """After ``unpatch`` no call makes an event, and every function is the one that it was."""
    before = {name: getattr(litellm, name) for name in ("completion", "acompletion", "embedding", "aresponses")}
    codes = {name: getattr(function, "__code__", None) for name, function in before.items()}
    llm_track.autopatch("litellm")
    llm_track.unpatch("litellm")
    assert {name: getattr(litellm, name) for name in before} == before
    assert {name: getattr(function, "__code__", None) for name, function in before.items()} == codes
    with capture_events() as events:
        run(litellm, "completion", FORMS["completion"].given(provider, WORDS))
    assert events == []


@BOTH
@STREAMS
def test_the_sdk_below_is_not_counted(
    mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events
) -> None:
    """LiteLLM asks through the patched openai SDK, which makes no second event."""
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, stream=streamed))
    assert only(events).properties["$ai_provider"] == "openai"


def test_the_sdk_beside_is_counted(litellm: Any, provider: Provider, events: Events) -> None:
    """The program's own calls of the openai SDK, before and after LiteLLM's, have their own events."""
    import openai

    with openai.OpenAI(base_url=provider.v1, api_key="k") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "before"}])
        run(litellm, "completion", FORMS["completion"].given(provider, WORDS))
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "after"}])
    found = events.settle()
    assert [event.properties["$ai_input"][0]["content"] for event in found] == ["before", WORDS, "after"]
    assert len(provider.requests) == 3


def test_the_sdk_amid_a_stream_is_counted(litellm: Any, provider: Provider, events: Events) -> None:
    """A call of the openai SDK between two chunks of LiteLLM's stream is an event of its own."""
    import openai

    with openai.OpenAI(base_url=provider.v1, api_key="k") as client:
        stream = litellm.completion(**FORMS["completion"].given(provider, WORDS, stream=True))
        next(stream)
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "between"}])
        list(stream)
    found = events.settle()
    assert sorted(event.properties["$ai_input"][0]["content"] for event in found) == ["between", WORDS]
    assert {event.properties["llm_outcome"] for event in found} == {"completed"}


@pytest.mark.parametrize("form", ["completion", "responses", "embedding"])
def test_a_cancelled_task(form: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A task that is given up by ``asyncio.wait_for`` is one event, cancelled."""

    async def give_up() -> None:
        call = getattr(litellm, FORMS[form].named("async"))(**FORMS[form].given(provider, f"{WORDS} slow"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, DELAY / 3)

    asyncio.run(give_up())
    assert only(events).properties["llm_outcome"] == "cancelled"


@pytest.mark.parametrize("form", ["completion", "embedding", "rerank", "moderation"])
@BOTH
def test_a_span_around(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Inside a span the event has its trace, its user and its session, and hangs under it."""
    with llm_track.llm_span("garden", user_id="u_1", session_id="s_1", metadata={"plan": "pro"}) as span:
        run(litellm, FORMS[form].named(mode), FORMS[form].given(provider, WORDS))
    call, trace = events.settle()
    assert (call.name, trace.name) == (FORMS[form].event, "$ai_trace")
    assert call.trace_id == trace.trace_id == span.trace_id
    assert call.properties["$ai_parent_id"] == span.id
    assert (call.distinct_id, call.properties["$ai_session_id"], call.properties["plan"]) == ("u_1", "s_1", "pro")


@BOTH
def test_a_tracked_function_around(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream that is read inside a tracked function belongs to that function's trace."""

    @llm_track.track_llm
    def answer() -> None:
        run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, stream=True))

    answer()
    found = events.settle()
    (call,) = (event for event in found if event.name == "$ai_generation")
    assert {event.trace_id for event in found} == {call.trace_id}
    assert len(found) == 2


def test_fifty_users_at_once(litellm: Any, provider: Provider, events: Events) -> None:
    """Fifty calls at once are fifty events, each with its own user, trace and words."""

    async def ask(number: int) -> None:
        with llm_track.llm_span("visit", user_id=f"u_{number}"):
            await litellm.acompletion(**FORMS["completion"].given(provider, f"I am u_{number}"))

    async def all_at_once() -> None:
        await asyncio.gather(*map(ask, range(50)))

    asyncio.run(all_at_once())
    found = calls(events)
    assert len(found) == 50
    assert {event.distinct_id for event in found} == {f"u_{number}" for number in range(50)}
    assert len({event.trace_id for event in found}) == len({event.uuid for event in found}) == 50
    for event in found:
        assert event.properties["$ai_input"][0]["content"] == f"I am {event.distinct_id}"


def test_a_batch_is_its_calls(litellm: Any, provider: Provider, events: Events) -> None:
    """``batch_completion`` of three is three events, each with its own words."""
    asked = FORMS["completion"].given(provider, WORDS) | {"messages": [chat("one"), chat("two"), chat("three")]}
    with llm_track.llm_span("batch", user_id="u_1"):
        litellm.batch_completion(**asked)
    found = calls(events)
    assert sorted(event.properties["$ai_input"][0]["content"] for event in found) == ["one", "three", "two"]
    assert {event.properties["llm_outcome"] for event in found} == {"completed"}


@pytest.mark.parametrize("form", ["completion", "embedding"])
@BOTH
def test_an_answer_out_of_the_cache(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The second identical call is one event that says so: no tokens were spent, nothing was paid, something saved."""
    litellm.cache = litellm.Cache()
    for _ in range(2):
        run(litellm, FORMS[form].named(mode), FORMS[form].given(provider, f"{WORDS} {form} {mode}"), pause=0.2)
    asked, cached = events.settle()
    assert len(provider.requests) == 1
    assert "llm_cache_hit" not in asked.properties
    assert cached.properties["llm_cache_hit"] is True
    assert cached.properties["$ai_total_cost_usd"] == 0
    assert cached.properties["llm_saved_cost_usd"] == pytest.approx(asked.properties["$ai_total_cost_usd"])
    assert counted(cached) == NO_TOKENS
    assert (cached.name, cached.properties["$ai_model"]) == (asked.name, asked.properties["$ai_model"])
    assert cached.properties["$ai_provider"] == asked.properties["$ai_provider"] == "openai"


@BOTH
def test_a_stream_out_of_the_cache(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream that the cache serves is one event, with the answer and without tokens and cost."""
    litellm.cache = litellm.Cache()
    more = {"stream": True, "stream_options": {"include_usage": True}}
    for _ in range(2):
        run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, mode, **more), pause=0.2)
    asked, cached = events.settle()
    assert len(provider.requests) == 1
    assert cached.properties["llm_cache_hit"] is True
    assert cached.properties["$ai_total_cost_usd"] == 0
    assert counted(cached) == NO_TOKENS
    assert cached.properties["$ai_output_choices"] == asked.properties["$ai_output_choices"]


@BOTH
def test_the_name_in_a_list_is_as_good_as_autopatch(mode: str, litellm: Any, provider: Provider) -> None:
    """With nothing but the name in a list of callbacks, the SDK beneath tells what LiteLLM does not; a call of its own
    is not tracked.  The SDK is let go of with LiteLLM."""
    litellm.success_callback = ["llm_track"]
    patching.stand_by()
    dated = FORMS["completion"].given(provider, f"{WORDS} dated", stream=True, stream_options={"include_usage": True})
    with capture_events() as events:
        try:
            run(litellm, FORMS["completion"].named(mode), dated)
            client = openai.OpenAI(base_url=provider.v1, api_key="k")
            client.chat.completions.create(model="gpt-4o-mini", messages=chat(WORDS))
            told = only(events).properties
            assert isinstance(vars(openai.OpenAI)["request"], Hook)
            llm_track.unpatch("litellm")
            assert not isinstance(vars(openai.OpenAI).get("request"), Hook)
        finally:
            llm_track.unpatch()
    assert told["$ai_model"] == "gpt-4o-mini-2024-07-18"
    assert counted(events[0]) == FORMS["completion"].tokens
    assert told["$ai_request_url"].startswith(provider.v1)
