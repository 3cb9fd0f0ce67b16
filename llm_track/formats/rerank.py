"""Cohere Rerank, ``POST /v2/rerank``, Voyage's, and its many speakers: which of several documents answer a question."""

from __future__ import annotations

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read the question and the documents, a message each."""
    asked = [body.get("query"), *(entries(body.get("documents")) or [])]
    return Request(
        model=name(body.get("model")),
        input=[{"role": "user", "content": _words(item)} for item in asked if item is not None],
        parameters=without(body, "query", "documents", "model"),
    )


def _words(document: object) -> str:
    """A document is a text, or an object with one."""
    return document if isinstance(document, str) else text(obj(document).get("text")) or dump(document)


def response(body: JSON) -> Response:
    """Read the order of the documents; what is billed are searches, or tokens with some providers.

    Voyage has the order under ``data``, and counts as an embedding does: all in all, and all of it goes in.
    """
    results, meta = objects(body.get("results")) or objects(body.get("data")), obj(body.get("meta"))
    billed, usage = obj(meta.get("billed_units")), obj(body.get("usage"))
    asked, in_all = _tokens(meta, "input_tokens"), count(usage.get("total_tokens"))
    error, error_type = error_of(body)
    return Response(
        output=[{"role": "assistant", "content": dump([_place(result) for result in results])}] if results else [],
        usage=Usage(
            input_tokens=in_all if asked is None else asked,
            output_tokens=_tokens(meta, "output_tokens"),
            total_tokens=in_all,
            raw=dict(billed) or dict(usage) or None,
        ),
        model=name(body.get("model")),
        id=name(body.get("id")),
        error=error,
        error_type=error_type,
    )


def _tokens(meta: JSON, field: str) -> int | None:
    """What was read, else what is billed."""
    read = count(obj(meta.get("tokens")).get(field))
    return count(obj(meta.get("billed_units")).get(field)) if read is None else read


def _place(result: JSON) -> JSON:
    return {"index": result.get("index"), "relevance_score": result.get("relevance_score")}


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: the only one does."""
    return True


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
