"""The calls that LiteLLM knows, and reading the one event that each of them is."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm_track.records import Event
from llm_track.testing import Events

from .server import ANSWER, CACHE_WRITTEN, CACHED, INPUT, OUTPUT, REASONING, TRANSCRIPT, Provider

TOKENS = (
    "$ai_input_tokens",
    "$ai_output_tokens",
    "$ai_cache_read_input_tokens",
    "$ai_cache_creation_input_tokens",
    "$ai_reasoning_tokens",
)
NO_TOKENS: dict[str, int] = {}
TEXT_TOKENS = dict(zip(TOKENS[:2], (INPUT, OUTPUT), strict=True))
CHAT_TOKENS = {**TEXT_TOKENS, "$ai_cache_read_input_tokens": CACHED, "$ai_reasoning_tokens": REASONING}
CLAUDE_TOKENS = {**TEXT_TOKENS, "$ai_cache_read_input_tokens": CACHED, "$ai_cache_creation_input_tokens": CACHE_WRITTEN}
WORDS = "how do snails live"


def chat(words: str) -> list[dict[str, Any]]:
    """Return the messages of a chat that says something."""
    return [{"role": "user", "content": words}]


@dataclass(frozen=True)
class Form:
    """One of LiteLLM's functions, and what is known of its event."""

    function: str
    model: str
    arguments: Callable[[str], dict[str, Any]]
    """From what is said: the arguments beside the model and the address."""
    asked: str | None = None
    """The model as it is asked for, if that differs from how the event names it."""
    event: str = "$ai_generation"
    provider: str = "openai"
    versioned: bool = True
    """Whether the address ends with the version."""
    tokens: dict[str, int] = field(default_factory=dict)
    said: str = ""
    """What the event's output contains."""

    def given(self, provider: Provider, words: str, **more: Any) -> dict[str, Any]:
        """Return all arguments of a call."""
        address = provider.v1 if self.versioned else provider.url
        return {"model": self.asked or self.model, "api_base": address, "api_key": "k", **self.arguments(words), **more}

    def named(self, mode: str) -> str:
        """Return the function's name in a mode, ``"sync"`` or ``"async"``."""
        return self.function if mode == "sync" else f"a{self.function}"


SPEECH = ("snail.mp3", b"ID3 sound of a snail")
FORMS = {
    "completion": Form(
        "completion", "gpt-4o-mini", lambda words: {"messages": chat(words)}, tokens=CHAT_TOKENS, said=ANSWER
    ),
    "claude": Form(
        "completion",
        "claude-sonnet-4-5",
        lambda words: {"messages": chat(words), "max_tokens": 9},
        asked="anthropic/claude-sonnet-4-5",
        provider="anthropic",
        versioned=False,
        tokens=CLAUDE_TOKENS,
        said=ANSWER,
    ),
    "text_completion": Form(
        "text_completion",
        "gpt-3.5-turbo-instruct",
        lambda words: {"prompt": words},
        tokens=CHAT_TOKENS,
        said=ANSWER,
    ),
    "responses": Form("responses", "gpt-4o-mini", lambda words: {"input": words}, tokens=CHAT_TOKENS, said=ANSWER),
    "embedding": Form(
        "embedding",
        "text-embedding-3-small",
        lambda words: {"input": [words]},
        event="$ai_embedding",
        tokens={"$ai_input_tokens": INPUT},
    ),
    "image_generation": Form("image_generation", "gpt-image-1", lambda words: {"prompt": words}, tokens=TEXT_TOKENS),
    "transcription": Form(
        "transcription",
        "gpt-4o-mini-transcribe",
        lambda words: {"file": SPEECH, "prompt": words},
        tokens=TEXT_TOKENS,
        said=TRANSCRIPT,
    ),
    "speech": Form("speech", "tts-1", lambda words: {"input": words, "voice": "alloy"}),
    "rerank": Form(
        "rerank",
        "rerank-v3.5",
        lambda words: {"query": words, "documents": ["shell", "slime"]},
        asked="cohere/rerank-v3.5",
        provider="cohere",
        versioned=False,
    ),
    "moderation": Form("moderation", "omni-moderation-latest", lambda words: {"input": words}, event="$ai_span"),
}
STREAMED = ("completion", "claude", "text_completion", "responses")


def run(owner: Any, name: str, arguments: dict[str, Any], pause: float = 0.0) -> Any:
    """Call a function of LiteLLM or of a router, and read what it streams: the answer, or the list of chunks."""
    function = getattr(owner, name)
    if name.startswith("a"):
        return asyncio.run(_awaited(function, arguments, pause))
    result = function(**arguments)
    return list(result) if arguments.get("stream") else result


async def _awaited(function: Any, arguments: dict[str, Any], pause: float) -> Any:
    result = await function(**arguments)
    read = [chunk async for chunk in result] if arguments.get("stream") else result
    await asyncio.sleep(pause)
    return read


def failing(owner: Any, name: str, arguments: dict[str, Any]) -> Exception:
    """Return the exception that a call ends with."""
    try:
        run(owner, name, arguments)
    except Exception as error:  # noqa: BLE001 - any that LiteLLM thinks fit
        return error
    raise AssertionError("the call did not fail")


def only(events: Events) -> Event:
    """Return the event that is all there is."""
    (event,) = events.settle()
    return event


def only_after_collection(events: Events) -> Event:
    """Return the one event of a stream that was let go of: LiteLLM holds it a moment longer, and in a cycle."""
    for _ in range(40):
        gc.collect()
        if events.settle():
            break
        time.sleep(0.05)
    return only(events)


def calls(events: Events) -> list[Event]:
    """Return the events of model calls, without the steps around them."""
    return [event for event in events.settle() if event.name in ("$ai_generation", "$ai_embedding")]


def counted(event: Event) -> dict[str, int]:
    """Return the counts that an event has; of the input without the cache, however it was reported."""
    found = {name: event.properties[name] for name in TOKENS if name in event.properties}
    if event.properties["$ai_provider"] == "anthropic" and not event.properties.get("$ai_cache_reporting_exclusive"):
        beside = (found.get(name, 0) for name in ("$ai_cache_read_input_tokens", "$ai_cache_creation_input_tokens"))
        if "$ai_input_tokens" in found:
            found["$ai_input_tokens"] -= sum(beside)
    return found


def as_json(event: Event) -> str:
    """Return all that PostHog would be told."""
    told = {"event": event.name, "distinct_id": event.distinct_id, "groups": dict(event.groups)}
    return json.dumps({**told, "properties": event.properties}, ensure_ascii=False)


def input_of(event: Event) -> str:
    """Return what an event says was asked, as text."""
    return json.dumps([event.properties.get("$ai_input"), event.properties.get("$ai_input_state")], ensure_ascii=False)


def output_of(event: Event) -> str:
    """Return what an event says was answered, as text."""
    said = event.properties.get("$ai_output_choices"), event.properties.get("$ai_output_state")
    return json.dumps(said, ensure_ascii=False)
