"""The way to PostHog: the official client, and nothing else.  The only file that imports posthog."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from llm_track import properties
from llm_track._guard import logger
from llm_track.config import Settings
from llm_track.records import Event

_QUEUE = 100_000
"""Events that the client may hold.  Its own default of 10,000 is reached by a busy minute of an outage."""
_ROOM_SECONDS = 30.0
"""How long the worker waits for room in the client's queue before an event counts as dropped."""

_MOST_PROJECTS = 16
"""Clients for other projects that are kept at once; each has threads and a queue of its own."""


class PostHogSink:
    """Gives events to a ``posthog.Posthog``, on the worker's thread."""

    def __init__(
        self,
        client: Any,
        *,
        is_own: bool = False,
        host: str | None = None,
        exceptions: bool = False,
        counts: Counter[str] | None = None,
    ) -> None:
        self._host = host
        self.client = client
        self._is_own = is_own
        """Whether the client was made by llm_track, not by the program."""
        self.exceptions = exceptions
        self._counts: Counter[str] = Counter() if counts is None else counts
        self._of_projects: OrderedDict[tuple[str, str | None], Any] = OrderedDict()
        """The clients of other projects that calls named, the one used last at the end."""

    def emit(self, event: Event) -> bool:
        """Capture one event; false if the client did not take it."""
        client = self.client if event.project is None else self._of_project(event.project)
        _wait_for_room(client)
        distinct_id, extra = _identity(event)
        if self.exceptions and event.exception is not None:
            extra |= _exception(client, event, distinct_id, extra)
        admitted = client.capture(
            event.name,
            distinct_id=distinct_id,
            properties={**event.properties, **extra},
            timestamp=event.timestamp,
            uuid=event.uuid,
            groups=dict(event.groups) or None,
        )
        return admitted is not None

    def _of_project(self, project: tuple[str, str | None]) -> Any:
        """Return the client of a project; the one that was not needed for longest makes room for a new one."""
        client = self._of_projects.pop(project, None)
        if client is None:
            if len(self._of_projects) >= _MOST_PROJECTS:
                self._dismiss(self._of_projects.popitem(last=False)[1])
            key, host = project
            client = _client(key, host or self._host, self._counts)
        self._of_projects[project] = client
        return client

    def _dismiss(self, client: Any) -> None:
        """Have a client end; what its project has not taken by then is lost, and counted."""
        client.flush(timeout_seconds=_LAST_SECONDS)
        for consumer in getattr(client, "consumers", None) or ():
            consumer.pause()
        if lost := client.queue.qsize():
            self._counts["lost_by_client"] += lost
            logger.warning("llm_track lost %d events for a PostHog project of a call: it does not answer.", lost)

    def _clients(self) -> list[Any]:
        return [client for client in (self.client, *self._of_projects.values()) if client is not None]

    def waiting(self) -> int:
        """Return how many events the clients have yet to send, as far as they tell."""
        return sum(map(_waiting, self._clients()))

    def flush(self, timeout: float, *, last: bool = False) -> None:
        """Have the clients deliver their queues, in at most ``timeout`` seconds.

        Whoever asks for the ``last`` time says what is left: the clients need not say so, too, nor try once more.
        """
        left, until = timeout, time.monotonic() + timeout
        with _unsaid(_OUT_OF_TIME) if last else nullcontext():
            for client in self._clients():
                client.flush(timeout_seconds=left)
                left = max(until - time.monotonic(), 0.0)
        for client in self._clients()[0 if self._is_own else 1 :] if last else ():
            if (tries_again := getattr(client, "_atexit", None)) is not None:
                atexit.unregister(tries_again)


_LAST_SECONDS = 1.0
"""How long a project whose client has to go is waited for: it may not answer, and all events wait meanwhile."""


def _exception(client: Any, event: Event, distinct_id: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Capture the exception behind a failed call; return the link to it."""
    linked = {**properties.trace_link(event.trace_id), **extra}
    found = client.capture_exception(
        event.exception, distinct_id=distinct_id, properties=linked, groups=dict(event.groups) or None
    )
    return {"$exception_event_id": str(found)} if found is not None else {}


def _wait_for_room(client: Any) -> None:
    """Wait while a client's queue is full: it would drop the event, and no caller waits for this thread."""
    full = getattr(getattr(client, "queue", None), "full", None)
    until = time.monotonic() + _ROOM_SECONDS
    while callable(full) and full() is True and time.monotonic() < until:
        time.sleep(0.01)


def _waiting(client: Any) -> int:
    """Return how many events a client holds, those that are on their way included."""
    number = getattr(getattr(client, "queue", None), "unfinished_tasks", 0)
    return number if isinstance(number, int) else 0


_OUT_OF_TIME = "ran out of budget"
"""What the client says where it could not deliver all in the time it was given."""


@contextmanager
def _unsaid(words: str) -> Iterator[None]:
    """Keep the client from logging, on this thread, what contains some words."""
    thread, log = threading.get_ident(), logging.getLogger("posthog")

    def other(record: logging.LogRecord) -> bool:
        return record.thread != thread or words not in record.getMessage()

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)


def build(settings: Settings, counts: Counter[str] | None = None) -> PostHogSink | None:
    """Return a sink on the user's client, else on one made from key and host; without a key warn, return ``None``.

    What the client gave up on is added to ``counts``; a client of the user's own tells its own ``on_error``.
    """
    if settings.client is not None:
        return PostHogSink(settings.client, host=settings.host, exceptions=settings.exceptions)
    if not settings.api_key:
        logger.warning(
            "POSTHOG_API_KEY is not set: LLM calls work as ever, but no event is sent. Set the variable to your "
            'project key, or call llm_track.configure(api_key="phc_...") at start-up.'
        )
        return None
    counts = Counter() if counts is None else counts
    client = _client(settings.api_key, settings.host, counts)
    return PostHogSink(client, is_own=True, host=settings.host, exceptions=settings.exceptions, counts=counts)


def _client(api_key: str, host: str | None, counts: Counter[str]) -> Any:
    from posthog import Posthog

    options: dict[str, Any] = {"host": host, "gzip": True, "max_queue_size": _QUEUE}
    options["on_error"] = lambda error, events: counts.update(lost_by_client=len(events))
    return Posthog(api_key, sync_mode=not _threads_start(), **options)


def _threads_start() -> bool:
    """Tell whether the client can have its threads: none starts once the interpreter ends.  Then each event is sent
    where it is emitted; a client that was half built when a thread failed to start would complain at exit."""
    try:
        threading.Thread(target=int, daemon=True).start()
    except RuntimeError:
        return False
    return True


def _identity(event: Event) -> tuple[str, dict[str, Any]]:
    """The caller's user, else the user of posthog's own context, else nobody: one anonymous id for the whole trace."""
    if event.distinct_id is not None:
        return event.distinct_id, {}
    from posthog.contexts import get_context_distinct_id

    known = get_context_distinct_id()
    return (str(known), {}) if known else (event.trace_id, properties.anonymity(event))
