"""The usage object of the OpenAI family: Chat Completions, legacy completions, Embeddings and Responses."""

from __future__ import annotations

from typing import Any

from llm_track.formats._json import JSON, amount, count, obj
from llm_track.records import Usage


def chat_usage(value: Any) -> Usage:
    """Read ``usage`` with ``prompt_tokens`` and ``completion_tokens``."""
    return _usage(obj(value), "prompt_tokens", "completion_tokens")


def responses_usage(value: Any) -> Usage:
    """Read ``usage`` with ``input_tokens`` and ``output_tokens``."""
    return _usage(obj(value), "input_tokens", "output_tokens")


def _usage(usage: JSON, asked: str, answered: str) -> Usage:
    """OpenAI counts cached tokens inside the input tokens and reasoning inside the output tokens.

    xAI counts reasoning beside the output tokens, as its total shows.  Source: xAI, "Consumption and rate limits".
    """
    asked_details, answered_details = obj(usage.get(f"{asked}_details")), obj(usage.get(f"{answered}_details"))
    cached = count(asked_details.get("cached_tokens"))
    if cached is None:  # DeepSeek's name for the same
        cached = count(usage.get("prompt_cache_hit_tokens"))
    written = count(asked_details.get("cache_write_tokens"))
    given, said, total = count(usage.get(asked)), count(usage.get(answered)), count(usage.get("total_tokens"))
    thought = count(answered_details.get("reasoning_tokens"))
    return Usage(
        input_tokens=given,
        output_tokens=said,
        total_tokens=total,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        cache_included_in_input=None if cached is None and written is None else True,
        reasoning_tokens=thought,
        reasoning_included_in_output=False if thought and total == (given or 0) + (said or 0) + thought else None,
        audio_input_tokens=count(asked_details.get("audio_tokens")),
        audio_output_tokens=count(answered_details.get("audio_tokens")),
        image_input_tokens=count(asked_details.get("image_tokens")),
        image_output_tokens=count(answered_details.get("image_tokens")),
        cost=_cost(usage),
        raw=dict(usage) or None,
    )


_TICKS_IN_A_DOLLAR = 10**10


def _cost(usage: JSON) -> float | None:
    """What the call cost in all, where a provider says so: OpenRouter in dollars, Perplexity by parts with their sum,
    xAI in ticks.

    With a key of the user's own, OpenRouter's cost is only its fee; the provider behind it charges the rest.  Sources:
    OpenRouter "Usage accounting", Perplexity "Chat completions" (``usage.cost``), xAI "Models and pricing".
    """
    fee, ticks = amount(usage.get("cost")), amount(usage.get("cost_in_usd_ticks"))
    if fee is None:
        fee = amount(obj(usage.get("cost")).get("total_cost"))
    if usage.get("is_byok") is True:
        rest = amount(obj(usage.get("cost_details")).get("upstream_inference_cost"))
        return None if fee is None or rest is None else fee + rest
    return ticks / _TICKS_IN_A_DOLLAR if fee is None and ticks is not None else fee
