"""The items of OpenAI Responses, in the shapes that PostHog draws."""

from __future__ import annotations

from llm_track.formats import _blocks, _parts
from llm_track.formats._json import JSON, dump, name, text, without

_BUILT_IN = (
    "web_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "file_search_call",
    "computer_call",
)


def drawn(item: JSON) -> list[JSON]:
    """Return one item of an input or output list as the messages that PostHog draws for it.

    The encrypted form of reasoning and compaction is left out: it is long, and only the provider can read it.
    """
    kind, role, call_id = item.get("type"), name(item.get("role")), text(item.get("call_id"))
    if kind in (None, "message") and role:
        return _blocks.messages(role, _parts.read(item.get("content")))
    if kind == "reasoning":
        return [_reasoning(item)]
    if kind in ("function_call", "custom_tool_call"):
        return [_call(item)]
    if kind in _BUILT_IN and isinstance(item.get("id"), str):
        return _built_in(item)
    if call_id is not None and "output" in item:
        return [{"type": "function_call_output", "call_id": call_id, "output": _parts.flat(item["output"])}]
    return [{"role": "assistant", "content": dump(without(item, "encrypted_content"))}]


def _reasoning(item: JSON) -> JSON:
    words = _parts.summary(item.get("summary")) or _parts.summary(item.get("content"))
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": words}] if words else []}


def _call(item: JSON) -> JSON:
    arguments = item.get("arguments", item.get("input"))
    return {
        "type": "function_call",
        "call_id": text(item.get("call_id")) or text(item.get("id")) or "",
        "name": name(item.get("name")) or "unknown",
        "arguments": arguments if isinstance(arguments, (str, dict)) else dump(arguments),
    }


def _built_in(item: JSON) -> list[JSON]:
    """A picture that the model made is drawn as a picture, after the call that made it."""
    picture = text(item.get("result")) if item.get("type") == "image_generation_call" else None
    if picture is None:
        return [without(item)]
    image = _blocks.embedded("image", f"image/{name(item.get('output_format')) or 'png'}", picture)
    return [without(item, "result"), *_blocks.messages("assistant", [image])]
