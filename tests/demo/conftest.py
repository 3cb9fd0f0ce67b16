"""Events made by hand, and a DuckDB file of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from llm_track.demo.store import EventStore, StoredEvent

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(tmp_path / "events.duckdb") as opened:
        yield opened


@pytest.fixture
def make() -> Callable[..., StoredEvent]:
    """Make one event of trace `t`, finished `at` seconds after noon: `make("span", span_id="a", at=1.5)`."""
    numbers = itertools.count()

    def event(name: str, at: float = 0.0, user: str | None = "ada", **fields: Any) -> StoredEvent:
        properties = {f"$ai_{key}": value for key, value in {"trace_id": "t", **fields}.items()}
        return StoredEvent(
            uuid=f"uuid-{next(numbers)}",
            event=f"$ai_{name}",
            distinct_id=user,
            timestamp=NOON + timedelta(seconds=at),
            properties=properties,
            received_at=NOON,
        )

    return event
