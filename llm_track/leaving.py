"""A child of `multiprocessing` leaves without running exit hooks: it delivers by a finalizer of that module.

The worker of a pool says so, as the pool kills workers that have nothing to do; see `llm_track.pools`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from llm_track._guard import guarded

LENT = "_llm_track_lent"
"""The attribute of a process object that holds what to say it with."""
OWES, PAID = b"+", b"-"
_OWE = guarded("have a child of multiprocessing deliver before it leaves")
_delivers: list[Callable[[], None]] = []
_is_known = False


def deliver_by(deliver: Callable[[], None]) -> None:
    """Say how to deliver what is left."""
    _delivers.append(deliver)


def owe() -> None:
    """Note that this process has something to deliver, now or before it leaves."""
    global _is_known
    if not _is_known:
        with _OWE:
            _arrange()
        _is_known = True


def _arrange() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        util.Finalize(None, _leave, exitpriority=0)
        _say(OWES)


def _leave() -> None:
    for deliver in _delivers:
        deliver()
    _say(PAID)


def _say(what: bytes) -> None:
    with _OWE:
        lent: Any = vars(sys.modules["multiprocessing.process"].current_process()).get(LENT)
        if lent is not None:
            lent.send_bytes(what + str(os.getpid()).encode())


def _after_fork() -> None:
    global _is_known
    _is_known = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
