"""Voyage's embeddings: of texts, of texts with those around them, and of texts, pictures and films.

API reference: Voyage AI, ``POST /embeddings``, ``/contextualizedembeddings`` and ``/multimodalembeddings``.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, entries, name, obj, text, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read what is to be embedded: one text, several, lists of texts that belong together, or inputs with parts."""
    given = body.get("input", body.get("inputs"))
    asked = [given] if isinstance(given, str) else entries(given) or []
    return Request(
        model=name(body.get("model")),
        input=[_words(item) for item in asked],
        parameters=without(body, "input", "inputs", "model"),
    )


def _words(item: Any) -> str:
    """What gets a vector, as one text; of texts that belong together each gets its own."""
    if isinstance(item, (list, tuple)):
        return "\n".join(map(_words, item))
    parts = obj(item).get("content")
    if isinstance(parts, (list, tuple)):
        return "\n".join(map(_part, parts))
    return item if isinstance(item, str) else dump(item)


def _part(part: Any) -> str:
    """A part has its words, its address or its bytes under the name of its kind: ``{"type": "text", "text": ...}``."""
    return text(obj(part).get(name(obj(part).get("type")) or "")) or dump(part)


def response(body: JSON) -> Response:
    """Read the counts of an answer.  Vectors are no tokens: all that are counted went in."""
    usage = obj(body.get("usage"))
    error, error_type = error_of(body)
    return Response(
        usage=Usage(
            input_tokens=count(usage.get("total_tokens")),
            total_tokens=count(usage.get("total_tokens")),
            raw=dict(usage) or None,
        ),
        model=name(body.get("model")),
        error=error,
        error_type=error_type,
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: the only one does."""
    return True


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
