"""Small strategies that the generators share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Object = dict[str, Any]

words = st.text(max_size=20)
some_words = st.text(min_size=1, max_size=20)
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=12)
counts = st.integers(0, 10**9)
flags = st.booleans()
scalars = st.none() | flags | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=5
)
objects = st.dictionaries(words, values, max_size=3)

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def record(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Object]:
    """An object of fixed values, strategies, and strategies that may be left out."""
    fixed = {key: value if isinstance(value, st.SearchStrategy) else st.just(value) for key, value in required.items()}
    return st.fixed_dictionaries(fixed, optional=optional)


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces, some of which may be empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def interleaved(draw: st.DrawFn, tracks: list[list[Any]]) -> list[Any]:
    """One sequence of all tracks, each in its own order."""
    left, merged = [list(track) for track in tracks if track], []
    while left:
        track = left[draw(st.integers(0, len(left) - 1))]
        merged.append(track.pop(0))
        left = [track for track in left if track]
    return merged


def sprinkled(draw: st.DrawFn, chunks: list[Any], extra: Any) -> list[Any]:
    """The chunks with an extra one at some places."""
    places = draw(st.lists(st.integers(0, len(chunks)), max_size=3))
    mixed = list(chunks)
    for place in sorted(places, reverse=True):
        mixed.insert(place, extra)
    return mixed
