"""Bedrock Converse: one language for all models of Amazon Bedrock, which Nova speaks by itself as well.

API reference: Amazon Bedrock, ``Converse`` and ``ConverseStream``.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._converse_fold import ConverseFold
from llm_track.formats._converse_parts import joined, parts
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, entries, name, obj, objects, without
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = (
    "model", "modelId", "messages", "system", "inferenceConfig", "toolConfig", "requestMetadata", "promptVariables",
    "additionalModelRequestFields",
)  # fmt: skip
_SETTINGS = {
    "maxTokens": "max_tokens", "max_new_tokens": "max_tokens", "topP": "top_p", "topK": "top_k",
    "stopSequences": "stop_sequences",
}  # fmt: skip


def request(body: JSON) -> Request:
    """Read the body of a request; the system prompt becomes the first message."""
    system, tools = parts(body.get("system")), obj(body.get("toolConfig"))
    drawn = _blocks.messages("system", _parts.read(system)) if system else []
    for message in objects(body.get("messages")):
        content = _parts.read(parts(message.get("content")))
        drawn += _blocks.messages(name(message.get("role")) or "user", content)
    settings = {_SETTINGS.get(key, key): value for key, value in obj(body.get("inferenceConfig")).items()}
    more = obj(body.get("additionalModelRequestFields"))
    rest = {"tool_choice": tools.get("toolChoice"), **settings, **more, **without(body, *_NOT_PARAMETERS)}
    return Request(
        model=name(body.get("model")) or name(body.get("modelId")),
        input=drawn,
        parameters=without(rest),
        tools=entries(tools.get("tools")),
    )


def response(body: JSON) -> Response:
    """Read an answer."""
    message = obj(obj(body.get("output")).get("message"))
    content = joined(parts(message.get("content")))
    error, error_type = error_of(body)
    return Response(
        output=_blocks.messages(name(message.get("role")) or "assistant", _parts.read(content)) if content else [],
        usage=_usage(obj(body.get("usage")), obj(body.get("metrics"))),
        stop_reason=name(body.get("stopReason")),
        service_tier=name(obj(body.get("serviceTier")).get("type")),
        error=error,
        error_type=error_type,
    )


def _usage(usage: JSON, metrics: JSON) -> Usage:
    """Tokens that were read from a cache, or written to it, are counted beside the input; Nova has names of its own."""
    read, written = _either(usage, "cacheReadInputToken"), _either(usage, "cacheWriteInputToken")
    split: dict[Any, int | None] = {
        name(each.get("ttl")): count(each.get("inputTokens")) for each in objects(usage.get("cacheDetails"))
    }
    return Usage(
        input_tokens=count(usage.get("inputTokens")),
        output_tokens=count(usage.get("outputTokens")),
        total_tokens=count(usage.get("totalTokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_5m_tokens=split.get("5m"),
        cache_write_1h_tokens=split.get("1h"),
        cache_included_in_input=None if read is None and written is None else False,
        raw={**usage, **metrics} or None,
    )


def _either(usage: JSON, stem: str) -> int | None:
    found = count(usage.get(f"{stem}s"))
    return count(usage.get(f"{stem}Count")) if found is None else found


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output: a piece of it, or the beginning of a call."""
    delta = obj(obj(chunk.get("contentBlockDelta")).get("delta"))
    return bool(obj(chunk.get("contentBlockStart")).get("start")) or any(value != "" for value in delta.values())


def fold() -> ConverseFold:
    """Begin a stream of events."""
    return ConverseFold()
