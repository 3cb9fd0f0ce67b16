"""Bedrock ``InvokeModel`` with models that embed: Titan's, Nova's and Cohere's.  Vectors enter no event.

API reference: Amazon Bedrock, "Amazon Titan Text Embeddings", "Amazon Titan Multimodal Embeddings", "Cohere Embed".
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, entries, name, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage

_ASKED = ("inputText", "inputImage", "texts", "images", "inputs", "taskType")


def request(body: JSON) -> Request:
    """Read what is to be embedded: texts and pictures."""
    texts, pictures = _all(body, "inputText", "texts", "inputs"), _all(body, "inputImage", "images")
    return Request(
        model=name(body.get("model")),
        input=[*(each if isinstance(each, str) else dump(each) for each in texts), *map(_picture, pictures)],
        parameters=without(body, "model", *_ASKED),
    )


def _all(body: JSON, *keys: str) -> list[Any]:
    given = [body[key] for key in keys if body.get(key) is not None]
    return [one for each in given for one in (entries(each) or ([] if isinstance(each, (list, tuple)) else [each]))]


def _picture(data: Any) -> str:
    """As a ``data:`` URI, by which processors know a picture inside a text."""
    given = data if isinstance(data, str) else dump(data)
    return given if given.startswith("data:") else f"data:image/png;base64,{given}"


def response(body: JSON) -> Response:
    """Read the count of an answer: only Titan's have one, of all others the headers tell."""
    error, error_type = error_of(body)
    asked = count(body.get("inputTextTokenCount"))
    return Response(
        usage=Usage(input_tokens=asked, raw=None if asked is None else {"inputTextTokenCount": asked}),
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
