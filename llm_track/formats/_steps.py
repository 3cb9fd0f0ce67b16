"""The steps of Gemini's interactions, and the contents that they hold, in the shapes that PostHog draws."""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._blocks import Block
from llm_track.formats._contents import inlined
from llm_track.formats._json import JSON, dump, name, obj, objects, text, without

_SERVER_TOOLS = {"google_search_call": "web_search_call", "code_execution_call": "code_interpreter_call"}
_ROLES = {"model": "assistant"}


def drawn(given: Any, role: str) -> list[JSON]:
    """Return the messages of steps, of turns, of contents, or of a text; ``role`` is who says contents."""
    items = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    messages = _Messages()
    for item in items:
        fields = obj(item)
        if isinstance(fields.get("role"), str):  # a turn
            speaker = str(fields["role"])
            _add(messages, fields.get("content"), _ROLES.get(speaker, speaker))
        elif fields.get("type") == "user_input":
            _add(messages, fields.get("content"), "user")
        elif fields.get("type") == "model_output":
            _add(messages, fields.get("content"), "assistant")
        else:
            _add(messages, [item], role)
    return messages.done()


class _Messages:
    """Messages that are put together of what follows each other with one role."""

    def __init__(self) -> None:
        self._drawn: list[JSON] = []
        self._role = ""
        self._blocks: list[Block] = []
        self._calls: list[Block] = []

    def say(self, role: str, block: Block) -> None:
        """Add something said; what is said after calls of functions is another message."""
        if role != self._role or self._calls:
            self._end(role)
        self._blocks.append(block)

    def call(self, block: Block) -> None:
        """Add a call of a function."""
        if self._role != "assistant":
            self._end("assistant")
        self._calls.append(block)

    def put(self, message: JSON) -> None:
        """Add what is a message by itself."""
        self._end("")
        self._drawn.append(message)

    def done(self) -> list[JSON]:
        """Return them."""
        self._end("")
        return self._drawn

    def _end(self, role: str) -> None:
        if self._blocks or self._calls:
            self._drawn += _blocks.answer(self._role, self._blocks, self._calls)
        self._role, self._blocks, self._calls = role, [], []


def _add(messages: _Messages, content: Any, role: str) -> None:
    for item in content if isinstance(content, (list, tuple)) else [] if content is None else [content]:
        kind = obj(item).get("type")
        if kind == "function_call":
            messages.call(_blocks.tool_call(item.get("id"), item.get("name"), item.get("arguments")))
        elif kind == "function_result":
            called = text(item.get("call_id")) or name(item.get("name"))
            answer = {"role": "tool", "content": _result(item)}
            messages.put(answer | ({"tool_call_id": called} if called else {}))
        elif kind == "thought":
            if words := _thought(item):
                messages.say("assistant", _blocks.thought(words))
        else:
            messages.say(role, _block(item))


def _block(item: Any) -> Block:
    """Return the block of a content, or of a step of a tool that Google runs; an unknown one becomes text, as JSON."""
    if isinstance(item, str):
        return _blocks.said(item)
    fields = obj(item)
    kind, words, data = name(fields.get("type")) or "", text(fields.get("text")), text(fields.get("data"))
    if kind == "text" or (words is not None and not kind):
        return _blocks.said(words or "")
    if data is not None:
        return inlined(name(fields.get("mime_type")) or f"{kind}/*", data)
    if address := name(fields.get("uri")):
        return _blocks.said(f"[file {address}]")
    if kind.endswith("_call"):
        return _called(kind, fields)
    if kind.endswith("_result"):
        return {"type": "tool_result", "tool_use_id": text(fields.get("call_id")) or "", "content": _result(fields)}
    return _blocks.said(dump(without(fields, "signature") if fields else item))


def _called(kind: str, call: JSON) -> Block:
    tool = name(call.get("name")) or kind.removesuffix("_call")
    drawn_as = _SERVER_TOOLS.get(kind, "mcp_call")
    return {"type": drawn_as, "id": text(call.get("id")) or "", "name": tool, "action": call.get("arguments")}


def _result(step: JSON) -> str:
    result = step.get("result")
    items = obj(result).get("items", result)
    if isinstance(items, (list, tuple)) and all(isinstance(obj(each).get("text"), str) for each in items):
        return _parts.flat(items)
    return "" if result is None else result if isinstance(result, str) else dump(result)


def _thought(step: JSON) -> str:
    """The summary of a thought; its signature is long, and only the provider can read it."""
    return _parts.summary(objects(step.get("summary")), separator="")
