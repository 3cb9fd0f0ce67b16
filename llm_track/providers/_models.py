"""Requests that hold models of pydantic: programs write messages as an SDK's own classes, or hand an answer back."""

from __future__ import annotations

from typing import Any

from llm_track.snapshot import snapshot

_DEEPEST = 16
"""Models within models; beyond this they are left as they are."""


def plain(value: Any) -> Any:
    """Return a copy of a request with the fields of its models for the models, without those that are not set.

    Only what lies in a model is read: nothing of the program's runs for it.
    """
    return _plain(snapshot(value), _DEEPEST)


def _plain(value: Any, left: int) -> Any:
    if type(value) is dict:
        return {key: _plain(item, left) for key, item in value.items()}
    if type(value) is list:
        return [_plain(item, left) for item in value]
    if left > 0 and hasattr(type(value), "__fields_set__"):
        fields = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
        return _plain(snapshot({key: item for key, item in fields.items() if item is not None}), left - 1)
    return value
