"""Gemini's embeddings: ``embedContent``, ``batchEmbedContents``, and Vertex's ``predict``.  Vectors enter no event.

API reference: ``models.embedContent`` and ``models.batchEmbedContents``; Vertex, "Get text embeddings".
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._contents import field, service_tier, words_of
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, name, obj, objects, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read what is to be embedded: one content, several, or the instances of Vertex."""
    asked = objects(body.get("requests")) or objects(body.get("instances")) or [body]
    contents = [each.get("content") for each in asked if each.get("content") is not None]
    settings = {**without(asked[0], "content", "model", "requests", "instances"), **obj(body.get("parameters"))}
    model = name(body.get("model")) or name(asked[0].get("model"))
    return Request(
        model=model and model.removeprefix("models/"),
        input=[words_of(content) for content in contents],
        parameters=without(settings, "parameters"),
    )


def response(body: JSON) -> Response:
    """Read the counts of an answer: Vertex has them with each vector, the developer API for all or not at all."""
    usage = obj(body.get("usageMetadata"))
    vectors = [obj(each.get("embeddings")) for each in objects(body.get("predictions"))]
    vectors += [*objects(body.get("embeddings")), obj(body.get("embedding"))]
    counts = [_tokens(obj(vector.get("statistics"))) for vector in vectors]
    known = [tokens for tokens in counts if tokens is not None]
    asked = count(usage.get("promptTokenCount"))
    error, error_type = error_of(body)
    return Response(
        usage=Usage(
            input_tokens=(sum(known) if known else None) if asked is None else asked,
            total_tokens=count(usage.get("totalTokenCount")),
            raw=dict(usage) or None,
        ),
        service_tier=service_tier(body),
        error=error,
        error_type=error_type,
    )


def _tokens(statistics: JSON) -> int | None:
    value: Any = field(statistics, "tokenCount")
    return count(value)


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: the only one does."""
    return True


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
