"""The DuckDB file in which a local receiver keeps the events it was sent, each event once."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    uuid VARCHAR PRIMARY KEY,
    event VARCHAR NOT NULL,
    distinct_id VARCHAR,
    "timestamp" TIMESTAMP NOT NULL,
    properties JSON NOT NULL,
    received_at TIMESTAMP NOT NULL
)
"""
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_SELECT = (
    'SELECT uuid, event, distinct_id, "timestamp", properties, received_at FROM events'
    ' WHERE received_at >= ? ORDER BY "timestamp", uuid'
)


class StoreError(RuntimeError):
    """The DuckDB file cannot be opened, read or written; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event as it was received; times are in UTC and know it."""

    uuid: str
    event: str
    distinct_id: str | None
    timestamp: datetime
    properties: Mapping[str, Any]
    received_at: datetime


class EventStore:
    """The table `events` of one DuckDB file; any thread may use it.

    Raises:
        StoreError: when the file cannot be opened: another process holds it, or it is no DuckDB file.
    """

    def __init__(self, path: Path) -> None:
        # Imported late, like every extra of the demo: what is missing is reported in one message, not as a traceback.
        import duckdb

        self.path = path
        self._error = duckdb.Error
        self._lock = threading.Lock()
        try:
            self._connection = duckdb.connect(str(path))
            self._connection.execute(_TABLE)
        except duckdb.Error as error:
            raise StoreError(
                f"{path} cannot be opened as a DuckDB file: {error}\n"
                "Close the program that holds it, or choose another file with --db."
            ) from error

    def __enter__(self) -> EventStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write everything to the file and let go of it."""
        with self._lock:
            self._connection.close()

    def add(self, events: Iterable[Mapping[str, Any]], received_at: datetime) -> list[str]:
        """Keep these events, in PostHog's capture shape, all or none; one whose uuid is known is kept once.

        Returns:
            The uuid of each event, in order; an event without one is given one.

        Raises:
            StoreError: the file cannot be written; nothing was kept.
        """
        rows = [_row(event, received_at) for event in events]
        if not rows:
            return []
        try:
            with self._lock, self._connection.cursor() as cursor:
                cursor.begin()
                cursor.executemany(_INSERT, rows)
                cursor.commit()
        except self._error as error:
            raise StoreError(f"{self.path} cannot be written: {error}") from error
        return [row[0] for row in rows]

    def received_since(self, start: datetime) -> list[StoredEvent]:
        """List the events received at or after `start`, ordered by their own timestamps.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with self._lock:
                rows = self._connection.execute(_SELECT, [_naive(start)]).fetchall()
        except self._error as error:
            raise StoreError(f"{self.path} cannot be read: {error}") from error
        return [_stored(row) for row in rows]


def _row(event: Mapping[str, Any], received_at: datetime) -> list[Any]:
    properties = event.get("properties")
    if not isinstance(properties, Mapping):
        properties = {}
    distinct_id = event.get("distinct_id", properties.get("distinct_id"))
    return [
        _storable(str(event.get("uuid") or uuid.uuid4())),
        _storable(str(event.get("event"))),
        None if distinct_id is None else _storable(str(distinct_id)),
        _naive(_parsed(event.get("timestamp")) or received_at),
        _storable(json.dumps(properties, ensure_ascii=False)),
        _naive(received_at),
    ]


def _storable(text: str) -> str:
    """Replace half characters, which a cut stream can leave behind: DuckDB would refuse the whole batch."""
    return text.encode(errors="replace").decode()


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    return StoredEvent(
        uuid=row[0],
        event=row[1],
        distinct_id=row[2],
        timestamp=row[3].replace(tzinfo=timezone.utc),
        properties=json.loads(row[4]),
        received_at=row[5].replace(tzinfo=timezone.utc),
    )


def _parsed(timestamp: object) -> datetime | None:
    if not isinstance(timestamp, str):
        return None
    try:
        return datetime.fromisoformat(timestamp.replace("Z", "+00:00"))  # Python 3.10 does not read the Z
    except ValueError:
        return None


def _naive(moment: datetime) -> datetime:
    """Turn into UTC without a zone: DuckDB needs one more package to hand out times with zones."""
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)
