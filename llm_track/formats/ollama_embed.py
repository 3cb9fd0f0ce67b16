"""Ollama's embeddings: ``/api/embed``, and the older ``/api/embeddings`` for one prompt.  Vectors enter no event.

API reference: Ollama, "Generate embeddings".  Texts that are still in the cache are not counted.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, name, obj, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read what is to be embedded: one text or several."""
    asked: Any = body.get("input", body.get("prompt"))
    texts = asked if isinstance(asked, list) else [] if asked is None else [asked]
    return Request(
        model=name(body.get("model")),
        input=[one if isinstance(one, str) else dump(one) for one in texts],
        parameters=without({**obj(body.get("options")), **without(body, "model", "input", "prompt", "options")}),
    )


def response(body: JSON) -> Response:
    """Read the count of an answer; the older kind has none."""
    error, error_type = error_of(body)
    asked = body.get("prompt_eval_count")
    return Response(
        usage=Usage(input_tokens=count(asked), raw=None if asked is None else {"prompt_eval_count": asked}),
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
