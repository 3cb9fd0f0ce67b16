"""Amazon's two SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from conformance.modes import AsyncMode, Mode, SyncMode

from llm_track.testing import Events
from providers.calls import tracked


@pytest.fixture(scope="package", params=[SyncMode, AsyncMode], ids=["sync", "async"])
def mode(request: Any) -> Iterator[Mode]:
    """Both SDKs: boto3's, and the asynchronous one."""
    pytest.importorskip("aiobotocore" if request.param is AsyncMode else "botocore", exc_type=ImportError)
    with closing(request.param()) as made:
        yield made


@pytest.fixture
def events(mode: Mode) -> Iterator[Events]:
    """What both SDKs, tracked, lead to."""
    with tracked("botocore", "aiobotocore") as captured:
        yield captured
