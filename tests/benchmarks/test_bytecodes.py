"""What a call costs the thread that makes it, in bytecodes, may become less, and not more."""

from __future__ import annotations

from tests.benchmarks.bytecodes import added

BUDGETS = {"call": 1_900, "error": 1_450, "span": 1_000, "decorated": 1_130, "chunk": 66}
"""Bytecodes that llm_track may add to each, on every Python: 3 to 6 % above the most that one of them needs.  Whoever
needs fewer writes the new number here."""


def test_the_caller_pays_no_more_than_ever():
    """No kind of call adds more bytecodes to the caller's thread than its budget; they are as many whatever else
    the machine does."""
    more = added()
    assert {name: number for name, number in more.items() if number > BUDGETS[name]} == {}
    assert more.keys() == BUDGETS.keys()
    assert all(more.values())  # else nothing was tracked
