"""The streams of Cohere's chat, of both versions, and of its older text generation."""

from __future__ import annotations

from typing import Any

from llm_track.formats._fold import grow, merge, settled, slots
from llm_track.formats._json import JSON, count, entries, name, obj, text, without

_AT_INDEX = ("content", "tool_calls")
"""Parts of a message of which a stream sends one at a time, as an object with an index beside it."""
_WORDS = {
    "content-start": "content",
    "content-delta": "content",
    "tool-plan-delta": "tool_plan",
    "tool-call-start": "tool_calls",
    "tool-call-delta": "tool_calls",
}
_OF_V1 = ("text-generation", "tool-calls-chunk", "tool-calls-generation", "search-queries-generation")


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output: words, thoughts, a plan, a call, or queries for a search."""
    if chunk.get("event_type") in _OF_V1:
        return True
    part = _WORDS.get(name(chunk.get("type")) or "")
    said = _message_of(chunk).get(part) if part else None
    return any(value not in (None, "") for value in without(obj(said), "type").values()) or bool(text(said))


def _message_of(chunk: JSON) -> JSON:
    return obj(obj(chunk.get("delta")).get("message"))


class Fold:
    """Builds the answer from its events.

    Version 2 has a ``type`` and tells what is new; version 1 has an ``event_type``, and its last event has it all.
    """

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        if "event_type" in chunk:
            self._add_v1(chunk, chunk.get("event_type"))
        else:
            self._add_v2(chunk, chunk.get("type"))

    def _add_v2(self, chunk: JSON, kind: Any) -> None:
        if named := name(chunk.get("id")):
            self._body["id"] = named
        for key, part in _message_of(chunk).items():
            if part not in ("", [], None):
                self._add_part(self._body.setdefault("message", {}), key, part, chunk.get("index"))
        if kind == "content-delta" and chunk.get("logprobs") is not None:
            merge(self._body, {"logprobs": [chunk["logprobs"]]})
        if kind == "message-end":
            self._body |= settled(without(obj(chunk.get("delta")), "message"))
            self.complete = True

    def _add_part(self, message: dict[str, Any], key: str, part: Any, index: Any) -> None:
        if key == "citations" and isinstance(part, dict):
            slots(message, key).put(index, part)
        elif key in _AT_INDEX and isinstance(part, dict):
            merge(slots(message, key).at(index), part)
        elif key == "tool_plan":
            grow(message, key, part)
        else:
            message[key] = settled(part)

    def _add_v1(self, chunk: JSON, kind: Any) -> None:
        known = without(chunk, "event_type", "is_finished", "index", "text", "tool_call_delta", "err")
        if kind == "stream-end":
            whole = settled(obj(known.pop("response", None)))
            self._body = whole or {**self._body, **settled(known)}
            self.complete = True
        elif kind == "citation-generation":
            merge(self._body, {"citations": entries(chunk.get("citations")) or []})
        else:
            self._body |= settled(known)
        if kind in ("text-generation", "tool-calls-chunk") and text(chunk.get("text")):
            numbered = count(chunk.get("index")) is not None  # one of several texts that go on from a prompt
            into = slots(self._body, "generations").at(chunk["index"]) if numbered else self._body
            grow(into, "text", chunk["text"])
        if kind == "stream-error":
            self._body["error"] = settled(chunk.get("err"))

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body
