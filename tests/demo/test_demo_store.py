"""The DuckDB file: what goes in comes out, once."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from llm_track.demo.store import EventStore, StoreError

NOW = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def test_an_event_comes_back_as_it_was(store: EventStore) -> None:
    """What was added is read back unchanged, its times in UTC whatever zone they came in."""
    properties = {"$ai_model": "m", "nested": {"list": [1, 2.5, None, True]}, "text": "naïve 😀"}
    sent = {"uuid": "u1", "event": "e", "distinct_id": "ada", "timestamp": "2026-01-02T14:00:00+02:00"}
    assert store.add([{**sent, "properties": properties}], NOW) == ["u1"]
    [event] = store.received_since(NOW)
    assert (event.uuid, event.event, event.distinct_id, event.properties) == ("u1", "e", "ada", properties)
    assert event.timestamp == event.received_at == NOW


def test_a_repeated_uuid_is_kept_once(store: EventStore) -> None:
    """The first event of a uuid stays, in one delivery and across deliveries."""
    store.add([{"uuid": "u1", "event": "first"}, {"uuid": "u1", "event": "second"}], NOW)
    store.add([{"uuid": "u1", "event": "third"}], NOW)
    assert [event.event for event in store.received_since(NOW)] == ["first"]


def test_missing_fields_are_filled_in(store: EventStore) -> None:
    """An event without uuid, time or properties gets a uuid, the time it arrived and no properties."""
    [uuid] = store.add([{"event": "e", "properties": None, "timestamp": "yesterday"}], NOW)
    [event] = store.received_since(NOW)
    assert (event.uuid, event.timestamp, event.properties, event.distinct_id) == (uuid, NOW, {}, None)


def test_the_user_may_be_among_the_properties(store: EventStore) -> None:
    """Older clients send the user's id as a property."""
    store.add([{"event": "e", "properties": {"distinct_id": 7}}], NOW)
    assert store.received_since(NOW)[0].distinct_id == "7"


@pytest.mark.parametrize("text", ["\ud83d", "\x00", "'; DROP TABLE events; --"])
def test_no_text_spoils_its_batch(store: EventStore, text: str) -> None:
    """Half characters, null characters and SQL are text like any other, for themselves and their neighbours."""
    store.add([{"event": text, "distinct_id": text, "properties": {"text": text}}, {"event": "neighbour"}], NOW)
    assert "neighbour" in [event.event for event in store.received_since(NOW)]


def test_only_what_arrived_since_is_read(store: EventStore) -> None:
    """Events of an earlier run stay in the file and out of the answer."""
    store.add([{"event": "old"}], NOW - timedelta(seconds=1))
    store.add([{"event": "new"}], NOW)
    assert [event.event for event in store.received_since(NOW)] == ["new"]


def test_any_thread_may_add(store: EventStore) -> None:
    """Threads that add at the same time lose nothing."""
    threads = [threading.Thread(target=store.add, args=([{"event": "e"}] * 5, NOW)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.received_since(NOW)) == 40


def test_the_file_is_added_to_and_queryable(tmp_path: Path) -> None:
    """A second run adds to the file, and DuckDB reads AI properties out of it by a JSON pointer."""
    path = tmp_path / "events.duckdb"
    for model in ("one", "two"):
        with EventStore(path) as store:
            store.add([{"event": "e", "properties": {"$ai_model": model}}], NOW)
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT properties->>'/$ai_model' FROM events ORDER BY 1").fetchall() == [
            ("one",),
            ("two",),
        ]


def test_a_file_that_is_no_database_is_an_error_with_advice(tmp_path: Path) -> None:
    """A wrong file is left alone, and the message names it and the flag that chooses another."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(StoreError, match=r"notes\.txt cannot be opened(.|\n)*--db"):
        EventStore(path)
    assert path.read_text() == "mine"


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """After closing, reading and writing are errors that name the file."""
    store = EventStore(tmp_path / "events.duckdb")
    store.close()
    with pytest.raises(StoreError, match="cannot be written"):
        store.add([{"event": "e"}], NOW)
    with pytest.raises(StoreError, match="cannot be read"):
        store.received_since(NOW)
