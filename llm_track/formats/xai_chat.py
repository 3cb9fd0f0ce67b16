"""xAI's gRPC API for chats: ``GetCompletionsRequest``, ``GetChatCompletionResponse`` and its chunks, as JSON.

API reference: xAI, "gRPC API reference", ``chat.proto``.  The names of fields are those of the ``.proto`` file; what
has the value that protobuf takes for granted, as the index 0, is absent.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._blocks import Block, said
from llm_track.formats._errors import error_of
from llm_track.formats._fold import Slots, grow, merge, settled
from llm_track.formats._json import JSON, count, dump, entries, load, name, obj, objects, text, without
from llm_track.formats._sampling import sampling_usage
from llm_track.records import Request, Response

_NOT_PARAMETERS = ("messages", "input", "model", "tools", "user", "reasoning_effort")


def request(body: JSON) -> Request:
    """Read the request of a chat, or of its compaction."""
    asked = objects(body.get("messages")) or objects(body.get("input"))
    effort = _plain(body.get("reasoning_effort"), "EFFORT_")
    tools = entries(body.get("tools"))
    return Request(
        model=name(body.get("model")),
        input=[drawn for message in asked for drawn in _message(message, "user")],
        parameters=without({**without(body, *_NOT_PARAMETERS), "reasoning_effort": effort}),
        tools=None if tools is None else [_tool(tool) for tool in tools],
    )


def response(body: JSON) -> Response:
    """Read an answer.  Where xAI ran tools itself it has several outputs, of which the last one ends it."""
    outputs = objects(body.get("outputs"))
    reasons = [reason for output in outputs if (reason := name(output.get("finish_reason")))]
    error, error_type = error_of(body)
    answers = [obj(output.get("message")) for output in outputs]
    return Response(
        output=[drawn for message in answers if message for drawn in _message(message, "assistant")],
        usage=sampling_usage(body.get("usage")),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=reasons[-1] if reasons else None,
        service_tier=_plain(body.get("service_tier"), "SERVICE_TIER_"),
        error=error,
        error_type=error_type,
    )


def _plain(value: Any, prefix: str) -> str | None:
    """The name of a choice without what sets the choices of one enumeration apart from others: ``EFFORT_HIGH``."""
    known = name(value)
    return known and known.removeprefix(prefix).lower()


def _message(message: JSON, default_role: str) -> list[JSON]:
    role = _plain(message.get("role"), "ROLE_") or default_role
    if role in ("tool", "function"):
        calls = objects(message.get("tool_calls"))
        asked_by = [message.get("tool_call_id"), *(call.get("id") for call in calls)]
        call_id = next((known for each in asked_by if (known := name(each))), None)
        answer = {"role": "tool", "content": "\n".join(map(_blocks.words, _content(message.get("content"))))}
        return [answer | ({"tool_call_id": call_id} if call_id else {})]
    thinking = name(message.get("reasoning_content"))
    blocks = [_blocks.thought(thinking)] if thinking else []
    blocks += _content(message.get("content"))
    called: list[Block] = []
    for call in objects(message.get("tool_calls")):
        kind, function = name(call.get("type")) or _CLIENT, obj(call.get("function"))
        if kind == _CLIENT:
            called.append(_blocks.tool_call(call.get("id"), function.get("name"), function.get("arguments")))
        else:
            blocks.append(_of_xai(kind, call, function))
    return _blocks.answer(role, blocks, called)


_CLIENT = "TOOL_CALL_TYPE_CLIENT_SIDE_TOOL"
_DRAWN = {
    "TOOL_CALL_TYPE_WEB_SEARCH_TOOL": "web_search_call",
    "TOOL_CALL_TYPE_X_SEARCH_TOOL": "web_search_call",
    "TOOL_CALL_TYPE_CODE_EXECUTION_TOOL": "code_interpreter_call",
}


def _of_xai(kind: str, call: JSON, function: JSON) -> Block:
    """A tool that xAI runs itself.  It is drawn, but must not count as a call of the program's tools."""
    tool = name(function.get("name")) or kind.removeprefix("TOOL_CALL_TYPE_").lower()
    arguments = load(function.get("arguments"))
    return {"type": _DRAWN.get(kind, "mcp_call"), "id": text(call.get("id")) or "", "name": tool, "action": arguments}


def _content(content: Any) -> list[Block]:
    """The parts of a message; the content of an answer is a text."""
    if isinstance(content, str):
        return [said(content)]
    return [_part(part) for part in objects(content)]


def _part(part: JSON) -> Block:
    words, picture, file = text(part.get("text")), obj(part.get("image_url")), obj(part.get("file"))
    address = name(picture.get("image_url"))
    if words is not None:
        return said(words)
    if address is not None and address.startswith(("data:", "http://", "https://")):
        return {"type": "image", "image": address}
    data, kind = name(file.get("data")), name(file.get("mime_type")) or "application/octet-stream"
    if data is not None:
        return _blocks.embedded("image" if kind.startswith("image/") else "document", kind, data)
    if title := next(filter(None, (name(file.get(key)) for key in ("filename", "file_id", "url"))), None):
        return said(f"[file {title}]")
    return said(f"[image {file_id}]" if (file_id := name(picture.get("file_id"))) else dump(part))


def _tool(tool: Any) -> Any:
    """A tool under the one field that it has: a function, whose parameters are JSON as text, or one that xAI runs."""
    kind, settings = next(iter(obj(tool).items()), ("", None))
    if not isinstance(settings, dict):
        return tool
    if kind != "function":
        return {**settings, "type": kind}
    return {"type": kind, kind: {**settings, "parameters": load(settings.get("parameters"))}}


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries text, reasoning or a tool call."""
    said_by = (obj(output.get("delta")) for output in objects(chunk.get("outputs")))
    return any(delta.get(key) for delta in said_by for key in ("content", "reasoning_content", "tool_calls"))


class _Fold:
    """Builds the answer from its chunks: texts grow, calls and citations follow, counts are cumulative."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}
        self._outputs = Slots()

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        merge(self._body, {key: value for key, value in chunk.items() if key == "citations"})
        self._body |= settled(without(chunk, "outputs", "citations"))
        for delta in objects(chunk.get("outputs")):
            output, more = self._outputs.at(count(delta.get("index")) or 0), obj(delta.get("delta"))
            merge(output, without(delta, "delta", "message"))
            if more:
                _grow(output.setdefault("message", {}), more)
        outputs = self._outputs.items()
        self.complete = bool(outputs) and all(name(output.get("finish_reason")) for output in outputs)

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        outputs = self._outputs.items()
        body: dict[str, Any] = settled(self._body | ({"outputs": outputs} if outputs else {}))
        return body


def _grow(message: dict[str, Any], more: JSON) -> None:
    """Calls come whole; what is encrypted comes in pieces as texts do."""
    merge(message, without(more, "tool_calls", "encrypted_content"))
    if calls := entries(more.get("tool_calls")):
        message.setdefault("tool_calls", []).extend(settled(calls))
    if sealed := name(more.get("encrypted_content")):
        grow(message, "encrypted_content", sealed)


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()
