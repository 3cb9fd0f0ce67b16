"""Handlers of serverless functions: what they record is delivered before they return, in bounded time."""

from __future__ import annotations

import asyncio
import inspect
import threading
from types import SimpleNamespace

import pytest
import trio

import llm_track
from llm_track import worker
from tests.sinks.receiver import Receiver


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as running:
        monkeypatch.setenv("POSTHOG_API_KEY", "phc_test")
        monkeypatch.setenv("POSTHOG_API_URL", running.url)
        yield running


def test_a_handler_delivers_before_it_returns(receiver):
    """When the handler has returned, the event is there; name, signature and result are the handler's own."""

    @llm_track.flush_after(timeout=60)
    def handler(event, context=None):
        """Handle."""
        with llm_track.llm_span("step"):
            return event + 1

    assert handler(1) == 2
    assert len(receiver.events) == 1
    assert (handler.__name__, handler.__doc__) == ("handler", "Handle.")
    assert list(inspect.signature(handler).parameters) == ["event", "context"]


def test_a_handler_that_raises_delivers_too(receiver):
    """The handler's own exception is what its caller sees."""

    @llm_track.flush_after(timeout=30)
    def handler():
        with llm_track.llm_span("step"):
            raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        handler()
    assert receiver.events[0]["properties"]["$ai_is_error"] is True


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)], ids=["asyncio", "trio"])
def test_a_coroutine_function_does_not_block_its_loop(receiver, monkeypatch, run):
    """The wait is on another thread than the loop's, under asyncio and trio."""
    seen = []
    flush = worker.flush
    monkeypatch.setattr(worker, "flush", lambda seconds: (seen.append(threading.current_thread()), flush(seconds)))

    @llm_track.flush_after(timeout=60)
    async def handler():
        with llm_track.llm_span("step"):
            return "done"

    assert inspect.iscoroutinefunction(handler)
    assert run(handler()) == "done"
    assert len(receiver.events) == 1
    assert seen != [threading.current_thread()]


def test_bare_it_waits_as_the_end_of_the_program_does(monkeypatch):
    """Without arguments the decorator waits `exit_seconds` at most."""
    waited = []
    monkeypatch.setattr(worker, "flush", waited.append)
    llm_track.configure(exit_seconds=7.0)
    llm_track.flush_after(lambda: None)()
    assert waited == [7.0]


@pytest.mark.parametrize(
    ("millis", "timeout", "seconds"), [(3_000, None, 2.5), (60_000, None, 5.0), (60_000, 9.0, 9.0), (100, 9.0, 0.0)]
)
def test_a_handler_leaves_time_to_end(monkeypatch, millis, timeout, seconds):
    """Half a second of the time that AWS Lambda's context says is left stays left."""
    waited = []
    monkeypatch.setattr(worker, "flush", waited.append)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: millis)
    llm_track.flush_after(timeout=timeout)(lambda event, context: None)({}, context)
    assert waited == [seconds]


def test_what_a_decorated_coroutine_function_does_is_delivered(receiver, monkeypatch):
    """What another decorator made a plain function of is awaited first, and its loop is not blocked."""
    seen = []
    flush = worker.flush
    monkeypatch.setattr(worker, "flush", lambda seconds: (seen.append(threading.current_thread()), flush(seconds)))

    async def inner():
        with llm_track.llm_span("step"):
            return "done"

    handler = llm_track.flush_after(timeout=60)(lambda: inner())
    assert asyncio.run(handler()) == "done"
    assert len(receiver.events) == 1
    assert threading.current_thread() not in seen
    assert len(seen) == 1


def test_a_generator_delivers_when_it_is_done(receiver):
    """A streamed response is delivered after its last part, not before its first."""

    @llm_track.flush_after(timeout=60)
    def handler():
        with llm_track.llm_span("step"):
            yield 1
        return "end"

    parts = handler()
    assert (next(parts), receiver.events) == (1, [])
    with pytest.raises(StopIteration, match="end"):
        next(parts)
    assert len(receiver.events) == 1


def test_an_argument_that_has_no_attributes_of_its_own_costs_no_event(receiver):
    """Whatever an argument raises when it is asked for the time that is left, events are delivered."""

    class Keyed(dict):
        __getattr__ = dict.__getitem__

    @llm_track.flush_after(timeout=60)
    def handler(event, context=None):
        with llm_track.llm_span("step"):
            pass

    handler(Keyed(), context=Keyed())
    assert len(receiver.events) == 1


def test_the_time_that_is_left_is_asked_of_any_argument(receiver, monkeypatch):
    """A context that is given by its name counts, too."""
    waited = []
    monkeypatch.setattr(worker, "flush", waited.append)

    @llm_track.flush_after(timeout=60)
    def handler(event, context):
        return event

    handler({}, context=SimpleNamespace(get_remaining_time_in_millis=lambda: 2_500))
    assert waited == [2.0]
