"""A program sees the same with llm_track as without it, whether it is patched before or after the SDKs are imported."""

from __future__ import annotations

from typing import Any

import pytest
from launching import programs
from observe import ABSENT_EXIT, clean

Outcomes = dict[str, dict[str, Any]]
NO_KEY = "POSTHOG_API_KEY is not set"
FAULTS = ("llm_track could not ", "which llm_track hooks")
ASKING = [name for name in programs() if name.startswith("usage.") and "raw" not in name and "refuse" not in name]


def without_own_lines(stderr: str, *, faulty: bool) -> tuple[list[str], int, int]:
    """What the program itself wrote, how often the missing key was mentioned, and how many faults were logged."""
    lines = stderr.splitlines()
    no_key = [line for line in lines if line.startswith(NO_KEY)]
    faults = [line for line in lines if faulty and any(mark in line for mark in FAULTS)]
    return [line for line in lines if line not in no_key and line not in faults], len(no_key), len(faults)


@pytest.mark.parametrize("variant", ["first", "after"])
@pytest.mark.parametrize("name", programs())
def test_a_program_sees_the_same(name: str, variant: str, outcomes: Outcomes) -> None:
    """The output of each program, as its own docstring says, does not tell whether llm_track is there."""
    plain, patched = outcomes["plain"][name], outcomes[variant][name]
    assert patched["stdout"].splitlines() == plain["stdout"].splitlines()
    said, no_key, faults = without_own_lines(patched["stderr"], faulty=patched["faulty"])
    assert clean("\n".join(said)) == clean("\n".join(plain["stderr"].splitlines()))
    assert patched["exit"] == plain["exit"]
    if plain["exit"] == ABSENT_EXIT:
        pytest.skip("the installed version has no such thing")
    assert plain["exit"] == 0
    assert bool(faults) is patched["faulty"]
    assert no_key == patched["keyless"]
    assert bool(patched["stats"].get("dropped_no_key")) is bool(patched["keyless"])


@pytest.mark.parametrize("variant", ["first", "after"])
@pytest.mark.parametrize("name", ASKING)
def test_the_event_has_the_tokens_that_the_program_does_not_see(name: str, variant: str, outcomes: Outcomes) -> None:
    """Where usage was asked for on the program's behalf, it is on the event."""
    events = outcomes[variant][name]["events"]
    counts = {(event.get("$ai_input_tokens"), event.get("$ai_output_tokens")) for event in events}
    assert events
    assert counts <= ({(11, 5), (None, None)} if "asked" in name else {(11, 5)})
    assert (11, 5) in counts


def test_every_program_says_what_it_proves() -> None:
    """A program is a sentence and its proof, and there are enough of them."""
    sentences = list(programs().values())
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)
    assert len(set(sentences)) == len(sentences)
    assert len(sentences) >= 60
