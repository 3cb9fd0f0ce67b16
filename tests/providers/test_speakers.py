"""Providers that speak OpenAI's language by their own SDKs, the real ones: one event per call, as the wire has it."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conformance.server import CaseServer
from conformance.wire_truth import COUNTS, truth

import llm_track
from llm_track.testing import Events

from .calls import BOTH, only, shows, tracked
from .recorded import answer, enough, recorded
from .row import KEY


@dataclass(frozen=True)
class Speaker:
    """One SDK."""

    module: str
    client: str
    provider: str
    version: str = ""
    """What its base URL ends with."""
    chat: str = "chat.completions.create"
    settings: tuple[tuple[str, Any], ...] = ()

    def make(self, url: str, mode: str) -> Any:
        """Return a client of an address."""
        sdk = pytest.importorskip(self.module, exc_type=ImportError)
        made = getattr(sdk, f"{'Async' if mode == 'async' else ''}{self.client}")
        return made(api_key=KEY, base_url=url + self.version, max_retries=0, **dict(self.settings))

    def ask(self, client: Any, **more: Any) -> Any:
        """Ask for a chat."""
        method = client
        for name in self.chat.split("."):
            method = getattr(method, name)
        return method(model="snail-1", messages=[{"role": "user", "content": "how do snails live"}], **more)


SPEAKERS = [
    Speaker("cerebras.cloud.sdk", "Cerebras", "cerebras", settings=(("warm_tcp_connection", False),)),
    Speaker("fireworks", "Fireworks", "fireworks"),
    Speaker("groq", "Groq", "groq"),
    Speaker("together", "Together", "together", version="/v1"),
    Speaker("writerai", "Writer", "writer", chat="chat.chat"),
]


@pytest.fixture
def events() -> Iterator[Events]:
    with tracked() as captured:
        yield captured


def talk(speaker: Speaker, url: str, mode: str, streamed: bool) -> Any:
    """Ask, and read the answer to its end."""
    if mode == "sync":
        client = speaker.make(url, mode)
        answer = speaker.ask(client, stream=streamed)
        return list(answer) if streamed else answer

    async def asked() -> Any:
        async with speaker.make(url, mode) as client:
            answer = await speaker.ask(client, stream=streamed)
            return [chunk async for chunk in answer] if streamed else answer

    return asyncio.run(asked())


ROWS = {"groq": SPEAKERS[2], "together": SPEAKERS[3], "writer": SPEAKERS[4]}
ENDPOINTS = ("chat.completions", "v1.chat")


RECORDED = [found for name, speaker in ROWS.items() for found in recorded(name, endpoints=ENDPOINTS, beside=(speaker,))]


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 20)


@pytest.mark.parametrize(("speaker", "item"), RECORDED)
@BOTH
def test_recorded(speaker: Speaker, item: Any, mode: str, server: CaseServer, events: Events) -> None:
    """Counts, model, reason and words of the event are those of the recorded answer."""
    response = item["response"]
    streamed = item["request"]["body"].get("stream") is True
    talk(speaker, server.play([answer(item)]).url, mode, streamed)
    told = only(events).properties
    right = truth("chat.completions", 200, response["headers"].get("content-type", ""), response["body"].encode())
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told["$ai_model"], told["$ai_stop_reason"]) == (right.model, right.stop)
    assert (item["request"]["body"].get("n") or 1) > 1 or shows(told, right.text)
    assert all(tool in json.dumps(told["$ai_output_choices"]) for tool in right.tools)


def test_there_is_a_row_for_each() -> None:
    """Every provider that is described as a speaker has a row here."""
    described = [
        name
        for name, place in llm_track.providers.KNOWN.items()
        if hasattr(importlib.import_module(place.partition(":")[0]), "speaker")
    ]
    assert sorted(described) == [speaker.module for speaker in SPEAKERS]
