"""Ollama's own language: ``/api/chat`` and ``/api/generate``; a stream is one JSON object per line.

API reference: Ollama, "API", chat and generate.  A prompt that is still in the cache is not counted.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._blocks import Block
from llm_track.formats._errors import error_of
from llm_track.formats._fold import grow, merge, settled
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = ("model", "messages", "prompt", "system", "images", "tools", "stream", "options", "context")


def request(body: JSON) -> Request:
    """Read a chat, or a prompt with its system text."""
    if "messages" in body:
        asked = [drawn for message in objects(body.get("messages")) for drawn in _message(message, "user")]
    else:
        system = name(body.get("system"))
        prompt = {"content": body.get("prompt"), "images": body.get("images")}
        asked = [*([{"role": "system", "content": system}] if system else []), *_message(prompt, "user")]
    return Request(
        model=name(body.get("model")),
        input=asked,
        parameters=without({**obj(body.get("options")), **without(body, *_NOT_PARAMETERS)}),
        tools=entries(body.get("tools")) or None,
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read an answer: a message, or the text of a prompt that goes on."""
    error, error_type = error_of(body)
    said = obj(body.get("message")) or {"content": body.get("response"), "thinking": body.get("thinking")}
    return Response(
        output=_message(said, "assistant") if any(said.values()) else [],
        usage=_usage(body),
        model=name(body.get("model")),
        stop_reason=name(body.get("done_reason")),
        error=error,
        error_type=error_type,
    )


def _usage(body: JSON) -> Usage:
    raw = {key: body[key] for key in ("prompt_eval_count", "eval_count") if body.get(key) is not None}
    return Usage(
        input_tokens=count(body.get("prompt_eval_count")), output_tokens=count(body.get("eval_count")), raw=raw or None
    )


def _message(message: JSON, default_role: str) -> list[JSON]:
    role = name(message.get("role")) or default_role
    content, thinking = message.get("content"), name(message.get("thinking"))
    if role == "tool":
        called = name(message.get("tool_name")) or name(message.get("tool_call_id"))
        answer = {"role": "tool", "content": content if isinstance(content, str) else dump(content)}
        return [answer | ({"tool_call_id": called} if called else {})]
    blocks: list[Block] = [_blocks.thought(thinking)] if thinking else []
    if content is not None:
        blocks.append(_blocks.said(content if isinstance(content, str) else dump(content)))
    blocks += [_picture(picture) for picture in entries(message.get("images")) or () if isinstance(picture, str)]
    functions = [(call.get("id"), obj(call.get("function"))) for call in objects(message.get("tool_calls"))]
    calls = [_blocks.tool_call(key, function.get("name"), function.get("arguments")) for key, function in functions]
    return _blocks.answer(role, blocks, calls)


_KINDS = {"/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}


def _picture(data: str) -> Block:
    """A picture is base64 without a word of its kind, which its first bytes tell."""
    return _blocks.embedded("image", f"image/{_KINDS.get(data[:4], 'png')}", data)


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output."""
    message = obj(chunk.get("message"))
    said = (message.get(key) for key in ("content", "thinking", "tool_calls"))
    return any(said) or bool(chunk.get("response") or chunk.get("thinking"))


class _Fold:
    """Builds the answer from its chunks: texts grow, the last chunk has the counts."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        for key, value in chunk.items():
            if key == "message":
                merge(self._known_message(), obj(value))
            elif key in ("response", "thinking") and text(value) is not None:
                grow(self._body, key, value)
            else:
                self._body[key] = settled(value)
        self.complete = chunk.get("done") is True

    def _known_message(self) -> dict[str, Any]:
        known: dict[str, Any] = self._body.setdefault("message", {})
        return known

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()
