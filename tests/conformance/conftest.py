"""What the conformance tests share: hooked SDKs, a server, and both modes of every client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import llm_track

from .clients import Clients
from .modes import AsyncMode, Mode, SyncMode
from .server import CaseServer


@pytest.fixture(scope="session", autouse=True)
def _hooked() -> Iterator[None]:
    llm_track.autopatch("openai", "anthropic")
    yield
    llm_track.unpatch()


@pytest.fixture(scope="session")
def server() -> Iterator[CaseServer]:
    """The server of prepared answers."""
    with CaseServer() as running:
        yield running


@pytest.fixture(scope="session", params=[SyncMode, AsyncMode], ids=["sync", "async"])
def mode(request: Any) -> Iterator[Mode]:
    """Both modes of a client, one after the other."""
    made = request.param()
    yield made
    if isinstance(made, AsyncMode):
        made.close()


@pytest.fixture(scope="session")
def clients(mode: Mode) -> Iterator[Clients]:
    """The clients of a mode."""
    made = Clients(mode)
    yield made
    made.close()
