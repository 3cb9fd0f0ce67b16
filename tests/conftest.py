"""Every test starts with nothing configured and must leave no fault behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from llm_track import _guard, config


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("POSTHOG_", "LLM_TRACK_"))]:
            patch.delenv(name)
        config.reset()
        yield
    config.reset()
    faults = list(_guard.raised_in_background)
    _guard.raised_in_background.clear()
    assert faults == []


@pytest.fixture
def without_pytest() -> Iterator[None]:
    """Let guards swallow as they do in production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_guard, "under_pytest", lambda: False)
        yield
