"""What the tests of real SDKs share.  A module of them says in ``SDK`` what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from conformance.modes import AsyncMode, Mode, SyncMode
from conformance.server import CaseServer

from llm_track.testing import Events

from .calls import tracked


@pytest.fixture(scope="module")
def sdk(request: Any) -> Any:
    """The SDK, or a reason to leave a test out."""
    return pytest.importorskip(request.module.SDK, exc_type=ImportError)


@pytest.fixture(scope="module")
def server() -> Iterator[CaseServer]:
    """The place of the provider."""
    with CaseServer() as running:
        yield running


@pytest.fixture(params=[SyncMode, AsyncMode], ids=["sync", "async"])
def mode(request: Any) -> Iterator[Mode]:
    """Both modes of a client, on a loop of its own."""
    with closing(request.param()) as made:
        yield made


@pytest.fixture
def events(sdk: Any, request: Any) -> Iterator[Events]:
    """What the SDK, tracked, leads to."""
    with tracked(request.module.SDK) as captured:
        yield captured
