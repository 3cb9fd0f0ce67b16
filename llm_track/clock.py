"""The clock by which waits are measured.  freezegun, which stops time for a program's tests, does not stop this one."""

from __future__ import annotations

import time

_CLOCKS = (time.monotonic, time.time)  # freezegun replaces what modules hold by name, and looks into no tuple


def monotonic() -> float:
    """Return seconds that only ever grow, from a start that means nothing."""
    return _CLOCKS[0]()


def now() -> float:
    """Return seconds since 1970."""
    return _CLOCKS[1]()
