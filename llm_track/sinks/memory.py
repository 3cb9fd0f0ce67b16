"""Events kept in a list, for tests and for looking at them."""

from __future__ import annotations

from llm_track.records import Event
from llm_track.sizing import LARGEST_EVENT


class MemorySink:
    """Keeps every event in ``events``, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def largest(self, event: Event) -> int:
        """Events are as large as on PostHog's ordinary lane."""
        return LARGEST_EVENT

    def emit(self, event: Event, *, large: bool = False) -> bool:
        """Keep the event."""
        self.events.append(event)
        return True

    def flush(self, timeout: float) -> bool:
        """Do nothing: an event is here as soon as it is emitted."""
        return True

    def waiting(self) -> int:
        """Nothing waits: an event is kept at once."""
        return 0
