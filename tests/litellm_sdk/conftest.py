"""LiteLLM as it is installed, a provider on loopback, and the events of a block; without LiteLLM nothing here runs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llm_track
from llm_track.testing import Events, capture_events

from .server import Provider

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

HERE = Path(__file__).parent
_REQUIRED = os.environ.get("LLM_TRACK_TEST_LITELLM") == "required"
_LISTS = (
    "callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
    "_async_input_callback", "_async_success_callback", "_async_failure_callback",
)  # fmt: skip
_SETTINGS = (
    "cache", "num_retries", "turn_off_message_logging", "drop_params", "fallbacks", "default_fallbacks",
    "context_window_fallbacks", "content_policy_fallbacks", "model_fallbacks", "model_alias_map", "request_timeout",
    "api_key", "api_base", "openai_key", "suppress_debug_info", "user_continue_message", "store_audit_logs",
)  # fmt: skip


def _installed() -> bool:
    """Whether LiteLLM can be imported; this directory bears its name, and is a package without a file."""
    spec = importlib.util.find_spec("litellm")
    return spec is not None and spec.origin is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LiteLLM warns of itself and of what it uses; where it is missing, its tests are skipped unless required."""
    usable = _REQUIRED or _installed()
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            if not usable:
                item.add_marker(pytest.mark.skip(reason="LiteLLM is not installed"))


@pytest.fixture(scope="session")
def _imported() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("litellm")


@pytest.fixture
def litellm(_imported: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """LiteLLM without anything that an earlier test set, cached or registered."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_", "COHERE_"))]:
        monkeypatch.delenv(name)
    for name in _LISTS:
        monkeypatch.setattr(_imported, name, [], raising=False)
    for name in _SETTINGS:
        monkeypatch.setattr(_imported, name, getattr(_imported, name, None), raising=False)
    _imported.suppress_debug_info = True
    _imported.in_memory_llm_clients_cache.flush_cache()
    yield _imported
    _imported.in_memory_llm_clients_cache.flush_cache()


@pytest.fixture(scope="session")
def _serving() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def provider(_serving: Provider) -> Provider:
    """The provider, which has not been asked anything."""
    _serving.forget()
    return _serving


@pytest.fixture
def events(litellm: Any) -> Iterator[Events]:
    """The events of a test during which LiteLLM and the SDKs below it are tracked."""
    llm_track.autopatch("litellm", "openai", "anthropic")
    try:
        with capture_events() as captured:
            yield captured
    finally:
        llm_track.unpatch()
