"""Inputs that may be given as token ids instead of text: nobody can read those, and they may be thousands."""

from __future__ import annotations

from typing import Any

from llm_track.formats._json import dump


def readable(value: Any) -> Any:
    """Return text inputs as they are, and name token ids by their number.

    >>> readable("words"), readable([1, 2, 3]), readable([[1, 2], "words"])
    ('words', '[3 token ids]', ['[2 token ids]', 'words'])
    """
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (list, tuple)):
        return dump(value)
    if value and all(type(item) is int for item in value):
        return f"[{len(value)} token ids]"
    return [item if isinstance(item, str) else _one(item) for item in value]


def _one(item: Any) -> str:
    if isinstance(item, (list, tuple)) and all(type(token) is int for token in item):
        return f"[{len(item)} token ids]"
    return dump(item)
