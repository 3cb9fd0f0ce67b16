"""OpenAI Responses: items, and the events that stream them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts, together
from ._draw import PICTURE, Object, counts, cut, flags, ids, objects, record, words

COST = "usage.cost"
COUNTS = {
    "input_tokens": ["usage.input_tokens"],
    "output_tokens": ["usage.output_tokens"],
    "total_tokens": ["usage.total_tokens"],
    "cache_read_tokens": ["usage.input_tokens_details.cached_tokens", "usage.prompt_cache_hit_tokens"],
    "cache_write_tokens": ["usage.input_tokens_details.cache_write_tokens"],
    "reasoning_tokens": ["usage.output_tokens_details.reasoning_tokens"],
    "audio_input_tokens": ["usage.input_tokens_details.audio_tokens"],
    "audio_output_tokens": ["usage.output_tokens_details.audio_tokens"],
    "image_input_tokens": ["usage.input_tokens_details.image_tokens"],
    "image_output_tokens": ["usage.output_tokens_details.image_tokens"],
}

_output_text = record({"type": "output_text", "text": words, "annotations": st.lists(objects, max_size=1)})
_refusal = record({"type": "refusal", "refusal": words})
_done = {"status": "completed"}
_contents = st.lists(_output_text | _refusal, max_size=2)
_message = record({"type": "message", "id": ids, "role": "assistant", **_done, "content": _contents})
_summaries = st.lists(record({"type": "summary_text", "text": words}), max_size=2)
_reasoning = record(
    {"type": "reasoning", "id": ids, "summary": _summaries},
    content=st.lists(record({"type": "reasoning_text", "text": words}), max_size=1),
    encrypted_content=st.none() | ids,
)
_function_call = record({"type": "function_call", "id": ids, "call_id": ids, "name": ids, "arguments": words, **_done})
_custom_call = record({"type": "custom_tool_call", "id": ids, "call_id": ids, "name": ids, "input": words})
_code = record({"type": "code_interpreter_call", "id": ids, "container_id": ids, "code": words, **_done})
_mcp = record({"type": "mcp_call", "id": ids, "name": ids, "arguments": words, "output": st.none() | words})
_actions = st.sampled_from(["search", "open_page", "find_in_page"])
_search = record({"type": "web_search_call", "id": ids, **_done, "action": record({"type": _actions})})
_picture = record({"type": "image_generation_call", "id": ids, **_done, "result": st.none() | st.just("iVBORw0KGgo=")})
_others = st.one_of(
    record({"type": "file_search_call", "id": ids, **_done, "queries": st.lists(words, max_size=1), "results": None}),
    record({"type": "computer_call", "id": ids, "call_id": ids, "action": objects}),
    record({"type": "local_shell_call", "id": ids, "call_id": ids, "action": objects}),
    record({"type": "mcp_list_tools", "id": ids, "tools": st.lists(objects, max_size=1)}),
    record({"type": "compaction", "id": ids, "encrypted_content": ids}),
)
_items = st.one_of(_message, _reasoning, _function_call, _custom_call, _code, _mcp, _search, _picture, _others)

_input_parts = st.one_of(
    record({"type": "input_text", "text": words}),
    record({"type": "input_image", "image_url": st.sampled_from([PICTURE, "https://x.test/y.png"])}),
    record({"type": "input_image", "file_id": ids}),
    record({"type": "input_file", "filename": ids, "file_data": "data:application/pdf;base64,JVBERi0="}),
    record({"type": "input_file", "file_url": ids}),
)
_screenshot = {"type": "computer_screenshot", "image_url": PICTURE}
_told = words | st.lists(_input_parts, max_size=3)
_input_items = st.one_of(
    _items,
    record({"role": st.sampled_from(["user", "system", "developer"]), "content": _told}),
    record({"type": "message", "role": "user", "content": _told}),
    record({"type": "function_call_output", "call_id": ids, "output": words | st.lists(_input_parts, max_size=2)}),
    record({"type": "computer_call_output", "call_id": ids, "output": _screenshot}),
    record({"type": "item_reference", "id": ids}),
)
requests = record(
    {"model": ids, "input": words | st.lists(_input_items, max_size=4)},
    instructions=words,
    tools=st.lists(record({"type": "function", "name": ids}), max_size=2),
    stream=flags,
    reasoning=record({"effort": "low"}),
    max_output_tokens=counts,
)

usages = record(
    {
        "input_tokens": counts,
        "input_tokens_details": record({"cached_tokens": counts}, cache_write_tokens=counts),
        "output_tokens": counts,
        "output_tokens_details": record({"reasoning_tokens": counts}),
        "total_tokens": counts,
    }
)
bodies = record(
    {
        "id": ids,
        "object": "response",
        "created_at": counts,
        "status": st.sampled_from(["completed", "incomplete", "failed"]),
        "error": st.none() | record({"code": "server_error", "message": words}),
        "incomplete_details": st.none() | record({"reason": "max_output_tokens"}),
        "model": ids,
        "output": st.lists(_items, max_size=3),
        "usage": st.none() | usages,
    },
    service_tier=st.sampled_from(["default", "flex"]),
    background=flags,
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The empty response, the items one after the other, the whole response."""
    empty = body | {"status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    events = [{"type": f"response.{kind}", "response": empty} for kind in ("created", "in_progress")]
    for index, item in enumerate(body["output"]):
        events += [event | {"output_index": index} for event in _item_events(draw, item)]
    return [*events, {"type": f"response.{body['status']}", "response": body}]


def _item_events(draw: st.DrawFn, item: Object) -> list[Object]:
    begun = item | {key: "" for key in ("arguments", "input", "code") if key in item}
    begun |= {key: [] for key in ("content", "summary") if key in item}
    begun |= {key: None for key in ("result", "output") if key in item}
    events = [{"type": "response.output_item.added", "item": begun}, *_deltas(draw, item)]
    return [*events, {"type": "response.output_item.done", "item": item}]


_ARGUMENTS = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
    "mcp_call": ("mcp_call_arguments", "arguments"),
    "code_interpreter_call": ("code_interpreter_call_code", "code"),
}
_PARTS = {
    "output_text": ("output_text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning_text", "text"),
    "summary_text": ("reasoning_summary_text", "text"),
}


def _deltas(draw: st.DrawFn, item: Object) -> list[Object]:
    if item["type"] in _ARGUMENTS:
        event, key = _ARGUMENTS[item["type"]]
        said = [{"type": f"response.{event}.delta", "delta": piece} for piece in cut(draw, item[key])]
        return [*said, {"type": f"response.{event}.done", key: item[key]}]
    summary = [(part, "reasoning_summary_part", "summary_index") for part in item.get("summary", ())]
    content = [(part, "content_part", "content_index") for part in item.get("content", ())]
    return [
        event | {position: index}
        for parts in (summary, content)
        for index, (part, event_name, position) in enumerate(parts)
        for event in _part_events(draw, part, event_name)
    ]


def _part_events(draw: st.DrawFn, part: Object, event_name: str) -> list[Object]:
    """A server may leave out the events that frame a part."""
    event, key = _PARTS[part["type"]]
    begun: dict[str, Any] = part | {key: ""} | ({"annotations": []} if "annotations" in part else {})
    said = [{"type": f"response.{event}.delta", "delta": piece} for piece in cut(draw, part[key])]
    said.append({"type": f"response.{event}.done", key: part[key]})
    if draw(flags):
        return said
    return [
        {"type": f"response.{event_name}.added", "part": begun},
        *said,
        {"type": f"response.{event_name}.done", "part": part},
    ]


def searches(body: Object) -> int | None:
    """The API reports each call of the search tool as an item; only a search is billed."""
    calls = [item["action"]["type"] for item in body["output"] if item["type"] == "web_search_call"]
    return calls.count("search") if calls else None


DERIVED = {"web_searches": searches}


def answer(body: Object) -> Answer:
    """Messages, the summaries of reasoning or else the reasoning, calls of tools of either side, and pictures."""
    return together([_said(item) for item in body["output"]])


def _said(item: Object) -> Answer:
    if item["type"] == "reasoning":
        return Answer(texts(item["summary"], "text") or texts(item.get("content"), "text"))
    words = texts(item["content"], "text", "refusal") if item["type"] == "message" else []
    return Answer(words, [item["name"]] if "name" in item else [], int(isinstance(item.get("result"), str)))


def ended(seen: list[Object]) -> bool:
    """The event that carries the whole response came."""
    return any(event["type"] in ("response.completed", "response.incomplete", "response.failed") for event in seen)
