"""Every test starts with nothing configured and must leave no fault behind."""

from __future__ import annotations

import gc
import os
import queue
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import packages_distributions
from typing import Any

import freezegun
import hypothesis
import pytest

from llm_track import _guard, batches, config, steps, worker

_FROZEN = ("llm_track", "posthog", "genai_prices", "pytest", "_pytest", "pluggy", "xdist", "execnet", "hypothesis",
           "tests", "test_", "conformance", "formats", "providers", "sinks", "asyncio")  # fmt: skip
freezegun.configure(
    extend_ignore_list=[
        package
        for package in packages_distributions()
        if not any(frozen.startswith(package) or package.startswith(frozen) for frozen in _FROZEN)
    ]
)
"""To freeze time, every module is looked through.  Some import parts of themselves when they are looked at, which fails
amid that, and leaves time frozen for all later tests."""


hypothesis.settings.register_profile("llm_track", deadline=None)  # a busy machine is no reason to fail
hypothesis.settings.load_profile("llm_track")


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("POSTHOG_", "LLM_TRACK_"))]:
            patch.delenv(name)
        patch.setattr(steps, "_begun", OrderedDict())  # many tests have the trace of the W3C's example
        config.reset()
        yield
    config.reset()
    _abandon()
    faults = list(_guard.raised_in_background)
    _guard.raised_in_background.clear()
    assert faults == []


def _abandon() -> None:
    """Drop what a test left undelivered: its receiver is gone, and whoever flushes next would wait for it."""
    current = worker.current()
    _forget_the_rest(current)
    for sink in current.sinks():
        if sink.waiting():
            sink.close()
            current.former = [each for each in current.former if each is not sink]
            if sink is current.sink:
                current.sink = current.sink_settings = None


def _forget_the_rest(current: worker._Worker) -> None:
    """Make no event of what is left of a test: the worker would read the settings of the next ones for it."""
    rest: deque[Any] = deque()
    with suppress(queue.Empty):
        while True:
            rest.append(current.queue.get_nowait())
    for work in rest:
        if callable(work):
            current.queue.put(work)
        else:
            current._unmade.pop()
    current.drain(20.0)


@pytest.fixture
def nobody_else() -> None:
    """Steps that earlier tests dropped are settled, and nothing is left for the worker: nobody reads the settings."""
    gc.collect()
    _forget_the_rest(worker.current())
    config.reset()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged here.  Steps that an earlier test dropped are settled whenever the garbage collector finds them:
    what the worker then says of the missing key is not of this test."""
    caplog.handler.addFilter(lambda record: not record.getMessage().startswith("POSTHOG_API_KEY is not set"))
    return caplog


@pytest.fixture
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has told of no result of a batch."""
    monkeypatch.setattr(batches, "_told", batches.Told())


@pytest.fixture
def without_pytest() -> Iterator[None]:
    """Let guards swallow as they do in production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_guard, "under_pytest", lambda: False)
        yield
