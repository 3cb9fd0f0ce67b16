"""For the tests of programs that use llm_track: look at the events instead of sending them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llm_track import _guard, worker
from llm_track.records import Event
from llm_track.sinks.memory import MemorySink


class Events(list[Event]):
    """The events of a block of code, complete once the block has ended or `settle` was called."""

    def settle(self) -> Events:
        """Wait for the events of everything that has ended by now, and return them."""
        worker.make_events(10.0)
        return self


@contextmanager
def capture_events() -> Iterator[Events]:
    """Keep the events of the block in a list; nothing is sent, and no key is needed.

    A fault inside llm_track, which production would only log, is raised at the end of the block.

    >>> with capture_events() as events:
    ...     ...  # call a model
    >>> [event.name for event in events]
    []
    """
    sink, events = MemorySink(), Events()
    sink.events = events
    worker.make_events(10.0)
    before = worker.send_to(sink)
    try:
        yield events
    finally:
        worker.make_events(10.0)
        worker.send_to(before)
    if _guard.raised_in_background:
        faults = list(_guard.raised_in_background)
        _guard.raised_in_background.clear()
        raise faults[0]
