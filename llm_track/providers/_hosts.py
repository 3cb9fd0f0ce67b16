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
    "models.ai.azure.com": "azure",
    "inference.ml.azure.com": "azure",
    "models.inference.ai.azure.com": "github",
    "models.github.ai": "github",
    "api.githubcopilot.com": "github-copilot",
    "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "google-vertex",
    "api.ai21.com": "ai21",
    "api.arcee.ai": "arcee",
    "inference.baseten.co": "baseten",
    "api.cerebras.ai": "cerebras",
    "api.cloudflare.com": "cloudflare",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "gcp.databricks.com": "databricks",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "fal.ai": "fal",
    "fal.run": "fal",
    "api.featherless.ai": "featherless",
    "api.fireworks.ai": "fireworks",
    "api.friendli.ai": "friendli",
    "api.groq.com": "groq",
    "endpoints.huggingface.cloud": "huggingface",
    "huggingface.co": "huggingface",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.inceptionlabs.ai": "inception",
    "api.lambda.ai": "lambda",
    "api.llama.com": "meta",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.mistral.ai": "mistral",
    "codestral.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshot",
    "api.moonshot.cn": "moonshot",
    "api.studio.nebius.ai": "nebius",
    "api.studio.nebius.com": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.novita.ai": "novita",
    "inference.api.nscale.com": "nscale",
    "integrate.api.nvidia.com": "nvidia",
    "openrouter.ai": "openrouter",
    "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "api.perplexity.ai": "perplexity",
    "api.replicate.com": "replicate",
    "api.sambanova.ai": "sambanova",
    "api.scaleway.ai": "scaleway",
    "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "ai-gateway.vercel.sh": "vercel",
    "api.voyageai.com": "voyage",
    "ml.cloud.ibm.com": "watsonx",
    "api.writer.com": "writer",
    "api.x.ai": "xai",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipu",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "dashscope-us.aliyuncs.com": "alibaba",
    "dashscope.aliyuncs.com": "alibaba",
    "ark.cn-beijing.volces.com": "volcengine",
}
"""Host, or the domain it ends in -> who bills."""

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
"""Domains of Amazon's services, each of which has its name in them: ``bedrock-runtime``, ``bedrock-mantle``."""

_PORTS: dict[int | None, str] = {11434: "ollama", 1234: "lm_studio", 8000: "vllm", 8080: "llama_cpp"}
"""Port that a server of models listens on unless it is told otherwise -> what it is; on this machine only."""
_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")

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
    "AI21BedrockClient": "amazon-bedrock",
    "AsyncAI21BedrockClient": "amazon-bedrock",
    "AI21VertexClient": "google-vertex",
    "AsyncAI21VertexClient": "google-vertex",
    "AI21AzureClient": "azure",
    "AsyncAI21AzureClient": "azure",
}
"""Client class -> who bills, wherever its requests are routed."""


@lru_cache(maxsize=256)
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
    if host in _HERE:
        return _PORTS.get(_port(base_url))
    labels = host.split(".")
    if host.endswith(_AMAZON):  # a program's own servers are found there, too
        return "amazon-bedrock" if any(label.startswith("bedrock") for label in labels) else None
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    if host.endswith("-aiplatform.googleapis.com"):  # the region is part of the first label
        return "google-vertex"
    return next((found for suffix in suffixes if (found := _HOSTS.get(suffix))), None)


def _port(base_url: str) -> int | None:
    try:
        return urlsplit(base_url).port
    except ValueError:  # no number, or none that is a port
        return None
