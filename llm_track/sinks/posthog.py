"""The way to PostHog: the official client, and nothing else.  The only file that imports posthog."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from llm_track import properties
from llm_track._guard import attempt, logger
from llm_track.chains import parts_of
from llm_track.config import Settings
from llm_track.policies import FULL
from llm_track.records import Event
from llm_track.sinks import ai_lane
from llm_track.sinks.ai_lane import AILane
from llm_track.sizing import json_bytes

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
        lane: AILane | None = None,
        variables: bool = True,
    ) -> None:
        self._host = host
        self.client = client
        self._is_own = is_own
        """Whether the client was made by llm_track, not by the program."""
        self._lane = AILane("auto") if lane is None else lane
        """The way of large events."""
        self.exceptions = exceptions
        self._variables = variables
        """Whether the variables around an error may be sent, if the client is told to: they hold whatever content does,
        and nothing looks through them."""
        self._counts: Counter[str] = Counter() if counts is None else counts
        self._of_projects: OrderedDict[tuple[str, str | None], Any] = OrderedDict()
        """The clients of other projects that calls named, the one used last at the end."""

    def _client_for(self, event: Event) -> Any:
        return self.client if event.project is None else self._of_project(event.project)

    def largest(self, event: Event) -> int:
        """Return how many bytes of JSON an event may have, beside what the client adds here."""
        client = self._client_for(event)
        return max(self._lane.largest(client) - _added(client, event), _LEAST)

    def emit(self, event: Event, *, large: bool = False) -> bool:
        """Capture one event; false if the client did not take it."""
        client = self._client_for(event)
        _wait_for_room(client)
        capture = client.capture_ai if large else client.capture
        with _alone(variables=self._variables and (event.content is None or event.content >= FULL)):
            distinct_id, extra = _identity(event)
            if self.exceptions and event.exception is not None and not _has_grown(event.exception, event):
                extra |= _exception(client, event, distinct_id, extra)
            admitted = capture(
                event.name,
                distinct_id=distinct_id,
                properties={**event.properties, **extra},
                timestamp=event.timestamp,
                uuid=event.uuid,
                groups=dict(event.groups) or None,
                **({} if _of_flags(event.flags) is None else {"flags": event.flags}),
            )
        return admitted is not None

    def _of_project(self, project: tuple[str, str | None]) -> Any:
        """Return the client of a project; the one that was not needed for longest makes room for a new one."""
        client = self._of_projects.pop(project, None)
        if client is None:
            if len(self._of_projects) >= _MOST_PROJECTS:
                self._dismiss(self._of_projects.popitem(last=False)[1])
            key, host = project
            client = _client(key, host or self._host, self._counts, self._lane, project)
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


_LEAST = 100 * 1024
"""Bytes that an event has in any case: what a client adds is small, or nothing that can be done here would help."""


def _added(client: Any, event: Event) -> int:
    """Return how many bytes a client adds to an event."""
    added = [getattr(client, "super_properties", None), _of_flags(event.flags)]
    return sum(json_bytes(each) for each in added if isinstance(each, dict) and each)


def _of_flags(flags: Any) -> dict[str, Any] | None:
    """Return the properties that the client makes of a snapshot of flags; ``None`` for what it can make none of, such
    as a stand-in of a test: the client would not take the event."""
    return None if flags is None else attempt(lambda: dict(flags._get_event_properties()), otherwise=None)


_LAST_SECONDS = 1.0
"""How long a project whose client has to go is waited for: it may not answer, and all events wait meanwhile."""


def _has_grown(error: BaseException, event: Event) -> bool:
    """Tell whether there is more to the exception of an event by now than was looked at."""
    if event.seen is None:  # a processor of the program gave the event an exception
        return False
    parts = attempt(parts_of, error, event.traceback, otherwise=None)
    return parts is None or not parts <= event.seen


def _exception(client: Any, event: Event, distinct_id: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Capture the exception behind a failed call; return the link to it."""
    linked = {**properties.trace_link(event), **extra}
    raised = (type(event.exception), event.exception, event.traceback)
    found = client.capture_exception(
        raised, distinct_id=distinct_id, properties=linked, groups=dict(event.groups) or None
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
    return (number if isinstance(number, int) else 0) + ai_lane.waiting(client)


_OUT_OF_TIME = ("ran out of budget", "flush timed out")
"""What the client says where it could not deliver all in the time it was given."""


@contextmanager
def _unsaid(words: tuple[str, ...]) -> Iterator[None]:
    """Keep the client from logging, on this thread, what contains some words."""
    thread, log = threading.get_ident(), logging.getLogger("posthog")

    def other(record: logging.LogRecord) -> bool:
        return record.thread != thread or not any(each in record.getMessage() for each in words)

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)


def build(
    settings: Settings, counts: Counter[str] | None = None, again: Callable[[Event], None] | None = None
) -> PostHogSink | None:
    """Return a sink on the user's client, else on one made from key and host; without a key warn, return ``None``.

    What the client gave up on is added to ``counts``; a client of the user's own tells its own ``on_error``.  Events
    that a host refused because they are large go to ``again``.
    """
    variables = settings.content >= FULL and not settings.redact
    shared: dict[str, Any] = {"host": settings.host, "exceptions": settings.exceptions, "variables": variables}
    if settings.client is not None:
        return PostHogSink(settings.client, lane=AILane(settings.ai_lane), **shared)
    if not settings.api_key:
        logger.warning(
            "POSTHOG_API_KEY is not set: LLM calls work as ever, but no event is sent. Set the variable to your "
            'project key, or call llm_track.configure(api_key="phc_...") at start-up.'
        )
        return None
    counts = Counter() if counts is None else counts
    lane = AILane(settings.ai_lane, again)
    client = _client(settings.api_key, settings.host, counts, lane)
    return PostHogSink(client, is_own=True, counts=counts, lane=lane, **shared)


def _client(
    api_key: str, host: str | None, counts: Counter[str], lane: AILane, project: tuple[str, str | None] | None = None
) -> Any:
    from posthog import Posthog

    def gave_up(error: Exception, messages: list[dict[str, Any]]) -> None:
        if lost := lane.gave_up(client, project, error, messages):
            counts["lost_by_client"] += lost

    options: dict[str, Any] = {"host": host, "gzip": True, "max_queue_size": _QUEUE, "on_error": gave_up}
    client = Posthog.__new__(Posthog)
    try:
        Posthog.__init__(client, api_key, **options)
    except RuntimeError:  # the interpreter ends, and lets no thread start: each event is sent where it is emitted
        for name in ("_atexit", "join"):  # what it has registered, by version: half built, it would complain
            atexit.unregister(getattr(client, name, int))
        client = Posthog(api_key, sync_mode=True, **options)
    return client


@contextmanager
def _alone(*, variables: bool) -> Iterator[None]:
    """Keep posthog's contexts from adding to an event: what they say of it is in the event, as far as it may leave.

    What they say of the variables that errors are sent with still holds, unless none may leave.
    """
    from posthog import contexts

    if variables and not (
        contexts.get_tags() or contexts.get_context_distinct_id() or contexts.get_context_session_id()
    ):
        yield
        return
    said = {name: getattr(contexts, f"get_{name}_context", lambda: None)() for name in _OF_VARIABLES}
    if not variables:
        said["capture_exception_code_variables"] = False
    with contexts.new_context(fresh=True, capture_exceptions=False):
        for name, value in said.items():
            if value is not None:
                getattr(contexts, f"set_{name}_context")(value)
        yield


_OF_VARIABLES = (
    "capture_exception_code_variables",
    "code_variables_mask_patterns",
    "code_variables_ignore_patterns",
    "code_variables_mask_url_credentials",
    "code_variables_detect_secrets",
)


def _identity(event: Event) -> tuple[str, dict[str, Any]]:
    """The user that is known, else nobody: one anonymous id for the whole trace, or for all the results of a batch: of
    an event that two processes send, PostHog keeps one only if all ids agree."""
    if event.distinct_id is not None:
        return event.distinct_id, {}
    return event.batch or event.trace_id, properties.anonymity(event)
