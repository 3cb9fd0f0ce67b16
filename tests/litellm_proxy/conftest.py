"""One LiteLLM proxy for all tests of this directory; without ``litellm[proxy]`` nothing here runs."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.receiver import Receiver

from .proxy import OFTEN, Proxy, running
from .upstream import Upstream

HERE = Path(__file__).parent
_NEEDED = ("litellm", "fastapi", "uvicorn", "apscheduler", "litellm_proxy_extras", "openai", "anthropic")
_ARRIVAL_SECONDS = 15
_QUIET_SECONDS = 0.6


def _installed(name: str) -> bool:
    """Whether a package can be imported; a mere folder of that name is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where the proxy is not installed, unless it is required."""
    if os.environ.get("LLM_TRACK_TEST_LITELLM") == "required" or all(map(_installed, _NEEDED)):
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="litellm[proxy] is not installed"))


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The provider behind the proxy."""
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """PostHog."""
    with Receiver() as server:
        yield server


@pytest.fixture(scope="session")
def proxy(upstream: Upstream, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy, with llm_track named in its configuration; events are delivered as soon as they are there."""
    with running(tmp_path_factory.mktemp("proxy"), upstream.url, receiver.url, environment=OFTEN) as started:
        yield started


class Seen:
    """The events of one test."""

    def __init__(self, receiver: Receiver, proxy: Proxy) -> None:
        self._receiver, self._proxy, self._before = receiver, proxy, len(receiver.events)

    def all(self, count: int) -> list[dict[str, Any]]:
        """Return the events: as many as were expected, and no more in the time after the last one."""
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while len(self._receiver.events) < self._before + count and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(_QUIET_SECONDS)
        found = self._receiver.events[self._before :]
        names = [(event["event"], event["properties"].get("$ai_error")) for event in found]
        assert len(found) == count, f"{len(found)} events, expected {count}: {names}; {self._proxy.said()}"
        return found

    def one(self) -> dict[str, Any]:
        """Return the event of the only request."""
        return self.all(1)[0]


@pytest.fixture
def seen(receiver: Receiver, proxy: Proxy) -> Seen:
    """What reaches PostHog from now on."""
    return Seen(receiver, proxy)
