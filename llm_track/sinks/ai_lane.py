"""The way of events that are too large for the ordinary one: the client's lane for AI events, where the host has it.

PostHog's own hosts have it.  Of another host nobody knows before an event was sent there: one without it answers 404,
and the client tells which events that answer was for.  These are cut and sent the ordinary way.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from llm_track import config
from llm_track._guard import attempt, logger
from llm_track.masking import safe_url
from llm_track.sizing import LARGEST_AI_EVENT, LARGEST_EVENT

_HOST = "posthog.com"
ABSENT = (404, 405, 410, 501)
"""What hosts answer that do not know the address."""
_MOST_WAITING = 16
"""Large events that wait to be sent: more would fill the memory, and are cut instead."""


class AILane:
    """Says which events go that way."""

    def __init__(self, choice: config.AILane, *, tells: bool) -> None:
        self._choice = choice
        self._tells = tells
        """Whether somebody sees what a host refused.  Where nobody does, as with a client of the program's own, a guess
        about a host could lose events, and is not made."""
        self._absent: set[str] = set()
        """The hosts that have no such lane."""

    def largest(self, client: Any, waiting: int) -> int:
        """Return how many bytes of JSON an event may have that a client, or one of that class, is to send now.

        Args:
            client: has ``capture_ai`` if it knows the lane, and a ``host``.
            waiting: how many large events wait to be sent by it.
        """
        return LARGEST_AI_EVENT if waiting < _MOST_WAITING and self._is_open(client) else LARGEST_EVENT

    def _is_open(self, client: Any) -> bool:
        if self._choice == "off" or not callable(getattr(client, "capture_ai", None)):
            return False
        if self._choice == "on":
            return True
        return _has_lane(client) or (self._tells and str(client.host) not in self._absent)

    def close(self, host: str) -> None:
        """Note that a host has no such lane."""
        if host in self._absent:
            return
        self._absent.add(host)
        logger.warning(
            "%s has no way for large AI events: they are cut to 880 KiB from now on, and none is lost. "
            'llm_track.configure(ai_lane="off") says so from the start.',
            safe_url(host),
        )


def _has_lane(client: Any) -> bool:
    """Tell whether the lane is known to be there: on PostHog's own hosts, or because the program says so."""
    name = attempt(lambda: urlsplit(str(getattr(client, "host", None))).hostname, otherwise=None) or ""
    return name == _HOST or name.endswith(f".{_HOST}") or getattr(client, "enable_full_ai_capture", False) is True
