"""Streams of LiteLLM: one event each, written when the last chunk was read, or when it is clear that none will be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_track.testing import Events

from .litellm_calls import (
    FORMS,
    NO_TOKENS,
    STREAMED,
    WORDS,
    counted,
    failing,
    input_of,
    only,
    only_after_collection,
    output_of,
    run,
)
from .server import ANSWER, DELAY, PIECES, Provider

EVERY = pytest.mark.parametrize("form", STREAMED)
BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
ASKED = {"completion": {"stream_options": {"include_usage": True}}}


def arguments(form: str, provider: Provider, words: str) -> dict[str, Any]:
    """Ask for a stream, and for its usage where that has to be asked for."""
    return FORMS[form].given(provider, words, stream=True, **ASKED.get(form, {}))


@EVERY
@BOTH
def test_a_stream_is_one_event(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream that was read to its end is one completed event with the whole answer."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), arguments(form, provider, WORDS))
    event = only(events)
    told = event.properties
    assert (event.name, told["llm_outcome"], told["$ai_stream"]) == ("$ai_generation", "completed", True)
    assert (told["$ai_provider"], told["$ai_model"]) == (asked.provider, asked.model)
    assert isinstance(told["$ai_output_choices"], list)
    assert ANSWER in output_of(event)
    assert WORDS in input_of(event)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("form", ["completion", "claude", "responses"])
@BOTH
def test_counts_of_a_stream(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Where usage came over the wire the event has it, though LiteLLM takes it off the chunks, and has a cost."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), arguments(form, provider, WORDS))
    event = only(events)
    assert counted(event) == asked.tokens
    assert event.properties["$ai_total_cost_usd"] > 0


@pytest.mark.parametrize("form", ["completion", "responses"])
@BOTH
def test_a_stream_costs_what_the_whole_costs(
    form: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """The same counts make the same cost, streamed or not."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, WORDS))
    run(litellm, asked.named(mode), arguments(form, provider, WORDS))
    whole, streamed = events.settle()
    assert streamed.properties["$ai_total_cost_usd"] == pytest.approx(whole.properties["$ai_total_cost_usd"])


@pytest.mark.parametrize("form", ["completion", "text_completion", "responses"])
@BOTH
def test_an_uncounted_stream(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Without usage on the wire there are no counts and no cost, whatever LiteLLM makes up or estimates."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, f"{WORDS} uncounted", stream=True))
    event = only(events)
    assert counted(event) == NO_TOKENS
    assert "$ai_total_cost_usd" not in event.properties
    assert ANSWER in output_of(event)


@BOTH
def test_usage_that_nobody_asked_for(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A chat that did not ask for usage gets none, so that the event has none; the request is left as it was."""
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, stream=True))
    assert counted(only(events)) == NO_TOKENS
    assert "stream_options" not in provider.requests[0].body


@EVERY
@BOTH
def test_times_of_a_stream(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The first token comes after the provider's delay, and the latency goes on to the end."""
    run(litellm, FORMS[form].named(mode), arguments(form, provider, f"{WORDS} slow"))
    told = only(events).properties
    assert DELAY <= told["$ai_time_to_first_token"] <= told["$ai_latency"]


@EVERY
@BOTH
def test_a_refused_stream(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream that is refused is one failed event, like a call without a stream."""
    error = failing(litellm, FORMS[form].named(mode), arguments(form, provider, "answer 429"))
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_error_type"]) == ("failed", type(error).__name__)
    assert (told["$ai_http_status"], told["$ai_stream"]) == (429, True)


@EVERY
@BOTH
def test_an_error_amid_a_stream(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """An error that the provider sends amid a stream is one event with that error and the words before it."""
    error = failing(litellm, FORMS[form].named(mode), arguments(form, provider, "fail inside"))
    event = only(events)
    told = event.properties
    assert told["$ai_is_error"] is True
    assert told["llm_outcome"] in ("failed", "broken")
    assert told["$ai_error_type"] == type(error).__name__
    assert "cannot say" in told["$ai_error"]
    assert "fail inside" in input_of(event)
    assert PIECES[0] in output_of(event)


@EVERY
@BOTH
def test_a_dropped_connection(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream whose connection breaks is one broken event with the error that the program saw."""
    error = failing(litellm, FORMS[form].named(mode), arguments(form, provider, f"{WORDS} drop"))
    event = only(events)
    assert event.properties["llm_outcome"] == "broken"
    assert event.properties["$ai_is_error"] is True
    assert event.properties["$ai_error_type"] == type(error).__name__
    assert WORDS in input_of(event)


@EVERY
def test_a_stream_left_early(form: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream whose first chunk the program read before it let go is one event, closed early."""
    stream = getattr(litellm, FORMS[form].function)(**arguments(form, provider, f"{WORDS} linger"))
    next(stream)
    del stream
    event = only_after_collection(events)
    assert event.properties["llm_outcome"] == "closed_early"
    assert "$ai_is_error" not in event.properties
    assert WORDS in input_of(event)


@EVERY
def test_an_async_stream_left_early(form: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream left within an event loop is one event, closed early."""

    async def leave() -> None:
        stream = await getattr(litellm, f"a{FORMS[form].function}")(**arguments(form, provider, f"{WORDS} linger"))
        async for _ in stream:
            break

    asyncio.run(leave())
    assert only_after_collection(events).properties["llm_outcome"] == "closed_early"


@EVERY
@BOTH
def test_a_stream_never_read(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream that nobody pulls from is one event, never read."""
    function = getattr(litellm, FORMS[form].named(mode))

    async def ask() -> None:
        await function(**arguments(form, provider, WORDS))

    if mode == "async":
        asyncio.run(ask())
    else:
        function(**arguments(form, provider, WORDS))
    event = only_after_collection(events)
    assert event.properties["llm_outcome"] == "never_read"
    assert WORDS in input_of(event)


@EVERY
def test_a_reader_is_cancelled(form: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A task that is cancelled while it waits for a stream is one event, cancelled."""

    async def read() -> None:
        stream = await getattr(litellm, f"a{FORMS[form].function}")(**arguments(form, provider, f"{WORDS} slow"))
        async for _ in stream:
            pass

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(), DELAY / 3)

    asyncio.run(give_up())
    assert only(events).properties["llm_outcome"] == "cancelled"
