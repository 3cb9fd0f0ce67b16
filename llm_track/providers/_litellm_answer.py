"""What LiteLLM gives back: JSON in OpenAI's shapes, and in hidden places who served the call and what it cost.

Runs on the worker, after LiteLLM is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from llm_track._guard import attempt
from llm_track.providers import _litellm_cost
from llm_track.providers._hosts import by_host
from llm_track.records import Served
from llm_track.wire.pulled import Pulled

_PROVIDERS = {
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock": "amazon-bedrock",
    "bedrock_converse": "amazon-bedrock",
    "sagemaker": "amazon-sagemaker",
    "sagemaker_chat": "amazon-sagemaker",
    "vertex_ai": "google-vertex",
    "vertex_ai_beta": "google-vertex",
    "cohere_chat": "cohere",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "openai_like": "openai",
    "anthropic_text": "anthropic",
    "ollama_chat": "ollama",
    "ai21_chat": "ai21",
    "codestral": "mistral",
    "text-completion-codestral": "mistral",
    "watsonx_text": "watsonx",
    "dashscope": "alibaba",
}
"""LiteLLM's name of a provider -> PostHog's, where they differ."""
_SPEAKERS = frozenset({"openai", "custom_openai", "openai_like", "text-completion-openai"})
"""Names that say which API is spoken, not who is asked."""


def to_json(result: Any) -> Any:
    """Return the JSON of a result or a chunk; of a binary answer its type and size."""
    dump: Callable[..., dict[str, Any]] | None = getattr(result, "model_dump", None)
    if dump is not None:
        return _without_estimate(dump(mode="json", exclude_none=True, warnings=False))
    if isinstance(result, Mapping):
        return dict(result)
    content = getattr(result, "content", None)
    return {"bytes": len(content)} if isinstance(content, bytes) else None


def _without_estimate(said: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM counts by itself what the end of a Responses stream does not; it gives no details then, providers do."""
    answer = said.get("response")
    if not isinstance(answer, dict) or not isinstance(answer.get("usage"), dict):
        return said
    if answer["usage"].keys() & {"input_tokens_details", "output_tokens_details"}:
        return said
    return {**said, "response": {key: value for key, value in answer.items() if key != "usage"}}


def about(stream: Any) -> dict[str, Any]:
    """Keep what a stream object keeps of its chunks and of who serves it, without the object."""
    return {
        "chunks": getattr(stream, "chunks", None),
        "hidden": _hidden(stream),
        "cached": getattr(stream, "custom_llm_provider", None) == "cached_response",
    }


def chunks(pulled: Pulled) -> list[Any]:
    """Return the chunks as LiteLLM keeps them: it takes the usage off those that it hands out."""
    kept, pieces = _kept(pulled), pulled.pieces
    if not kept:
        return pieces
    if pieces and type(pieces[0]) is not type(kept[0]):  # text completions are made of chat completions
        return [*pieces, *({"usage": usage} for usage in map(_usage, map(to_json, kept)) if usage)]
    return [*kept, *map(_stop, pieces[-2:])]


def _kept(pulled: Pulled) -> list[Any]:
    kept = pulled.about.get("chunks") if isinstance(pulled.about, Mapping) else None
    return list(kept) if isinstance(kept, list) else []


def _usage(chunk: Any) -> Any:
    return chunk.get("usage") if isinstance(chunk, Mapping) else None


def _stop(piece: Any) -> dict[str, Any]:
    """LiteLLM ends a stream with chunks of its own: their stop reason is true, their usage may be an estimate."""
    choices = _dict(to_json(piece)).get("choices")
    return {
        "choices": [
            {"index": choice.get("index", 0), "delta": {}, "finish_reason": choice["finish_reason"]}
            for choice in (choices if isinstance(choices, list) else ())
            if isinstance(choice, Mapping) and choice.get("finish_reason")
        ]
    }


def served(function: str, asked: Any, named: Any, logging: Any, result: Any, error: BaseException | None) -> Served:
    """Return who served a call and for how much.

    Args:
        function: LiteLLM's name of the call.
        asked: the model that was asked for, such as ``"azure/my-deployment"``.
        named: the provider that was asked for, if the program named it.
        logging: the object in which LiteLLM keeps what it knows of the call, if the call brought it along.
        result: what the call returned, or what was pulled out of its stream.
        error: what it raised.
    """
    about = result.about if isinstance(result, Pulled) and isinstance(result.about, Mapping) else {}
    hidden = about.get("hidden") or _hidden(result)
    headers = _dict(hidden.get("additional_headers"))
    cached = hidden.get("cache_hit") is True or about.get("cached") is True
    cached = cached or _dict(getattr(logging, "caching_details", None)).get("cache_hit") is True
    base_url = _text(hidden.get("api_base"))
    priced = _kept(result) or result.pieces if isinstance(result, Pulled) else result
    cost = _litellm_cost.of(function, asked, hidden, priced)
    known = _text(hidden.get("custom_llm_provider")) or _text(getattr(error, "llm_provider", None)) or _text(named)
    if known in (None, "cached_response"):
        known = _provider_of(asked) or _provider_of(hidden.get("litellm_model_name"))
    return Served(
        provider=_billed_by(known, base_url),
        asked=_bare(_text(asked), known),
        model=_served_model(hidden, result, error, known),
        base_url=base_url,
        model_group=_text(headers.get("x-litellm-model-group")),
        deployment_id=_text(hidden.get("model_id")),
        cost=0.0 if cached else cost,
        cached=cached,
        saved_cost=cost if cached else None,
        retries=_count(headers.get("x-litellm-attempted-retries")),
        fallbacks=_count(headers.get("x-litellm-attempted-fallbacks")),
    )


def _billed_by(known: str | None, base_url: str | None) -> str | None:
    if known is None:
        return None
    host = by_host(base_url) if base_url is not None and known in _SPEAKERS else None
    return host or _PROVIDERS.get(known, known)


def _provider_of(model: Any) -> str | None:
    """Ask LiteLLM whose model a name is."""
    litellm = sys.modules.get("litellm")
    found = attempt(lambda: litellm.get_llm_provider(model), otherwise=None)  # type: ignore[union-attr]  # in a guard
    return found[1] if isinstance(found, tuple) and len(found) > 1 and isinstance(found[1], str) else None


def _served_model(hidden: Mapping[str, Any], result: Any, error: BaseException | None, known: str | None) -> str | None:
    """The model that answered: through a router its name has LiteLLM's prefix, else not."""
    said = next(reversed(result.pieces), None) if isinstance(result, Pulled) else result
    model = _text(hidden.get("provider_response_model")) or _text(getattr(said, "model", None))
    model = model or _text(hidden.get("litellm_model_name"))
    if model is None and error is not None:
        model = _text(getattr(error, "model", None))
    return _bare(model, known)


def _bare(model: str | None, provider: str | None) -> str | None:
    """A model without LiteLLM's prefix, which names the provider."""
    return model if model is None or provider is None else model.removeprefix(f"{provider}/")


def _hidden(result: Any) -> Mapping[str, Any]:
    return _dict(getattr(result, "_hidden_params", None))


def _dict(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return vars(value) if hasattr(value, "__dict__") and hasattr(type(value), "model_dump") else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else None
