"""Cohere's embeddings, ``POST /v2/embed`` and ``/v1/embed``: of texts, pictures and both.  Vectors enter no event.

API reference: Cohere, "Embed".
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _parts
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read what is to be embedded: texts, pictures, and inputs that are made of both."""
    asked = [*(entries(body.get("texts")) or ()), *(entries(body.get("images")) or ())]
    return Request(
        model=name(body.get("model")),
        input=[*map(_words, asked), *(_parts.flat(each.get("content")) for each in objects(body.get("inputs")))],
        parameters=without(body, "texts", "images", "inputs", "model"),
    )


def _words(item: Any) -> str:
    return item if isinstance(item, str) else dump(item)


def response(body: JSON) -> Response:
    """Read what is billed: tokens, and of those, or instead of them, the tokens of pictures.  No model is named."""
    billed = obj(obj(body.get("meta")).get("billed_units"))
    error, error_type = error_of(body)
    return Response(
        usage=Usage(
            input_tokens=count(billed.get("input_tokens")),
            image_input_tokens=count(billed.get("image_tokens")),
            raw=dict(billed) or None,
        ),
        id=name(body.get("id")),
        error=error,
        error_type=error_type,
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: the only one does."""
    return True


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
