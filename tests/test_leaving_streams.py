"""A stream that is left just before the event loop ends: nothing of llm_track is then in the way of closing it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anthropic
import pytest
from conformance.server import CaseServer

import llm_track
from llm_track.testing import capture_events

BEGUN = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-snail", "content": []}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**BEGUN, "usage": {"input_tokens": 11, "output_tokens": 1}}},
    {"type": "message_stop"},
]


async def leave(url: str) -> None:
    """Begin to read a stream, and end the program."""
    client = anthropic.AsyncAnthropic(api_key="k", base_url=url)
    said = [{"role": "user", "content": "how do snails live"}]
    given: dict[str, Any] = {"model": "claude", "max_tokens": 9, "messages": said}
    async for _ in await client.messages.create(**given, stream=True):
        break


def logs(server: CaseServer, log: pytest.LogCaptureFixture) -> bool:
    """Run that program; tell whether asyncio logged anything."""
    log.clear()
    asyncio.run(leave(server.play([{"events": EVENTS, "named": True}]).url))
    gc.collect()  # older SDKs leave the stream to it
    return any(record.name == "asyncio" for record in log.records)


def test_asyncio_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A program may break off a stream as the last thing it does, and asyncio logs no error that it would not log
    without llm_track: it closes the generators of some SDKs in whatever order, and some of them while they run."""
    with CaseServer() as server:
        logs_without = any(logs(server, caplog) for _ in range(_RUNS))
        llm_track.autopatch("anthropic")
        try:
            with capture_events() as events:
                logs_with = any(logs(server, caplog) for _ in range(_RUNS if not logs_without else 1))
        finally:
            llm_track.unpatch()
    assert logs_with <= logs_without
    assert {event.properties["llm_outcome"] for event in events} == {"closed_early"}


_RUNS = 20
"""The order is chance: an SDK that closes its generators badly does so in about every third run."""
