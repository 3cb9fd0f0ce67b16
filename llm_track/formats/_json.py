"""Reading JSON that may be anything: each function returns the wanted shape or an empty one, and never raises."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

JSON = Mapping[str, Any]
_NOTHING: JSON = {}


def obj(value: Any) -> JSON:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else _NOTHING


def objects(value: Any) -> list[JSON]:
    """Return the objects of a list, leaving out whatever else it holds."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def text(value: Any) -> str | None:
    """Return the value if it is a string."""
    return value if isinstance(value, str) else None


def name(value: Any) -> str | None:
    """Return the value if it is a string with something in it."""
    return value if isinstance(value, str) and value else None


def entries(value: Any) -> list[Any] | None:
    """Return the value as a list if it is one, such as the tools of a request."""
    return list(value) if isinstance(value, (list, tuple)) else None


def count(value: Any) -> int | None:
    """Return the value if it can be a count: a whole number that is not negative, and that 63 bits hold."""
    if type(value) is int and 0 <= value < _MOST:
        return value
    if type(value) is float and 0 <= value < _MOST and value == int(value):
        return int(value)
    return None


_MOST = 2**63


def amount(value: Any) -> float | None:
    """Return the value if it can be an amount of money: a finite number that is not negative."""
    if type(value) not in (int, float):
        return None
    try:
        money = float(value)
    except OverflowError:  # JSON knows whole numbers that no float can hold
        return None
    return money if math.isfinite(money) and money >= 0 else None


def dump(value: Any) -> str:
    """Write a value as compact JSON text; what JSON cannot hold is named by its type."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda o: f"<{type(o).__name__}>")


def load(value: Any) -> Any:
    """Read JSON text, such as the arguments of a tool call; text that is no JSON stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def without(body: JSON, *names: str) -> dict[str, Any]:
    """Return a shallow copy of an object without some of its keys and without its nulls."""
    return {str(key): value for key, value in body.items() if key not in names and value is not None}
