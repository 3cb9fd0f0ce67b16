"""What tokens cost, by the price list of ``genai-prices``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_track import properties


def cost(of: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the cost properties (US dollars) of an event, or ``None`` for an unknown model or usage."""
    from genai_prices import Usage, calc_price  # the price list is large; only who asks for it pays for loading it

    usage = properties.usage_of(of)
    if usage["input_tokens"] is None and usage["output_tokens"] is None:
        return None
    try:
        price = calc_price(
            Usage(**usage),
            of[properties.MODEL],
            provider_id=_PROVIDERS.get(of[properties.PROVIDER], of[properties.PROVIDER]),
        )
    except LookupError:
        return None
    return properties.computed_cost(float(price.input_price), float(price.output_price))


_PROVIDERS = {"amazon-bedrock": "aws", "google-vertex": "google", "gemini": "google", "xai": "x-ai"}
"""Names that ``genai-prices`` spells in another way than PostHog."""
