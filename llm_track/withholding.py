"""What is left of an event whose content may not leave: what was called, how often, for how much, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_track import properties
from llm_track.records import Event


def withhold_content(event: Event) -> Event:
    """Remove inputs, outputs and error texts from an event; a processor like any other."""
    of = event.properties
    kept = dict(of)
    for key in (*properties.INPUTS, *properties.OUTPUTS):
        if key in kept:
            kept[key] = None
    for key in properties.ERROR_TEXTS:
        kept.pop(key, None)
    for key in properties.ERROR_KINDS:
        if key in kept and not _is_word(kept[key]):
            del kept[key]
    kept |= _tools_called(of) | _summarised_failure(kept) | _plain_parameters(of)
    return replace(event, properties=kept, exception=None)


def _tools_called(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the tools that the output calls, for an event whose output is withheld."""
    output = of.get(properties.OUTPUT_CHOICES)
    said = [name for message in (output if isinstance(output, list) else ()) for name in _names(message)]
    names = [name if _is_word(name) else "[withheld]" for name in said]
    return {properties.TOOLS_CALLED: ",".join(names), properties.TOOL_CALL_COUNT: len(names)} if names else {}


def _summarised_failure(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error text that repeats nothing of the request: the error's class, status and request id."""
    if not of.get(properties.IS_ERROR):
        return {}
    kind, status = of.get(properties.ERROR_TYPE, "Error"), of.get(properties.HTTP_STATUS)
    parts = [str(kind), f"status {status}" if status else "", str(of.get(properties.REQUEST_ID, ""))]
    return {properties.ERROR: " ".join(part for part in parts if part)}


def _plain_parameters(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request parameters that cannot hold content: numbers, flags, and words from a fixed list."""
    parameters = of.get(properties.PARAMETERS)
    if not isinstance(parameters, Mapping):
        return {}
    return {
        properties.PARAMETERS: {
            key: value
            for key, value in parameters.items()
            if (key in _NUMBERS and isinstance(value, (bool, int, float))) or (key in _WORDS and _is_word(value))
        }
    }


_NUMBERS = frozenset(
    {
        "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "seed",
        "max_tokens_to_sample", "max_tool_calls", "presence_penalty", "frequency_penalty", "stream", "store",
        "background", "logprobs", "top_logprobs", "parallel_tool_calls", "dimensions", "best_of", "echo",
    }
)  # fmt: skip
_WORDS = frozenset({"service_tier", "reasoning_effort", "verbosity", "truncation", "tool_choice", "encoding_format"})


_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _names(message: Any) -> list[str]:
    if not isinstance(message, dict):
        return []
    if message.get("type") == "function_call":
        return [str(message.get("name"))]
    content = message.get("content")
    calls = message.get("tool_calls")
    blocks = [*(calls if isinstance(calls, list) else ()), *(content if isinstance(content, list) else ())]
    return [
        str(block["function"].get("name") if isinstance(block.get("function"), dict) else block.get("name"))
        for block in blocks
        if isinstance(block, dict) and block.get("type") in ("function", "tool_use")
    ]
