"""A machine's clock that is set: what waits is neither lost nor held back, and no number goes below zero."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import llm_track
from llm_track import clock, worker
from llm_track.sinks.lines import Line
from tests.sinks.parcelled import PROJECT, parcel
from tests.sinks.receiver import Receiver
from tests.test_worker import names

DAY = 86_400.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def set_clock(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    """Set the clock of the machine; the one that only counts seconds goes on."""
    monkeypatch.setattr(clock, "_CLOCKS", (time.monotonic, lambda: time.time() + by))


@pytest.mark.parametrize("by", [-DAY, DAY])
def test_an_event_waits_for_others_no_longer_than_ever(monkeypatch, by):
    """An event that was made before the clock was set is sent at once: nobody knows how long it has waited."""
    line = Line(PROJECT, None)
    line.push(parcel())
    set_clock(monkeypatch, by)
    assert line.seconds_to_go(in_a_hurry=False) == 0.0


@pytest.mark.parametrize("by", [-DAY, DAY])
def test_a_pause_after_a_failure_is_as_long_as_ever(monkeypatch, by):
    """A pause that has begun ends when it would have, and so does the next one."""
    line = Line(PROJECT, None)
    line.push(parcel())
    for _ in range(4):
        line.failed(ConnectionError())
    set_clock(monkeypatch, by)
    assert 1.0 < (line.seconds_to_go(in_a_hurry=False) or 0.0) <= 4.8
    line.failed(ConnectionError())
    assert 4.8 < (line.seconds_to_go(in_a_hurry=False) or 0.0) <= 9.6


@pytest.mark.parametrize("by", [-DAY, DAY])
@pytest.mark.usefixtures("nobody_else")
def test_nothing_is_lost_when_the_clock_is_set_amid_an_outage(monkeypatch, receiver, by):
    """Events from before and after are delivered by themselves once PostHog is back; meanwhile the oldest has waited
    for no time at all, or for a day, never for less than nothing."""
    receiver.refusing["/batch/"] = 503
    llm_track.configure(api_key="phc_test", host=receiver.url)
    with llm_track.llm_span("before"):
        pass
    assert worker.make_events(30.0)
    set_clock(monkeypatch, by)
    with llm_track.llm_span("after"):
        pass
    assert worker.make_events(30.0)
    oldest = llm_track.stats()["oldest_undelivered_seconds"]
    assert 0 <= oldest < 100 if by < 0 else DAY <= oldest < DAY + 100
    receiver.refusing.clear()
    until = clock.monotonic() + 30.0
    while len(receiver.events) < 2 and clock.monotonic() < until:
        time.sleep(0.02)
    assert names(receiver) == ["after", "before"]
    assert llm_track.flush(30.0)
