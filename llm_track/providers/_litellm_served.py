"""Who served a call of LiteLLM, as far as its answer tells in hidden places, and as its exceptions tell it.

Runs on the worker, after LiteLLM is done.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_track._guard import attempt
from llm_track.providers import _litellm_cost
from llm_track.providers._hosts import by_host
from llm_track.providers._litellm_answer import fields_of, hidden_in, kept_chunks
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a call before it is made."""

    function: str
    model: Any
    """The model that was asked for, such as ``"azure/my-deployment"``."""
    provider: Any
    """The provider that was asked for, if the program named it."""
    logging: Any
    """The object in which LiteLLM keeps what it knows of the call, if the call brought it along."""
    prices: Mapping[str, Any]
    """The prices that the call names."""
    mocked: bool
    """Whether the call brings its own answer along, so that nobody is asked."""

    @classmethod
    def of(cls, function: str, given: Mapping[str, Any]) -> Asked:
        """Read the arguments of a call."""
        return cls(
            function=function,
            model=given.get("model"),
            provider=given.get("custom_llm_provider"),
            logging=given.get("litellm_logging_obj"),
            prices={name: given[name] for name in _litellm_cost.PRICES if name in given},
            mocked=given.get("mock_response") is not None,
        )


def served(asked: Asked, result: Any, error: BaseException | None) -> Served:
    """Return who served a call and for how much.

    Args:
        asked: what was known before.
        result: what the call returned, or what was pulled out of its stream.
        error: what it raised.
    """
    about = result.about if isinstance(result, Pulled) and isinstance(result.about, Mapping) else {}
    hidden = about.get("hidden") or hidden_in(result)
    headers = fields_of(hidden.get("additional_headers"))
    cached = hidden.get("cache_hit") is True or about.get("cached") is True
    cached = cached or fields_of(getattr(asked.logging, "caching_details", None)).get("cache_hit") is True
    base_url = _text(hidden.get("api_base"))
    priced = kept_chunks(result) or result.pieces if isinstance(result, Pulled) else result
    cost = None if asked.mocked else _litellm_cost.of(asked.function, asked.model, hidden, priced, asked.prices)
    known = _known_provider(asked, hidden, error)
    model = _served_model(hidden, result, known) if error is None else _failed_model(asked, error, known)
    group = _text(headers.get("x-litellm-model-group"))
    if group is not None and model == group:  # a Proxy puts its own name for the model into the answer
        model = _bare(_text(hidden.get("litellm_model_name")), known) or model
    return Served(
        provider=_billed_by(known, base_url),
        asked=_bare(_text(asked.model), known),
        model=model,
        base_url=base_url,
        model_group=group,
        deployment_id=_text(hidden.get("model_id")),
        cost=0.0 if cached else cost,
        cached=cached,
        saved_cost=cost if cached else None,
        counted=not asked.mocked,
        retries=_count(headers.get("x-litellm-attempted-retries")),
        fallbacks=_count(headers.get("x-litellm-attempted-fallbacks")),
    )


def _known_provider(asked: Asked, hidden: Mapping[str, Any], error: BaseException | None) -> str | None:
    """Whom a call was for; an exception is asked last: LiteLLM's HTTP client names itself in those that it raises."""
    known = _text(hidden.get("custom_llm_provider"))
    if known in (None, "cached_response"):
        known = _text(asked.provider) or _provider_of(asked.model) or _provider_of(hidden.get("litellm_model_name"))
    return known or _if_real(getattr(error, "llm_provider", None))


def _if_real(name: Any) -> str | None:
    return _text(name) if name not in ("litellm-httpx-handler", "default-model-name") else None


def _failed_model(asked: Asked, error: BaseException, known: str | None) -> str | None:
    """The model that failed: the one that was asked for, unless that is the name of a Router's group."""
    named = asked.model if _provider_of(asked.model) is not None else getattr(error, "model", None)
    return _bare(_if_real(named), known)


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


def _served_model(hidden: Mapping[str, Any], result: Any, known: str | None) -> str | None:
    """The model that answered: through a router its name has LiteLLM's prefix, else not."""
    said = next(reversed(result.pieces), None) if isinstance(result, Pulled) else result
    model = _text(hidden.get("provider_response_model")) or _text(getattr(said, "model", None))
    return _bare(model or _text(hidden.get("litellm_model_name")), known)


def _bare(model: str | None, provider: str | None) -> str | None:
    """A model without LiteLLM's prefixes, which name the provider and, with Amazon's, the API to ask."""
    if model is None or provider is None:
        return model
    bare = model.removeprefix(f"{provider}/")
    return _ROUTE.sub("", bare.removeprefix("bedrock/")) if provider.startswith("bedrock") else bare


_ROUTE = re.compile(
    r"(chat_completions|converse|converse_like|deepseek_r1|invoke|llama|mantle|nova|nova-2|openai|qwen2|qwen3)/"
)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else None
