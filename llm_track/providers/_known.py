"""The table of providers: strings, which load neither an SDK nor a format."""

from __future__ import annotations

KNOWN: dict[str, str] = {
    "ai21": "llm_track.providers.ai21:PROVIDER",
    "aiobotocore": "llm_track.providers.aiobotocore:PROVIDER",
    "anthropic": "llm_track.providers.anthropic:PROVIDER",
    "azure.ai.inference": "llm_track.providers.azure_inference:PROVIDER",
    "botocore": "llm_track.providers.botocore:PROVIDER",
    "cerebras.cloud.sdk": "llm_track.providers.cerebras:PROVIDER",
    "cohere": "llm_track.providers.cohere:PROVIDER",
    "fireworks": "llm_track.providers.fireworks:PROVIDER",
    "google.genai": "llm_track.providers.google_genai:PROVIDER",
    "groq": "llm_track.providers.groq:PROVIDER",
    "huggingface_hub": "llm_track.providers.huggingface_hub:PROVIDER",
    "ibm_watsonx_ai": "llm_track.providers.ibm_watsonx_ai:PROVIDER",
    "litellm": "llm_track.providers.litellm:PROVIDER",
    "mistralai": "llm_track.providers.mistralai:PROVIDER",
    "ollama": "llm_track.providers.ollama:PROVIDER",
    "openai": "llm_track.providers.openai:PROVIDER",
    "replicate": "llm_track.providers.replicate:PROVIDER",
    "together": "llm_track.providers.together:PROVIDER",
    "vertexai": "llm_track.providers.vertexai:PROVIDER",
    "voyageai": "llm_track.providers.voyageai:PROVIDER",
    "writerai": "llm_track.providers.writerai:PROVIDER",
    "xai_sdk": "llm_track.providers.xai_sdk:PROVIDER",
}
"""Every provider: the module whose import triggers the hooks, and where its hooks are described."""

INSIDE: dict[str, tuple[str, ...]] = {"mistralai": ("mistralai.client",)}
"""The imports that trigger the hooks as well: that of a package without a file of its own triggers nothing."""

CALLED_FOR = ("litellm",)
"""The SDKs in whose own settings a program can name llm_track."""
