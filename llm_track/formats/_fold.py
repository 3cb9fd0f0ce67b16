"""Joining the chunks of a stream: the parts that several formats share.

A fold never changes a chunk and never shares one with its body: what it keeps grows in `Pieces` and `Slots`, and
`settled` turns that into plain JSON whenever the body is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_track.formats._json import JSON, count, name, obj, objects, text

_GROWING = frozenset(
    {
        *("content", "refusal", "text", "reasoning_content", "reasoning", "thinking", "signature", "summary"),
        *("arguments", "input", "partial_json"),
        *("data", "transcript"),
    }
)
_JOINED = ("text", "thinking", "reasoning.text", "reasoning.summary")
"""Kinds of parts of which a stream sends the next bit as one more part."""
_PADDING = ("obfuscation", "p")
"""Noise of changing length that hides from a listener how long each token is."""


class Pieces:
    """A text that still grows.  It is joined when it is read: growing a string copies it with every chunk."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)

    def __str__(self) -> str:
        return "".join(self.pieces)


class Slots:
    """The objects of a list that arrive by their index, in any order and perhaps with gaps."""

    def __init__(self, known: Any = None) -> None:
        self._at: dict[int, dict[str, Any]] = {where: settled(item) for where, item in enumerate(objects(known))}

    def at(self, index: Any) -> dict[str, Any]:
        """Return the object at an index; an index that is none means the newest object."""
        return self._at.setdefault(self._where(index), {})

    def put(self, index: Any, item: Any) -> None:
        """Set the object at an index."""
        self._at[self._where(index)] = settled(obj(item))

    def end(self) -> int:
        """Return the index after the last object."""
        return max(self._at, default=-1) + 1

    def items(self) -> list[dict[str, Any]]:
        """Return the objects in order."""
        return [self._at[where] for where in sorted(self._at)]

    def _where(self, index: Any) -> int:
        where = count(index)
        return max(self.end() - 1, 0) if where is None else where


def settled(value: Any) -> Any:
    """Return a value as plain JSON that shares nothing with it."""
    if isinstance(value, Mapping):
        return {key: settled(item) for key, item in value.items()}
    if isinstance(value, Slots):
        return [settled(item) for item in value.items()]
    if isinstance(value, (list, tuple)):
        return [settled(item) for item in value]
    return str(value) if isinstance(value, Pieces) else value


def grow(into: dict[str, Any], key: str, more: Any) -> None:
    """Append a piece of text."""
    present, piece = into.get(key), text(more) or ""
    if isinstance(present, Pieces):
        present.pieces.append(piece)
    else:
        into[key] = Pieces(text(present) or "", piece)


def slots(into: dict[str, Any], key: str) -> Slots:
    """Return the list under a key as one that is filled by index."""
    present = into.get(key)
    if not isinstance(present, Slots):
        present = into[key] = Slots(present)
    return present


def merge(into: dict[str, Any], delta: JSON) -> None:
    """Add a delta to what is known: texts grow, objects merge, lists join, anything else replaces."""
    for key, value in delta.items():
        present = into.get(key)
        if isinstance(value, Mapping):
            into[key] = present if isinstance(present, dict) else {}
            merge(into[key], value)
        elif key == "tool_calls" and isinstance(value, list):
            _merge_tool_calls(slots(into, key), value)
        elif isinstance(value, list):
            into[key] = _parts(present)
            _join(into[key], value)
        elif isinstance(value, str) and key in _GROWING:
            if isinstance(present, list):
                _join(present, _parts(value))
            else:
                grow(into, key, value)
        elif value not in (None, "") or key not in into:
            into[key] = value


def _parts(present: Any) -> list[Any]:
    """Content may begin as a string and go on as a list of parts, or the other way round."""
    if isinstance(present, list):
        return present
    words = str(present) if isinstance(present, (str, Pieces)) else ""
    return [{"type": "text", "text": words}] if words else []


def _join(parts: list[Any], more: list[Any]) -> None:
    for part in more:
        last = obj(parts[-1]) if parts else {}
        kind = obj(part).get("type")
        if kind in _JOINED and (kind, part.get("index")) == (last.get("type"), last.get("index")):
            merge(parts[-1], part)
        else:
            parts.append(settled(part))


def _merge_tool_calls(calls: Slots, deltas: list[Any]) -> None:
    for delta in objects(deltas):
        merge(calls.at(_call_index(calls, delta)), {key: value for key, value in delta.items() if key != "index"})


def _call_index(calls: Slots, delta: JSON) -> Any:
    """Tell where a delta belongs.  Some providers send whole calls without an index, or all of them with the same.

    An id alone does not begin a call: old servers of vLLM made up a new one for every delta.
    """
    index, call_id, function = (
        count(delta.get("index")),
        name(delta.get("id")),
        name(obj(delta.get("function")).get("name")),
    )
    if index is None:
        return calls.end() if function else None
    present = name(calls.at(index).get("id"))
    return calls.end() if function and call_id and present and call_id != present else index


class ChoicesFold:
    """Folds chunks that hold ``choices`` with an ``index``: Chat Completions and legacy completions."""

    def __init__(self, *, chunk_object: str, body_object: str) -> None:
        self.complete = False
        self._chunk_object, self._object = chunk_object, body_object
        self._body: dict[str, Any] = {}
        self._choices = Slots()

    def add(self, chunk: JSON) -> None:
        """Take one chunk.  Counts that come with several chunks are cumulative: the last one stands.

        Azure sends chunks before and after the answer whose id and model are empty; those replace nothing.
        """
        for key, value in chunk.items():
            if key == "choices" and isinstance(value, list):
                self._body[key] = self._choices
            elif key not in _PADDING and (value or key not in self._body):
                self._body[key] = value
        for position, delta in enumerate(objects(chunk.get("choices"))):
            self._add_choice(delta, position)
        choices = self._choices.items()
        self.complete = bool(choices) and all(name(choice.get("finish_reason")) for choice in choices)

    def _add_choice(self, delta: JSON, position: int) -> None:
        index, message = delta.get("index"), delta.get("message")
        choice = self._choices.at(position if count(index) is None else index)
        merge(choice, {key: value for key, value in delta.items() if key not in ("delta", "message")})
        if isinstance(message, Mapping) and not delta.get("delta"):  # a server that does not stream
            choice["message"] = settled(message)
        elif "delta" in delta:  # Perplexity and Writer add a message to it: the whole so far, or the same again
            known = choice.setdefault("message", {})
            merge(known, obj(delta["delta"]))
            if role := name(obj(message).get("role")):
                known.setdefault("role", role)

    def body(self) -> dict[str, Any]:
        """Return the body as far as the chunks told it."""
        body: dict[str, Any] = settled(self._body)
        return body | ({"object": self._object} if body.get("object") == self._chunk_object else {})
