"""Text generation as Hugging Face's servers speak it: Text Generation Inference, and the pipelines that are like it.

API reference: TGI, ``POST /``, ``/generate`` and ``/generate_stream``; a chunk of a stream is one token.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._fold import grow, settled
from llm_track.formats._json import JSON, count, dump, name, obj, text, without
from llm_track.records import Request, Response, Usage

_TEXTS = ("generated_text", "summary_text", "translation_text")
"""What a pipeline calls its text: a text that goes on, a summary, a translation."""
_COUNTS = ("input_length", "generated_tokens")


def request(body: JSON) -> Request:
    """Read a text that is to go on; what steers that stands apart."""
    asked = body.get("inputs")
    return Request(
        model=name(body.get("model")),
        input=[] if asked is None else [{"role": "user", "content": asked if isinstance(asked, str) else dump(asked)}],
        parameters=without({**without(body, "inputs", "model", "stream", "parameters"), **obj(body.get("parameters"))}),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read a text; only a stream says how long the prompt was, and only with details how long the text is."""
    said, details = next((words for key in _TEXTS if (words := text(body.get(key))) is not None), None), _details(body)
    error, error_type = error_of(body)
    return Response(
        output=[] if said is None else [{"role": "assistant", "content": said}],
        usage=Usage(
            input_tokens=count(details.get("input_length")),
            output_tokens=count(details.get("generated_tokens")),
            raw={key: details[key] for key in _COUNTS if details.get(key) is not None} or None,
        ),
        stop_reason=name(details.get("finish_reason")),
        error=error,
        error_type=error_type or (name(body.get("error_type")) if error is not None else None),
    )


def _details(body: JSON) -> JSON:
    return obj(body.get("details"))


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries text."""
    return bool(_piece(chunk) or name(chunk.get("generated_text")))


def _piece(chunk: JSON) -> str | None:
    """A special token, such as the one that ends a text, is no part of it."""
    token = obj(chunk.get("token"))
    return None if token.get("special") is True else text(token.get("text"))


class _Fold:
    """Builds the text from its tokens; the last chunk has it whole."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one token."""
        if (piece := _piece(chunk)) is not None:
            grow(self._body, "generated_text", piece)
        self._body |= settled(without(chunk, "token", "top_tokens", "index"))
        self.complete = name(_details(chunk).get("finish_reason")) is not None or "generated_text" in without(chunk)

    def body(self) -> dict[str, Any]:
        """Return the text as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()
