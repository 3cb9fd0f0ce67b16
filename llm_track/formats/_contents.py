"""Gemini's contents and their parts, read as messages.

Google reads its fields in camelCase and in snake_case; programs write both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._blocks import Block
from llm_track.formats._json import JSON, dump, name, obj, text

_ROLES = {"model": "assistant", "function": "tool"}


def messages(content: JSON, default_role: str) -> list[JSON]:
    """Return the messages of one ``Content``, or of a part without one; what functions returned is apart."""
    given = content.get("parts") if "parts" in content or "role" in content else [content] if content else None
    parts = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    role = name(content.get("role")) or default_role
    blocks: list[Block] = []
    calls: list[Block] = []
    returned: list[JSON] = []
    for part in parts:
        call, result = obj(field(obj(part), "functionCall")), obj(field(obj(part), "functionResponse"))
        if call:
            calls.append(_blocks.tool_call(call.get("id"), call.get("name"), call.get("args")))
        elif result:
            answer = {"role": "tool", "content": dump(result.get("response"))}
            called = text(result.get("id")) or text(result.get("name"))
            returned.append(answer | ({"tool_call_id": called} if called else {}))
        else:
            blocks.append(_part(part))
    said = _blocks.answer(_ROLES.get(role, role), blocks, calls) if blocks or calls or not returned else []
    return [*returned, *said] if parts else []


def _part(part: Any) -> Block:
    """Return the block of a part; one of a kind that is not known here becomes text, as JSON."""
    fields = obj(part)
    words, media, file = text(fields.get("text")), obj(field(fields, "inlineData")), obj(field(fields, "fileData"))
    data, kind = text(media.get("data")), text(field(media, "mimeType"))
    if isinstance(part, str):
        return _blocks.said(part)
    if words is not None:
        return _blocks.thought(words) if fields.get("thought") is True else _blocks.said(words)
    if data is not None:
        return inlined(kind or "application/octet-stream", data)
    if address := name(field(file, "fileUri")):
        return _blocks.said(f"[file {address}]")
    return _blocks.said(dump(part))


def inlined(kind: str, data: str) -> Block:
    """Return a picture, a sound, a video or a document whose bytes are part of a message."""
    if kind.startswith("audio/"):
        return {"type": "audio", "data": data, "mime_type": kind}
    return _blocks.embedded("image" if kind.startswith("image/") else "document", kind, data)


def field(body: JSON, camel: str) -> Any:
    """Return a field under either of its spellings."""
    return body[camel] if camel in body else body.get(snake(camel))


def snake(camel: str) -> str:
    """Return the other spelling of a name.

    >>> snake("maxOutputTokens")
    'max_output_tokens'
    """
    return _UPPER.sub(lambda found: f"_{found[0].lower()}", camel)


_UPPER = re.compile("[A-Z]")


def words_of(content: Any) -> str:
    """Return a content as one text, as something to be embedded is."""
    told = content if isinstance(content, Mapping) else {"parts": content}
    parts = told.get("parts") if "parts" in told else [told]
    return "\n".join(_blocks.words(_part(part)) for part in (parts if isinstance(parts, (list, tuple)) else [parts]))


def service_tier(body: JSON) -> str | None:
    """Return how Google served a call: ``standard``, ``flex``, ``priority``, ``provisioned_throughput`` ...

    Vertex names a kind of traffic, of which ``ON_DEMAND`` is the standard one.  Sources: ``UsageMetadata`` of the
    Gemini API (``serviceTier``) and of Vertex (``trafficType``).
    """
    usage = obj(body.get("usageMetadata"))
    for said in (usage.get("serviceTier"), usage.get("trafficType"), body.get("serviceTier")):
        tier = (name(said) or "").lower().removeprefix("service_tier_").removeprefix("on_demand_")
        if tier and not tier.endswith("unspecified"):
            return tier
    return None
