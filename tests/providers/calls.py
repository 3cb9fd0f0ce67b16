"""What tests do with a call of a real SDK: track it, wait for it, look at the one event that it leads to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

import pytest

import llm_track
from llm_track.testing import Events, capture_events

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
"""A test for either client of an SDK."""


@contextmanager
def tracked(*names: str) -> Iterator[Events]:
    """Hook SDKs, all of them where none is named, and note what they lead to."""
    llm_track.autopatch(*names)
    try:
        with capture_events() as captured:
            yield captured
    finally:
        llm_track.unpatch()


def only(events: Events) -> Any:
    """Return the one event there is; the canary that every key of a test has in it is nowhere in it."""
    (event,) = events.settle()
    assert "canary" not in json.dumps(event.properties).lower()
    return event


def done(result: Any) -> Any:
    """Return what a call gives, of either client: awaited, and a stream read to its end."""
    if isawaitable(result) or hasattr(result, "__anext__"):
        return asyncio.run(_awaited(result))
    return list(result) if hasattr(result, "__next__") else result


async def _awaited(result: Any) -> Any:
    return [each async for each in result] if hasattr(result, "__anext__") else await result


def shows(told: Any, words: str) -> bool:
    """Tell whether every line of some words is in what the properties of an event show of an answer."""
    drawn = json.dumps(told.get("$ai_output_choices"), ensure_ascii=False)
    return all(json.dumps(line, ensure_ascii=False)[1:-1] in drawn for line in words.split("\n"))
