"""JSON that no provider should send: realistic JSON with parts replaced, and objects made of the formats' own words."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from llm_track import formats

from ._draw import Object, scalars, values


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


@st.composite
def spoiled(draw: st.DrawFn, sound: st.SearchStrategy[Any]) -> Object:
    """A realistic object of which some parts are replaced, dropped or doubled."""
    value: Object = draw(sound)
    for _ in range(draw(st.integers(1, 3))):
        value = _spoil(draw, value)
    return value


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        rest = {name: item for name, item in value.items() if name != key}
        return rest if draw(st.integers(0, 5)) == 0 else rest | {key: _inner(draw, value[key])}
    if isinstance(value, list) and value:
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], _inner(draw, value[at]), *value[at : at + draw(st.integers(0, 2))], *value[at + 1 :]]
    return value


def _inner(draw: st.DrawFn, value: Any) -> Any:
    deeper = isinstance(value, (dict, list)) and value and draw(st.integers(0, 3))
    return _spoil(draw, value) if deeper else draw(anything | values)
