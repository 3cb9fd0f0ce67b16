"""What tokens cost, by the price list of ``genai-prices``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_track import properties
from llm_track.properties import costs


def cost(of: Mapping[str, Any], *, embedding: bool = False) -> dict[str, Any] | None:
    """Return the cost properties (US dollars) of an event; ``None`` unless the list prices everything it says.

    Not priced: a model or provider that the list does not know, counts that are missing, and what the list has no price
    for: searches, cache writes for an hour, and service tiers other than the standard one.
    """
    if costs.priced_otherwise(of):
        return None
    usage = costs.usage_of(of)
    if usage["input_tokens"] is None or (usage["output_tokens"] is None and not embedding):
        return None
    from genai_prices import Usage, calc_price  # the price list is large; only who asks for it pays for loading it

    provider = of[properties.PROVIDER]
    try:
        price = calc_price(Usage(**usage), of[properties.MODEL], provider_id=_PROVIDERS.get(provider, provider))
    except (LookupError, ValueError):  # unknown, or counts that contradict each other
        return None
    return costs.computed_cost(float(price.input_price), float(price.output_price))


_PROVIDERS = {"amazon-bedrock": "aws", "google-vertex": "google", "gemini": "google", "xai": "x-ai"}
"""Names that ``genai-prices`` spells in another way than PostHog."""
