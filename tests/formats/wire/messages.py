"""Anthropic Messages: blocks of content, and the events that stream them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, cut, flags, ids, objects, record, some_words, sprinkled, words

COST = None
COUNTS = {
    "input_tokens": ["usage.input_tokens"],
    "output_tokens": ["usage.output_tokens"],
    "cache_read_tokens": ["usage.cache_read_input_tokens"],
    "cache_write_tokens": ["usage.cache_creation_input_tokens"],
    "cache_write_5m_tokens": ["usage.cache_creation.ephemeral_5m_input_tokens"],
    "cache_write_1h_tokens": ["usage.cache_creation.ephemeral_1h_input_tokens"],
    "reasoning_tokens": ["usage.output_tokens_details.thinking_tokens"],
    "web_searches": ["usage.server_tool_use.web_search_requests"],
}

_citations = st.lists(record({"type": "char_location", "cited_text": words}), min_size=1, max_size=2)
_text = record({"type": "text", "text": words}, citations=st.none() | _citations)
_thinking = record({"type": "thinking", "thinking": words, "signature": ids})
_redacted = record({"type": "redacted_thinking", "data": ids})
_tool_use = record({"type": "tool_use", "id": ids, "name": ids, "input": objects})
_server_tools = st.sampled_from(["web_search", "web_fetch", "code_execution"])
_server_tool_use = record({"type": "server_tool_use", "id": ids, "name": _server_tools, "input": objects})
_found = record({"type": "web_search_result", "title": words, "url": ids, "encrypted_content": ids})
_search_result = record({"type": "web_search_tool_result", "tool_use_id": ids, "content": st.lists(_found, max_size=2)})
_unknown = record({"type": "container_upload", "file_id": ids})

_base64 = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
_image = record({"type": "image", "source": st.sampled_from([_base64, {"type": "url", "url": "https://x.test/y.png"}])})
_document_source = st.one_of(
    st.just(_base64 | {"media_type": "application/pdf"}),
    record({"type": "text", "media_type": "text/plain", "data": words}),
    record({"type": "content", "content": words | st.lists(_text, max_size=2)}),
    record({"type": "file", "file_id": ids}),
)
_document = record({"type": "document", "source": _document_source})
_tool_result = record(
    {"type": "tool_result", "tool_use_id": ids},
    content=words | st.lists(_text | _image | _document, max_size=2),
    is_error=flags,
)
_blocks = st.one_of(_text, _thinking, _redacted, _tool_use, _server_tool_use, _search_result, _unknown)
_content = words | st.lists(_blocks | _image | _document | _tool_result, max_size=4)
_message = record({"role": st.sampled_from(["user", "assistant"]), "content": _content})
requests = record(
    {"model": ids, "max_tokens": counts, "messages": st.lists(_message, max_size=3)},
    system=words | st.lists(_text, max_size=2),
    tools=st.lists(record({"name": ids, "input_schema": objects}), max_size=2),
    stream=flags,
    thinking=record({"type": "enabled", "budget_tokens": counts}),
)

usages = record(
    {"input_tokens": counts, "output_tokens": counts},
    cache_read_input_tokens=st.none() | counts,
    cache_creation_input_tokens=counts,
    cache_creation=record({"ephemeral_5m_input_tokens": counts, "ephemeral_1h_input_tokens": counts}),
    server_tool_use=record({"web_search_requests": counts}),
    output_tokens_details=record({"thinking_tokens": counts}),
    service_tier=st.sampled_from(["standard", "priority", "batch"]),
)
bodies = record(
    {
        "id": ids,
        "type": "message",
        "role": "assistant",
        "model": ids,
        "content": st.lists(_blocks, max_size=4),
        "stop_reason": st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal"]),
        "stop_sequence": st.none() | some_words,
        "usage": usages,
    },
    container=st.none() | record({"id": ids}),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """A greeting with the first counts, each block on its own, the final counts (perhaps twice), the end; and pings."""
    usage, nothing = body["usage"], {"stop_reason": None, "stop_sequence": None}
    early = usage | {"output_tokens": 1} | ({"server_tool_use": None} if "server_tool_use" in usage else {})
    start = body | nothing | {"content": [], "usage": early}
    events = [{"type": "message_start", "message": start}]
    for index, block in enumerate(body["content"]):
        events += [event | {"index": index} for event in _block_events(draw, block)]
    final = usage if draw(flags) else {key: usage[key] for key in ("output_tokens", "server_tool_use") if key in usage}
    if draw(flags):
        events.append({"type": "message_delta", "delta": nothing, "usage": {"output_tokens": 1}})
    ending = {key: body[key] for key in ("stop_reason", "stop_sequence")}
    events.append({"type": "message_delta", "delta": ending, "usage": final})
    return [events[0], *sprinkled(draw, events[1:], {"type": "ping"}), {"type": "message_stop"}]


def _block_events(draw: st.DrawFn, block: Object) -> list[Object]:
    empty, deltas = _emptied(block), _deltas(draw, block)
    events = [{"type": "content_block_delta", "delta": delta} for delta in deltas]
    return [{"type": "content_block_start", "content_block": empty}, *events, {"type": "content_block_stop"}]


def _emptied(block: Object) -> Object:
    blank: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    grown = {key: blank[key] for key in block if key in blank}
    return block | grown | ({"citations": []} if block.get("citations") else {})


def _deltas(draw: st.DrawFn, block: Object) -> list[Object]:
    kind = block["type"]
    if kind == "text":
        said = [{"type": "text_delta", "text": piece} for piece in cut(draw, block["text"])]
        return said + [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
    if kind == "thinking":
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in cut(draw, block["thinking"])]
        return [*thought, *({"type": "signature_delta", "signature": piece} for piece in cut(draw, block["signature"]))]
    if "input" in block:
        written = json.dumps(block["input"], ensure_ascii=draw(flags)) if block["input"] else ""
        return [{"type": "input_json_delta", "partial_json": piece} for piece in cut(draw, written)]
    return []


def answer(body: Object) -> Answer:
    """Texts, thoughts, and the titles of what a search found; calls of tools of either side."""
    read = [each for block in body["content"] for each in block.get("content", [block])]
    called = [block["name"] for block in body["content"] if "name" in block]
    return Answer(texts(read, "text", "thinking", "title"), called)


def ended(seen: list[Object]) -> bool:
    """The last event came."""
    return {"type": "message_stop"} in seen
