"""The parts of a message's content, as OpenAI, Anthropic and their kin write them, read as blocks.

A part of a kind that is not known here is never lost: it becomes text, as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._blocks import Block, said
from llm_track.formats._json import JSON, dump, name, obj, objects, text


def read(content: Any) -> list[Block]:
    """Return the blocks of a message's content: a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return [said(content)]
    if not isinstance(content, (list, tuple)):
        return [] if content is None else [said(dump(content))]
    return [_read_part(part) for part in content]


def flat(content: Any) -> str:
    """Return content as one string, as the answer of a tool must be."""
    return "\n".join(_blocks.words(block) for block in read(content))


def summary(parts: Any, separator: str = "\n") -> str:
    """Return the words of a list of text parts, joined: the summary of a reasoning item."""
    return separator.join(words for part in objects(parts) if (words := text(part.get("text"))) is not None)


def _read_part(part: Any) -> Block:
    if isinstance(part, str):
        return said(part)
    kind = obj(part).get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    block = reader(part) if reader else None
    return said(dump(part)) if block is None else block


def _text(part: JSON) -> Block | None:
    words = text(part.get("refusal" if part.get("type") == "refusal" else "text"))
    return None if words is None else said(words)


def _image(part: JSON) -> Block | None:
    """OpenAI's ``image_url`` and ``input_image``, Anthropic's ``image`` with a source."""
    source = obj(part.get("source"))
    if source.get("type") == "base64":
        return _embedded("image", source)
    link = part.get("image_url") or part.get("image") or source.get("url")
    address = link if isinstance(link, str) else text(obj(link).get("url"))
    if address and address.startswith(("data:", "http://", "https://")):
        return {"type": "image", "image": address}
    file_id = name(part.get("file_id")) or name(source.get("file_id"))
    return said(f"[image {file_id}]") if file_id else None


def _embedded(kind: str, source: JSON) -> Block | None:
    data, media_type = text(source.get("data")), text(source.get("media_type"))
    return None if data is None or media_type is None else _blocks.embedded(kind, media_type, data)


def _audio(part: JSON) -> Block | None:
    sound = obj(part.get("input_audio"))
    data = text(sound.get("data"))
    if data is None:
        return None
    return {"type": "audio", "data": data, "mime_type": f"audio/{name(sound.get('format')) or 'wav'}"}


def _file(part: JSON) -> Block | None:
    """OpenAI's ``file`` (Chat Completions) and ``input_file`` (Responses)."""
    inner = obj(part.get("file")) or part
    data = text(inner.get("file_data"))
    title = name(inner.get("filename")) or name(inner.get("file_id")) or name(inner.get("file_url"))
    if data is None:
        return said(f"[file {title}]") if title else None
    return {"type": "file", "file": {"filename": title or "file", "file_data": data}}


def _document(part: JSON) -> Block | None:
    """Anthropic's ``document``: base64, plain text, a URL, a file id, or blocks of content."""
    source = obj(part.get("source"))
    kind, data = source.get("type"), text(source.get("data"))
    if kind == "base64":
        return _embedded("document", source)
    if kind == "text" and data is not None:
        return said(data)
    if kind == "content":
        return said(flat(source.get("content")))
    where = name(source.get("url")) or name(source.get("file_id"))
    return said(f"[document {where}]") if where else None


def _found(part: JSON) -> Block | None:
    """What a search found; its encrypted content is for the provider alone, and long."""
    where = name(part.get("url")) or name(part.get("source"))
    lines = [line for line in (name(part.get("title")), where, flat(part.get("content"))) if line]
    return said("\n".join(lines)) if lines else None


def _thinking(part: JSON) -> Block | None:
    """Anthropic's thinking is a string, Mistral's a list of text parts."""
    thinking = part.get("thinking")
    words = summary(thinking, separator="") if isinstance(thinking, list) else text(thinking)
    return None if words is None else _blocks.thought(words)


def _redacted_thinking(part: JSON) -> Block | None:
    return _blocks.thought("[redacted thinking]")


def _tool_use(part: JSON) -> Block | None:
    return _call("tool_use", part, "input")


_SERVER_TOOLS = {"web_search": "web_search_call", "code_execution": "code_interpreter_call"}


def _server_tool_use(part: JSON) -> Block | None:
    """A tool that the provider runs itself.  It is drawn, but must not count as a call of the program's tools."""
    return _call(_SERVER_TOOLS.get(name(part.get("name")) or "", "mcp_call"), part, "action")


def _call(kind: str, part: JSON, arguments: str) -> Block:
    tool, call_id = name(part.get("name")) or "unknown", text(part.get("id")) or ""
    return {"type": kind, "id": call_id, "name": tool, arguments: part.get("input")}


def _tool_result(part: JSON) -> Block | None:
    failed = {"is_error": True} if part.get("is_error") is True else {}
    call_id = text(part.get("tool_use_id")) or ""
    return {"type": "tool_result", "tool_use_id": call_id, "content": flat(part.get("content")), **failed}


def _function(part: JSON) -> Block | None:
    function = obj(part.get("function"))
    return _blocks.tool_call(part.get("id"), function.get("name"), function.get("arguments"))


_READERS: dict[str, Callable[[JSON], Block | None]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal"), _text),
    **dict.fromkeys(("image", "image_url", "input_image"), _image),
    "input_audio": _audio,
    **dict.fromkeys(("file", "input_file"), _file),
    "document": _document,
    **dict.fromkeys(("web_search_result", "search_result"), _found),
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    **dict.fromkeys(("server_tool_use", "mcp_tool_use"), _server_tool_use),
    "tool_result": _tool_result,
    "mcp_tool_result": _tool_result,
    "web_search_tool_result": _tool_result,
    "web_fetch_tool_result": _tool_result,
    "code_execution_tool_result": _tool_result,
    "bash_code_execution_tool_result": _tool_result,
    "text_editor_code_execution_tool_result": _tool_result,
    "tool_search_tool_result": _tool_result,
    "function": _function,
}
