"""What an answer of Amazon Bedrock says, read from its bytes without any code of llm_track.

Whichever maker's language it is: values are known by their names, which no two languages use in different meanings.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .wire_truth import Truth

_METRICS = "amazon-bedrock-invocationMetrics"
_ASKED = ("prompt", "chat_history", "trace", "amazon-bedrock-trace", "reasoningContent", _METRICS)
"""Where an answer repeats what was asked, tells of guardrails, or of thoughts."""
_TEXTS = ("text", "outputText", "generation", "completion")
_STOPS = ("stopReason", "stop_reason", "completionReason", "finish_reason", "reason")
_COUNTS = {
    "$ai_input_tokens": ("inputTokens", "input_tokens", "inputTextTokenCount", "prompt_token_count", "prompt_tokens"),
    "$ai_output_tokens": (
        *("outputTokens", "output_tokens", "generation_token_count", "tokenCount", "totalOutputTextTokenCount"),
        "completion_tokens",
    ),
    "$ai_total_tokens": ("totalTokens", "total_tokens"),
    "$ai_cache_read_input_tokens": (*("cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens"),),
    "$ai_cache_creation_input_tokens": (
        *("cacheWriteInputTokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
    ),
}
_BESIDE = {
    "$ai_input_tokens": ("inputTokenCount", "x-amzn-bedrock-input-token-count"),
    "$ai_output_tokens": ("outputTokenCount", "x-amzn-bedrock-output-token-count"),
    "$ai_cache_read_input_tokens": ("cacheReadInputTokenCount", "x-amzn-bedrock-cache-read-input-token-count"),
    "$ai_cache_creation_input_tokens": ("cacheWriteInputTokenCount", "x-amzn-bedrock-cache-write-input-token-count"),
}
"""What Amazon counts itself, in a stream and in the headers of other answers; it matters where the model counts not."""


def truth(headers: Mapping[str, str], body: bytes) -> Truth:
    """Read an answer that is no error."""
    streamed = "eventstream" in headers.get("content-type", "")
    parts = list(events(body)) if streamed else [json.loads(body)]
    read = Truth()
    for name, value in _pairs(parts):
        if name in _TEXTS and isinstance(value, str):
            read.text += value
        elif name in _STOPS and isinstance(value, str):
            read.stop = read.stop or value
        elif (name == "toolUse" or _is_call(value)) and "name" in value:
            read.tools.append(value["name"])
        for count, names in _COUNTS.items():
            if name in names and value is not None:
                read.counts[count] = int(value)
    if not {"$ai_input_tokens", "$ai_output_tokens"} & set(read.counts):
        read.counts = _beside(parts, headers)
    return read


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "tool_use"


def _beside(parts: list[Any], headers: Mapping[str, str]) -> dict[str, int]:
    metrics = parts[-1].get(_METRICS, {})
    told = {**metrics, **{name.lower(): value for name, value in headers.items()}}
    return {count: int(told[name]) for count, names in _BESIDE.items() for name in names if name in told}


def _pairs(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its name, in the order of the wire."""
    yield name, value
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in _ASKED:
                yield from _pairs(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _pairs(item)


def events(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream, decoded by Amazon's own code, checksums and all."""
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(body)
    for message in buffer:
        told = json.loads(message.payload)
        yield json.loads(base64.b64decode(told["bytes"])) if "bytes" in told else told
