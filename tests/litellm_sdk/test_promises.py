"""What LiteLLM's page about PostHog promises is kept, promise by promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import llm_track
from llm_track import config, patching
from tests.sinks.receiver import Receiver

from .promises import KEPT, World
from .server import Provider


@pytest.fixture
def world(litellm: Any, provider: Provider) -> Iterator[World]:
    """LiteLLM with nothing but the name llm_track in its lists of callbacks."""
    with Receiver() as receiver, pytest.MonkeyPatch.context() as environment:
        for name in ("POSTHOG_API_KEY", "POSTHOG_API_URL"):
            environment.setenv(name, "")  # it is set by `World`, and is afterwards as it was before
        made = World("llm_track", provider, receiver)
        config.reset()
        patching.stand_by()
        yield made
        llm_track.flush()
        llm_track.unpatch()


@pytest.mark.parametrize(("number", "text", "check"), KEPT, ids=[f"{number}: {text}" for number, text, _ in KEPT])
def test_a_promise_is_kept(number: int, text: str, check: Callable[[World], None], world: World) -> None:
    """Each promise of the page, as the test's name says, with llm_track named in the lists of callbacks."""
    check(world)


def test_every_promise_has_a_check() -> None:
    """All 28 rows are checked: two of them elsewhere, the missing key with whole programs and the Proxy with one."""
    assert sorted({number for number, _, _ in KEPT} | {25, 28}) == list(range(1, 29))
