"""Scenarios of how programs, their threads and their processes end."""

from __future__ import annotations

from tests.delivery import faulty
from tests.delivery.verdicts import Scenario

_SHORT = 2.0
"""How long the end of a program may be held up where nobody will ever answer."""
_UNAVOIDABLE = "an event that the receiver has but never acknowledged is sent again, under its own uuid"

ENDINGS = [
    Scenario("orderly end", "what was made right before the end arrives", "orderly", 5, {"number": 5}),
    Scenario("sys.exit", "the exit code stays, and nothing is lost", "exits", 5, {"number": 5}, code=3),
    Scenario("uncaught exception", "a program that fails loses nothing", "raises", 5, {"number": 5}, code=1),
    Scenario(
        "os._exit after a flush",
        "what was flushed needs no exit hook, and no heir sends it again",
        "leaves",
        5,
        {"number": 5, "how": "flushes"},
    ),
    Scenario(
        "os._exit a second later, PostHog down",
        "what lies in the spool outlives a program that runs no exit hooks",
        "leaves",
        5,
        {"number": 5, "how": "pauses"},
        fault=faulty.DOWN,
        plain=None,
        alone=False,
        heirs=("heir",),
    ),
    Scenario(
        "os._exit at once, PostHog down",
        "with a spool, what was recorded is in it before the process is gone",
        "leaves",
        5,
        {"number": 5, "how": "at once"},
        fault=faulty.DOWN,
        plain=None,
        alone=False,
        heirs=("heir",),
    ),
    Scenario(
        "kill -9, PostHog down",
        "a kill that nothing announces costs no event",
        "killed",
        20,
        {"number": 20},
        fault=faulty.DOWN,
        plain=None,
        code=-9,
        heirs=("heir",),
    ),
    Scenario(
        "kill -9 while events are sent",
        f"wherever the kill strikes, nothing is lost; {_UNAVOIDABLE}",
        "killed_amid",
        100,
        {"number": 100},
        fault=faulty.always(seconds=0.2),
        plain=None,
        code=-9,
        heirs=("heir",),
        again=True,
    ),
    Scenario(
        "kill -9 with 5,000 events, PostHog down",
        "what is only on the disk, as there is no room in memory, is sent as what is in both",
        "killed",
        5_000,
        {"number": 5_000},
        fault=faulty.DOWN,
        plain=None,
        code=-9,
        heirs=("heir",),
    ),
    Scenario(
        "kill -9 with large events, PostHog down",
        "events for the lane of large ones outlive a kill as others do",
        "large_and_killed",
        3,
        {"number": 3, "size": 2_000_000},
        fault=faulty.DOWN,
        plain=None,
        code=-9,
        heirs=("heir",),
    ),
    Scenario(
        "SIGTERM without a handler, PostHog down",
        "a supervisor's signal ends the program at once, and its heir sends what it had",
        "terminated",
        20,
        {"number": 20, "after_pause": True},
        fault=faulty.DOWN,
        plain=None,
        code=-15,
        heirs=("heir",),
    ),
    Scenario(
        "SIGTERM with flush_on_sigterm",
        "what is left is delivered before the signal ends the program, which still dies by it",
        "terminated",
        20,
        {"number": 20, "after_pause": False},
        settings={"LLM_TRACK_FLUSH_ON_SIGTERM": "1"},
        code=-15,
    ),
    Scenario(
        "SIGTERM with flush_on_sigterm, PostHog down",
        "the end comes in bounded time, and what is left is counted",
        "terminated",
        20,
        {"number": 20, "after_pause": False},
        fault=faulty.DOWN,
        plain="counted",
        settings={"LLM_TRACK_FLUSH_ON_SIGTERM": "1"},
        code=-15,
        exit_seconds=_SHORT,
    ),
    Scenario(
        "SIGTERM with a handler of the program's own",
        "flush_on_sigterm leaves the program's handler alone, which ends in good order",
        "catches",
        5,
        {"number": 5},
        settings={"LLM_TRACK_FLUSH_ON_SIGTERM": "1"},
        code=5,
    ),
    Scenario("events after shutdown()", "what is made later arrives as well", "shuts_down", 10, {"number": 5}),
]


PROCESSES = [
    *(
        Scenario(
            f"multiprocessing, {method}",
            "children that leave without exit hooks lose nothing",
            "children",
            12,
            {"number": 3, "method": method, "count": 3},
            alone=False,
        )
        for method in ("fork", "spawn", "forkserver")
    ),
    Scenario(
        "multiprocessing, fork, PostHog fails all the time",
        "each child counts what it could not deliver, or leaves it to an heir",
        "children",
        12,
        {"number": 3, "method": "fork", "count": 3},
        fault=faulty.status(500),
        plain="counted",
        exit_seconds=_SHORT,
        alone=False,
    ),
    *(
        Scenario(
            f"multiprocessing, {method}, the children are terminated, PostHog down",
            "what terminated children had is sent by an heir",
            "terminates",
            6,
            {"number": 3, "method": method, "count": 2},
            fault=faulty.DOWN,
            plain=None,
            alone=False,
            heirs=("heir",),
        )
        for method in ("fork", "spawn")
    ),
    *(
        Scenario(
            f"ProcessPoolExecutor, {method}",
            "the workers of a pool lose nothing",
            "pool",
            20,
            {"number": 10, "method": method},
            alone=False,
        )
        for method in ("fork", "spawn")
    ),
    Scenario(
        "os.fork, the child flushes and leaves by os._exit",
        "parent and child each send their own, and nothing twice",
        "forks",
        10,
        {"number": 5},
        alone=False,
    ),
    Scenario(
        "os.fork while threads make events",
        "no child finds a lock closed for ever, and nothing is sent twice",
        "forks_amid_threads",
        240,
        {"number": 20, "count": 6},
        alone=False,
    ),
    Scenario(
        "prefork amid an outage",
        "what waits in the parent is the parent's; its three servers send their own",
        "prefork",
        40,
        {"number": 10, "count": 3, "ending": "flush"},
        fault=faulty.DOWN,
        alone=False,
    ),
    Scenario(
        "prefork amid an outage, the servers are killed",
        "the parent, which lives on, or a later process sends what killed children had",
        "prefork",
        40,
        {"number": 10, "count": 3, "ending": "kill"},
        fault=faulty.DOWN,
        plain=None,
        alone=False,
        heirs=("heir",),
    ),
    Scenario("8 threads", "events of many threads arrive once each", "threads", 200, {"number": 25, "count": 8}),
    Scenario("asyncio, 100 tasks", "events of many tasks arrive once each", "tasks", 100, {"count": 100}),
    Scenario(
        "4 processes share a directory",
        "no process takes what belongs to one that lives",
        "orderly",
        25,
        {"number": 25},
        processes=4,
    ),
    Scenario(
        "4 processes share a directory, PostHog fails for a while",
        "whoever sends what, nothing is lost and nothing is sent twice",
        "outage",
        25,
        {"number": 25, "seconds": 1.0},
        fault=faulty.status(500),
        processes=4,
    ),
    *(
        Scenario(
            f"3 processes are killed; {words}",
            "the files of the dead are sent by whoever comes first, once",
            "killed",
            20,
            {"number": 20},
            fault=faulty.DOWN,
            plain=None,
            code=-9,
            processes=3,
            heirs=heirs,
        )
        for words, heirs in (
            ("one heir", ("heir",)),
            ("two heirs at once", ("heir", "heir")),
            ("llm_track replay", ("replay",)),
            ("an heir and a replay at once", ("heir", "replay")),
            ("a process of another project comes first", ("stranger", "heir")),
        )
    ),
]
