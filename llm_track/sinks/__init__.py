"""Where events end.  A sink never looks for content to remove: what it is given, it may send."""

from __future__ import annotations

from typing import Protocol

from llm_track.records import Event


class Sink(Protocol):
    """Takes events on the worker's thread, inside the context of the call they describe."""

    def largest(self, event: Event) -> int:
        """Return how many bytes of JSON this event may have."""
        ...

    def emit(self, event: Event, *, large: bool = False) -> bool:
        """Take one event; return whether it was admitted.  ``large``: it needs the way of large events."""
        ...

    def flush(self, timeout: float) -> bool:
        """Deliver what was admitted, in at most ``timeout`` seconds; tell whether all of it is."""
        ...

    def waiting(self) -> int:
        """Return how many admitted events have yet to be sent."""
        ...
