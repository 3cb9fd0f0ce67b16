"""Scenarios on event loops that are not asyncio's own."""

from __future__ import annotations

from tests.delivery import faulty
from tests.delivery.verdicts import Scenario

LOOPS = [
    *(
        Scenario(
            f"gevent, patched {when} llm_track is imported, PostHog hangs",
            "events of greenlets arrive once each, and nothing holds up the others, nor goes on in programs they start",
            "greenlets",
            200,
            {"number": 20, "count": 10, "gevent": when},
            fault=faulty.HANGS,
            needs="gevent",
        )
        for when in ("before", "after")
    ),
    Scenario(
        "gevent, prefork amid an outage",
        "what waits in the parent is not sent by greenlets of it that go on in its servers",
        "prefork",
        40,
        {"number": 10, "count": 3, "ending": "flush", "gevent": "before"},
        fault=faulty.DOWN,
        alone=False,
        needs="gevent",
    ),
    *(
        Scenario(
            f"{name}, 20 tasks, PostHog hangs",
            "events of tasks arrive once each, and the loop turns",
            f"{name}_tasks",
            200,
            {"number": 10, "count": 20},
            fault=faulty.HANGS,
            needs=name,
        )
        for name in ("uvloop", "trio")
    ),
]
