"""A client of the official library that sends one batch at a time, and says which events of it did not arrive.

The client tells by ``on_error`` what it gave up on, and when it has nothing left by ``flush``.  So whoever gives it one
batch and waits knows of each event whether PostHog took it.  It does not try again by itself: events wait where they
can be counted and kept.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from llm_track import clock, ending, forking
from llm_track.sinks.parcels import Message, Parcel, Project
from llm_track.sizing import LARGEST_AI_EVENT, LARGEST_EVENT

BATCH = 100
"""So many events go in one request ..."""
BATCH_BYTES = 4 * 2**20
"""... of so many bytes of JSON.  The client cuts a batch at 5 MiB."""
_PATIENCE = 90.0
"""Seconds after which a client that says nothing is left alone: a request of its own takes 15 at most."""
_REQUEST = 15.0
"""Seconds that the client waits for an answer."""
_TAKEN = range(201, 300)
"""What the client takes for failures, and a host says that has taken the events: 202, 204."""
_ROOM = 4 * 1024
"""Bytes of an event beside its properties."""
_FORK = forking.ordered(threading.RLock(), rank=2)
"""Held while the client runs code that takes locks: it reads files to tell the system, imports, and fills its queue.  A
child that was made meanwhile would find them closed for ever."""


class UnsentError(Exception):
    """What became of an event that the client says nothing about: it was not sent, or nobody knows."""


class TooLargeError(Exception):
    """An event that the client would drop for its size."""

    status = 413


class Sender:
    """Sends to one project, from one thread at a time."""

    def __init__(self, project: Project) -> None:
        _quieten()
        self._project = project
        self._failed: dict[str, Exception] = {}
        self._client: Any = None
        self._process = os.getpid()
        self.seconds = _PATIENCE
        """How long a batch may take."""

    @property
    def host(self) -> str:
        """The address that the client sends to."""
        return str(getattr(self._client, "host", None))

    def prepare(self) -> None:
        """Have a client ready; where no thread starts any more, one that waits no longer for an answer than it may."""
        if self._client is None:
            with _FORK:
                self._client = _client(self._project, self._gave_up, self.seconds)

    def send(self, parcels: Sequence[tuple[Parcel, Message]]) -> dict[str, Exception]:
        """Send a batch; return what went wrong, by the uuid of the event."""
        asked = [parcel.uuid for parcel, _ in parcels]
        if os.getpid() != self._process:  # gevent's threads go on in a child
            return dict.fromkeys(asked, UnsentError("its parent sends it"))
        self.prepare()
        failed: dict[str, Exception] = {}
        self._failed, client = failed, self._client
        with nullcontext() if client.sync_mode else _FORK:
            self._give(parcels, clock.monotonic() + self.seconds)
        if not client.sync_mode:
            client.flush(timeout_seconds=self.seconds)
            if _unfinished(client):
                self.close()
                self._client = None
                return {uuid: failed.get(uuid, UnsentError("the client hangs")) for uuid in asked}
        return {uuid: failed[uuid] for uuid in asked if uuid in failed}

    def _give(self, parcels: Sequence[tuple[Parcel, Message]], until: float) -> None:
        for parcel, message in parcels:
            if parcel.size > (LARGEST_AI_EVENT if parcel.is_large else LARGEST_EVENT) + _ROOM:
                self._failed[parcel.uuid] = TooLargeError(parcel.size)  # the client would drop it, and tell nobody
                continue
            if self._client.sync_mode and clock.monotonic() > until:
                self._failed[parcel.uuid] = UnsentError("there was no time left")
                continue
            _own.raised = UnsentError("the client did not take it")
            if not _capture(self._client, message, is_large=parcel.is_large):
                self._failed[parcel.uuid] = _own.raised or UnsentError()
        _own.raised = None

    def _gave_up(self, error: Exception, messages: list[dict[str, Any]]) -> None:
        if getattr(error, "status", None) in _TAKEN:
            return
        self._failed.update({str(message.get("uuid")): error for message in messages})

    def close(self) -> None:
        """Let the client's threads end; nothing waits in it."""
        if self._client is not None:
            for consumer in getattr(self._client, "consumers", None) or ():
                consumer.pause()


def _capture(client: Any, message: Message, *, is_large: bool) -> bool:
    capture = client.capture_ai if is_large else client.capture
    return (
        capture(
            message["event"],
            distinct_id=message["distinct_id"],
            properties=message["properties"],
            timestamp=_moment(message["timestamp"]),
            uuid=message["uuid"],
            groups=message["groups"],
        )
        is not None
    )


def _moment(said: str | None) -> datetime | None:
    """Return the time of an event as an object: the oldest clients take no text."""
    return None if said is None else datetime.fromisoformat(said.replace("Z", "+00:00"))


def _unfinished(client: Any) -> bool:
    queues = (client.queue, getattr(getattr(client, "_ai_lane", None), "queue", None))
    return any(getattr(queue, "unfinished_tasks", 0) for queue in queues)


def _client(project: Project, gave_up: Any, seconds: float) -> Any:
    from posthog import Posthog  # here: an import may take for ever, and the end of the program would wait for it

    _load_what_a_request_needs()
    made: list[Any] = []
    ending.uninterrupted(lambda: made.append(_made(Posthog, project, gave_up, seconds)))
    return made[0]


def _load_what_a_request_needs() -> None:
    """Import what the first request would, on a thread of the client's that no fork waits for: a child that is made
    amid an import can never import that module."""
    import requests

    "host".encode("idna")  # for the look-up of the address
    with requests.Session() as session:
        session.prepare_request(requests.Request("POST", "http://localhost"))  # for what ~/.netrc says


def _made(kind: Any, project: Project, gave_up: Any, seconds: float) -> Any:
    options: dict[str, Any] = {
        "host": project.host,
        "gzip": True,
        "max_queue_size": 2 * BATCH,
        "max_retries": 0,
        "flush_at": BATCH,
        "flush_interval": 0.5,
        "on_error": gave_up,
        "enable_local_evaluation": False,  # a forked child would poll for flags
    }
    client = kind.__new__(kind)
    if _is_green():
        _leave_to_parent(client)
    _own.is_building = True
    try:
        client.__init__(project.key, **options)
    except RuntimeError:  # the interpreter ends, and lets no thread start: each event is sent where it is captured
        _unhook(client)
        client = kind(project.key, sync_mode=True, timeout=max(min(_REQUEST, seconds), 0.1), **options)
    finally:
        _own.is_building = False
    _unhook(client)
    return client


@lru_cache(maxsize=64)
def address(project: Project) -> Any:
    """Return what tells where a client of a project would send, and whether it has a way for large events."""
    with _FORK:
        from posthog import Posthog
        from posthog.request import determine_server_host

    return SimpleNamespace(host=determine_server_host(project.host), capture_ai=getattr(Posthog, "capture_ai", None))


def composer(project: Project, before_send: Any) -> Any:
    """Return a client that sends nothing, starts nothing and shows what it would send."""
    from posthog import Posthog

    options = {"host": project.host, "send": False, "before_send": before_send, "enable_local_evaluation": False}
    return Posthog(project.key, **options)


def _is_green() -> bool:
    """Tell whether gevent has made greenlets of threads."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _leave_to_parent(client: Any) -> None:
    """Under gevent, start no thread in a forked child, where nobody uses this client; only connections are left behind.

    To start one there is to let others run: all greenlets of the parent would, before the fork returns, and even in a
    child that is about to become another program.  Nothing that the client offers keeps it from that; decision 14.
    """
    from posthog.request import reset_sessions

    client._reinit_after_fork = reset_sessions


def _unhook(client: Any) -> None:
    """Take the client's own exit hook away: what is left is delivered by ours, which knows of it."""
    for name in ("_atexit", "join"):  # by version
        atexit.unregister(getattr(client, name, int))


class _Own(threading.local):
    """What this thread has a client do."""

    is_building = False
    raised: Exception | None = None
    """What the client has raised and caught while it was given an event."""


_own = _Own()


class _Said(logging.Filter):
    """Leaves out of the client's log, for clients that llm_track made, what llm_track says itself, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _own.is_building:
            return record.levelno >= logging.ERROR  # that there are several clients
        if _own.raised is not None and record.exc_info and isinstance(record.exc_info[1], Exception):
            _own.raised = record.exc_info[1]
            return False
        told = getattr(threading.current_thread(), "on_error", None)
        if not isinstance(getattr(told, "__self__", None), Sender):
            return True
        words = record.getMessage()
        return not any(each in words for each in ("error uploading", "lane flush ran out"))


_said = _Said()


def _quieten() -> None:
    logging.getLogger("posthog").addFilter(_said)  # adds it once
