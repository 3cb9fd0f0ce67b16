"""The sink that keeps its events."""

from __future__ import annotations

from llm_track.records import Event
from llm_track.sinks.memory import MemorySink


def test_events_are_kept_in_order():
    """Every event is taken and kept, in the order in which it came."""
    sink = MemorySink()
    events = [
        Event(name="$ai_span", uuid=str(number), trace_id="t", distinct_id=None, properties={}) for number in range(3)
    ]
    assert all(sink.emit(event) for event in events)
    sink.flush(0.0)
    assert sink.events == events
