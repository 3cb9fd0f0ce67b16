"""What a scenario promises, what came of it, and whether the promise was kept."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

from tests.delivery.faulty import HEALTHY, Fault, Stored

KEY = "phc_test"
Promise = Literal["whole", "counted"]
"""Nothing is lost; or what is lost is counted, to the last event."""
GONE = ("dropped_outbox_full", "dropped_spool_full", "lost_in_broken_spool")
LEFT = ("delivered", "waiting", "quarantined", *GONE)
DROPPED = (*GONE, "dropped_queue_full")
LONGEST_TURN = 10.0
"""Seconds that an event loop may be held up: less than those after which a client gives up on an answer, and far more
than it takes to import one."""


@dataclass(frozen=True)
class Scenario:
    """A fault of the receiver and a program that ends in some way."""

    name: str
    proves: str
    program: str
    makes: int
    """How many events a process of it makes."""
    given: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault = HEALTHY
    later: Fault = HEALTHY
    """What becomes wrong when the program asks for it."""
    spool: Promise | None = "whole"
    """What is promised with a spool, after an heir has run; ``None``: it makes no sense."""
    plain: Promise | None = "whole"
    """What is promised without."""
    processes: int = 1
    heirs: tuple[str, ...] = ("replay",)
    code: int = 0
    exit_seconds: float = 30.0
    settings: Mapping[str, str] = field(default_factory=dict)
    """More of the environment."""
    host: str | None = None
    """Where events are sent, if not to the receiver; its heirs reach the receiver as their proxy."""
    secure: bool = False
    again: bool = False
    """Whether the receiver cannot but get events twice, as nobody tells the client that it has them."""
    alone: bool = True
    """Whether one process makes all events, and says how many wait when it ends."""
    spoils: str | None = None
    """What became of a spool file of another process that was killed: ``garbage`` or ``half`` of it."""
    writable: bool = True
    """Whether the directory of the spool can be made."""
    keeps: str | None = None
    """How the names of events begin of which none is lost, whatever becomes of others."""
    quarantines: int = 0
    flushes: bool | None = True
    """What each flush of the programs returns; ``None``: nothing is promised."""
    counts: tuple[str, ...] = ()
    """Names of what `llm_track.stats` must have counted."""
    says: str | None = None
    """What one line of the program's log, and no other, must hold."""
    needs: str | None = None
    """A module without which it cannot be played."""

    @property
    def can_be_played(self) -> bool:
        """Whether what it needs is there.  In continuous integration it has to be."""
        return self.needs is None or "CI" in os.environ or find_spec(self.needs) is not None

    def own(self, spooled: bool) -> int:
        """Return how many events its heirs make themselves."""
        return len([heir for heir in self.heirs if heir != "replay"]) if spooled else 0


@dataclass
class Outcome:
    """What processes told, and what arrived."""

    spooled: bool = False
    made: set[str] = field(default_factory=set)
    of_spoiled: set[str] = field(default_factory=set)
    """Events whose spool file was damaged: they may arrive, once."""
    before: list[Stored] = field(default_factory=list)
    """What had arrived when the programs had ended, before their heirs ran."""
    stored: list[Stored] = field(default_factory=list)
    stats: dict[int, dict[str, int]] = field(default_factory=dict)
    """The last of each process."""
    flushed: list[bool] = field(default_factory=list)
    """What each flush returned."""
    turns: list[float] = field(default_factory=list)
    """How many seconds the longest turn of each event loop took."""
    codes: list[int | None] = field(default_factory=list)
    heirs_codes: list[int | None] = field(default_factory=list)
    log: str = ""
    said_lost: int = 0
    said_waiting: int = 0
    replayed: int = 0
    """How many events `llm_track replay` said it delivered."""
    quarantine: list[bytes] = field(default_factory=list)
    """What is in the files of the spool's quarantine."""
    readable: list[str] = field(default_factory=list)
    """Files of the spool that others than their owner may read."""

    def count(self, *names: str) -> int:
        """Return the sum of some counts of all processes."""
        return sum(stats.get(name, 0) for stats in self.stats.values() for name in names)

    @property
    def arrived(self) -> set[str]:
        """The names of what arrived."""
        return {event.name for event in self.stored}

    @property
    def lost(self) -> int:
        """How many events never arrived."""
        return len(self.made - self.arrived)

    @property
    def counted(self) -> int:
        """How many of them the log and `llm_track.stats` admit."""
        return self.said_lost + self.count(*DROPPED, "quarantined")

    @property
    def double(self) -> int:
        """How many more events than uuids, or uuids than names, arrived."""
        return len(self.stored) - len(self.arrived)

    @property
    def twins(self) -> int:
        """How many events arrived under a second uuid: nobody can tell that they are the same."""
        return len({event.uuid for event in self.stored}) - len(self.arrived)


def wrong(scenario: Scenario, outcome: Outcome) -> list[str]:
    """Return a sentence for every promise that was not kept."""
    return [
        sentence
        for check in (_of_making, _of_losses, _of_doubles, _of_the_end, _of_stats, _of_words, _of_files, _of_loops)
        for sentence in check(scenario, outcome)
    ]


def _of_making(scenario: Scenario, outcome: Outcome) -> list[str]:
    strangers = scenario.heirs.count("stranger") * outcome.spooled
    expected = scenario.makes * scenario.processes + scenario.own(outcome.spooled)
    found = []
    if len(outcome.made) != expected:
        found.append(f"{len(outcome.made)} events were made, not {expected}")
    if strange := outcome.arrived - outcome.made - outcome.of_spoiled:
        found.append(f"{len(strange)} events arrived that nobody made: {sorted(strange)[:3]}")
    if (foreign := sum(event.key != KEY for event in outcome.stored)) != strangers:
        found.append(f"{foreign} events arrived under another key, not {strangers}")
    return found


def _of_losses(scenario: Scenario, outcome: Outcome) -> list[str]:
    promise, found = scenario.spool if outcome.spooled else scenario.plain, []
    if outcome.lost != outcome.counted:
        found.append(f"{outcome.lost} events were lost, {outcome.counted} were counted")
    if promise == "whole" and outcome.lost != scenario.quarantines:
        found.append(f"{outcome.lost} events were lost, not {scenario.quarantines}")
    kept = [name for name in outcome.made - outcome.arrived if scenario.keeps and name.startswith(scenario.keeps)]
    if kept:
        found.append(f"{len(kept)} events were lost whose names begin with {scenario.keeps!r}")
    if outcome.count("quarantined") != scenario.quarantines:
        found.append(f"{outcome.count('quarantined')} events are in quarantine, not {scenario.quarantines}")
    return found


def _of_doubles(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = [f"{outcome.twins} events arrived under two uuids"] if outcome.twins else []
    if outcome.double and not scenario.again:
        twice = Counter(event.name for event in outcome.stored).most_common(2)
        found.append(f"{outcome.double} events too many arrived: {twice}")
    return found


def _of_the_end(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = []
    if outcome.codes != [scenario.code] * scenario.processes:
        found.append(f"the exit codes are {outcome.codes}, not {scenario.code}")
    if any(outcome.heirs_codes):
        found.append(f"the exit codes of the heirs are {outcome.heirs_codes}")
    late = len(outcome.stored) - len(outcome.before)
    if outcome.spooled and scenario.heirs == ("replay",) and outcome.replayed != late:
        found.append(f"the replay says that it delivered {outcome.replayed} events, not {late}")
    if scenario.flushes is not None and any(each is not scenario.flushes for each in outcome.flushed):
        found.append(f"flush returned {outcome.flushed}, not {scenario.flushes}")
    left = len(outcome.made) - scenario.own(outcome.spooled) - len({event.name for event in outcome.before})
    ended = scenario.code >= 0 and scenario.alone and scenario.processes == 1 and not scenario.again
    if outcome.spooled and ended and left != outcome.said_waiting + outcome.counted:
        said = f"{outcome.said_waiting} that wait and {outcome.counted} that are lost"
        found.append(f"{left} events were left when the program ended, which spoke of {said}")
    return found


def _of_stats(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = []
    for pid, stats in outcome.stats.items():
        came, left = stats.get("admitted", 0) + stats.get("adopted", 0), sum(stats.get(name, 0) for name in LEFT)
        if came != left:
            found.append(f"process {pid} has {came} events in and {left} out: {stats}")
        found += [f"process {pid} swallowed {name}" for name in stats if name.startswith("fault")]
    return found + [f"nothing was counted as {name}" for name in scenario.counts if not outcome.count(name)]


def _of_words(scenario: Scenario, outcome: Outcome) -> list[str]:
    if scenario.says is None:
        return []
    lines = [line for line in outcome.log.splitlines() if scenario.says in line]
    return [] if len(lines) == 1 else [f"{len(lines)} lines of the log say {scenario.says!r}: {outcome.log}"]


def _of_files(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = [f"others may read {name}" for name in outcome.readable]
    if outcome.spooled and sum(b"poison" in each for each in outcome.quarantine) != scenario.quarantines:
        found.append(f"the quarantine holds {outcome.quarantine}")
    return found


def _of_loops(_: Scenario, outcome: Outcome) -> list[str]:
    return [f"an event loop was held up for {each:.1f} s" for each in outcome.turns if each > LONGEST_TURN]
