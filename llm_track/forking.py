"""Locks that a fork waits for: a child made while another thread holds one would inherit it closed, for ever.

They are taken in the order of their ranks, in which every thread takes them.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

_SECONDS, _SECONDS_AGAIN = 5.0, 0.2
"""How long a fork waits for one of them; and after it waited in vain, until that lock is free at a fork once."""


class _Watched:
    """A lock that is looked for at every fork; weak, as files come and go."""

    def __init__(self, lock: Any, rank: int) -> None:
        self._lock = lock
        self.rank = rank
        self._seconds = _SECONDS

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def acquire(self) -> bool:
        """Take the lock, if it is free in time."""
        is_taken = bool(self._lock.acquire(timeout=self._seconds))
        self._seconds = _SECONDS if is_taken else _SECONDS_AGAIN
        return is_taken

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()

    def renew(self) -> None:
        """In a child: nobody holds it."""
        self._lock, self._seconds = threading.RLock(), _SECONDS


_watched: WeakSet[_Watched] = WeakSet()
_this = threading.local()
"""What the forking thread holds."""
_listing = threading.Lock()


def ordered(lock: Any, rank: int = 1) -> _Watched:
    """Have every fork wait for a re-entrant lock, those of lower ranks first."""
    watched = _Watched(lock, rank)
    with _listing:
        _watched.add(watched)
    return watched


def _before() -> None:
    _this.held = []
    seen: set[int] = set()
    while found := _unseen(seen):  # whoever held one of them may have made another
        _this.held += [each for each in found if each.acquire()]


def _unseen(seen: set[int]) -> list[_Watched]:
    with _listing:
        found = sorted((each for each in _watched if id(each) not in seen), key=lambda each: each.rank)
    seen.update(map(id, found))
    return found


def _in_parent() -> None:
    while _this.held:
        _this.held.pop().release()


def _in_child() -> None:
    global _listing
    _this.held = []
    _listing = threading.Lock()
    for each in list(_watched):
        each.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
