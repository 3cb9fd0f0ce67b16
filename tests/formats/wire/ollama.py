"""Ollama: chats and prompts that go on, whole or in one JSON object per chunk."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer
from ._draw import Object, counts, cut, flags, ids, objects, record, some_words, words

COST = None
COUNTS = {"input_tokens": ["prompt_eval_count"], "output_tokens": ["eval_count"]}

_call = record({"function": record({"name": ids, "arguments": objects})})
_picture = st.sampled_from(["iVBORw0KGgo=", "/9j/4AAQ", "R0lGODlh", "UklGRg=="])
_message = record(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": words},
    images=st.lists(_picture, max_size=2),
    tool_calls=st.lists(_call, max_size=2),
    thinking=words,
    tool_name=ids,
)
_tools = st.lists(objects, max_size=1)
_chat = record({"model": ids, "messages": st.lists(_message, max_size=3)}, tools=_tools, stream=flags)
_prompt = record({"model": ids, "prompt": words}, system=words, images=st.lists(_picture, max_size=1), options=objects)
requests = _chat | _prompt

_frame = {"model": ids, "created_at": ids, "done": st.just(True), "done_reason": st.sampled_from(["stop", "length"])}
_counts = {"prompt_eval_count": counts, "eval_count": counts, "total_duration": counts}
_calls = st.lists(_call, min_size=1, max_size=2)
_said = record({"role": st.just("assistant"), "content": some_words}, thinking=some_words, tool_calls=_calls)
_goes_on = record({**_frame, "response": words}, thinking=words, **_counts)
bodies = record({**_frame, "message": _said}, **_counts) | _goes_on


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Thoughts, words and calls, each piece in a chunk that is not done; then one with the rest that is."""
    frame = {"model": body["model"], "created_at": body["created_at"], "done": False}
    message, rest = body.get("message"), {key: value for key, value in body.items() if key not in _GROWING}
    if message is None:
        pieces = [
            {**frame, key: piece} for key in ("thinking", "response") if key in body for piece in cut(draw, body[key])
        ]
        return [*pieces, {**rest, "response": ""}]
    said: list[Object] = [
        {key: piece} for key in ("thinking", "content") if key in message for piece in cut(draw, message[key])
    ]
    said += [{"content": "", "tool_calls": [each]} for each in message.get("tool_calls", ())]
    empty = {"role": "assistant", "content": ""}
    return [*({**frame, "message": {"role": "assistant", **each}} for each in said), {**rest, "message": empty}]


_GROWING = ("message", "response", "thinking")


def answer(body: Object) -> Answer:
    """Thoughts, words and calls of a message, or of what goes on."""
    message = body.get("message", body)
    called = [call["function"]["name"] for call in message.get("tool_calls", ())]
    return Answer([message.get("thinking", ""), message.get("content") or body.get("response", "")], called)


def ended(seen: list[Object]) -> bool:
    """The chunk that is done came."""
    return bool(seen) and seen[-1].get("done") is True
