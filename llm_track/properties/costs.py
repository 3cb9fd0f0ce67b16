"""What PostHog calls the costs of an event, and the counts that they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def reported_cost(total: float) -> dict[str, Any]:
    """Return a total in US dollars that PostHog is to keep as it is."""
    return {"$ai_total_cost_usd": total, "$ai_cost_passthrough": True}


def computed_cost(input_cost: float, output_cost: float) -> dict[str, Any]:
    """Return both parts of a cost in US dollars, and their sum."""
    return {
        "$ai_input_cost_usd": input_cost,
        "$ai_output_cost_usd": output_cost,
    } | reported_cost(input_cost + output_cost)


def without_cost(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties without any cost."""
    return {
        key: value
        for key, value in properties.items()
        if not key.endswith("_cost_usd") and key != "$ai_cost_passthrough"
    }


def usage_of(properties: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the counts that a price depends on, by the names that ``genai-prices`` gives them."""
    get = properties.get
    read, written = get("$ai_cache_read_input_tokens"), get("$ai_cache_creation_input_tokens")
    tokens = get("$ai_input_tokens")
    if tokens is not None and get("$ai_cache_reporting_exclusive"):
        tokens += (read or 0) + (written or 0)
    return {
        "input_tokens": tokens,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": get("$ai_output_tokens"),
        "input_audio_tokens": get("$ai_audio_input_tokens"),
        "output_audio_tokens": get("$ai_audio_output_tokens"),
    }


def priced_otherwise(properties: Mapping[str, Any]) -> bool:
    """Tell whether something on the event costs other than tokens at the standard rate."""
    return bool(
        properties.get("$ai_web_search_count")
        or properties.get("$ai_cache_creation_1h_input_tokens")
        or properties.get("$ai_service_tier") not in (None, "default", "standard")
    )
