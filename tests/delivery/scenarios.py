"""Every scenario: a fault of the receiver, a program that ends in some way, and what is promised of its events."""

from __future__ import annotations

from tests.delivery.disks import DISKS
from tests.delivery.endings import ENDINGS, PROCESSES
from tests.delivery.loops import LOOPS
from tests.delivery.outages import ANSWERS, OUTAGES

SCENARIOS = [*ENDINGS, *PROCESSES, *OUTAGES, *ANSWERS, *DISKS, *LOOPS]
