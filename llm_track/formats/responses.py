"""OpenAI Responses.

API reference: ``POST /responses``, ``GET /responses/{id}``, the response object and its streaming events.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._items import drawn
from llm_track.formats._json import JSON, entries, name, obj, objects, without
from llm_track.formats._responses_fold import ResponsesFold
from llm_track.formats._usage import responses_usage
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = ("input", "instructions", "model", "tools", "stream", "user", "metadata", "prompt_cache_key")
_UNFINISHED = ("queued", "in_progress")


def request(body: JSON) -> Request:
    """Read the body of a response request; instructions become the first message."""
    instructions, given = body.get("instructions"), body.get("input")
    asked = _said("system", instructions) if instructions else []
    return Request(
        model=name(body.get("model")),
        input=asked + _said("user", given),
        parameters=without(body, *_NOT_PARAMETERS),
        tools=entries(body.get("tools")),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read a response object.

    The stop reason is why it is incomplete (``max_output_tokens``), else its status (``completed``).
    A run that is not done yet is ``pending`` and has none.
    """
    status = name(body.get("status"))
    error, error_type = error_of(body)
    if error is None and status == "failed":
        error = "the response failed"
    return Response(
        output=_all(body.get("output")),
        usage=_with_searches(responses_usage(body.get("usage")), body),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=name(obj(body.get("incomplete_details")).get("reason"))
        or (None if status in _UNFINISHED else status),
        service_tier=name(body.get("service_tier")),
        background=body.get("background") is True,
        pending=status in _UNFINISHED,
        error=error,
        error_type=error_type,
    )


def _said(role: str, words: Any) -> list[JSON]:
    return [{"role": role, "content": words}] if isinstance(words, str) else _all(words)


def _all(items: Any) -> list[JSON]:
    return [message for item in objects(items) for message in drawn(item)]


def _with_searches(usage: Usage, body: JSON) -> Usage:
    """Searches are billed by the call; the API reports each as an item.  Opening a page it found is none."""
    calls = [item for item in objects(body.get("output")) if item.get("type") == "web_search_call"]
    searches = sum(obj(call.get("action")).get("type") in (None, "search") for call in calls)
    return replace(usage, web_searches=searches) if calls else usage


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output.  Messages begin empty; any other item says something by beginning."""
    kind = chunk.get("type")
    begun = obj(chunk.get("item")).get("type") if kind == "response.output_item.added" else None
    return (isinstance(kind, str) and kind.endswith(".delta")) or begun not in (None, "message", "reasoning")


def fold() -> ResponsesFold:
    """Begin a stream of response events."""
    return ResponsesFold()
