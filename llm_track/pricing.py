"""What a call cost: by the prices that the program gives, else by the price list of ``genai-prices``.

The list is what its installed version holds; nothing fetches a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from llm_track import properties
from llm_track.prices import SERVICES, Prices, say_what_is_missing
from llm_track.properties import costs


def known_cost(
    of: Mapping[str, Any],
    prices: Prices | None,
    *,
    embedding: bool = False,
    batched: bool = False,
    at: datetime | None = None,
) -> dict[str, Any] | None:
    """Return the cost properties of an event by the prices that the program gave, else by the list; else ``None``."""
    given = None if prices is None else given_cost(of, prices, embedding=embedding, batched=batched)
    return cost(of, embedding=embedding, batched=batched, at=at) if given is None else given


def given_cost(
    of: Mapping[str, Any], prices: Prices, *, embedding: bool = False, batched: bool = False
) -> dict[str, Any] | None:
    """Return the cost properties (US dollars) of an event by the prices that the program gave, if they tell it.

    Args:
        of: the properties of the event.
        prices: the table.
        embedding: whether there is no output to count.
        batched: whether it is the result of a batch.
    """
    provider, models = of[properties.PROVIDER], costs.models_of(of)
    price, counts = prices.find(provider, *models), costs.counts_of(of)
    service = costs.service_of(of, batched=batched)
    if price is None or service not in (None, *SERVICES):
        return None
    if not price.is_flat and ("input" not in counts or not ("output" in counts or embedding)):
        return None
    if not counts and not costs.is_completed(of):
        return None
    try:
        found = price.cost(counts, costs.searches_of(of), service)
    except LookupError as missing:
        say_what_is_missing(provider, models[0], missing)
        return None
    return costs.computed_cost(found.input, found.output, searches=found.searches, request=found.request)


def is_served_otherwise(of: Mapping[str, Any]) -> bool:
    """Tell whether a call has a price that PostHog, which prices by model and counts, takes no account of."""
    return costs.service_of(of) is not None or costs.factor_of_place(of) != 1.0


def cost(
    of: Mapping[str, Any], *, embedding: bool = False, batched: bool = False, at: datetime | None = None
) -> dict[str, Any] | None:
    """Return the cost properties (US dollars) of an event; ``None`` unless the list prices everything it says.

    Not priced: a model or provider that the list does not know, counts that are missing or contradict each other, and
    what nobody has a price for: a service tier, cache writes for an hour, searches, a place that a model is kept to.

    Args:
        of: the properties of the event.
        embedding: whether there is no output to count.
        batched: whether it is the result of a batch, which has a price of its own.
        at: when it was answered, since prices change, and some with the hour; default: now.
    """
    at = datetime.now(timezone.utc) if at is None else at
    usage, provider, searches = costs.usage_of(of), of[properties.PROVIDER], costs.searches_of(of)
    if usage["input_tokens"] is None or (usage["output_tokens"] is None and not embedding):
        return None
    factor = costs.factor_of_place(of)
    if factor is None or (searches and (batched or provider not in _SEARCHES)):
        return None
    from genai_prices import Usage, calc_price  # the price list is large; only who asks for it pays for loading it

    context = _context(of, batched=batched)
    id_ = _PROVIDERS.get(provider, provider)
    counted = Usage(**usage, web_searches=searches or None)
    try:
        price = calc_price(
            counted, of[properties.MODEL], provider_id=id_, price_context=context, genai_request_timestamp=at
        )
    except (LookupError, ValueError):  # unknown, or counts that contradict each other
        return None
    part = _part(provider, price, usage, context, at)
    if part is None or (usage["cache_write_1h_tokens"] and price.model_price.cache_write_1h_mtok is None):
        return None
    fees = float(price.total_price - price.input_price - price.output_price)
    if (fees > 0) is not (searches > 0):  # no price of searches, or a fee that depends on more than the list knows
        return None
    part *= factor
    return costs.computed_cost(part * float(price.input_price), part * float(price.output_price), searches=fees)


def load() -> None:
    """Load the list, so that the first price is found as fast as any other."""
    from genai_prices import data_snapshot

    data_snapshot.get_snapshot()


_BATCH = {"processing": "batch"}


def _context(of: Mapping[str, Any], *, batched: bool) -> dict[str, str] | None:
    """Return what the list calls the way a call was served."""
    service = costs.service_of(of, batched=batched)
    if service is None:
        return None
    if service == "batch":
        return _BATCH
    return {"speed" if costs.is_fast_claude(of) else "service_tier": service}


def _part(
    provider: str, price: Any, usage: Mapping[str, int | None], context: Mapping[str, str] | None, at: datetime
) -> float | None:
    """Return what part of the price that the list gave is that of a call served so, or ``None`` if nobody tells.

    The list has prices of batches and of service tiers that take the place of the ordinary ones.  Where it has some for
    a model, but none for a kind of token that was used, it has counted that kind at the ordinary price.
    """
    if context is None:
        return 1.0
    used = [name for kind, name in _PRICES.items() if usage.get(kind)]
    if usage.get("input_image_tokens") and getattr(price.model_price, "input_image_mtok", None) is not None:
        used.append("input_image_mtok")  # elsewhere pictures are as dear as words
    listed = _listed(price, context, at)
    if listed is None:
        halved = [who for way in context.values() for who in _HALF.get(way, ())]
        return 0.5 if provider in halved and not used else None
    if _is_long(price, usage["input_tokens"] or 0, at):
        return None
    ordinary = {name for name in used if name not in listed and getattr(price.model_price, name, None) is not None}
    same = _SAME_IN_A_BATCH.get(price.provider.id, frozenset()) if context == _BATCH else frozenset()
    return 1.0 if ordinary <= same else None


def _is_long(price: Any, tokens: int, at: datetime) -> bool:
    """Tell whether so many tokens have a price of their own in ordinary calls, but none in those served so."""
    ordinary = price.model.get_prices(at).input_mtok
    tiers = getattr(ordinary, "tiers", ())
    return any(tokens > tier.start for tier in tiers) and not hasattr(price.model_price.input_mtok, "tiers")


def _listed(price: Any, context: Mapping[str, str], at: datetime) -> set[str] | None:
    """Return of which kinds of tokens the list has such a price then; ``None`` if it has none for the model."""
    if not any(price.model is model for model in price.provider.models):
        return None
    listed = [
        variant.prices
        for variant in getattr(price.model, "price_variants", None) or ()
        if variant.when == context and (variant.constraint is None or variant.constraint.active(at))
    ]
    return {name for prices in listed for name, each in vars(prices).items() if each is not None} if listed else None


_SEARCHES = ("anthropic",)
"""Providers of which every search has the same price.  OpenAI's depends on the tool and the model; at Google some are
free first.  Sources: Anthropic, "Pricing"; OpenAI, "Pricing"; Google, "Gemini Developer API pricing"."""
_PRICES = {
    "cache_read_tokens": "cache_read_mtok",
    "cache_write_tokens": "cache_write_mtok",
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "input_audio_tokens": "input_audio_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "output_image_tokens": "output_image_mtok",
}
"""Kinds of tokens beside plain input and output -> what the list calls their price."""
_HALF = {"batch": ("anthropic", "azure", "gemini", "openai"), "flex": ("gemini", "google-vertex")}
"""Providers whose documentation says that all that is served so costs half of what the same calls cost; of caches not
all say it.  Sources: decision 7; Google, "Flex inference" and "Flex PayGo"."""
_SAME_IN_A_BATCH = {"google": frozenset({"cache_read_mtok"})}
"""By the list's name for a provider: prices that its documentation says are those of any other call."""
_PROVIDERS = {"amazon-bedrock": "aws", "google-vertex": "google", "gemini": "google", "xai": "x-ai"}
"""Names that ``genai-prices`` spells in another way than PostHog."""
