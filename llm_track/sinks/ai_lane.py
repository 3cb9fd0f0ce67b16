"""The way of events that are too large for the ordinary one: the client's lane for AI events, where the host has it.

PostHog's own hosts have it.  Of another host nobody knows before an event was sent there: one without it answers 404,
and the client tells which events that answer was for.  These come back, to be cut and sent the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from llm_track import config, properties
from llm_track._guard import attempt, logger
from llm_track.masking import safe_url
from llm_track.records import Event
from llm_track.sizing import LARGEST_AI_EVENT, LARGEST_EVENT, size

_HOST = "posthog.com"
_ABSENT = (404, 405, 410, 501)
"""What hosts answer that do not know the address."""
_TOO_LARGE = 413
_MOST_WAITING = 16
"""Large events that wait to be sent: more would fill the memory, and are cut instead."""


class AILane:
    """Says which events go that way, and takes back what was refused there."""

    def __init__(self, choice: config.AILane, again: Callable[[Event], None] | None = None) -> None:
        self._choice = choice
        self._again = again
        """Takes a refused event, to be cut and sent again; without it, as with a client of the program's own, which
        does not tell what was refused, a guess about a host could lose events, and is not made."""
        self._absent: set[str] = set()
        """The hosts that have no such lane."""

    def largest(self, client: Any) -> int:
        """Return how many bytes of JSON an event may have that this client is to send now."""
        return LARGEST_AI_EVENT if self._is_open(client) and waiting(client) < _MOST_WAITING else LARGEST_EVENT

    def _is_open(self, client: Any) -> bool:
        if self._choice == "off" or not callable(getattr(client, "capture_ai", None)):
            return False
        if self._choice == "on":
            return True
        return _has_lane(client) or (self._again is not None and _host(client) not in self._absent)

    def gave_up(
        self, client: Any, project: tuple[str, str | None] | None, error: Exception, messages: list[dict[str, Any]]
    ) -> int:
        """Take note of messages that the client of a project gave up on; return how many of them are lost."""
        events = self._refused(error, messages)
        if events and getattr(error, "status", None) in _ABSENT:
            self._close(client)
        for event in events:
            assert self._again is not None
            self._again(replace(event, project=project))
        return len(messages) - len(events)

    def _refused(self, error: Exception, messages: list[dict[str, Any]]) -> list[Event]:
        """Return the events that a host refused for want of such a lane, or of room on it."""
        status = getattr(error, "status", None)
        if self._again is None or status not in (*_ABSENT, _TOO_LARGE):
            return []
        return [event for event in map(_event, messages) if size(event) > LARGEST_EVENT]

    def _close(self, client: Any) -> None:
        if _host(client) in self._absent:
            return
        self._absent.add(_host(client))
        logger.warning(
            "%s has no way for large AI events: they are cut to 880 KiB from now on, and none is lost. "
            'llm_track.configure(ai_lane="off") says so from the start.',
            safe_url(_host(client)),
        )


def _host(client: Any) -> str:
    return str(getattr(client, "host", None))


def _has_lane(client: Any) -> bool:
    """Tell whether the lane is known to be there: on PostHog's own hosts, or because the program says so."""
    name = attempt(lambda: urlsplit(_host(client)).hostname, otherwise=None) or ""
    return name == _HOST or name.endswith(f".{_HOST}") or getattr(client, "enable_full_ai_capture", False) is True


def waiting(client: Any) -> int:
    """Return how many large events a client holds, as far as it tells."""
    lane = getattr(client, "_ai_lane", None)
    number = getattr(getattr(lane, "queue", None), "unfinished_tasks", 0)
    return number if isinstance(number, int) else 0


def _event(message: Mapping[str, Any]) -> Event:
    """Return the event that a client made a message of; what the client added to it is sent along."""
    said = dict(message.get("properties") or {})
    return Event(
        name=str(message.get("event")),
        uuid=str(message.get("uuid")),
        trace_id=str(said.get(properties.IDS[0])),
        distinct_id=str(message.get("distinct_id")),
        properties=said,
        timestamp=attempt(datetime.fromisoformat, str(message.get("timestamp")), otherwise=None),
    )
