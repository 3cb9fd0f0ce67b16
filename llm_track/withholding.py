"""What is left of an event under a policy: of fields that may not leave, counts, names of models and how it ended.

Every text that is not known to be free of content is withheld: what a later version adds stays in until it is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from llm_track import properties
from llm_track.policies import CONTENT, FULL, METADATA
from llm_track.records import Event, Policy

MARK = "[withheld]"


def withhold_content(event: Event) -> Event:
    """Remove everything but metadata from an event; a processor like any other."""
    return withhold(event, METADATA)


def withhold(event: Event, allowed: Policy) -> Event:
    """Remove what a policy does not allow; media are the business of another processor."""
    if allowed >= FULL:
        return event
    of = event.properties
    kept: dict[str, Any] = {}
    for key, value in of.items():
        kept |= _left(key, value, of, allowed)
    if "outputs" not in allowed:
        kept |= _tools_called(of)
    if "errors" not in allowed:
        kept |= _summarised_failure(kept)
    exception = event.exception if allowed.issuperset(CONTENT) else None
    return replace(event, properties=kept, exception=exception)


def _left(key: str, value: Any, of: Mapping[str, Any], allowed: Policy) -> dict[str, Any]:
    """Return what may leave of one property: it, another form of it, or nothing."""
    if properties.is_id(key):
        return {key: value}
    if not properties.is_own(key):
        return {key: value} if "metadata" in allowed else {}
    if value is None:
        return {key: value}
    if key in properties.INPUTS or key in properties.OUTPUTS:
        return {key: _content(key, value, of, allowed)}
    if key in properties.REMARKS:
        return {key: value if {"inputs", "outputs"} <= allowed else MARK}
    if key in properties.ERROR_TEXTS:
        return {key: value} if _fields_of(key) <= allowed else {}
    if key == properties.PARAMETERS and not {"inputs", "tools"} <= allowed:
        return {key: _plain_parameters(value)}
    is_free = "metadata" in allowed if key in properties.NAMES else allowed.issuperset(CONTENT)
    left = value if is_free else plain(value)
    if left is None and key in properties.REQUIRED:
        return {key: MARK}
    return {} if left is None else {key: left}


def _fields_of(key: str) -> Policy:
    """A stack trace ends with the text of the error, and shows source that quotes what was asked."""
    return frozenset({"errors"} if key == properties.ERROR else CONTENT)


def _content(key: str, value: Any, of: Mapping[str, Any], allowed: Policy) -> Any:
    field = "tools" if key == properties.TOOLS else "inputs" if key in properties.INPUTS else "outputs"
    is_tool = of.get(properties.SPAN_TYPE) == "tool"
    if field not in allowed or (is_tool and "tools" not in allowed):
        return None
    return value if "tools" in allowed else _without_tools(value)


def _without_tools(value: Any) -> Any:
    """Return messages in which calls of tools have a name only, and results of tools nothing."""
    if isinstance(value, list):
        return [_without_tools(item) for item in value]
    if isinstance(value, str):
        return _words_without_tools(value)
    if not isinstance(value, Mapping):
        return value
    if _is_of_tool(value):
        return _bare(value)
    return {key: _field_without_tools(key, item) for key, item in value.items()}


def _field_without_tools(key: str, item: Any) -> Any:
    if key == "tool_calls" and isinstance(item, list):
        return [_bare(call) if isinstance(call, Mapping) else MARK for call in item]
    if key in _KEYED and isinstance(item, Mapping):
        return _bare(item) or MARK
    return MARK if item and (key in _DESCRIBED or key in _KEYED) else _without_tools(item)


def _words_without_tools(text: str) -> str:
    """What PostHog cannot draw stands in a message as a text, which is its JSON."""
    if text[:1] != "{":
        return text
    try:
        block = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_of_tool = _is_of_tool(block) or not _KEYED.isdisjoint(block)
    return json.dumps(_without_tools(block), separators=(",", ":")) if is_of_tool else text


_DESCRIBED = frozenset({"tools", "functions", "toolConfig", "tool_config"})
"""Where the JSON of requests describes tools."""
_KEYED = frozenset(
    {
        "executableCode", "codeExecutionResult", "functionCall", "functionResponse", "toolCall", "toolResponse",
        "executable_code", "code_execution_result", "function_call", "function_response", "toolUse", "toolResult",
    }
)  # fmt: skip
"""Where the JSON of Gemini and Bedrock, and OpenAI's old one, calls them."""


def _is_of_tool(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    named = isinstance(kind, str) and (kind in _KINDS or kind.endswith(("_call", "_call_output")) or "tool" in kind)
    return named or block.get("role") in ("tool", "function")


_KINDS = frozenset({"function", "mcp_approval_request", "mcp_approval_response", "program", "program_output"})


def _bare(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call or a result of a tool in its shape, without what went in or came out."""
    kept = {key: item for key, item in block.items() if key in _FRAME and plain(item) is not None}
    if isinstance(block.get("function"), Mapping):
        called = block["function"].get("name")
        kept["function"] = {"name": called if _is_word(called) else MARK, "arguments": MARK}
    return kept | {key: {} if key == "input" else MARK for key in _FILLED if key in block}


_FRAME = ("type", "id", "call_id", "tool_call_id", "tool_use_id", "name", "role", "status")
_FILLED = ("arguments", "content", "input", "output")


def _tools_called(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the tools that the output calls, for an event whose output is withheld."""
    output = of.get(properties.OUTPUT_CHOICES)
    said = [name for message in (output if isinstance(output, list) else ()) for name in _names(message)]
    names = [name if _is_word(name) else MARK for name in said]
    return {properties.TOOLS_CALLED: ",".join(names), properties.TOOL_CALL_COUNT: len(names)} if names else {}


def _summarised_failure(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error text that repeats nothing of the request: the error's class, status and request id."""
    if not of.get(properties.IS_ERROR):
        return {}
    kind, status = of.get(properties.ERROR_TYPE, "Error"), of.get(properties.HTTP_STATUS)
    parts = [str(kind), f"status {status}" if status else "", str(of.get(properties.REQUEST_ID, ""))]
    return {properties.ERROR: " ".join(part for part in parts if part)}


def _plain_parameters(parameters: Any) -> dict[str, Any]:
    """Return the request parameters that cannot hold content: numbers, flags, and words from a fixed list."""
    return {
        key: value
        for key, value in (parameters.items() if isinstance(parameters, Mapping) else ())
        if (key in _NUMBERS and isinstance(value, (bool, int, float))) or (key in _WORDS and _is_word(value))
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
_TERM = re.compile(r"[A-Za-z0-9_.:/+%=|~\-]{1,300}(?:@\d{1,12})?(?:[A-Za-z0-9_.:/\-]{0,60})")
"""Ids, names of models and addresses: no blanks, and an ``@`` only before the date of a model."""


def plain(value: Any) -> Any:
    """Return numbers, flags, ids and names, and mappings and lists of such; of all else nothing."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if _TERM.fullmatch(value) and ("%" not in value or _TERM.fullmatch(unquote(value))) else None
    if isinstance(value, Mapping):
        left = {key: plain(item) for key, item in value.items() if _is_word(key)}
        return {key: item for key, item in left.items() if item is not None}
    return [item for item in map(plain, value) if item is not None] if isinstance(value, list) else None


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
