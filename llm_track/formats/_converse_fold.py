"""Joining the events of a stream from Bedrock Converse, each ``{its type: ...}``; Nova streams so by itself as well."""

from __future__ import annotations

from typing import Any

from llm_track.formats._fold import Slots, grow, merge, settled, slots
from llm_track.formats._json import JSON, load, obj, objects, text, without

EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_PADDING = "p"
"""Noise of changing length that hides from a listener how long each token is."""


class ConverseFold:
    """Builds the answer.  The counts come last: a stream is complete when they are there."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        start, delta = obj(chunk.get("contentBlockStart")), obj(chunk.get("contentBlockDelta"))
        if "messageStart" in chunk:
            self._message().update(settled(without(obj(chunk["messageStart"]), _PADDING)))
            slots(self._message(), "content")
        if start:
            self._content().put(start.get("contentBlockIndex"), start.get("start"))
        if delta:
            _grow(self._content().at(delta.get("contentBlockIndex")), obj(delta.get("delta")))
        for last in ("messageStop", "metadata"):
            if last in chunk:
                self._body |= settled(without(obj(chunk[last]), _PADDING))
        self.complete = self.complete or "metadata" in chunk
        self._body |= settled(without(chunk, _PADDING, "type", *EVENTS))  # an error, or what only Nova adds

    def _message(self) -> dict[str, Any]:
        output = self._body.setdefault("output", {})
        if not isinstance(output, dict):
            output = self._body["output"] = {}
        message = output.setdefault("message", {})
        if not isinstance(message, dict):
            message = output["message"] = {}
        return message

    def _content(self) -> Slots:
        return slots(self._message(), "content")

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        message = obj(obj(body.get("output")).get("message"))
        for block in objects(message.get("content")):
            _finish(block)
        return body


def _grow(block: dict[str, Any], delta: JSON) -> None:
    for key, value in delta.items():
        if key == "text":
            grow(block, "text", value)
        elif key == "citation":
            merge(block, {"citations": [value]})
        elif key == "toolUse":
            _grow_call(block, obj(value))
        elif key == "reasoningContent":
            _grow_reasoning(block, obj(value))
        else:
            block[key] = settled(value)


def _grow_call(block: dict[str, Any], delta: JSON) -> None:
    """The arguments of a call arrive as pieces of JSON text."""
    call = block.get("toolUse")
    if not isinstance(call, dict):
        call = block["toolUse"] = {}
    grow(call, "input", delta.get("input"))


def _grow_reasoning(block: dict[str, Any], delta: JSON) -> None:
    """Thoughts and their signature lie a step deeper in the answer than in a stream."""
    if "redactedContent" in delta:
        block["reasoningContent"] = {"redactedContent": settled(delta["redactedContent"])}
        return
    thought = block.get("reasoningContent")
    if not isinstance(thought, dict) or not isinstance(thought.get("reasoningText"), dict):
        thought = block["reasoningContent"] = {"reasoningText": {}}
    for key in ("text", "signature"):
        if text(delta.get(key)) is not None:
            grow(thought["reasoningText"], key, delta[key])


def _finish(block: Any) -> None:
    call = block.get("toolUse")
    if isinstance(call, dict) and isinstance(call.get("input"), str):
        call["input"] = load(call["input"]) if call["input"] else {}
    if "citations" in block:
        words = [{"text": block.pop("text")}] if "text" in block else []
        block["citationsContent"] = {"content": words, "citations": block.pop("citations")}
