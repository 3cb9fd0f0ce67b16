"""Cohere's chat, ``POST /v2/chat``, and what came before it: ``/v1/chat`` and ``/v1/generate``.

API reference: Cohere, "Chat", "Chat with Streaming" and "Generate".
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._blocks import Block
from llm_track.formats._cohere_fold import Fold, is_content
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_ASKED = ("messages", "message", "chat_history", "preamble", "prompt", "documents", "tool_results")
_NOT_PARAMETERS = (*_ASKED, "model", "tools", "stream")
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}


def request(body: JSON) -> Request:
    """Read a chat of either version, or a prompt that is to be continued."""
    return Request(
        model=name(body.get("model")),
        input=_asked(body),
        parameters=without(body, *_NOT_PARAMETERS),
        tools=entries(body.get("tools")) or None,
        stream=body.get("stream") is True,
    )


def _asked(body: JSON) -> list[JSON]:
    """Put what a model is shown in order; documents, which belong to no message, stand before the talk."""
    preamble, last = name(body.get("preamble")), name(body.get("message")) or name(body.get("prompt"))
    drawn: list[JSON] = [{"role": "system", "content": preamble}] if preamble else []
    drawn += [{"role": "system", "content": _document(each)} for each in entries(body.get("documents")) or ()]
    drawn += [said for turn in objects(body.get("chat_history")) for said in _turn(turn)]
    drawn += [said for message in objects(body.get("messages")) for said in _message(message, "user")]
    drawn += _results(body)
    return drawn + ([{"role": "user", "content": last}] if last else [])


def _document(document: Any) -> str:
    """A document is a text, or an object of texts; version 2 puts that under ``data``, beside an id."""
    inner = obj(document).get("data", document)
    return inner if isinstance(inner, str) else dump(inner)


def response(body: JSON) -> Response:
    """Read an answer of either version.  It does not name its model."""
    continued = objects(body.get("generations"))
    error, error_type = error_of(body)
    return Response(
        output=[{"role": "assistant", "content": text(each.get("text"))} for each in continued] or _said(body),
        usage=_usage(obj(body.get("usage")), obj(body.get("meta")), obj(body.get(_METRICS))),
        id=next((found for key in _IDS if (found := name(body.get(key)))), None),
        stop_reason=next((reason for each in [body, *continued] if (reason := name(each.get("finish_reason")))), None),
        error=error,
        error_type=error_type,
    )


_IDS = ("id", "response_id", "generation_id")


def _usage(*places: JSON) -> Usage:
    """Count what is billed.

    Cohere counts twice.  ``tokens`` is what a model read and wrote, with tokens that Cohere adds "under the hood" and
    does not charge for; ``billed_units`` is what the user wrote and pays for (Cohere, "How Does Cohere's Pricing
    Work?").  Prices are for the latter: those of PostHog, which multiplies the counts, of LiteLLM and of genai-prices.
    ``cached_tokens`` is a part of ``tokens``, often more than all that is billed, and of no effect on the price: as
    cached input it would make the cost wrong.  All three stay in the raw usage.  Amazon counts once, and bills that.
    """
    raw = {key: place[key] for place in places for key in (*_UNITS, *_NAMES.values()) if place.get(key) is not None}
    return Usage(
        input_tokens=_tokens(places, "input_tokens"), output_tokens=_tokens(places, "output_tokens"), raw=raw or None
    )


_UNITS = ("billed_units", "tokens", "cached_tokens")
_METRICS = "amazon-bedrock-invocationMetrics"
_NAMES = {"input_tokens": "inputTokenCount", "output_tokens": "outputTokenCount"}
"""What Amazon adds to the end of a stream, and its names for the counts."""


def _tokens(places: tuple[JSON, ...], field: str) -> int | None:
    counts = [count(obj(place.get(units)).get(field)) for place in places for units in _UNITS[:2]]
    counts += [count(place.get(_NAMES[field])) for place in places]
    return next((found for found in counts if found is not None), None)


def _said(body: JSON) -> list[JSON]:
    """The message of version 2; the text, calls and queries for a search of version 1."""
    if isinstance(body.get("message"), dict):
        return _message(body["message"], "assistant")
    queries = [words for query in objects(body.get("search_queries")) if (words := name(query.get("text")))]
    words, calls = name(body.get("text")), _calls(body)
    if not words and not calls and queries:
        return [{"role": "assistant", "content": "\n".join(queries)}]
    if text(body.get("text")) is None and not calls:
        return []
    blocks = [_blocks.said(words or "")] if words or not calls else []
    return _cited(_blocks.answer("assistant", blocks, calls), body)


def _turn(turn: JSON) -> list[JSON]:
    """A turn of version 1: its roles are written large, and not always."""
    role = (name(turn.get("role")) or "").upper()
    if role == "TOOL":
        return _results(turn)
    words = text(turn.get("message"))
    blocks = [_blocks.said(words)] if words is not None else []
    return _blocks.answer(_ROLES.get(role, role.lower() or "user"), blocks, _calls(turn))


def _results(turn: JSON) -> list[JSON]:
    """What functions of version 1 gave; they are known by their names."""
    found = [(name(obj(each.get("call")).get("name")), each) for each in objects(turn.get("tool_results"))]
    return [
        {"role": "tool", "content": dump(each.get("outputs"))} | ({"tool_call_id": called} if called else {})
        for called, each in found
    ]


def _message(message: JSON, default_role: str) -> list[JSON]:
    """A message of version 2.  The plan that a model makes for its calls is a thought."""
    role = name(message.get("role")) or default_role
    blocks = [_blocks.thought(plan)] if (plan := name(message.get("tool_plan"))) else []
    blocks += _content(message.get("content"))
    if role == "tool":
        called = name(message.get("tool_call_id"))
        words = "\n".join(map(_blocks.words, blocks))
        return [{"role": "tool", "content": words} | ({"tool_call_id": called} if called else {})]
    return _cited(_blocks.answer(role, blocks, _calls(message)), message)


def _content(content: Any) -> list[Block]:
    if not isinstance(content, (list, tuple)):
        return _parts.read(content)
    return [
        _blocks.said(_document(part["document"])) if _has_document(part) else _parts.read([part])[0] for part in content
    ]


def _has_document(part: Any) -> bool:
    return obj(part).get("type") == "document" and obj(part).get("document") is not None


def _calls(message: JSON) -> list[Block]:
    """Version 1 has name and arguments of a call in the call itself, and no id."""
    given = [(call, obj(call.get("function")) or call) for call in objects(message.get("tool_calls"))]
    return [
        _blocks.tool_call(call.get("id"), function.get("name"), function.get("arguments", function.get("parameters")))
        for call, function in given
    ]


def _cited(messages: list[JSON], message: JSON) -> list[JSON]:
    """Add to a message what it cites: the words, where they stand, and the ids of their sources."""
    citations = objects(message.get("citations"))
    if not citations or not messages:
        return messages
    return [*messages[:-1], {**messages[-1], "citations": [_citation(each) for each in citations]}]


def _citation(citation: JSON) -> JSON:
    sources = objects(citation.get("sources"))
    return without(citation, "sources") | ({"sources": [source.get("id") for source in sources]} if sources else {})


def fold() -> Fold:
    """Begin a stream of events of either version."""
    return Fold()


__all__ = ["fold", "is_content", "request", "response"]
