"""Scenarios of receivers that are away, slow, or answer with a fault."""

from __future__ import annotations

from tests.delivery import faulty
from tests.delivery.faulty import CERTIFICATE
from tests.delivery.verdicts import Scenario

RATE = 50
"""How many events a second are made in the long outage."""
_SHORT = 2.0
"""How long the end of a program may be held up where nobody will ever answer."""
_RETRIED = ("retried",)


def long_outage(seconds: int) -> Scenario:
    """Return the scenario of a PostHog that is away for so long while events are made all the time."""
    return Scenario(
        f"down for {seconds} s at {RATE} events/s",
        "an outage that the program outlives costs nothing",
        "steady",
        seconds * RATE,
        {"seconds": seconds, "rate": RATE},
        fault=faulty.DOWN,
        exit_seconds=60.0,
    )


OUTAGES = [
    Scenario("slow, 0.5 s an answer", "slow answers are waited for", "orderly", 150, {"number": 150}, faulty.SLOW),
    Scenario(
        "down for the first 3 s",
        "what was made while nobody listened is delivered by a flush afterwards",
        "outage",
        20,
        {"number": 20, "seconds": 3.0},
        fault=faulty.DOWN,
        counts=_RETRIED,
    ),
    Scenario(
        "down for 3 s while the program ends",
        "the end of a program waits for a PostHog that comes back in time",
        "ends_in_outage",
        20,
        {"number": 20, "seconds": 3.0},
        fault=faulty.DOWN,
    ),
    Scenario(
        "down all the time",
        "the end comes in bounded time, and what is left is counted, or waits",
        "orderly",
        20,
        {"number": 20},
        fault=faulty.DOWN,
        plain="counted",
        exit_seconds=_SHORT,
    ),
    long_outage(6),
    Scenario(
        "5,000 events wait for the end of an outage",
        "what is on the disk alone and what is in memory arrive alike",
        "outage",
        5_000,
        {"number": 5_000, "seconds": 0.0},
        fault=faulty.DOWN,
        exit_seconds=60.0,
    ),
    Scenario(
        "settings change amid an outage",
        "what waits is delivered whatever is set later",
        "configures",
        20,
        {"number": 10},
        fault=faulty.DOWN,
    ),
    Scenario(
        "connections are reset for 2 s",
        "a reset is tried again",
        "outage",
        20,
        {"number": 20, "seconds": 2.0},
        fault=faulty.RESETS,
        counts=_RETRIED,
    ),
    Scenario(
        "500 for 2 s",
        "a server's fault is tried again until it is over",
        "outage",
        20,
        {"number": 20, "seconds": 2.0},
        fault=faulty.status(500),
        counts=_RETRIED,
    ),
    Scenario(
        "503 at the end",
        "what was delivered before is not counted as lost, what was made later is",
        "fails_at_exit",
        20,
        {"number": 10},
        later=faulty.status(503),
        plain="counted",
        exit_seconds=_SHORT,
    ),
    Scenario(
        "hangs",
        "a server that never answers holds up the end for a bounded time",
        "orderly",
        10,
        {"number": 10},
        fault=faulty.HANGS,
        plain="counted",
        exit_seconds=_SHORT,
    ),
    Scenario(
        "no such host",
        "a name that nobody knows is an outage as any other",
        "orderly",
        10,
        {"number": 10},
        host="http://nonexistent.invalid",
        plain="counted",
        exit_seconds=_SHORT,
    ),
    Scenario(
        "TLS",
        "over TLS nothing is different",
        "orderly",
        10,
        {"number": 10},
        secure=True,
        settings={"REQUESTS_CA_BUNDLE": str(CERTIFICATE)},
    ),
    Scenario(
        "https where plain http is spoken",
        "TLS that fails is an outage as any other",
        "orderly",
        10,
        {"number": 10},
        fault=faulty.PLAIN,
        secure=True,
        plain="counted",
        exit_seconds=_SHORT,
    ),
    Scenario(
        "a certificate that is not trusted",
        "nothing is sent to who cannot prove its name; when it can, all is",
        "orderly",
        10,
        {"number": 10},
        secure=True,
        plain="counted",
        exit_seconds=_SHORT,
    ),
]

ANSWERS = [
    *(
        Scenario(name, proves, "tries", 20, {"number": 20}, fault, counts=_RETRIED)
        for name, proves, fault in (
            ("408 twice", "a timeout that the server tells is tried again", faulty.status(408, 2)),
            ("429 with Retry-After: 1, twice", "a limit is waited for", faulty.status(429, 2, Retry_After="1")),
            ("502 with a page of HTML", "an answer that is no JSON is tried again", faulty.PAGE),
            ("the answer breaks off", "an answer of which nothing can be read is tried again", faulty.BROKEN_OFF),
        )
    ),
    Scenario(
        "429 with Retry-After: 3600 all the time",
        "nobody waits for an hour for the end of a program",
        "orderly",
        20,
        {"number": 20},
        fault=faulty.status(429, Retry_After="3600"),
        plain="counted",
        exit_seconds=_SHORT,
    ),
    Scenario(
        "429 with Retry-After: a date that is no date",
        "a header that makes no sense is not obeyed",
        "tries",
        20,
        {"number": 20},
        fault=faulty.status(429, 2, Retry_After="soon"),
        counts=_RETRIED,
    ),
    Scenario(
        "stored, then closed without an answer",
        "what may have arrived is sent again under its own uuid, which PostHog takes once",
        "tries",
        20,
        {"number": 20},
        fault=faulty.STORES_AND_CLOSES,
        again=True,
    ),
    Scenario(
        "stored, then the answer's body is cut",
        "a status is an answer, whatever becomes of the body; at most it is sent again under its own uuid",
        "tries",
        20,
        {"number": 20},
        fault=faulty.BODY_CUT,
        again=True,
    ),
    Scenario(
        "413 above 10 events",
        "a batch that is too long is split until it fits",
        "tries",
        95,
        {"number": 95},
        fault=faulty.TOO_MANY,
    ),
    Scenario(
        "413 above 100 KB",
        "a body that is too large is split, and an event that is too large alone is cut",
        "tries",
        31,
        {"number": 30, "each": 20_000, "large": 300_000},
        fault=faulty.TOO_LARGE,
    ),
    Scenario(
        "a large event, PostHog fails at first",
        "the lane of large events is tried again as the other is",
        "tries",
        6,
        {"number": 5, "large": 2_000_000},
        fault=faulty.status(503, 4),
        counts=_RETRIED,
    ),
    Scenario(
        "400 for one event among others",
        "the bad event is found and kept aside; all others arrive",
        "poisons",
        41,
        {"number": 20},
        fault=faulty.POISONED,
        quarantines=1,
        flushes=None,
    ),
    Scenario(
        "400 for everything",
        "a host that takes nothing is no PostHog: what it answers is no reason to put any event aside",
        "tries",
        30,
        {"number": 30, "flush_seconds": 3.0},
        fault=faulty.status(400),
        plain="counted",
        exit_seconds=_SHORT,
        flushes=False,
    ),
    Scenario(
        "401 all the time",
        "a key that is refused is said once, and costs no event",
        "tries",
        10,
        {"number": 10, "flush_seconds": 3.0},
        fault=faulty.status(401),
        plain="counted",
        exit_seconds=_SHORT,
        flushes=False,
        says="401",
    ),
    Scenario(
        "403 all the time",
        "a project that is refused is said once, and costs no event",
        "tries",
        10,
        {"number": 10, "flush_seconds": 3.0},
        fault=faulty.status(403),
        plain="counted",
        exit_seconds=_SHORT,
        flushes=False,
        says="403",
    ),
]
