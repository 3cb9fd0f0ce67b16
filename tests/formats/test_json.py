"""Reading single values that may be anything."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llm_track.formats import _json, chat_completions


@pytest.mark.parametrize(("value", "count"), [(0, 0), (7, 7), (7.0, 7), (2**63 - 1, 2**63 - 1)])
def test_whole_numbers_are_counts(value: Any, count: int) -> None:
    """A count is a whole number, however it is written."""
    result = _json.count(value)
    assert (result, type(result)) == (count, int)


@pytest.mark.parametrize(
    "value", [None, True, False, "7", -1, -1.0, 2.5, math.nan, math.inf, 2**63, 10**400, 1e300, [7], {"total": 7}]
)
def test_anything_else_is_no_count(value: Any) -> None:
    """What is no whole number, or more than was ever counted, counts nothing, not even zero."""
    assert _json.count(value) is None


@pytest.mark.parametrize(("value", "money"), [(0, 0.0), (0.25, 0.25), (3, 3.0)])
def test_numbers_are_amounts(value: Any, money: float) -> None:
    """A provider may charge nothing."""
    result = _json.amount(value)
    assert (result, type(result)) == (money, float)


@pytest.mark.parametrize("value", [None, True, "0.25", -1, math.nan, math.inf, 10**400, {"total_cost": 1}])
def test_anything_else_is_no_amount(value: Any) -> None:
    """What is no finite amount of money costs nothing that is known."""
    assert _json.amount(value) is None


def test_what_json_cannot_hold_is_named() -> None:
    """A value of the program that has no JSON form does not break the text around it."""
    assert _json.dump({"a": [1, object()]}) == '{"a":[1,"<object>"]}'


@pytest.mark.parametrize(
    ("value", "loaded"),
    [('{"a":1}', {"a": 1}), ("no json", "no json"), ({"a": 1}, {"a": 1}), ("[" * 10**5, "[" * 10**5)],
)
def test_text_that_is_no_json_stays_text(value: Any, loaded: Any) -> None:
    """Arguments are read if they can be, even if somebody nested them beyond reason."""
    assert _json.load(value) == loaded


def test_a_long_stream_is_folded_whole() -> None:
    """A hundred thousand chunks give one text of all their words."""
    fold = chat_completions.fold()
    for _ in range(100_000):
        fold.add({"choices": [{"index": 0, "delta": {"content": "four"}}]})
    assert fold.body()["choices"][0]["message"]["content"] == "four" * 100_000
