"""Folding the events of an interaction: steps that grow by deltas, and the interaction around them.

What a delta says belongs to the step at its index; in the answer of a model, to the last of its contents.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._fold import grow, merge, settled, slots
from llm_track.formats._json import JSON, load, obj, objects, without

_BEGUN = ("interaction.created", "interaction.start", "interaction.status_update", "interaction.in_progress")
_LISTS = ("steps", "outputs")


class InteractionsFold:
    """Folds events into the interaction."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one event."""
        kind = chunk.get("event_type")
        if not isinstance(kind, str):
            self._adopt(chunk)
        elif kind in ("step.start", "content.start"):
            slots(self._body, _list_of(kind)).put(chunk.get("index"), chunk.get(kind.partition(".")[0]))
        elif kind in ("step.delta", "content.delta"):
            _grow(slots(self._body, _list_of(kind)).at(chunk.get("index")), obj(chunk.get("delta")))
        elif kind == "error":
            self._body["error"] = settled(chunk.get("error"))
        elif kind == "interaction.status_update":
            self._know({"id": chunk.get("interaction_id"), "status": chunk.get("status"), "usage": chunk.get("usage")})
        elif kind.startswith("interaction."):
            self._know(obj(chunk.get("interaction")))
            self.complete = self.complete or kind not in _BEGUN

    def body(self) -> dict[str, Any]:
        """Return the interaction as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        for step in (step for key in _LISTS for step in objects(body.get(key))):
            _read_arguments(step)
        return body

    def _adopt(self, chunk: JSON) -> None:
        """A body without a type is no event: an error object, or the answer of a server that does not stream."""
        self._body |= settled(chunk)
        self.complete = self.complete or any(key in chunk for key in _LISTS)

    def _know(self, interaction: JSON) -> None:
        """Take what an event says of the whole; lists that it has no room for are those that the deltas told."""
        known = [key for key in _LISTS if key in self._body and not interaction.get(key)]
        told = without(interaction, *known)
        self._body |= settled(told)


def _list_of(kind: str) -> str:
    return "steps" if kind.startswith("step.") else "outputs"


def _grow(step: dict[str, Any], delta: JSON) -> None:
    kind = delta.get("type")
    if kind == "thought_summary":
        _append(step, "summary", obj(delta.get("content")))
    elif kind == "thought_signature":
        grow(step, "signature", delta.get("signature"))
    elif kind == "arguments_delta":
        grow(step, "partial_arguments", delta.get("arguments"))
    elif kind == "text_annotation_delta":
        merge(_last(step), {"annotations": delta.get("annotations")})
    elif step.get("type") == "model_output":
        _append(step, "content", delta)
    else:  # a content that is its own step, or a tool's step, of which each delta replaces or adds fields
        step.setdefault("type", kind)
        merge(step, without(delta, "type"))


def _append(step: dict[str, Any], key: str, content: JSON) -> None:
    """Add a content to a list of them, or to the last one where that goes on."""
    known = step.setdefault(key, [])
    last = known[-1] if isinstance(known, list) and known and isinstance(known[-1], dict) else None
    if not isinstance(known, list):
        step[key] = [settled(content)]
    elif last is not None and last.get("type") == content.get("type") and content.get("type") in ("text", "audio"):
        merge(last, without(content, "type"))
    else:
        known.append(settled(content))


def _last(step: dict[str, Any]) -> dict[str, Any]:
    """The last content of a step, or the step if it has none."""
    content = step.get("content")
    return content[-1] if isinstance(content, list) and content and isinstance(content[-1], dict) else step


def _read_arguments(step: Any) -> None:
    """The arguments of a call arrive as pieces of JSON text; a call without arguments has none."""
    if written := step.pop("partial_arguments", None):
        step["arguments"] = load(written)
