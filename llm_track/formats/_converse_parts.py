"""Bedrock's content blocks, whose one key says what they are, as the parts that `_parts` reads.

API reference: Amazon Bedrock, ``ContentBlock``.  Media are base64 on the wire, and bytes with Amazon's SDK.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from llm_track.formats._json import JSON, dump, name, obj, objects, text

_NOT_CONTENT = ("cachePoint",)
"""Marks between the blocks."""


def parts(content: Any) -> list[Any]:
    """Return the parts of a message's content; a block of a kind that is not known here is kept as it is."""
    if not isinstance(content, (list, tuple)):
        return [] if content is None else [content if isinstance(content, str) else dump(content)]
    return [_part(block) for block in content if not any(mark in obj(block) for mark in _NOT_CONTENT)]


def joined(content: Sequence[Any]) -> list[Any]:
    """Return an answer's parts with texts that follow each other in one: Nova's own streams cut texts into blocks."""
    kept: list[Any] = []
    for part in content:
        words, before = _words(part), _words(kept[-1]) if kept else None
        if words is not None and before is not None:
            kept[-1] = {"type": "text", "text": before + words}
        else:
            kept.append(part)
    return kept


def _words(part: Any) -> str | None:
    return text(obj(part).get("text")) if obj(part).get("type") == "text" else None


def _part(block: Any) -> Any:
    for kind, read in _READERS.items():
        if kind in obj(block) and (part := read(block[kind])) is not None:
            return part
    return _plain(block)


def _plain(block: Any) -> Any:
    """An unknown block is text, as JSON; one that only looks like a part of another provider is no part."""
    return block if isinstance(block, str) else {"type": "text", "text": dump(block)}


def _text(value: Any) -> JSON | None:
    words = text(value)
    return None if words is None else {"type": "text", "text": words}


def _guarded(value: Any) -> Any:
    """What a guardrail is to look at: a text or a picture."""
    told = obj(value)
    return _image(told.get("image")) if "image" in told else _text(obj(told.get("text")).get("text"))


def _image(value: Any) -> JSON | None:
    return _media("image", f"image/{name(obj(value).get('format')) or 'png'}", value)


def _video(value: Any) -> JSON | None:
    found = _media("video", "", value)
    return found if found is None or found["type"] == "text" else _text(f"[video {obj(value).get('format')}]")


def _audio(value: Any) -> JSON | None:
    found = _media("audio", "", value)
    if found is None or found["type"] == "text":
        return found
    return {"type": "input_audio", "input_audio": {"data": found["source"]["data"], "format": obj(value).get("format")}}


def _document(value: Any) -> JSON | None:
    told, source = obj(value), obj(obj(value).get("source"))
    if "text" in source:
        return _text(source["text"])
    if "content" in source:
        return {"type": "document", "source": {"type": "content", "content": parts(source["content"])}}
    kind = name(told.get("format")) or "octet-stream"
    return _media("document", _DOCUMENTS.get(kind, f"application/{kind}"), value)


_DOCUMENTS = {"txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html"}


def _media(kind: str, media_type: str, value: Any) -> JSON | None:
    source = obj(obj(value).get("source"))
    data, address = source.get("bytes"), name(obj(source.get("s3Location")).get("uri"))
    if isinstance(data, (bytes, bytearray, memoryview)):
        data = b64encode(data).decode()
    if isinstance(data, str):
        return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}
    return _text(f"[{kind} {address}]") if address else None


def _tool_use(value: Any) -> JSON:
    told = obj(value)
    kind = "server_tool_use" if told.get("type") == "server_tool_use" else "tool_use"
    return {"type": kind, "id": told.get("toolUseId"), "name": told.get("name"), "input": told.get("input")}


def _tool_result(value: Any) -> JSON:
    told = obj(value)
    failed = {"is_error": True} if told.get("status") == "error" else {}
    return {
        "type": "tool_result",
        "tool_use_id": told.get("toolUseId"),
        "content": [_returned(block) for block in told.get("content") or () if isinstance(block, dict)]
        if isinstance(told.get("content"), list)
        else told.get("content"),
        **failed,
    }


def _returned(block: JSON) -> Any:
    return {"type": "text", "text": dump(block["json"])} if "json" in block else _part(block)


def _reasoning(value: Any) -> JSON | None:
    told = obj(value)
    if "redactedContent" in told:
        return {"type": "redacted_thinking"}
    return {"type": "thinking", "thinking": obj(told.get("reasoningText")).get("text")}


def _cited(value: Any) -> JSON | None:
    """A text with its sources; in a stream the words may not have come yet."""
    return _text("".join(text(each.get("text")) or "" for each in objects(obj(value).get("content"))))


def _found(value: Any) -> JSON:
    told = obj(value)
    return {
        "type": "search_result",
        "title": told.get("title"),
        "source": told.get("source"),
        "content": parts(told.get("content")),
    }


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "citationsContent": _cited,
    "searchResult": _found,
}
