"""Cohere's chats of both versions and its older text generation, whole and in events."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import PICTURE, Object, counts, cut, flags, ids, objects, record, some_words, words

COST = None
_UNITS = [f"{place}.{units}" for place in ("usage", "meta") for units in ("billed_units", "tokens")]
COUNTS = {
    f"{side}_tokens": [
        *(f"{units}.{side}_tokens" for units in _UNITS),
        f"amazon-bedrock-invocationMetrics.{side}TokenCount",
    ]
    for side in ("input", "output")
}

_data = record({"title": words, "text": words})
_documents = st.lists(words | record({"data": words | _data}, id=ids) | _data, max_size=2)
_function = record({"name": ids, "arguments": words})
_call = record({"id": ids, "type": "function", "function": _function})
_call_v1 = record({"name": ids, "parameters": objects})
_results = st.lists(record({"call": _call_v1, "outputs": st.lists(objects, max_size=2)}), max_size=2)
_part = st.one_of(
    record({"type": "text", "text": words}),
    record({"type": "thinking", "thinking": words}),
    st.just({"type": "image_url", "image_url": {"url": PICTURE}}),
    record({"type": "document", "document": record({"data": words | _data}, id=ids)}),
)
_message = record(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
    content=words | st.lists(_part, max_size=3),
    tool_plan=words,
    tool_calls=st.lists(_call, max_size=2),
    tool_call_id=ids,
)
_v2 = record(
    {"model": ids, "messages": st.lists(_message, max_size=3)},
    documents=_documents,
    tools=st.lists(objects, max_size=2),
    stream=flags,
    thinking=record({"type": "enabled", "token_budget": counts}),
)
_turn = record(
    {"role": st.sampled_from(["USER", "CHATBOT", "SYSTEM", "System", "TOOL"])},
    message=words,
    tool_calls=st.lists(_call_v1, max_size=2),
    tool_results=_results,
)
_v1 = record(
    {"message": words},
    model=ids,
    preamble=words,
    chat_history=st.lists(_turn, max_size=3),
    documents=_documents,
    tools=st.lists(objects, max_size=2),
    tool_results=_results,
    stream=flags,
)
requests = _v2 | _v1 | record({"prompt": words}, model=ids, max_tokens=counts)

_units = record({}, input_tokens=counts, output_tokens=counts, search_units=counts)
_usage = record({}, billed_units=_units, tokens=_units, cached_tokens=counts)
_reasons = st.sampled_from(["COMPLETE", "MAX_TOKENS", "TOOL_CALL", "ERROR"])
_sources = st.lists(record({"type": "document", "id": ids}, document=_data), max_size=2)
_citations = st.lists(record({"start": counts, "end": counts, "text": words}, sources=_sources), min_size=1, max_size=2)
_said = record({"type": "text", "text": some_words}) | record({"type": "thinking", "thinking": some_words})
_answer = record(
    {"role": "assistant"},
    content=st.lists(_said, min_size=1, max_size=2),
    tool_plan=some_words,
    tool_calls=st.lists(_call, min_size=1, max_size=2),
    citations=_citations,
)
_chat = record({"id": ids, "message": _answer, "finish_reason": _reasons, "usage": _usage})
_meta = record({}, billed_units=_units, tokens=_units, cached_tokens=counts)
_citations_v1 = st.lists(
    record({"start": counts, "end": counts, "text": words, "document_ids": st.lists(ids)}), min_size=1
)
_chat_v1 = record(
    {"response_id": ids, "generation_id": ids, "text": words, "finish_reason": _reasons},
    tool_calls=st.lists(_call_v1, min_size=1, max_size=2),
    citations=_citations_v1,
    search_queries=st.lists(record({"text": words, "generation_id": ids}), min_size=1, max_size=2),
    meta=_meta,
)
_generation = record({"id": ids, "text": words, "finish_reason": _reasons})
_generated = record(
    {"id": ids, "generations": st.lists(_generation, min_size=1, max_size=2), "prompt": words}, meta=_meta
)
bodies = _chat | _chat_v1 | _generated


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The events of the version that the body is of."""
    if "message" in body:
        return _events(draw, body)
    if "generations" in body:
        first = body["generations"][0]["text"]
        said = [{"event_type": "text-generation", "text": piece, "index": 0} for piece in cut(draw, first)]
    else:
        said = _events_v1(draw, body)
    end = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": body}
    return [event | {"is_finished": event is end} for event in [*said, end]]


def _events_v1(draw: st.DrawFn, body: Object) -> list[Object]:
    events: list[Object] = [{"event_type": "stream-start", "generation_id": body["generation_id"]}]
    if "search_queries" in body:
        events.append({"event_type": "search-queries-generation", "search_queries": body["search_queries"]})
    events += [{"event_type": "text-generation", "text": piece} for piece in cut(draw, body["text"])]
    if "citations" in body:
        events.append({"event_type": "citation-generation", "citations": body["citations"]})
    if "tool_calls" in body:
        events += [{"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "f"}}]
        events.append({"event_type": "tool-calls-generation", "tool_calls": body["tool_calls"]})
    return events


def _events(draw: st.DrawFn, body: Object) -> list[Object]:
    message = body["message"]
    empty = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    start = {"type": "message-start", "id": body["id"], "delta": {"message": {"role": message["role"], **empty}}}
    plan = [_event("tool-plan-delta", tool_plan=piece) for piece in cut(draw, message.get("tool_plan", ""))]
    parts = [each for index, part in enumerate(message.get("content", ())) for each in _part_events(draw, part, index)]
    calls = [
        each for index, call in enumerate(message.get("tool_calls", ())) for each in _call_events(draw, call, index)
    ]
    cited = [
        {**event, "index": index}
        for index, citation in enumerate(message.get("citations", ()))
        for event in (_event("citation-start", citations=citation), {"type": "citation-end"})
    ]
    end = {"type": "message-end", "delta": {"finish_reason": body["finish_reason"], "usage": body["usage"]}}
    return [start, *plan, *parts, *calls, *cited, end]


def _event(kind: str, **message: Any) -> Object:
    return {"type": kind, "delta": {"message": message}}


def _part_events(draw: st.DrawFn, part: Object, index: int) -> list[Object]:
    key = part["type"]
    pieces = [_event("content-delta", content={key: piece}) for piece in cut(draw, part[key])]
    events = [_event("content-start", content={"type": key, key: ""}), *pieces, {"type": "content-end"}]
    return [event | {"index": index} for event in events]


def _call_events(draw: st.DrawFn, call: Object, index: int) -> list[Object]:
    function = call["function"]
    start = call | {"function": function | {"arguments": ""}}
    pieces = [
        _event("tool-call-delta", tool_calls={"function": {"arguments": piece}})
        for piece in cut(draw, function["arguments"])
    ]
    events = [_event("tool-call-start", tool_calls=start), *pieces, {"type": "tool-call-end"}]
    return [event | {"index": index} for event in events]


def answer(body: Object) -> Answer:
    """Plan, thoughts, texts and calls of version 2; the text and calls of version 1, or what it would search for."""
    if "generations" in body:
        return Answer(texts(body["generations"], "text"))
    if "message" in body:
        message = body["message"]
        said = [*texts([message], "tool_plan"), *texts(message.get("content"), "text", "thinking")]
        return Answer(said, [call["function"]["name"] for call in message.get("tool_calls", ())])
    called = texts(body.get("tool_calls"), "name")
    return Answer(texts([body] if body["text"] or called else body.get("search_queries"), "text"), called)


def ended(seen: list[Object]) -> bool:
    """The last event of either version came."""
    return bool(seen) and (seen[-1].get("type") == "message-end" or seen[-1].get("event_type") == "stream-end")
