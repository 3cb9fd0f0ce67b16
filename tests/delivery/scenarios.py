"""Every scenario: a fault of the receiver, a program that ends in some way, and what is promised of its events."""

from __future__ import annotations

from tests.delivery.disks import DISKS
from tests.delivery.endings import ENDINGS, PROCESSES
from tests.delivery.loops import LOOPS
from tests.delivery.outages import ANSWERS, OUTAGES

ALL = [*ENDINGS, *PROCESSES, *OUTAGES, *ANSWERS, *DISKS, *LOOPS]
OPEN = ("os.fork while threads make events",)
"""Promised, and not always kept yet: of some fifty children one may find a lock closed.  The table shows them."""
SCENARIOS = [each for each in ALL if each.name not in OPEN]
"""What is always kept."""
