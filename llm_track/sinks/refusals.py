"""What an answer of PostHog means for the events that it was given for.

Source: the statuses that posthog-python tells apart, and PostHog's capture API: 400 for what it cannot read, 401 for an
unknown key, 413 for what is too large.
"""

from __future__ import annotations

from typing import Literal

Meaning = Literal["later", "key", "too large", "unreadable"]

_KEY = (401, 403)
_TOO_LARGE = 413
_UNREADABLE = (400, 422)


def meaning(error: Exception) -> Meaning:
    """Return what to do about it: try again ``later``, or see to the events.

    Args:
        error: what the client gave up with; ``status`` is that of the answer, if there was one.
    """
    status = getattr(error, "status", None)
    if not isinstance(status, int):
        return "later"
    if status in _KEY:
        return "key"
    if status == _TOO_LARGE:
        return "too large"
    return "unreadable" if status in _UNREADABLE else "later"
