"""Folding the events of a Responses stream.

The last event carries the whole response, so a finished stream needs nothing else.  A stream that the program leaves
early has no last event: then the items are built from the deltas that did arrive.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._fold import Slots, grow, settled, slots
from llm_track.formats._json import JSON, obj

_WHOLE = frozenset({"response.created", "response.queued", "response.in_progress"})
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})

_CONTENT, _SUMMARY = ("content", "content_index"), ("summary", "summary_index")

# event -> the list inside the item, and the event's key for the position in it
_PARTS = {
    "response.content_part.added": _CONTENT,
    "response.content_part.done": _CONTENT,
    "response.reasoning_summary_part.added": _SUMMARY,
    "response.reasoning_summary_part.done": _SUMMARY,
}
# event -> the same, the text that grows there, and the kind of part
_TEXTS = {
    "response.output_text.delta": (*_CONTENT, "text", "output_text"),
    "response.refusal.delta": (*_CONTENT, "refusal", "refusal"),
    "response.reasoning_text.delta": (*_CONTENT, "text", "reasoning_text"),
    "response.reasoning_summary_text.delta": (*_SUMMARY, "text", "summary_text"),
}
# event -> the text that grows in the item itself
_ARGUMENTS = {
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}


class ResponsesFold:
    """Folds response events into the response object."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        kind, item = chunk.get("type"), chunk.get("output_index")
        if not isinstance(kind, str):
            self._adopt(chunk)
        elif kind in _WHOLE or kind in _LAST:
            self._body = settled(obj(chunk.get("response")))
            self.complete = self.complete or kind in _LAST
        elif kind in _ITEMS:
            self._output().put(item, chunk.get("item"))
        elif kind in _PARTS:
            list_name, position = _PARTS[kind]
            slots(self._output().at(item), list_name).put(chunk.get(position), chunk.get("part"))
        elif kind in _TEXTS:
            self._grow_part(chunk, *_TEXTS[kind])
        elif kind in _ARGUMENTS:
            grow(self._output().at(item), _ARGUMENTS[kind], chunk.get("delta"))
        elif kind == "error":
            told = {key: chunk.get(key) for key in ("code", "message")}
            self._body["error"] = {**told, **obj(chunk.get("error"))}

    def body(self) -> dict[str, Any]:
        """Return the response as far as it is known."""
        return dict(settled(self._body))

    def _adopt(self, chunk: JSON) -> None:
        """A body without a type is no event: an error object, or the answer of a server that does not stream."""
        self._body |= settled(chunk)
        self.complete = self.complete or "output" in chunk

    def _output(self) -> Slots:
        return slots(self._body, "output")

    def _grow_part(self, event: JSON, list_name: str, position: str, growing: str, kind: str) -> None:
        part = slots(self._output().at(event.get("output_index")), list_name).at(event.get(position))
        part.setdefault("type", kind)
        grow(part, growing, event.get("delta"))
