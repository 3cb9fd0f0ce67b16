"""Who bills for a call: one table of hosts and one of client classes, in PostHog's names for providers."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

_HOSTS: dict[str, str] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.x.ai": "xai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.mistral.ai": "mistral",
    "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "google-vertex",
    "amazonaws.com": "amazon-bedrock",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "router.huggingface.co": "huggingface",
    "api.studio.nebius.com": "nebius",
    "api.moonshot.ai": "moonshot",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "dashscope.aliyuncs.com": "alibaba",
}
"""Host, or the domain it ends in -> who bills."""

_CLASSES: dict[str, str] = {
    "AzureOpenAI": "azure",
    "AsyncAzureOpenAI": "azure",
    "AnthropicBedrock": "amazon-bedrock",
    "AsyncAnthropicBedrock": "amazon-bedrock",
    "AnthropicBedrockMantle": "amazon-bedrock",
    "AsyncAnthropicBedrockMantle": "amazon-bedrock",
    "AnthropicAWS": "amazon-bedrock",
    "AsyncAnthropicAWS": "amazon-bedrock",
    "AnthropicVertex": "google-vertex",
    "AsyncAnthropicVertex": "google-vertex",
    "AnthropicGoogleCloud": "google-vertex",
    "AsyncAnthropicGoogleCloud": "google-vertex",
    "AnthropicFoundry": "azure",
    "AsyncAnthropicFoundry": "azure",
}
"""Client class -> who bills, wherever its requests are routed."""


def biller(client: type, base_url: str, default: str) -> str:
    """Return who bills for the calls of a client: by its class, else by its host, else by its SDK's own name."""
    for parent in client.__mro__:
        if found := _CLASSES.get(parent.__name__):
            return found
    return by_host(base_url) or default


@lru_cache(maxsize=256)
def by_host(base_url: str) -> str | None:
    """Return who bills for requests to an address, or ``None`` for a host that nobody knows."""
    host = urlsplit(base_url).hostname or ""
    labels = host.split(".")
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    if host.endswith("-aiplatform.googleapis.com"):  # the region is part of the first label
        return "google-vertex"
    return next((found for suffix in suffixes if (found := _HOSTS.get(suffix))), None)
