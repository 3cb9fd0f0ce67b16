"""Errors inside a body: an answer may say 200 and still be an error, and a stream may break off with one."""

from __future__ import annotations

from llm_track.formats._json import JSON, dump, name, obj, objects


def error_of(body: JSON) -> tuple[str | None, str | None]:
    """Return (message, type) of the ``error`` member of a body, or (None, None) when there is none.

    IBM has a list of ``errors``, of which the first is told.

    >>> error_of({"error": {"message": "filtered", "code": "content_filter"}})
    ('filtered', 'content_filter')
    """
    error = body.get("error") or next(iter(objects(body.get("errors"))), None)
    if not error:
        return None, None
    if isinstance(error, str):
        return error, None
    details = obj(error)
    kind = details.get("code") or details.get("type")
    return name(details.get("message")) or dump(error), kind if kind is None or isinstance(kind, str) else dump(kind)
