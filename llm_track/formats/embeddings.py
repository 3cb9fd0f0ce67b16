"""OpenAI Embeddings, ``POST /embeddings``.  Vectors say nothing to a reader and never enter an event."""

from __future__ import annotations

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, name, without
from llm_track.formats._tokens import readable
from llm_track.formats._usage import chat_usage
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response


def request(body: JSON) -> Request:
    """Read an embeddings request: one text, several, or token ids; Hugging Face has them under ``inputs``."""
    return Request(
        model=name(body.get("model")),
        input=readable(body["input"] if "input" in body else body.get("inputs")),
        parameters=without(body, "input", "inputs", "model", "user", "metadata"),
    )


def response(body: JSON) -> Response:
    """Read the list of embeddings for its model and its usage."""
    error, error_type = error_of(body)
    return Response(
        usage=chat_usage(body.get("usage")),
        model=name(body.get("model")),
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
