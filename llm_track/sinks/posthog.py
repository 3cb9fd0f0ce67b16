"""The way to PostHog: the official client, and nothing else.  The only file that imports posthog."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from llm_track import properties
from llm_track._guard import logger
from llm_track.config import Settings
from llm_track.records import Event

_QUEUE = 100_000
"""Events that the client may hold.  Its own default of 10,000 is reached by a busy minute of an outage."""
_ROOM_SECONDS = 30.0
"""How long the worker waits for room in the client's queue before an event counts as dropped."""


class PostHogSink:
    """Gives events to a ``posthog.Posthog``, on the worker's thread."""

    def __init__(self, client: Any, *, exceptions: bool = False) -> None:
        self.client = client
        self.exceptions = exceptions

    def emit(self, event: Event) -> bool:
        """Capture one event; false if the client did not take it."""
        self._wait_for_room()
        distinct_id, extra = _identity(event)
        if self.exceptions and event.exception is not None:
            extra |= self._exception(event, distinct_id, extra)
        admitted = self.client.capture(
            event.name,
            distinct_id=distinct_id,
            properties={**event.properties, **extra},
            timestamp=event.timestamp,
            uuid=event.uuid,
            groups=dict(event.groups) or None,
        )
        return admitted is not None

    def _exception(self, event: Event, distinct_id: str, extra: dict[str, Any]) -> dict[str, Any]:
        """Capture the exception behind a failed call; return the link to it."""
        linked = {**properties.trace_link(event.trace_id), **extra}
        found = self.client.capture_exception(
            event.exception, distinct_id=distinct_id, properties=linked, groups=dict(event.groups) or None
        )
        return {"$exception_event_id": str(found)} if found is not None else {}

    def _wait_for_room(self) -> None:
        """Wait while the client's queue is full: it would drop the event, and no caller waits for this thread."""
        full = getattr(getattr(self.client, "queue", None), "full", None)
        until = time.monotonic() + _ROOM_SECONDS
        while callable(full) and full() is True and time.monotonic() < until:
            time.sleep(0.01)

    def waiting(self) -> int:
        """Return how many events the client has yet to send, as far as it tells."""
        count = getattr(getattr(self.client, "queue", None), "qsize", None)
        number = count() if callable(count) else 0
        return number if isinstance(number, int) else 0

    def flush(self, timeout: float) -> None:
        """Have the client deliver its queue, in at most ``timeout`` seconds."""
        self.client.flush(timeout_seconds=timeout)


def build(settings: Settings, counts: Counter[str] | None = None) -> PostHogSink | None:
    """Return a sink on the user's client, else on one made from key and host; without a key warn, return ``None``.

    What the client gave up on is added to ``counts``; a client of the user's own tells its own ``on_error``.
    """
    if settings.client is not None:
        return PostHogSink(settings.client, exceptions=settings.exceptions)
    if not settings.api_key:
        logger.warning(
            "POSTHOG_API_KEY is not set: LLM calls work as ever, but no event is sent. Set the variable to your "
            'project key, or call llm_track.configure(api_key="phc_...") at start-up.'
        )
        return None
    return PostHogSink(
        _client(settings.api_key, settings.host, Counter() if counts is None else counts),
        exceptions=settings.exceptions,
    )


def _client(api_key: str, host: str | None, counts: Counter[str]) -> Any:
    from posthog import Posthog

    options: dict[str, Any] = {"host": host, "gzip": True, "max_queue_size": _QUEUE}
    options["on_error"] = lambda error, events: counts.update(lost_by_client=len(events))
    try:
        return Posthog(api_key, **options)
    except RuntimeError:  # no thread can start once the interpreter ends: then each event is sent where it is emitted
        return Posthog(api_key, sync_mode=True, **options)


def _identity(event: Event) -> tuple[str, dict[str, Any]]:
    """The caller's user, else the user of posthog's own context, else nobody: one anonymous id for the whole trace."""
    if event.distinct_id is not None:
        return event.distinct_id, {}
    from posthog.contexts import get_context_distinct_id

    known = get_context_distinct_id()
    return (str(known), {}) if known else (event.trace_id, properties.anonymity(event))
