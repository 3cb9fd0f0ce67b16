"""Copies of values that the program may still change, and their form as JSON.

`snapshot` runs on the caller's thread: it copies containers and shares everything else, so its cost does not depend on
the length of texts.  `jsonable` runs on the worker: it turns whatever was shared into plain JSON values.  Both end on
cycles and on any size, and decide by the true type of a value: no code of the program runs on the caller's thread, and
on the worker only what makes its objects readable, in a guard.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType, MemberDescriptorType
from typing import Any
from uuid import UUID

from llm_track._guard import attempt

_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
_NUMBERS = frozenset({int, float})
_DEEPEST = 64
"""Nesting beyond this is cut: no API takes it, and it may be a cycle."""
_USUAL = 8
"""Nesting that requests have: beyond it values that contain themselves are looked for."""
_MOST_VALUES = 200_000
"""Values beyond this are cut: an event cannot carry them, and a value that contains itself twice has no end."""


def snapshot(value: Any) -> Any:
    """Return a copy of the dicts and lists of a value; all else is shared.

    >>> messages = [{"role": "user", "content": "hi"}]
    >>> kept = snapshot(messages)
    >>> messages[0]["content"] = "changed"
    >>> kept
    [{'role': 'user', 'content': 'hi'}]
    """
    return value if type(value) in _SCALARS else _copy(value, 0, [_MOST_VALUES])


def _copy(value: Any, depth: int, left: list[int]) -> Any:
    if depth > _USUAL:
        return _once(_copied, value, depth, left)
    kind = type(value)
    if not (kind is dict or kind is list) or (room := left[0] - len(value) - 1) < 0:
        return _copied(value, depth, left)
    depth += 1
    if kind is dict:  # what requests are made of, in as few steps as there can be
        left[0] = room
        return {key: item if type(item) in _SCALARS else _copy(item, depth, left) for key, item in value.items()}
    if _NUMBERS.issuperset(map(type, value)):
        return value.copy()
    left[0] = room
    return [item if type(item) in _SCALARS else _copy(item, depth, left) for item in value]


def _once(read: Callable[[Any, int, list[int]], Any], value: Any, depth: int, left: list[int]) -> Any:
    """Read a value that is not being read yet; ``left`` notes which are, after how many values may still be read."""
    own = id(value)
    if own in left[1:]:
        return "[contains itself]"
    left.append(own)
    result = read(value, depth, left)
    left.pop()
    return result


def _copied(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)
    if issubclass(kind, dict):
        if too_much := _too_much(dict.__len__(value), depth, left):
            return too_much
        return {
            key: item if type(item) in _SCALARS else _copy(item, depth + 1, left) for key, item in dict.items(value)
        }
    items = _items(value, kind)
    if items is not None:
        if _NUMBERS.issuperset(map(type, items)):  # a vector or token ids: one copy at C speed
            return items
        if too_much := _too_much(len(items), depth, left):
            return too_much
        return [item if type(item) in _SCALARS else _copy(item, depth + 1, left) for item in items]
    return bytes(value) if kind is bytearray else value


_SEQUENCES: tuple[tuple[type, Callable[[Any], Iterator[Any]]], ...] = (
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
    (deque, deque.__iter__),
)


def _items(value: Any, kind: type) -> list[Any] | None:
    """Return the items of a built-in container, or of a subclass of one without running the subclass's code."""
    return next((list(iterate(value)) for base, iterate in _SEQUENCES if issubclass(kind, base)), None)


def _too_much(count: int, depth: int, left: list[int]) -> str | None:
    left[0] -= count + 1
    if depth > _DEEPEST:
        return "[nested too deeply]"
    return "[too many values]" if left[0] < 0 else None


def jsonable(value: Any) -> Any:
    """Return the value as JSON has it; what has no JSON form becomes ``<its type>``.  Never runs a foreign ``repr``."""
    return _json(value, 0, [_MOST_VALUES])


def _json(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return _text(value)
    if issubclass(kind, (int, float)):
        return _number(value)
    return _json_of(value, depth, left) if depth <= _USUAL else _once(_json_of, value, depth, left)


def _json_of(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)
    if too_much := _too_much(0, depth, left):
        return too_much
    if issubclass(kind, dict):
        return {_key(key): _json(item, depth + 1, left) for key, item in dict.items(value)}
    items = _items(value, kind)
    if items is not None:
        return [_json(item, depth + 1, left) for item in items]
    return attempt(_object, value, depth, left, otherwise=f"<{kind.__qualname__}>")


def _text(value: str) -> str:
    """Halves of characters that stand alone would make a whole batch unreadable to a strict reader of JSON."""
    plain = str.__str__(value)
    return plain if plain.isascii() else plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: Any) -> int | float | str:
    if issubclass(type(value), float):
        number = float.__float__(value)
        return number if math.isfinite(number) else str(number)
    whole = int.__int__(value)
    return whole if whole.bit_length() <= 1024 else f"<int of {whole.bit_length()} bits>"


def _key(key: Any) -> str:
    return _text(key) if issubclass(type(key), str) else str(jsonable(key))


def _object(value: Any, depth: int, left: list[int]) -> Any:
    """Return the JSON of an object; may run the object's own code, which may raise."""
    kind = type(value)
    if issubclass(kind, Enum):
        return _json(value.value, depth + 1, left)
    if issubclass(kind, (datetime, date, time)):
        return value.isoformat()
    if issubclass(kind, (UUID, Decimal, PurePath, timedelta)) or kind in (complex, range):
        return str(value)
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return f"[{len(value)} bytes]"
    if issubclass(kind, BaseException):
        said = " ".join(word for word in value.args if type(word) is str)
        return f"{kind.__qualname__}: {said}" if said else f"<{kind.__qualname__}>"
    if kind.__module__ == "numpy":
        return _json(_of_numpy(value, kind), depth + 1, left)
    stored = _stored(value, kind)
    if stored is not None:
        return _json(stored, depth + 1, left)
    if kind is MappingProxyType:
        return _json(dict(value), depth + 1, left)
    return f"<{kind.__qualname__}>"


def _of_numpy(value: Any, kind: type) -> Any:
    """Return a scalar or a short array as Python has it; of a long one its shape and what its items are."""
    if getattr(value, "size", 0) > _LONGEST_ARRAY:
        return f"<{kind.__qualname__} of {value.dtype} {'x'.join(map(str, value.shape))}>"
    made = value.tolist() if hasattr(kind, "tolist") else None
    return f"<{kind.__qualname__}>" if made is None or type(made) is kind else made


_LONGEST_ARRAY = 1_000


def _stored(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the stored fields of a dataclass or of a pydantic model.

    Only what lies in the object: no property, computed field or lazily loaded attribute runs, which could read from a
    database connection that the program's own thread is using.
    """
    held: dict[str, Any] = getattr(value, "__dict__", {})
    if dataclasses.is_dataclass(kind):
        names = [item.name for item in dataclasses.fields(kind)]
        slots = {name for name in names if isinstance(getattr(kind, name, None), MemberDescriptorType)}
        return {
            name: getattr(value, name, None) if name in slots else held[name]
            for name in names
            if name in slots | held.keys()
        }
    if hasattr(kind, "__pydantic_fields_set__"):
        extra = value.__pydantic_extra__ or {}
        return {name: item for name, item in {**held, **extra}.items() if name in value.__pydantic_fields_set__}
    return None
