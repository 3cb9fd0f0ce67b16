"""What a call of LiteLLM cost, by its own price list, which is asked through its public ``completion_cost``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from llm_track._guard import attempt


def of(function: str, asked: Any, hidden: Mapping[str, Any], result: Any) -> float | None:
    """Return what LiteLLM says a call cost; for a stream, of which it says so too late, what its price list says.

    Args:
        function: LiteLLM's name of the call.
        asked: the model that was asked for.
        hidden: what LiteLLM hides in the answer.
        result: the answer, or the chunks of a stream.

    Returns:
        US dollars; ``None`` if it does not know: it writes 0 then.
    """
    stated = hidden.get("response_cost")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool) and stated > 0:
        return float(stated)
    priced = _assembled(result) if isinstance(result, list) else result
    completion_cost = getattr(sys.modules.get("litellm"), "completion_cost", None)
    if priced is None or completion_cost is None or not _has_usage(priced):
        return None
    cost = attempt(
        lambda: completion_cost(
            completion_response=priced,
            model=hidden.get("litellm_model_name") or asked,
            custom_llm_provider=hidden.get("custom_llm_provider"),
            call_type=function,
        ),
        otherwise=None,
    )
    return float(cost) if isinstance(cost, (int, float)) and cost > 0 else None


def _assembled(pieces: list[Any]) -> Any:
    """The whole answer of a stream, put together by LiteLLM; only if the provider reported what it used."""
    if not any(_has_usage(piece) for piece in pieces):
        return next(
            (found for piece in reversed(pieces) if _is_counted(found := getattr(piece, "response", None))), None
        )
    build = getattr(sys.modules.get("litellm"), "stream_chunk_builder", None)
    return attempt(build, pieces, otherwise=None) if build is not None else None


def _is_counted(answer: Any) -> bool:
    """Tell whether the answer at the end of a Responses stream has the provider's counts: LiteLLM's lack details."""
    usage = getattr(answer, "usage", None)
    return any(getattr(usage, f"{kind}_tokens_details", None) is not None for kind in ("input", "output"))


def _has_usage(answer: Any) -> bool:
    usage = getattr(answer, "usage", None)
    return usage is not None and any(
        bool(getattr(usage, name, None)) for name in ("total_tokens", "input_tokens", "prompt_tokens")
    )
