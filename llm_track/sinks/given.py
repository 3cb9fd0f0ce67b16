"""The way through a client of the program's own: it is given each event, and what becomes of it is the client's."""

from __future__ import annotations

import time
from typing import Any

from llm_track import clock
from llm_track.policies import FULL
from llm_track.records import Event
from llm_track.sinks import composing
from llm_track.sinks.ai_lane import AILane
from llm_track.sizing import json_bytes

_ROOM_SECONDS = 30.0
"""How long the worker waits for room in the client's queue before an event counts as dropped."""
_LEAST = 100 * 1024
"""Bytes that an event has in any case: what a client adds is small, or nothing that can be done here would help."""


class GivenSink:
    """Gives events to a ``posthog.Posthog`` that the program made, on the worker's thread."""

    def __init__(self, client: Any, lane: AILane, *, exceptions: bool = False, variables: bool = True) -> None:
        self.client = client
        self._lane = lane
        """The way of large events."""
        self._exceptions = exceptions
        self._variables = variables
        """Whether the variables around an error may be sent, if the client is told to: they hold whatever content does,
        and nothing looks through them."""

    def largest(self, event: Event) -> int:
        """Return how many bytes of JSON an event may have, beside what the client adds here."""
        return max(self._lane.largest(self.client, _waiting_large(self.client)) - _added(self.client, event), _LEAST)

    def emit(self, event: Event, *, large: bool = False) -> bool:
        """Capture one event; false if the client did not take it."""
        _wait_for_room(self.client)
        capture = self.client.capture_ai if large else self.client.capture
        variables = self._variables and (event.content is None or event.content >= FULL)
        with composing.alone(variables=variables):
            distinct_id, extra = composing.identity(event)
            if self._exceptions:
                extra |= composing.capture_exception(self.client, event, variables=variables)
            admitted = capture(
                event.name,
                distinct_id=distinct_id,
                properties={**event.properties, **extra},
                timestamp=event.timestamp,
                uuid=event.uuid,
                groups=dict(event.groups) or None,
                **({} if composing.of_flags(event.flags) is None else {"flags": event.flags}),
            )
        return admitted is not None

    def waiting(self) -> int:
        """Return how many events the client holds, those that are on their way included, as far as it tells."""
        return _number(getattr(self.client, "queue", None)) + _waiting_large(self.client)

    def flush(self, timeout: float) -> None:
        """Have the client deliver its queue, in at most ``timeout`` seconds."""
        self.client.flush(timeout_seconds=timeout)


def _added(client: Any, event: Event) -> int:
    """Return how many bytes a client adds to an event."""
    added = [getattr(client, "super_properties", None), composing.of_flags(event.flags)]
    return sum(json_bytes(each) for each in added if isinstance(each, dict) and each)


def _wait_for_room(client: Any) -> None:
    """Wait while a client's queue is full: it would drop the event, and no caller waits for this thread."""
    full = getattr(getattr(client, "queue", None), "full", None)
    until = clock.monotonic() + _ROOM_SECONDS
    while callable(full) and full() is True and clock.monotonic() < until:
        time.sleep(0.01)


def _waiting_large(client: Any) -> int:
    return _number(getattr(getattr(client, "_ai_lane", None), "queue", None))


def _number(waiting: Any) -> int:
    number = getattr(waiting, "unfinished_tasks", 0)
    return number if isinstance(number, int) else 0
