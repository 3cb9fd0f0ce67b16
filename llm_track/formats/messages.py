"""Anthropic Messages, also as served by Bedrock, Vertex and Foundry.

API reference: ``POST /v1/messages`` and its streaming events.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._errors import error_of
from llm_track.formats._fold import merge, settled, slots
from llm_track.formats._json import JSON, count, entries, load, name, obj, objects, without
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = ("messages", "model", "system", "tools", "stream", "metadata")


def request(body: JSON) -> Request:
    """Read the body of a message request; the system prompt becomes the first message."""
    system = body.get("system")
    drawn = _blocks.messages("system", _parts.read(system)) if system else []
    for message in objects(body.get("messages")):
        drawn += _blocks.messages(name(message.get("role")) or "user", _parts.read(message.get("content")))
    return Request(
        model=name(body.get("model")),
        input=drawn,
        parameters=without(body, *_NOT_PARAMETERS),
        tools=entries(body.get("tools")),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read a message object."""
    error, error_type = error_of(body)
    content = body.get("content")
    return Response(
        output=_blocks.messages(name(body.get("role")) or "assistant", _parts.read(content)) if content else [],
        usage=_usage(obj(body.get("usage"))),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=name(body.get("stop_reason")),
        service_tier=name(obj(body.get("usage")).get("service_tier")),
        error=error,
        error_type=error_type,
    )


def _usage(usage: JSON) -> Usage:
    """Anthropic counts cache reads and writes beside the input tokens, never inside them."""
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    split = obj(usage.get("cache_creation"))
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_5m_tokens=count(split.get("ephemeral_5m_input_tokens")),
        cache_write_1h_tokens=count(split.get("ephemeral_1h_input_tokens")),
        reasoning_tokens=count(obj(usage.get("output_tokens_details")).get("thinking_tokens")),
        cache_included_in_input=None if read is None and written is None else False,
        web_searches=count(obj(usage.get("server_tool_use")).get("web_search_requests")),
        raw=dict(usage) or None,
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output.  Texts begin empty; any other block says something by beginning."""
    begun = obj(chunk.get("content_block")).get("type") if chunk.get("type") == "content_block_start" else None
    return chunk.get("type") == "content_block_delta" or begun not in (None, "text", "thinking")


class _Fold:
    """Builds the message from its events.  Usage in ``message_delta`` is cumulative: it replaces, it is never added."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        kind = chunk.get("type")
        if kind == "message_start":
            self._body = settled(obj(chunk.get("message")))
        elif kind == "content_block_start":
            slots(self._body, "content").put(chunk.get("index"), chunk.get("content_block"))
        elif kind == "content_block_delta":
            _grow(slots(self._body, "content").at(chunk.get("index")), obj(chunk.get("delta")))
        elif kind == "message_delta":
            merge(self._body, obj(chunk.get("delta")))
            merge(self._body, without(chunk, "type", "delta"))
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            self._body["error"] = settled(chunk.get("error"))

    def body(self) -> dict[str, Any]:
        """Return the message as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        for block in objects(body.get("content")):
            _read_input(block)
        return body


def _grow(block: dict[str, Any], delta: JSON) -> None:
    if "citation" in delta:
        merge(block, {"citations": [delta["citation"]]})
    else:
        merge(block, without(delta, "type"))


def _read_input(block: Any) -> None:
    """The arguments of a tool call arrive as pieces of JSON text; a call without arguments has none."""
    if written := block.pop("partial_json", None):
        block["input"] = load(written)


def fold() -> _Fold:
    """Begin a stream of message events."""
    return _Fold()
