"""The matrix can fail: a verdict sees every event too few or too many, and every number that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.delivery.faulty import Stored
from tests.delivery.outages import long_outage
from tests.delivery.scenarios import SCENARIOS
from tests.delivery.table import BEGIN, END, README
from tests.delivery.verdicts import Outcome, Scenario, wrong

SCENARIO = Scenario("two events", "they arrive", "orderly", 2, plain="counted")
ONE, TWO = (Stored(name, f"uuid of {name}", "phc_test") for name in ("one", "two"))


def outcome(*stored: Stored, **given: object) -> Outcome:
    """Return what came of a program that made two events."""
    fields = {"made": {"one", "two"}, "before": list(stored), "stored": list(stored), "codes": [0], "heirs_codes": [0]}
    return Outcome(**{**fields, **given})


def test_a_kept_promise_is_no_fault():
    """All events arrived, or the log counts those that did not."""
    assert wrong(SCENARIO, outcome(ONE, TWO)) == []
    assert wrong(SCENARIO, outcome(ONE, said_lost=1)) == []
    assert wrong(SCENARIO, outcome(ONE, TWO, spooled=True)) == []
    assert wrong(SCENARIO, outcome(ONE, TWO, before=[ONE], said_waiting=1, replayed=1, spooled=True)) == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (outcome(ONE), "1 events were lost, 0 were counted"),
        (outcome(ONE, TWO, said_lost=1), "0 events were lost, 1 were counted"),
        (outcome(ONE, said_lost=1, spooled=True), "1 events were lost, not 0"),
        (outcome(ONE, TWO, TWO), "1 events too many arrived"),
        (outcome(ONE, TWO, replace(TWO, uuid="another")), "1 events arrived under two uuids"),
        (outcome(ONE, TWO, Stored("three", "3", "phc_test")), "1 events arrived that nobody made"),
        (outcome(ONE, replace(TWO, key="phc_other")), "1 events arrived under another key"),
        (outcome(ONE, TWO, made={"one", "two", "three"}, said_lost=1), "3 events were made, not 2"),
        (outcome(ONE, TWO, codes=[1]), "the exit codes are [1], not 0"),
        (outcome(ONE, TWO, codes=[None]), "the exit codes are [None], not 0"),
        (outcome(ONE, TWO, heirs_codes=[2]), "the exit codes of the heirs are [2]"),
        (outcome(ONE, TWO, before=[ONE], spooled=True), "1 events were left when the program ended"),
        (outcome(ONE, TWO, replayed=1, spooled=True), "the replay says that it delivered 1 events, not 0"),
        (outcome(ONE, TWO, stats={7: {"admitted": 2, "delivered": 1}}), "process 7 has 2 events in and 1 out"),
        (outcome(ONE, TWO, stats={7: {"fault: OSError": 1}}), "process 7 swallowed fault: OSError"),
        (outcome(ONE, TWO, flushed=[True, False]), "flush returned [True, False], not True"),
        (outcome(ONE, TWO, readable=["file"]), "others may read file"),
        (outcome(ONE, TWO, turns=[0.1, 15.0]), "an event loop was held up for 15.0 s"),
        (outcome(ONE, stats={7: {"admitted": 1, "quarantined": 1}}), "1 events are in quarantine, not 0"),
    ],
)
def test_a_broken_promise_is_said(broken, words):
    """One sentence says what is wrong."""
    assert any(words in sentence for sentence in wrong(SCENARIO, broken))


def test_a_scenario_can_ask_for_words_and_counts():
    """What the log must say once, what must be counted, and what must be in quarantine, is looked for."""
    asks = replace(SCENARIO, says="spool", counts=("retried",), quarantines=1)
    found = wrong(asks, outcome(ONE, TWO, spooled=True, log="the spool\nthe spool\n"))
    assert [words for words in ("2 lines", "counted as retried", "in quarantine", "quarantine holds") if words in
            " ".join(found)] == ["2 lines", "counted as retried", "in quarantine", "quarantine holds"]  # fmt: skip


def test_every_scenario_has_a_name_of_its_own():
    """No scenario hides another, and each says what it proves."""
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 36
    assert all(scenario.proves and (scenario.spool or scenario.plain) for scenario in SCENARIOS)


def test_the_readme_tells_of_every_scenario():
    """The table in the README has a line for each scenario, and for no other."""
    table = README.read_text().partition(BEGIN)[2].partition(END)[0]
    told = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")}
    listed = {long_outage(30).name if each.program == "steady" else each.name for each in SCENARIOS}
    assert told - {"scenario"} == listed
