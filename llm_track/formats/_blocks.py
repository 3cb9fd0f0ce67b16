"""Blocks: content in the shapes that PostHog draws, and the messages that hold them.

PostHog decides by the *surrounding* shape how a message is drawn: blocks of `_PLAIN` kinds are drawn together, blocks
of `_RICH` kinds are drawn together, and a message that mixes the two families is drawn as raw JSON.  So every part of
every provider becomes a block (`_parts`), and `messages` cuts a list of blocks into messages of one family each.

Source of the rule: PostHog's AI message normalisation (its list of recipes, first match wins).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_track.formats._json import JSON, dump, load, name, obj, text

Block = dict[str, Any]

_PLAIN = frozenset({"audio", "file", "function", "image"})
_RICH = frozenset({"thinking", "tool_use", "tool_result", "web_search_call", "code_interpreter_call", "mcp_call"})


def said(words: str) -> Block:
    """Return a block of text."""
    return {"type": "text", "text": words}


def thought(words: str) -> Block:
    """Return a block of reasoning."""
    return {"type": "thinking", "thinking": words}


def tool_call(call_id: Any, tool: Any, arguments: Any) -> Block:
    """Return a call of a function, as an entry of ``tool_calls`` or as a block beside text and images."""
    drawn = arguments if arguments is None or isinstance(arguments, (str, dict)) else dump(arguments)
    function = {"name": name(tool) or "unknown", "arguments": drawn}
    return {"type": "function", "id": text(call_id), "function": function}


def as_tool_use(call: Block) -> Block:
    """Return the same call of a function as a block that may stand beside reasoning."""
    function = call["function"]
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": load(function["arguments"])}


def embedded(kind: str, media_type: str, data: str) -> Block:
    """Return an image or a document whose bytes are part of the message; it may stand in either family."""
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}


def messages(role: str, blocks: Iterable[Block]) -> list[JSON]:
    """Return messages of one role that hold the blocks in order, one family of blocks to a message.

    An empty text beside other blocks would be drawn as an empty bubble; providers send one beside tool calls.
    """
    given = list(blocks)
    runs: list[list[Block]] = []
    families: list[str | None] = []
    for block in [block for block in given if block != _SILENCE] or given[:1]:
        family = _family(block)
        if runs and (family is None or families[-1] in (None, family)):
            runs[-1].append(block)
            families[-1] = families[-1] or family
        else:
            runs.append([block])
            families.append(family)
    return [{"role": role, "content": _content(run)} for run in runs] or [{"role": role, "content": None}]


def answer(role: str, blocks: list[Block], calls: list[Block]) -> list[JSON]:
    """Return messages of one role that hold blocks and then calls of functions, in the shape that suits both."""
    if not calls:
        return messages(role, blocks)
    if not blocks or (len(blocks) == 1 and blocks[0]["type"] == "text"):
        return [{"role": role, "content": blocks[0]["text"] if blocks else None, "tool_calls": calls}]
    if any(block["type"] == "thinking" for block in blocks):
        calls = [as_tool_use(call) for call in calls]
    return messages(role, blocks + calls)


def words(block: Block) -> str:
    """Return a block as words, for a place where only a string is drawn.

    Embedded media become ``data:`` URIs, by which processors know them inside a text.
    """
    kind, source = block["type"], obj(block.get("source"))
    if kind == "text":
        return str(block["text"])
    if source:
        return f"data:{source['media_type']};base64,{source['data']}"
    if kind == "image":
        return str(block["image"])
    if kind == "audio":
        return f"data:{block['mime_type']};base64,{block['data']}"
    return dump(block)


_SILENCE = said("")


def _content(run: list[Block]) -> Any:
    return run[0]["text"] if len(run) == 1 and run[0]["type"] == "text" else run


def _family(block: Block) -> str | None:
    kind = block["type"]
    if kind in _RICH:
        return "rich"
    return "plain" if kind in _PLAIN and "source" not in block else None
