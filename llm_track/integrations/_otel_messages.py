"""The messages of an OpenTelemetry span, in the shapes that PostHog draws.

Four ways to write them are read: the GenAI conventions' JSON in one attribute, their events, OpenLLMetry's numbered
attributes (``gen_ai.prompt.0.content``) and OpenInference's (``llm.input_messages.0.message.content``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._blocks import Block
from llm_track.formats._json import JSON, dump, load, name, obj, objects, text

Attributes = Mapping[str, Any]
_MOST_NUMBERED = 100_000


def numbered(attributes: Attributes, prefix: str) -> list[JSON]:
    """Return the objects whose fields are attributes with a number in their names, ``prefix.0.field.1.other``."""
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(prefix + "."):
            place, names = found, key[len(prefix) + 1 :].split(".")
            for each in names[:-1]:
                inner = place.setdefault(each, {})
                if not isinstance(inner, dict):
                    break
                place = inner
            else:
                place.setdefault(names[-1], value)
    return [obj(item) for item in _items(found) or ()]


def _items(found: Any) -> list[Any] | None:
    """Return what stands under numbers, in their order; ``None`` where that are no numbers."""
    if not isinstance(found, dict) or not all(key.isdecimal() and len(key) < 6 for key in found):
        return None
    return [found[key] for key in sorted(found, key=int)]


def of_conventions(value: Any) -> list[JSON]:
    """Read ``gen_ai.input.messages`` or ``gen_ai.output.messages``: JSON, as text or not."""
    return [drawn for message in objects(load(value)) for drawn in of_message(message)]


def instructions(value: Any) -> list[JSON]:
    """Read ``gen_ai.system_instructions``: the parts of one message, or its text."""
    read = load(value)
    if isinstance(read, str):
        return [{"role": "system", "content": read}] if read else []
    return of_message({"role": "system", "parts": read}) if read else []


def of_message(message: JSON) -> list[JSON]:
    """Read one message that has ``parts``, or ``content`` and ``tool_calls`` as a chat has them."""
    role = name(message.get("role")) or "user"
    content, parts = load_list(message.get("content")), message.get("parts")
    if not isinstance(parts, (list, tuple)):
        calls = [_call(each) for each in _listed(message.get("tool_calls"))]
        return _drawn(role, _parts.read(content), calls, message.get("tool_call_id") or message.get("id"))
    blocks, calls, answers = [], [], []
    for part in parts:
        kind = obj(part).get("type")
        if kind == "tool_call":
            calls.append(_blocks.tool_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            said = part.get("response", part.get("result"))
            answers += _drawn("tool", [_blocks.said(said if isinstance(said, str) else dump(said))], [], part.get("id"))
        else:
            blocks.append(_block(part))
    return [*(_drawn(role, blocks, calls, None) if blocks or calls or not answers else []), *answers]


def load_list(content: Any) -> Any:
    """Content that is a list is written as JSON where an attribute must be a text; other text stays as it is."""
    if isinstance(content, str) and content.startswith("[{"):
        read = load(content)
        return read if isinstance(read, list) else content
    return content


def _block(part: Any) -> Block:
    said = obj(part)
    kind, words = said.get("type"), text(said.get("content"))
    if kind == "text" and words is not None:
        return _blocks.said(words)
    if kind == "reasoning" and words is not None:
        return _blocks.thought(words)
    modality = name(said.get("modality")) or "file"
    address, media = text(said.get("uri")), name(said.get("mime_type"))
    if kind == "uri" and address is not None:
        is_image = modality == "image" and address.startswith(("http://", "https://", "data:"))
        return {"type": "image", "image": address} if is_image else _blocks.said(f"[{modality} {address}]")
    if kind == "blob" and words is not None:
        return _blocks.embedded("image" if modality == "image" else "document", media or modality, words)
    return _parts.read([part])[0]


def _listed(calls: Any) -> list[JSON]:
    read = load(calls)
    return objects(_items(read) if isinstance(read, dict) else read)


def _call(call: JSON) -> Block:
    inner = obj(call.get("tool_call")) or call
    function = obj(inner.get("function")) or inner
    return _blocks.tool_call(inner.get("id"), function.get("name"), function.get("arguments"))


def _drawn(role: str, blocks: list[Block], calls: list[Block], call_id: Any) -> list[JSON]:
    if role == "tool" and call_id:
        words = "\n".join(_blocks.words(block) for block in blocks)
        return [{"role": "tool", "tool_call_id": str(call_id), "content": words}]
    return _blocks.answer(role, blocks, calls)


def of_openinference(messages: Iterable[JSON]) -> list[JSON]:
    """Read OpenInference's messages."""
    return [drawn for each in messages for drawn in _of_openinference(obj(each.get("message")))]


def _of_openinference(message: JSON) -> list[JSON]:
    contents = objects(_items(message.get("contents")))
    blocks = [_content(obj(each.get("message_content"))) for each in contents]
    if not contents:
        blocks = _parts.read(message.get("content"))
    calls = [_call(each) for each in _listed(message.get("tool_calls"))]
    return _drawn(name(message.get("role")) or "user", blocks, calls, message.get("tool_call_id"))


def _content(part: JSON) -> Block:
    address = obj(obj(part.get("image")).get("image")).get("url")
    if isinstance(address, str):
        return _parts.read([{"type": "image_url", "image_url": {"url": address}}])[0]
    words = text(part.get("text"))
    if words is None:
        return _blocks.said(dump(part))
    return _blocks.thought(words) if part.get("type") == "reasoning" else _blocks.said(words)


_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def of_events(events: Iterable[Any]) -> tuple[list[JSON], list[JSON]]:
    """Read the older events of a span, one for each message and each choice: what was asked, and the answers."""
    asked: list[JSON] = []
    answers: list[JSON] = []
    for event in events:
        said = dict(event.attributes or {})
        role = _ROLES.get(event.name)
        if role is not None:
            asked += of_message({"role": role, **said})
        elif event.name == "gen_ai.choice":
            message = load(said.get("message"))
            answers += of_message({"role": "assistant", **(message if isinstance(message, dict) else said)})
        elif event.name == "gen_ai.content.prompt":
            asked += _written(said.get("gen_ai.prompt"), "user")
        elif event.name == "gen_ai.content.completion":
            answers += _written(said.get("gen_ai.completion"), "assistant")
    return asked, answers


def _written(value: Any, role: str) -> list[JSON]:
    read = load(value)
    if isinstance(read, list) and all(isinstance(each, dict) for each in read):
        return [drawn for each in read for drawn in of_message({"role": role, **each})]
    return [{"role": role, "content": value if isinstance(value, str) else dump(value)}] if value else []
