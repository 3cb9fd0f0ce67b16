"""What the tests of integrations share: without the library they are left out, unless they are required."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.receiver import Receiver

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REQUIRED = os.environ.get("LLM_TRACK_TEST_INTEGRATIONS") == "required"


def needed(*names: str) -> list[Any]:
    """Return modules, or leave the tests of the module that asks out where one is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if REQUIRED:
            return [importlib.import_module(name) for name in names]
        return [pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError) for name in names]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These libraries warn of themselves and of what they use."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A PostHog on loopback that keeps what it is sent."""
    with Receiver() as running:
        yield running


def environment(receiver: Receiver, *folders: Path) -> dict[str, str]:
    """Return the environment of a program that tells a receiver, and finds modules in some folders."""
    ours = ("POSTHOG", "LLM_TRACK", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = os.pathsep.join(str(folder) for folder in (ROOT, *folders))
    return {**kept, "POSTHOG_API_KEY": "phc_test", "POSTHOG_API_URL": receiver.url, "PYTHONPATH": path}
