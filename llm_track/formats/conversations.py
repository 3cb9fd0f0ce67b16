"""Mistral's conversations: entries of messages, calls of functions and tools that Mistral runs, handed on by agents.

API reference: Mistral, "Beta Conversations" (``POST /v1/conversations``) and the events of its streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._errors import error_of
from llm_track.formats._fold import merge, settled, slots
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.formats._usage import chat_usage
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = (
    *("inputs", "instructions", "model", "tools", "stream", "completion_args", "metadata", "name", "description"),
    "agent_id",
)


def request(body: JSON) -> Request:
    """Read a conversation that is begun, gone on with or begun anew; what was said before is not sent again."""
    inputs, instructions = body.get("inputs"), name(body.get("instructions"))
    asked = (
        [{"type": "message.input", "role": "user", "content": inputs}] if isinstance(inputs, str) else objects(inputs)
    )
    system = [{"role": "system", "content": instructions}] if instructions else []
    return Request(
        model=name(body.get("model")),
        input=[*system, *(drawn for entry in asked for drawn in _entry(entry, "user"))],
        parameters={**without(obj(body.get("completion_args"))), **without(body, *_NOT_PARAMETERS)},
        tools=entries(body.get("tools")) or None,
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read the entries that were added to a conversation; they name the model, the answer itself does not."""
    outputs = objects(body.get("outputs"))
    error, error_type = error_of(body)
    return Response(
        output=[drawn for entry in outputs for drawn in _entry(entry, "assistant")],
        usage=_usage(obj(body.get("usage"))),
        model=next((model for entry in outputs if (model := name(entry.get("model")))), None),
        error=error,
        error_type=error_type,
    )


def _usage(usage: JSON) -> Usage:
    """What tools of Mistral's read is counted apart, in the total only; searches are paid for each."""
    return replace(chat_usage(usage), web_searches=count(obj(usage.get("connectors")).get("web_search")))


def _entry(entry: JSON, default_role: str) -> list[JSON]:
    kind, call_id = entry.get("type"), text(entry.get("tool_call_id"))
    if kind == "function.result":
        answer = {"role": "tool", "content": _parts.flat(entry.get("result"))}
        return [answer | ({"tool_call_id": call_id} if call_id else {})]
    if kind == "function.call":
        call = _blocks.tool_call(call_id, entry.get("name"), entry.get("arguments"))
        return _blocks.answer("assistant", [], [call])
    if kind == "tool.execution":
        return _blocks.messages("assistant", [_execution(entry)])
    if kind in ("message.output", "message.input") or (kind is None and "content" in entry):
        return _blocks.messages(name(entry.get("role")) or default_role, _parts.read(entry.get("content")))
    heir = name(entry.get("next_agent_name")) or name(entry.get("next_agent_id"))
    return [{"role": "assistant", "content": f"[handoff to {heir}]" if heir else dump(without(entry))}]


_KINDS = {
    "web_search": "web_search_call",
    "web_search_premium": "web_search_call",
    "code_interpreter": "code_interpreter_call",
}


def _execution(entry: JSON) -> _blocks.Block:
    """A tool that Mistral ran itself, which is no call of the program's tools."""
    tool = name(entry.get("name")) or "unknown"
    action = entry.get("arguments")
    return {"type": _KINDS.get(tool, "mcp_call"), "id": text(entry.get("id")) or "", "name": tool, "action": action}


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output."""
    kind = chunk.get("type")
    return kind in ("function.call.delta", "tool.execution.started", "agent.handoff.started") or (
        kind == "message.output.delta" and bool(chunk.get("content"))
    )


_ENTRIES = ("message.output", "function.call", "tool.execution", "agent.handoff")
_OF_THE_EVENT = ("type", "output_index", "content_index", "created_at")


class _Fold:
    """Builds the answer from its events: each belongs to the entry at its index."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {"object": "conversation.response"}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        kind = text(chunk.get("type")) or ""
        entry = kind.rpartition(".")[0]
        if kind == "conversation.response.error":
            self._body["error"] = settled(without(chunk, "type", "created_at"))
        elif entry == "conversation.response":
            self._body |= {key: settled(value) for key, value in chunk.items() if key not in _OF_THE_EVENT}
        elif entry in _ENTRIES:
            self._add_to(entry, chunk)
        self.complete = self.complete or kind in ("conversation.response.done", "conversation.response.error")

    def _add_to(self, kind: str, chunk: JSON) -> None:
        entry = slots(self._body, "outputs").at(chunk.get("output_index", 0))
        entry |= {"object": "entry", "type": kind}
        content = chunk.get("content")
        told: dict[str, Any] = {key: value for key, value in chunk.items() if key not in _OF_THE_EVENT}
        merge(entry, told | ({"content": [content]} if isinstance(content, Mapping) else {}))

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()
