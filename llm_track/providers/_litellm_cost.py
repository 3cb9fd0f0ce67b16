"""What a call of LiteLLM cost, by its own price list, which is asked through its public ``completion_cost``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from llm_track._guard import attempt


def of(function: str, asked: Any, hidden: Mapping[str, Any], result: Any, prices: Mapping[str, Any]) -> float | None:
    """Return what LiteLLM says a call cost; for a stream, of which it says so too late, what its price list says.

    Args:
        function: LiteLLM's name of the call.
        asked: the model that was asked for.
        hidden: what LiteLLM hides in the answer.
        result: the answer, or the chunks of a stream.
        prices: the prices that the call itself names.

    Returns:
        US dollars; ``None`` if it does not know.
    """
    stated = None if isinstance(result, list) else hidden.get("response_cost")
    if (
        isinstance(stated, (int, float))
        and not isinstance(stated, bool)
        and (stated > 0 or not hidden.get("cache_hit"))
    ):
        return float(stated) if stated > 0 or _has_usage(result) else None  # it says 0 where nothing was counted
    priced = _assembled(result) if isinstance(result, list) else result
    completion_cost = getattr(sys.modules.get("litellm"), "completion_cost", None)
    if priced is None or completion_cost is None or not _has_usage(priced):
        return None
    own = _own_prices(hidden, prices)
    cost = attempt(
        lambda: completion_cost(
            completion_response=priced,
            model=hidden.get("litellm_model_name") or asked,
            custom_llm_provider=hidden.get("custom_llm_provider"),
            call_type=function,
            **({"custom_cost_per_token": own} if own else {}),
        ),
        otherwise=None,
    )
    known = isinstance(cost, (int, float)) and (cost > 0 or bool(own))  # it says 0 of what it does not know
    return float(cost) if known else None


PRICES = ("input_cost_per_token", "output_cost_per_token")
"""The prices that a call or a deployment can name."""


def _own_prices(hidden: Mapping[str, Any], prices: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the prices per token that the call names, or those of the deployment of a Router that served it."""
    deployments = getattr(sys.modules.get("litellm"), "model_cost", {})
    for place in (prices, deployments.get(hidden.get("model_id"))):
        found = {name: place[name] for name in PRICES if place.get(name) is not None} if place else {}
        if found:
            return {name: float(found.get(name, 0.0)) for name in PRICES}
    return None


def _assembled(pieces: list[Any]) -> Any:
    """The whole answer of a stream, put together by LiteLLM; only if the provider reported what it used."""
    if not any(_has_usage(piece) for piece in pieces):
        return next(
            (found for piece in reversed(pieces) if _has_usage(found := getattr(piece, "response", None))), None
        )
    build = getattr(sys.modules.get("litellm"), "stream_chunk_builder", None)
    return attempt(build, pieces, otherwise=None) if build is not None else None


def _has_usage(answer: Any) -> bool:
    usage = getattr(answer, "usage", None)
    return usage is not None and any(
        bool(getattr(usage, name, None)) for name in ("total_tokens", "input_tokens", "prompt_tokens")
    )
