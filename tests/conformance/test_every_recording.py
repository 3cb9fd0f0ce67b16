"""No recording of a generation or an embedding is left out: each is played by a test, or excused here with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CASSETTES = TESTS.parents[1] / "shared" / "cassettes"
LANGUAGE = "conformance/test_recordings.py"
"""Plays what speaks OpenAI's or Anthropic's language, through their SDKs."""

PLAYED: dict[str, dict[str, str]] = {
    LANGUAGE: {
        "anthropic": "complete messages",
        "azure_openai": "chat.completions embeddings",
        "deepseek": "chat.completions",
        "gateway": "responses",
        "gemini": "chat.completions",
        "groq": "chat.completions",
        "mistral": "chat.completions embeddings",
        "ollama": "chat.completions",
        "openai": "assistants audio.speech audio.transcriptions chat.completions completions embeddings "
        "images.generations responses",
        "openai_compat": "chat.completions completions embeddings",
        "openrouter": "chat.completions",
        "together": "chat.completions completions",
        "writer": "completions",
        "xai": "chat.completions",
    },
    "providers/bedrock/test_recordings.py": {
        "bedrock": "converse converse-stream invoke invoke-with-response-stream",
    },
    "providers/test_cohere_recorded.py": {
        "cohere": "v1.chat v1.generate v1.rerank v2.chat v2.embed v2.rerank",
    },
    "providers/test_google_genai.py": {
        "gemini": "generateContent streamGenerateContent",
        "vertex": "generateContent streamGenerateContent",
    },
    "providers/test_ibm_watsonx_ai.py": {"watsonx": "generation.text generation.text_stream"},
    "providers/test_ollama.py": {"ollama": "chat embeddings generate"},
    "providers/test_replicate.py": {"replicate": "predictions"},
    "providers/test_speakers.py": {"writer": "v1.chat"},
    "providers/test_voyageai.py": {"voyageai": "embeddings v1.rerank"},
}
"""Test -> provider -> endpoints, as the recordings name them."""

EXCUSED = {
    ("aleph_alpha", "complete"): "Aleph Alpha has shut this API down, and its SDK is not supported",
    ("ollama", "show"): "it asks for a model's description: a span",
    ("sagemaker", "invocations"): "the JSON of an endpoint is whatever the program deployed there",
}


def recorded() -> Iterator[tuple[str, str]]:
    """Yield provider and endpoint of each recording."""
    for path in CASSETTES.glob("*/*.json"):
        for item in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            yield path.parent.name, item["endpoint"]


def test_every_recording_is_played_or_excused() -> None:
    """Each endpoint of each provider that was recorded is played by a test that names it, or has a reason not to be."""
    found = set(recorded())
    if not found:
        pytest.skip("no recordings beside this checkout; CI fails without them elsewhere")
    played = {
        (provider, endpoint)
        for of_test in PLAYED.values()
        for provider, endpoints in of_test.items()
        for endpoint in endpoints.split()
    }
    assert found == played | set(EXCUSED)
    assert not played & set(EXCUSED)


@pytest.mark.parametrize("test", PLAYED)
def test_who_plays_a_recording_is_there(test: str) -> None:
    """The tests that are named read the recordings that they are named for."""
    text = (TESTS / test).read_text(encoding="utf-8")
    assert all(f"{provider}/" in text or f'"{provider}"' in text for provider in PLAYED[test])
