"""What the conformance tests share: hooked SDKs, a server, and both modes of every client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import llm_track

from .clients import Clients
from .modes import AsyncMode, Mode, SyncMode
from .server import CaseServer


@pytest.fixture(scope="session", autouse=True)
def _unhooked_at_the_end() -> Iterator[None]:
    yield
    llm_track.unpatch()


@pytest.fixture(autouse=True)
def _hooked() -> None:
    """Other tests, before these or between them, may have taken the hooks off."""
    llm_track.autopatch("openai", "anthropic")


@pytest.fixture(scope="session")
def server() -> Iterator[CaseServer]:
    """The server of prepared answers."""
    with CaseServer() as running:
        yield running


@pytest.fixture(scope="session", params=[SyncMode, AsyncMode], ids=["sync", "async"])
def mode(request: Any) -> Iterator[Mode]:
    """Both modes of a client, one after the other."""
    with closing(request.param()) as made:
        yield made


@pytest.fixture(scope="session")
def clients(mode: Mode) -> Iterator[Clients]:
    """The clients of a mode."""
    made = Clients(mode)
    yield made
    made.close()
