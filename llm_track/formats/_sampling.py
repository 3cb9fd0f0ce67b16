"""xAI's usage message: ``SamplingUsage`` of its gRPC API, as protobuf writes it in JSON: 64-bit numbers are texts.

API reference: xAI, "Consumption and rate limits": reasoning tokens are counted separately from the completion tokens,
but in the total; cached tokens are part of the prompt; searches are billed by the source.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._json import JSON, amount, count, entries, obj
from llm_track.records import Usage

_TICKS_IN_A_DOLLAR = 10**10
_SEARCHES = ("SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_X_SEARCH")


def sampling_usage(value: Any) -> Usage:
    """Read the counts of an answer.  A count of zero is not on the wire of protobuf, and so is absent."""
    usage = obj(value)
    cached = count(usage.get("cached_prompt_text_tokens"))
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        total_tokens=count(usage.get("total_tokens")),
        cache_read_tokens=cached,
        cache_included_in_input=None if cached is None else True,
        reasoning_tokens=count(usage.get("reasoning_tokens")),
        reasoning_included_in_output=False,
        image_input_tokens=count(usage.get("prompt_image_tokens")),
        web_searches=_searches(usage),
        cost=_cost(usage.get("cost_in_usd_ticks")),
        raw=dict(usage) or None,
    )


def _searches(usage: JSON) -> int | None:
    """The sources that a live search used, else how often the model searched by itself."""
    sources = count(usage.get("num_sources_used"))
    searched = [tool for tool in entries(usage.get("server_side_tools_used")) or () if tool in _SEARCHES]
    return (len(searched) or None) if sources is None else sources


def _cost(ticks: Any) -> float | None:
    told = int(ticks) if isinstance(ticks, str) and ticks.isascii() and ticks.isdigit() and len(ticks) < 20 else ticks
    known = amount(told)
    return None if known is None else known / _TICKS_IN_A_DOLLAR
