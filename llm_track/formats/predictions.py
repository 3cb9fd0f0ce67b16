"""Replicate's predictions: whatever a model takes and gives, an answer is the state of one prediction.

It may be done when it is created, or is fetched until it is, or its output is streamed: as events with a piece each.

API reference: Replicate, "HTTP API", ``predictions.create``, ``predictions.get`` and streaming output.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from llm_track.formats import _blocks, chat_completions
from llm_track.formats._errors import error_of
from llm_track.formats._fold import settled
from llm_track.formats._json import JSON, count, dump, load, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_UNFINISHED = ("starting", "processing")
_SAID = ("prompt", "system_prompt", "messages", "image")
_ADDRESS = ("https://", "http://", "data:")
_PICTURE = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def request(body: JSON) -> Request:
    """Read what a model is given: a prompt, a chat, or anything else as JSON."""
    given = obj(body.get("input"))
    chat, prompt, system = objects(given.get("messages")), given.get("prompt"), name(given.get("system_prompt"))
    if chat:
        asked = list(chat_completions.request({"messages": chat}).input or ())
    elif prompt is None:
        asked = [{"role": "user", "content": dump(given)}] if given else []
    else:
        said = [_blocks.said(prompt if isinstance(prompt, str) else dump(prompt)), *_pictures(given.get("image"))]
        asked = _blocks.messages("user", said)
    return Request(
        model=name(body.get("model")),
        input=[{"role": "system", "content": system}, *asked] if system else asked,
        parameters=without(given, *_SAID) if chat or prompt is not None else {},
        stream=body.get("stream") is True,
    )


def _pictures(value: Any) -> list[_blocks.Block]:
    return [_drawn(value)] if isinstance(value, str) and value.startswith(_ADDRESS) else []


def response(body: JSON) -> Response:
    """Read a prediction.  One that was waited for may still be called ``processing`` although its output is there."""
    status, output = name(body.get("status")), body.get("output")
    error, error_type = error_of(body)
    if error is None and status == "failed":
        error = "the prediction failed"
    return Response(
        output=_output(output),
        usage=_usage(obj(body.get("metrics"))),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=None if status in _UNFINISHED else status,
        background=name(body.get("id")) is not None,
        pending=status == "starting" or (status == "processing" and output in (None, "", [])),
        error=error,
        error_type=error_type,
    )


def _usage(metrics: JSON) -> Usage:
    return Usage(
        input_tokens=count(metrics.get("input_token_count")),
        output_tokens=count(metrics.get("output_token_count")),
        raw=dict(metrics) or None,
    )


def _output(output: Any) -> list[JSON]:
    """Pieces of text are one text; a file is drawn if it is a picture, else named; of vectors nothing is kept."""
    pieces = output if isinstance(output, (list, tuple)) else [] if output is None else [output]
    if all(isinstance(piece, str) and not piece.startswith(_ADDRESS) for piece in pieces):
        words = "".join(pieces)
        return [{"role": "assistant", "content": words}] if pieces else []
    return _blocks.messages("assistant", [_drawn(piece) for piece in pieces])


def _drawn(piece: Any) -> _blocks.Block:
    if not isinstance(piece, str):
        return _blocks.said(dump(_without_vectors(piece)))
    if piece.startswith("data:image/") or (piece.startswith("http") and piece.lower().endswith(_PICTURE)):
        return {"type": "image", "image": piece}
    return _blocks.said(f"[file {piece.partition(',')[0]}]" if piece.startswith(_ADDRESS) else piece)


def _without_vectors(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        numbers = len(value) > 1 and all(type(item) in (int, float) for item in value)
        return f"[{len(value)} numbers]" if numbers else [_without_vectors(item) for item in value]
    return {key: _without_vectors(item) for key, item in value.items()} if isinstance(value, dict) else value


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output."""
    return chunk.get("event") == "output" and bool(chunk.get("data"))


class _Fold:
    """Builds the prediction from its beginning and the events of its stream."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}
        self._pieces: list[str] = []

    def add(self, chunk: JSON) -> None:
        """Take an event, or the prediction as it was created."""
        event, data = chunk.get("event"), chunk.get("data")
        if event == "output":
            self._pieces.append(text(data) or "")
        elif event == "error":
            self._end("failed", {"error": settled(data)})
        elif event == "done":  # which names a reason if it is not that all is said
            self._end(_ENDS.get(text(obj(load(data)).get("reason")) or "", "succeeded"), {})
        elif event is None:
            self._body |= settled(without(chunk, "status", "output"))

    def _end(self, status: str, more: JSON) -> None:
        self.complete = True
        self._body |= {"status": status, **more}

    def body(self) -> dict[str, Any]:
        """Return the prediction as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body | ({"output": list(self._pieces)} if self._pieces else {})


_ENDS = {"canceled": "canceled", "error": "failed"}


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()


@dataclass(frozen=True)
class Known:
    """How it is read what is said of a prediction that exists: it is fetched, or its output is streamed."""

    created: JSON = field(default_factory=dict)
    """The prediction as it was created."""

    def request(self, body: JSON) -> Request:
        """Read what a model is given."""
        return request(body)

    def response(self, body: JSON) -> Response:
        """Read a prediction that was fetched; while it goes on, its output is not the whole."""
        said = response(body)
        return replace(said, pending=name(body.get("status")) in _UNFINISHED)

    def is_content(self, chunk: JSON) -> bool:
        """Tell whether an event carries output."""
        return is_content(chunk)

    def fold(self) -> _Fold:
        """Begin a stream of what was created."""
        begun = fold()
        begun.add(self.created)
        return begun
