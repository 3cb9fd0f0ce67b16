"""Reading an event as its reader in PostHog would: its words, the tools it calls, its envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_track.records import Event


def envelope(event: Event) -> dict[str, Any]:
    """Return the event as it is captured; one without a user is captured under its trace."""
    assert event.timestamp is not None
    return {
        "event": event.name,
        "distinct_id": event.distinct_id or event.trace_id,
        "properties": event.properties,
        "uuid": event.uuid,
        "timestamp": event.timestamp.isoformat(),
    }


def answer_words(event: Event) -> str:
    """Return what the model said: all text of the output, without its reasoning."""
    return spoken(event.properties.get("$ai_output_choices"))


def spoken(messages: Any) -> str:
    """Return the text of messages, or of the texts of an embedding, without reasoning and without calls of tools."""
    if isinstance(messages, str):
        return messages
    return "".join(words for message in messages or () for words in _words(message))


def _words(message: Any) -> Iterator[str]:
    content = message if isinstance(message, str) else message.get("content") or message.get("output")
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result":
            yield block["content"]


def tools(event: Event) -> list[str]:
    """Return the names of the tools that the model called, in order."""
    found: list[str] = []
    for message in event.properties.get("$ai_output_choices") or []:
        content = message.get("content")
        blocks = [message, *(content if isinstance(content, list) else ()), *(message.get("tool_calls") or ())]
        for block in blocks:
            if block.get("type") in ("tool_use", "function_call"):
                found.append(block["name"])
            elif block.get("type") == "function":
                found.append(block["function"]["name"])
    return found
