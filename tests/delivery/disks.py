"""Scenarios of what becomes of spools: files that are damaged, disks that are full."""

from __future__ import annotations

from tests.delivery import faulty
from tests.delivery.verdicts import Scenario

_SHORT = 2.0
"""How long the end of a program may be held up where nobody will ever answer."""

DISKS = [
    *(
        Scenario(
            f"{words} beside a good one, {heirs[0]}",
            "a damaged file keeps nobody from sending the good ones, and nothing of it is sent twice",
            "killed",
            20,
            {"number": 20},
            fault=faulty.DOWN,
            plain=None,
            code=-9,
            heirs=heirs,
            spoils=how,
        )
        for words, how in (("a spool file of garbage", "garbage"), ("a spool file that is cut in half", "half"))
        for heirs in (("heir",), ("replay",))
    ),
    Scenario(
        "the spool's directory cannot be made",
        "events are kept in memory instead, as one warning says, and arrive",
        "orderly",
        20,
        {"number": 20},
        plain=None,
        heirs=(),
        writable=False,
        says="spool",
    ),
    Scenario(
        "the spool's directory cannot be made, PostHog down",
        "what could be kept nowhere is counted",
        "orderly",
        20,
        {"number": 20},
        fault=faulty.DOWN,
        spool="counted",
        plain=None,
        heirs=(),
        writable=False,
        exit_seconds=_SHORT,
    ),
    Scenario(
        "the disk is full from the start",
        "events are kept in memory instead, as one warning says, and arrive",
        "on_full_disk",
        20,
        {"number": 20, "first": 0, "limit": 0},
        plain=None,
        says="spool",
    ),
    Scenario(
        "the disk gets full amid an outage",
        "what is in the spool stays there, and what is not is counted",
        "on_full_disk",
        205,
        {"number": 200, "first": 5, "limit": 64 * 1024, "flush_seconds": 3.0},
        fault=faulty.DOWN,
        flushes=False,
        spool="counted",
        plain=None,
        exit_seconds=_SHORT,
    ),
    Scenario(
        "the disk gets full, PostHog is there",
        "a full disk costs nothing while PostHog takes events",
        "on_full_disk",
        205,
        {"number": 200, "first": 5, "limit": 64 * 1024},
        plain=None,
    ),
    Scenario(
        "the spool reaches its cap",
        "what a full spool does not take waits in memory, and is counted when the program ends, to the last event",
        "fills_spool",
        100,
        {"number": 100, "each": 2_000},
        fault=faulty.DOWN,
        spool="counted",
        plain=None,
        exit_seconds=_SHORT,
        settings={"LLM_TRACK_SPOOL_BYTES": "65536"},
    ),
    Scenario(
        "the spool reached its cap, PostHog is back",
        "a spool that was full takes events again when those in it are delivered",
        "fills_and_goes_on",
        120,
        {"number": 100, "each": 2_000, "more": 20},
        fault=faulty.DOWN,
        keeps="later",
        plain=None,
        settings={"LLM_TRACK_SPOOL_BYTES": "65536"},
    ),
    Scenario(
        "more events than memory may hold",
        "with a spool they arrive; without, the oldest go, and are counted, to the last one",
        "fills_outbox",
        150,
        {"number": 150, "each": 300_000},
        fault=faulty.DOWN,
        plain="counted",
        exit_seconds=60.0,
    ),
    Scenario(
        "the spool's directory is removed amid an outage",
        "a program that lives still has its events, and makes a new directory",
        "loses_spool",
        20,
        {"number": 10},
        fault=faulty.DOWN,
        plain=None,
        heirs=("heir",),
    ),
]
