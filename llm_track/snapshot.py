"""Copies of values that the program may still change, and their form as JSON.

`snapshot` runs on the caller's thread: it copies containers and shares everything else, so its cost does not depend on
the length of texts.  `jsonable` runs on the worker: it turns whatever was shared into plain JSON values.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
_DEEPEST = 64
"""Nesting beyond this is cut: no API takes it, and it may be a cycle."""


def snapshot(value: Any, depth: int = 0) -> Any:
    """Return a copy of the dicts and lists of a value; all else is shared.

    >>> messages = [{"role": "user", "content": "hi"}]
    >>> kept = snapshot(messages)
    >>> messages[0]["content"] = "changed"
    >>> kept
    [{'role': 'user', 'content': 'hi'}]
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > _DEEPEST:
        return "[nested too deeply]"
    if kind is dict:
        return {key: item if type(item) in _SCALARS else snapshot(item, depth + 1) for key, item in value.items()}
    if kind is list or kind is tuple:
        if value and type(value[0]) in (float, int):  # a vector or token ids: one copy at C speed
            return list(value)
        return [item if type(item) in _SCALARS else snapshot(item, depth + 1) for item in value]
    return value


def jsonable(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON has it; what has no JSON form becomes ``<its type>``.  Never runs foreign ``repr``."""
    if value is None or isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) and type(value) is not str else value
    if isinstance(value, (int, float)) and not isinstance(value, Enum):
        return value if math.isfinite(value) else str(value)
    if depth > _DEEPEST:
        return "[nested too deeply]"
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [jsonable(item, depth + 1) for item in value]
    return _object(value, depth)


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return jsonable(value.value, depth + 1)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal, PurePath, timedelta)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"[{len(value)} bytes]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: jsonable(getattr(value, item.name, None), depth + 1) for item in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return jsonable(dump(exclude_unset=True), depth + 1)
    return f"<{type(value).__qualname__}>"
