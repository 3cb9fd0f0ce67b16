"""What an answer says, read from its bytes without any code of llm_track: what an event is held against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

COUNTS = (
    "$ai_input_tokens",
    "$ai_output_tokens",
    "$ai_total_tokens",
    "$ai_cache_read_input_tokens",
    "$ai_cache_creation_input_tokens",
    "$ai_reasoning_tokens",
)


@dataclass
class Truth:
    """What one answer says."""

    id: str | None = None
    model: str | None = None
    stop: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    text: str = ""
    tools: list[str] = field(default_factory=list)
    error: bool = False
    whole: Any = None
    """The body of an answer that is no model's, or the last event of its stream."""


def truth(endpoint: str, status: int, content_type: str, body: bytes) -> Truth:
    """Read an answer of an endpoint."""
    if status >= 400:
        return Truth(error=True)
    streamed = "event-stream" in content_type
    if endpoint in _READERS:
        parts = list(events(body)) if streamed else [json.loads(body)]
        return _READERS[endpoint](parts, streamed)
    if streamed:
        return Truth(whole=list(events(body))[-1])
    return Truth(whole=json.loads(body) if "json" in content_type else None)


def events(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream; in all recordings an event is one line of data."""
    for line in body.decode().splitlines():
        if line.startswith("data:") and "[DONE]" not in line:
            yield json.loads(line[5:])


def asked_words(body: dict[str, Any]) -> Iterator[str]:
    """Yield every text that a request shows to a model."""
    for key in ("system", "instructions", "prompt", "input"):
        yield from _texts(body.get(key))
    for message in body.get("messages") or []:
        yield from _texts(message.get("content"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(value.get("text") or value.get("content") or value.get("output"))
    for item in value if isinstance(value, list) else ():
        yield from _texts(item)


def _some(*pairs: tuple[str, Any]) -> dict[str, int]:
    return {name: value for name, value in pairs if value is not None}


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    return usage.get(name) or {}


def _openai_counts(usage: dict[str, Any] | None, asked: str, answered: str) -> dict[str, int]:
    if not usage:
        return {}
    into, out = _details(usage, asked + "_details"), _details(usage, answered + "_details")
    return _some(
        ("$ai_input_tokens", usage.get(asked)),
        ("$ai_output_tokens", usage.get(answered)),
        ("$ai_total_tokens", usage.get("total_tokens")),
        ("$ai_cache_read_input_tokens", into.get("cached_tokens")),
        ("$ai_cache_creation_input_tokens", into.get("cache_write_tokens")),
        ("$ai_reasoning_tokens", out.get("reasoning_tokens")),
    )


def _choices(parts: list[dict[str, Any]], streamed: bool) -> Truth:
    """Chat completions and text completions, whole or in chunks: what belongs to a choice is joined by its index."""
    read = Truth(error=any("error" in part for part in parts))
    texts: dict[int, list[str]] = {}
    names: dict[tuple[int, int], str] = {}
    stops: dict[int, str] = {}
    for part in parts:
        read.id, read.model = part.get("id") or read.id, part.get("model") or read.model
        usage = part.get("usage") or (part.get("x_groq") or {}).get("usage")
        read.counts = _openai_counts(usage, "prompt_tokens", "completion_tokens") or read.counts
        if "value" in part:  # Writer's legacy completions
            texts.setdefault(0, []).append(part["value"])
        for choice in part.get("choices") or []:
            index = choice.get("index", 0)
            message = choice.get("delta" if streamed else "message") or {}
            texts.setdefault(index, []).extend(_said(choice, message))
            stops |= {index: choice["finish_reason"]} if choice.get("finish_reason") else {}
            for position, call in enumerate(message.get("tool_calls") or []):
                if name := call.get("function", {}).get("name"):
                    names[index, call.get("index", position)] = name
            if name := (message.get("function_call") or {}).get("name"):
                names[index, 0] = name
    read.text = "".join("".join(texts[index]) for index in sorted(texts))
    read.tools = [names[place] for place in sorted(names)]
    read.stop = stops.get(0)
    return read


def _said(choice: dict[str, Any], message: dict[str, Any]) -> list[str]:
    candidates = (choice.get("text"), message.get("content"), message.get("refusal"))
    return [words for words in candidates if words]


def _responses(parts: list[dict[str, Any]], streamed: bool) -> Truth:
    body = parts[-1]["response"] if streamed else parts[0]
    items = body.get("output") or []
    said = [part for item in items if item["type"] == "message" for part in item["content"]]
    return Truth(
        id=body.get("id"),
        model=body.get("model"),
        stop=(body.get("incomplete_details") or {}).get("reason") or body.get("status"),
        counts=_openai_counts(body.get("usage"), "input_tokens", "output_tokens"),
        text="".join(part.get("text") or part.get("refusal") or "" for part in said),
        tools=[item["name"] for item in items if item["type"] in ("function_call", "custom_tool_call")],
        error=bool(body.get("error")),
    )


def _messages(parts: list[dict[str, Any]], streamed: bool) -> Truth:
    body = _joined_message(parts) if streamed else parts[0]
    usage = body.get("usage") or {}
    return Truth(
        id=body["id"],
        model=body["model"],
        stop=body.get("stop_reason"),
        counts=_some(
            ("$ai_input_tokens", usage.get("input_tokens")),
            ("$ai_output_tokens", usage.get("output_tokens")),
            ("$ai_cache_read_input_tokens", usage.get("cache_read_input_tokens")),
            ("$ai_cache_creation_input_tokens", usage.get("cache_creation_input_tokens")),
        ),
        text="".join(block.get("text", "") for block in body["content"] if block["type"] == "text"),
        tools=[block["name"] for block in body["content"] if block["type"] == "tool_use"],
        error=any(part["type"] == "error" for part in parts),
    )


def _joined_message(parts: list[dict[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for part in parts:
        if part["type"] == "message_start":
            body = part["message"]
        elif part["type"] == "content_block_start":
            body["content"].append(part["content_block"])
        elif part["type"] == "content_block_delta" and part["delta"]["type"] == "text_delta":
            body["content"][part["index"]]["text"] += part["delta"]["text"]
        elif part["type"] == "message_delta":
            body |= part["delta"]
            body["usage"] |= {key: value for key, value in part["usage"].items() if value is not None}
    return body


def _complete(parts: list[dict[str, Any]], streamed: bool) -> Truth:
    (body,) = parts
    return Truth(id=body["id"], model=body["model"], stop=body["stop_reason"], text=body["completion"])


def _embeddings(parts: list[dict[str, Any]], streamed: bool) -> Truth:
    (body,) = parts
    counts = _openai_counts(body.get("usage"), "prompt_tokens", "completion_tokens")
    return Truth(model=body.get("model"), counts=counts, error="error" in body)


_READERS = {
    "chat.completions": _choices,
    "completions": _choices,
    "responses": _responses,
    "messages": _messages,
    "complete": _complete,
    "embeddings": _embeddings,
}
