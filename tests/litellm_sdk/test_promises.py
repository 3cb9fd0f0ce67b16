"""What LiteLLM's page about PostHog promises is kept, promise by promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
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


HERE = [each for each in KEPT if each[0] != 28 or find_spec("litellm_proxy_extras") is not None]
"""What can be checked in this environment: from LiteLLM 1.109 on the Proxy is a package of its own."""


@pytest.mark.parametrize(("number", "text", "check"), HERE, ids=[f"{number}: {text}" for number, text, _ in HERE])
def test_a_promise_is_kept(number: int, text: str, check: Callable[[World], None], world: World) -> None:
    """Each promise of the page, as the test's name says, with llm_track named in the lists of callbacks."""
    check(world)


def test_every_promise_has_a_check() -> None:
    """All 28 rows are checked."""
    assert sorted({number for number, _, _ in KEPT}) == list(range(1, 29))
