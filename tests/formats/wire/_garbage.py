"""JSON that no provider should send: realistic JSON with parts replaced, and objects made of the formats' own words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from llm_track import formats

from ._draw import Object, scalars


def _vocabulary() -> list[str]:
    """Every word that the code of the formats compares with or looks up."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(Path(formats.__path__[0]).glob("*.py"))]
    found = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return sorted(word for word in found if isinstance(word, str) and re.fullmatch(r"[a-z][a-z0-9_.]*", word))


_known = st.sampled_from(_vocabulary())
_wild = st.sampled_from([10**400, -1, 1e300, float("nan"), float("inf"), True, "", [], {}, [[]], [None]])
_leaves = _known | scalars | _wild
_keys = _known | st.sampled_from(["type", "role", "content", "choices", "message", "delta", "index", "output", "usage"])
anything = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)
objects = st.dictionaries(_keys, anything, max_size=5)


_replacements = _wild | _known | anything


@st.composite
def spoiled(draw: st.DrawFn, sound: st.SearchStrategy[Any]) -> Object:
    """A realistic object of which some parts are replaced, left out or doubled."""
    value: Object = draw(sound)
    for _ in range(draw(st.integers(1, 4))):
        paths = list(_paths(value))
        if paths:
            value = _spoil(draw, value, draw(st.sampled_from(paths)))
    return value


_WRONG: list[Any] = [None, "", 7, 10**400, [7], {"a": []}]


def faults(value: Any) -> Iterator[Any]:
    """Every version of a value in which one part, however deep, is something else."""
    for path in _paths(value):
        yield from (_replaced(value, path, wrong) for wrong in _WRONG)


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a value, however deep."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (key,)
        yield from ((key, *rest) for rest in _paths(item))


def _spoil(draw: st.DrawFn, value: Any, path: tuple[Any, ...]) -> Any:
    key, rest = path[0], path[1:]
    others = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        others[key] = _spoil(draw, value[key], rest)
    elif draw(st.integers(0, 5)) == 0:
        del others[key]
    elif isinstance(others, list) and draw(st.booleans()):
        others.insert(key, others[key])
    else:
        others[key] = draw(_replacements)
    return others
