"""What PostHog calls the costs of an event, and the counts that they depend on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_track.records import Usage


def reported_cost(total: float) -> dict[str, Any]:
    """Return a total in US dollars that PostHog is to keep as it is."""
    return {"$ai_total_cost_usd": total, "$ai_cost_passthrough": True}


def total_of(properties: Mapping[str, Any]) -> float | None:
    """Return what an event says that its call cost in all, in US dollars."""
    return properties.get("$ai_total_cost_usd")


def computed_cost(
    input_cost: float, output_cost: float, *, searches: float = 0.0, request: float = 0.0
) -> dict[str, Any]:
    """Return the parts of a cost in US dollars, and their sum; fees only where there are some."""
    fees = {"$ai_web_search_cost_usd": searches, "$ai_request_cost_usd": request}
    return {
        "$ai_input_cost_usd": input_cost,
        "$ai_output_cost_usd": output_cost,
        **{name: fee for name, fee in fees.items() if fee},
    } | reported_cost(input_cost + output_cost + searches + request)


def total(properties: Mapping[str, Any]) -> Any:
    """Return the cost of an event in US dollars, if it says so."""
    return properties.get("$ai_total_cost_usd")


def without_cost(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties without any cost."""
    return {
        key: value
        for key, value in properties.items()
        if not key.endswith("_cost_usd") and key != "$ai_cost_passthrough"
    }


def out_of_sight(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with all counts under names of ours: PostHog prices an event by its counts, if it knows the
    model, and leaves the cost of one without counts open."""
    return {f"llm{key[3:]}" if _COUNT.fullmatch(key) else key: value for key, value in properties.items()}


_COUNT = re.compile(r"\$ai_(\w+_tokens|usage|web_search_count)")
_THOUGHTS_APART = re.compile(r"gemini-(2\.5-|3(\.\d+)?-)")


def adds_thoughts(model: Any) -> bool:
    """Tell whether PostHog adds the reasoning tokens of a model to its output tokens; with all others it takes them to
    be inside.  Source: PostHog's calculation of costs."""
    return isinstance(model, str) and _THOUGHTS_APART.match(model.lower().rpartition("/")[2]) is not None


def output_beside_thoughts(usage: Usage, model: Any) -> int | None:
    """Return the output tokens as PostHog is to be told them: without the thoughts that it adds, with all others."""
    said, thought = usage.output_tokens, usage.reasoning_tokens or 0
    if said is None and not (thought and usage.reasoning_included_in_output is False):
        return said
    if adds_thoughts(model):
        return said if usage.reasoning_included_in_output is False else max((said or 0) - thought, 0)
    return (said or 0) + thought if usage.reasoning_included_in_output is False else said


def told_usage(usage: Usage, model: Any) -> dict[str, Any]:
    """Return what an event says of what a call used, and of what the provider says that it cost."""
    short, long = _by_lifetime(usage)
    said = {
        "$ai_input_tokens": usage.input_tokens,
        "$ai_output_tokens": output_beside_thoughts(usage, model),
        "$ai_total_tokens": usage.total_tokens,
        "$ai_cache_read_input_tokens": usage.cache_read_tokens,
        "$ai_cache_creation_input_tokens": usage.cache_write_tokens,
        "$ai_cache_creation_5m_input_tokens": short,
        "$ai_cache_creation_1h_input_tokens": long,
        "$ai_reasoning_tokens": usage.reasoning_tokens,
        "$ai_audio_input_tokens": usage.audio_input_tokens,
        "$ai_audio_output_tokens": usage.audio_output_tokens,
        "$ai_image_input_tokens": usage.image_input_tokens,
        "$ai_image_output_tokens": usage.image_output_tokens,
        "$ai_web_search_count": usage.web_searches,
        "$ai_cache_reporting_exclusive": None
        if usage.cache_included_in_input is None
        else not usage.cache_included_in_input,
        "$ai_usage": usage.raw,
    }
    known = {name: value for name, value in said.items() if value is not None}
    return known if usage.cost is None else known | reported_cost(usage.cost)


def _by_lifetime(usage: Usage) -> tuple[int | None, int | None]:
    """Return how many tokens were written to a cache for five minutes and for an hour.

    PostHog reads both or neither, and Bedrock names only what there was: what the one leaves of all is the other.
    """
    short, long, written = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_write_tokens
    if written is None or (short is None) is (long is None):
        return short, long
    left = written - (short or 0) - (long or 0)
    if left < 0:
        return short, long
    return (left, long) if short is None else (short, left)


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
        "cache_write_1h_tokens": get("$ai_cache_creation_1h_input_tokens"),
        "output_tokens": _all_output(properties),
        "input_audio_tokens": get("$ai_audio_input_tokens"),
        "output_audio_tokens": get("$ai_audio_output_tokens"),
        "input_image_tokens": get("$ai_image_input_tokens"),
        "output_image_tokens": get("$ai_image_output_tokens"),
    }


def counts_of(properties: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts that a price depends on, by the names that the prices of a program give them."""
    usage = usage_of(properties)
    found = {_BY_PRICES.get(name, name.removesuffix("_tokens")): number for name, number in usage.items()}
    return {name: number for name, number in found.items() if number is not None}


_BY_PRICES = {
    "input_audio_tokens": "audio_input",
    "output_audio_tokens": "audio_output",
    "input_image_tokens": "image_input",
    "output_image_tokens": "image_output",
}


def _all_output(properties: Mapping[str, Any]) -> int | None:
    said, thought = properties.get("$ai_output_tokens"), properties.get("$ai_reasoning_tokens")
    return said + thought if said is not None and thought and adds_thoughts(properties.get("$ai_model")) else said


def models_of(properties: Mapping[str, Any]) -> list[str]:
    """Return the names of the model that is billed: that of the one that answered; at Azure its deployment's, too.

    Elsewhere, and where others were tried in turn, the one that was asked for may have another price.
    """
    is_deployment = properties.get("$ai_provider") == "azure" and "llm_failed_attempts" not in properties
    names = (properties.get("$ai_model"), properties.get("llm_requested_model") if is_deployment else None)
    return [str(name) for name in names if name]


def is_completed(properties: Mapping[str, Any]) -> bool:
    """Tell whether a call got all of its answer."""
    return properties.get("llm_outcome") == "completed" and not properties.get("$ai_is_error")


def searches_of(properties: Mapping[str, Any]) -> int:
    """Return how many searches an event is billed for."""
    return properties.get("$ai_web_search_count") or 0


def service_of(properties: Mapping[str, Any], *, batched: bool = False) -> str | None:
    """Return how a call was served, if not at once and in turn, which is what a price list gives the price of.

    Args:
        properties: the properties of the event.
        batched: whether it is the result of a batch.
    """
    tier = properties.get("$ai_service_tier")
    tier = None if tier in _STANDARD else tier
    if batched:
        return "batch" if tier in (None, "batch") else f"batch, {tier}"
    return "fast" if tier is None and _said(properties, "speed") == "fast" else tier


def is_fast_claude(properties: Mapping[str, Any]) -> bool:
    """Tell whether Anthropic says of a call that it was in its fast mode.  Source: Anthropic, "Fast mode"."""
    return bool(_said(properties, "speed") == "fast")


def factor_of_place(properties: Mapping[str, Any]) -> float | None:
    """Return by what the rates of all tokens are multiplied for the place where a model ran; ``None``: nobody tells.

    Anthropic takes a tenth more of its own API for models that it keeps to the United States, from Claude 4.6 on.
    Source: Anthropic, "Pricing", data residency.
    """
    place, model = _said(properties, "inference_geo"), str(properties.get("$ai_model"))
    if place in _ANYWHERE or _BEFORE_PLACES.fullmatch(model):
        return 1.0
    return _IN_ONE_PLACE.get(f"{properties.get('$ai_provider')}/{place}")


_ANYWHERE = (None, "global", "not_available")
_IN_ONE_PLACE = {"anthropic/us": 1.1}
_BEFORE_PLACES = re.compile(r"claude-(?:\d.*|instant.*|[a-z]+-4(?:-[015])?(?:-latest|[-@]20\d{6})?)")
"""Models that run anywhere, whatever is asked for."""


def _said(properties: Mapping[str, Any], name: str) -> Any:
    usage = properties.get("$ai_usage")
    return usage.get(name) if isinstance(usage, Mapping) else None


_STANDARD = (None, "default", "standard", "on_demand", "auto", "unspecified")
"""Names of the tier that is no special one: OpenAI's and Bedrock's, Anthropic's, Groq's and Vertex's; and what repeats
the request, or xAI's word for none."""
