"""What `llm_span` records, and how it behaves as a context manager and as a decorator."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from freezegun import freeze_time

import llm_track
from llm_track import llm_span, steps
from llm_track.testing import capture_events


def test_a_span_says_when_it_ended_and_what_it_gave():
    """The event carries the end of the block as its time, its output, and metadata for this span alone."""
    with freeze_time("2026-03-01 12:00:00"), capture_events() as events:
        with llm_span("outer"), llm_span("checkout") as span:
            span.set(input={"cart": [1, 2]}, output="paid", metadata={"attempt": 2})
    inner, outer = events
    assert inner.timestamp == datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
    assert inner.properties["$ai_input_state"] == {"cart": [1, 2]}
    assert inner.properties["$ai_output_state"] == "paid"
    assert inner.properties["attempt"] == 2
    assert "attempt" not in outer.properties
    assert inner.properties["$ai_latency"] >= 0


def test_what_is_set_is_what_it_was_at_that_moment():
    """Changing a value after `set` does not change the event."""
    cart = {"items": [1]}
    with capture_events() as events, llm_span("checkout") as span:
        span.set(output=cart)
        cart["items"].append(2)
    assert events[0].properties["$ai_output_state"] == {"items": [1]}


def test_an_exception_passes_and_is_on_the_event():
    """The exception leaves the block untouched; the event has its class, text, stack and outcome."""
    error = ValueError("no such cart")
    with capture_events() as events:
        with pytest.raises(ValueError, match="no such cart") as raised, llm_span("checkout"):
            raise error
    assert raised.value is error
    properties = events[0].properties
    assert properties["$ai_is_error"] is True
    assert (properties["$ai_error"], properties["$ai_error_type"]) == ("no such cart", "ValueError")
    assert "test_spans.py" in properties["llm_stack_trace"]
    assert properties["llm_outcome"] == "failed"


def test_a_cancelled_span_is_cancelled():
    """A span left by a cancellation is named cancelled, not failed."""

    async def main():
        async with llm_span("slow"):
            await asyncio.sleep(60)

    async def cancel():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(main(), 0.01)

    with capture_events() as events:
        asyncio.run(cancel())
    assert events[0].properties["llm_outcome"] == "cancelled"


def test_as_a_decorator_each_call_is_a_span_of_its_own():
    """A decorated function opens a new span at every call, and keeps its kind."""

    @llm_span("job", user_id="u")
    def job(number):
        return number

    @llm_span("async job")
    async def async_job(number):
        return number

    with capture_events() as events:
        assert [job(1), job(2)] == [1, 2]
        assert asyncio.run(async_job(3)) == 3
    assert [event.properties["$ai_span_name"] for event in events] == ["job", "job", "async job"]
    assert len({event.uuid for event in events}) == 3
    assert events[0].distinct_id == "u"


def test_threads_that_begin_traces_at_once_do_not_fail_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the traces that are remembered, every thread forgets the oldest, and no more than there are too many."""
    monkeypatch.setattr(steps, "_MOST_BEGUN", 50)
    monkeypatch.setattr(steps, "_begun", OrderedDict())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            begun = pool.map(lambda n: [steps.begins(f"{n} {i}") for i in range(20_000)], range(4))
            assert all(all(each) for each in begun)
    finally:
        sys.setswitchinterval(before)
    assert len(steps._begun) == 50


def test_disabled_means_no_event_and_no_other_difference():
    """With enabled=False a span is entered, set and left, and says nothing."""
    llm_track.configure(enabled=False)
    with capture_events() as events, llm_span("quiet") as span:
        span.set(output=1)
        assert span.id is None
        assert span.trace_id is None
    assert events == []


def test_metadata_cannot_replace_what_llm_track_says():
    """Names that begin with $ai_ are ignored in metadata."""
    with capture_events() as events, llm_span("honest", metadata={"$ai_latency": -1, "$ai_lib": "other", "own": 1}):
        pass
    assert events[0].properties["$ai_lib"] == "llm_track"
    assert events[0].properties["$ai_latency"] >= 0
    assert events[0].properties["own"] == 1


def test_a_hostile_value_is_named_by_its_type():
    """Values without a JSON form do not run their own code and do not break the event."""

    class Hostile:
        def __repr__(self):
            raise RuntimeError("never run")

        __str__ = __repr__

    with capture_events() as events, llm_span("odd") as span:
        span.set(output={"value": Hostile()})
    assert events[0].properties["$ai_output_state"]["value"].endswith("Hostile>")
