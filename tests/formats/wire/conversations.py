"""Mistral's conversations: entries, whole or by events that each belong to an entry."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer, texts, together
from ._draw import Object, counts, cut, flags, ids, objects, record, some_words, words

COST = "usage.cost"
COUNTS = {
    "input_tokens": ["usage.prompt_tokens"],
    "output_tokens": ["usage.completion_tokens"],
    "total_tokens": ["usage.total_tokens"],
    "web_searches": ["usage.connectors.web_search"],
}

_reference = record({"type": "tool_reference", "tool": ids, "title": words}, url=ids)
_thought = record({"type": "thinking"}).flatmap(
    lambda part: some_words.map(lambda text: part | {"thinking": [{"type": "text", "text": text}]})
)
_text = record({"type": "text", "text": some_words})
_parts = st.tuples(_text, _reference | _thought).map(list) | st.tuples(_reference, _text, _reference).map(list)
_entry = {"object": "entry", "id": ids}
_message = record({**_entry, "type": "message.output", "role": "assistant", "content": some_words | _parts}, model=ids)
_call = record(
    {**_entry, "type": "function.call", "name": ids, "tool_call_id": ids, "arguments": some_words}, model=ids
)
_execution = record(
    {
        **_entry,
        "type": "tool.execution",
        "name": st.sampled_from(["web_search", "image_generation"]),
        "arguments": some_words,
    },
    info=objects,
)
_handoff = record({**_entry, "type": "agent.handoff", "previous_agent_id": ids, "next_agent_id": ids})
_given = record({"type": "message.input", "role": st.sampled_from(["user", "assistant"]), "content": words | _parts})
_result = record({"type": "function.result", "tool_call_id": ids, "result": words})
requests = record(
    {"inputs": words | st.lists(_given | _result | _message | _call | _execution | _handoff, max_size=3)},
    model=ids,
    agent_id=ids,
    instructions=words,
    tools=st.lists(objects, max_size=1),
    completion_args=objects,
    stream=flags,
)
_usage = record(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts},
    connector_tokens=counts,
    connectors=record({}, web_search=counts),
)
bodies = record(
    {
        "object": "conversation.response",
        "conversation_id": ids,
        "outputs": st.lists(_message | _call | _execution | _handoff, min_size=1, max_size=3),
        "usage": _usage,
    }
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """A beginning, the events of one entry after the other, and the end with the counts."""
    return [
        {"type": "conversation.response.started", "conversation_id": body["conversation_id"], "created_at": "now"},
        *(event for index, entry in enumerate(body["outputs"]) for event in _events(draw, entry, index)),
        {"type": "conversation.response.done", "usage": body["usage"], "created_at": "now"},
    ]


def _events(draw: st.DrawFn, entry: Object, index: int) -> list[Object]:
    kind = entry["type"]
    rest = {key: value for key, value in entry.items() if key not in ("type", "object", "content", "arguments", "info")}
    head = {**rest, "output_index": index, "created_at": "now"}
    if kind == "message.output":
        return [{**head, "type": f"{kind}.delta", "content": piece} for piece in _pieces(draw, entry["content"])]
    if kind == "function.call":
        return [{**head, "type": f"{kind}.delta", "arguments": piece} for piece in cut(draw, entry["arguments"])]
    if kind == "agent.handoff":
        started = {key: value for key, value in head.items() if key != "next_agent_id"}
        ended = {key: value for key, value in head.items() if key != "previous_agent_id"}
        return [{**started, "type": f"{kind}.started"}, {**ended, "type": f"{kind}.done"}]
    info = {"info": entry["info"]} if "info" in entry else {}
    return [
        {**head, "type": f"{kind}.started", "arguments": entry["arguments"]},
        {**head, "type": f"{kind}.done", **info},
    ]


def _pieces(draw: st.DrawFn, content: str | list[Object]) -> list[str | Object]:
    """A text is cut; of a list the first part comes as one, and a text after it may be cut."""
    if isinstance(content, str):
        return list(cut(draw, content))
    pieces: list[str | Object] = []
    for number, part in enumerate(content):
        pieces += cut(draw, part["text"]) if number and part["type"] == "text" and draw(flags) else [part]
    return pieces


def answer(body: Object) -> Answer:
    """Texts and thoughts of messages, calls of functions and of Mistral's tools, and to whom it is handed on."""
    return together([_said(entry) for entry in body["outputs"]])


def _said(entry: Object) -> Answer:
    content = entry.get("content", [])
    parts = [{"text": content}] if isinstance(content, str) else content
    plain = [inner for part in parts for inner in part.get("thinking", [part])]
    return Answer([*texts(plain, "text"), *texts([entry], "next_agent_id")], texts([entry], "name"))


def ended(seen: list[Object]) -> bool:
    """The event that says so came."""
    return any(chunk.get("type") == "conversation.response.done" for chunk in seen)
