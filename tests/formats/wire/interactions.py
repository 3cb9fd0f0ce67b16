"""Gemini's interactions: steps, or the flat outputs of before May 2026, and the events that stream them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts, together
from ._draw import Object, counts, cut, flags, ids, objects, record, some_words, words

COST = None
COUNTS = {
    "input_tokens": ["usage.total_input_tokens", "usage.total_tool_use_tokens"],
    "output_tokens": ["usage.total_output_tokens"],
    "total_tokens": ["usage.total_tokens"],
    "cache_read_tokens": ["usage.total_cached_tokens"],
    "reasoning_tokens": ["usage.total_thought_tokens", "usage.total_reasoning_tokens"],
}
NOT_YET = ("arguments",)

_text = record({"type": "text", "text": some_words})
_picture = record({"type": "image", "data": "iVBORw0KGgo=", "mime_type": "image/png"})
_file = record({"type": "document", "uri": "gs://a/b.pdf", "mime_type": "application/pdf"})
_contents = st.lists(_text | _picture | _file, max_size=2)
_thought = record({"type": "thought"}, signature=ids, summary=st.lists(_text, min_size=1, max_size=1))
_call = record({"type": "function_call", "id": ids, "name": ids, "arguments": objects})
_result = record(
    {"type": "function_result", "call_id": ids, "result": words | objects | st.lists(_text, max_size=2)}, name=ids
)
_search = record(
    {"type": "google_search_call", "id": ids, "arguments": record({"queries": st.lists(words, max_size=2)})}
)
_found = record({"type": "google_search_result", "call_id": ids, "result": st.lists(objects, max_size=1)})
_code = record({"type": "code_execution_call", "id": ids, "arguments": record({"code": words, "language": "python"})})
_ran = record({"type": "code_execution_result", "call_id": ids, "result": words}, is_error=flags)
_tools = _search | _found | _code | _ran
_asked = record({"type": "user_input", "content": _contents})
_answered = record({"type": "model_output"}, content=_contents)
_turn = record({"role": st.sampled_from(["user", "model"]), "content": words | st.lists(_text | _call, max_size=2)})

requests = record(
    {"input": words | _text | st.lists(_text | _picture, max_size=3) | st.lists(_turn, max_size=3)
     | st.lists(_asked | _answered | _thought | _call | _result | _tools, max_size=4)},
    model=ids,
    agent=ids,
    system_instruction=words,
    generation_config=record({}, temperature=st.floats(0, 2), max_output_tokens=counts),
    tools=st.lists(record({"type": "function", "name": ids}, parameters=objects), max_size=2),
    stream=flags,
    background=flags,
    previous_interaction_id=ids,
)  # fmt: skip

_usages = record(
    {"total_input_tokens": counts, "total_output_tokens": counts, "total_tokens": counts},
    total_thought_tokens=counts,
    total_cached_tokens=counts,
    total_tool_use_tokens=counts,
)
_states = st.sampled_from(["completed", "requires_action", "incomplete", "requires_continuation"])
_shared: dict[str, Any] = {"id": ids, "status": _states, "object": "interaction"}
_one = {"usage": _usages, "role": st.just("model"), "service_tier": st.just("standard")}
bodies = record(
    {**_shared, "model": ids, "steps": st.lists(_answered | _thought | _call | _tools, max_size=4)}, **_one
) | record(
    {**_shared, "agent": ids, "outputs": st.lists(_text | _picture | _thought | _call | _tools, max_size=4)}, **_one
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The interaction begins without its steps, each step begins and grows, and the end repeats what is left."""
    old = "outputs" in body
    first, last = (
        ("interaction.start", "interaction.complete") if old else ("interaction.created", "interaction.completed")
    )
    about = {key: value for key, value in body.items() if key not in ("steps", "outputs", "usage", "status")}
    listed = "outputs" if old else "steps"
    told = [{"event_type": first, "interaction": {**about, "status": "in_progress", listed: []}}]
    told.append({"event_type": "interaction.status_update", "interaction_id": body["id"], "status": "in_progress"})
    for index, step in enumerate(body[listed]):
        told += _old(draw, index, step) if old else _new(draw, index, step)
    whole = draw(flags)
    end = {key: value for key, value in body.items() if key != listed or whole}
    if not body[listed]:
        end[listed] = []
    return [*told, {"event_type": last, "interaction": end | ({} if whole or not body[listed] else {listed: []})}]


def _old(draw: st.DrawFn, index: int, content: Object) -> list[Object]:
    begun, deltas = {key: value for key, value in content.items() if key in ("type", "id", "call_id")}, []
    for key, value in content.items():
        if key == "text":
            deltas += [{"type": "text", "text": piece} for piece in cut(draw, value)]
        elif key == "signature":
            deltas.append({"type": "thought_signature", "signature": value})
        elif key == "summary":
            deltas += [{"type": "thought_summary", "content": each} for each in value]
        elif key not in begun:
            deltas.append({"type": content["type"], key: value})
    return _events("content", index, begun, deltas)


def _new(draw: st.DrawFn, index: int, step: Object) -> list[Object]:
    if step["type"] == "model_output":
        return (
            _events("step", index, {"type": "model_output"}, _said(draw, step)) if _grows(step) else _whole(index, step)
        )
    if step["type"] == "thought":
        signed = [{"type": "thought_signature", "signature": step["signature"]}] if "signature" in step else []
        thought = [
            {"type": "thought_summary", "content": {"type": "text", "text": piece}}
            for part in step.get("summary", ())
            for piece in cut(draw, part["text"])
        ]
        return _events("step", index, {"type": "thought"}, signed + thought)
    if step["type"] == "function_call" and draw(flags):
        pieces = cut(draw, json.dumps(step["arguments"]))
        begun = {**step, "arguments": {}}
        return _events("step", index, begun, [{"type": "arguments_delta", "arguments": piece} for piece in pieces])
    return _whole(index, step)


def _grows(step: Object) -> bool:
    """Two texts in a row cannot be told apart once they are pieces; an empty list is not told by any piece."""
    kinds = [content["type"] for content in step.get("content", ())]
    return kinds != ["text", "text"] and step.get("content") != []


def _said(draw: st.DrawFn, step: Object) -> list[Object]:
    return [
        piece
        for content in step.get("content", ())
        for piece in (
            [{"type": "text", "text": each} for each in cut(draw, content["text"])]
            if content["type"] == "text"
            else [content]
        )
    ]


def _whole(index: int, step: Object) -> list[Object]:
    return _events("step", index, step, [])


def _events(kind: str, index: int, begun: Object, deltas: list[Object]) -> list[Object]:
    first = {"event_type": f"{kind}.start", "index": index, "step" if kind == "step" else "content": begun}
    grown = [{"event_type": f"{kind}.delta", "index": index, "delta": delta} for delta in deltas]
    return [first, *grown, {"event_type": f"{kind}.stop", "index": index}]


def answer(body: Object) -> Answer:
    """Texts and pictures, thoughts, calls of tools of either side, and what code wrote out."""
    return together([_told(each) for each in body.get("steps", body.get("outputs", []))])


def _told(step: Object) -> Answer:
    kind = step["type"]
    if kind == "model_output":
        return together([_told(content) for content in step.get("content", ())])
    wrote = [step["result"]] if kind == "code_execution_result" else texts(step.get("summary"), "text")
    called = [step.get("name") or kind.removesuffix("_call")] if kind.endswith("_call") else []
    return Answer([*wrote, *texts([step], "text")], called, pictures=int(kind == "image"))


def ended(seen: list[Object]) -> bool:
    """The event that ends an interaction came."""
    return bool(seen) and seen[-1]["event_type"] in ("interaction.complete", "interaction.completed")


def _input(body: Object) -> int | None:
    """The prompt and what Google's own tools returned."""
    asked, tools = (
        int(count) if type(count) in (int, float) and 0 <= count < 1e300 and count == int(count) else None
        for count in (body["usage"].get(name) for name in ("total_input_tokens", "total_tool_use_tokens"))
    )
    return None if asked is None and tools is None else (asked or 0) + (tools or 0)


DERIVED = {"input_tokens": _input}
