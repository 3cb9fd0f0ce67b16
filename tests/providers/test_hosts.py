"""Who bills for a call."""

from __future__ import annotations

import pytest

from llm_track.providers._hosts import biller


class Plain:
    """A client of no special class."""


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://mine.openai.azure.com/openai/v1/", "azure"),
        ("https://mine.services.ai.azure.com/models", "azure"),
        ("https://mine.cognitiveservices.azure.com/openai/deployments/gpt", "azure"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://API.X.AI/v1", "xai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini"),
        ("https://us-central1-aiplatform.googleapis.com/v1/projects/p", "google-vertex"),
        ("https://aiplatform.googleapis.com/v1/projects/p", "google-vertex"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "amazon-bedrock"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/openai/v1", "amazon-bedrock"),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", "amazon-bedrock"),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "amazon-bedrock"),
        ("http://ec2-1-2-3-4.compute-1.amazonaws.com:8000/v1", "the default"),
        ("https://snail.us-east-1.elb.amazonaws.com/v1", "the default"),
        ("https://router.huggingface.co/v1", "huggingface"),
        ("https://user:pw@api.mistral.ai:443/v1?x=1", "mistral"),
        ("https://api.tokenfactory.nebius.com/v1/", "nebius"),
        ("https://api.perplexity.ai", "perplexity"),
        ("https://us-south.ml.cloud.ibm.com", "watsonx"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://127.0.0.1:1234/v1", "lm_studio"),
        ("http://[::1]:8000/v1", "vllm"),
        ("http://localhost:8080/v1", "llama_cpp"),
        ("http://localhost:9999/v1", "the default"),
        ("http://localhost/v1", "the default"),
        ("http://localhost:http/v1", "the default"),
        ("http://gateway.internal:8000/v1", "the default"),
        ("https://notopenrouter.ai/api/v1", "the default"),
        ("https://api.openai.com.evil.example/v1", "the default"),
        ("", "the default"),
    ],
)
def test_the_host_says_who_bills(address, provider):
    """The host, or a domain that it is part of, names the provider; an unknown one leaves it to the SDK's own name."""
    assert biller(Plain, address, "the default") == provider


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("AzureOpenAI", "azure"),
        ("AsyncAzureOpenAI", "azure"),
        ("AnthropicBedrock", "amazon-bedrock"),
        ("AsyncAnthropicVertex", "google-vertex"),
        ("AnthropicFoundry", "azure"),
    ],
)
def test_the_class_of_a_client_beats_its_host(name, provider):
    """A client made for one provider is billed by it, through a gateway or a subclass of the program too."""
    special = type(name, (Plain,), {})
    assert biller(special, "https://api.openai.com/v1", "openai") == provider
    assert biller(type("Mine", (special,), {}), "http://gateway.internal", "openai") == provider
