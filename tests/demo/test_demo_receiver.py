"""The receiver, seen by the official client and by anything else that may knock."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import posthog
import pytest

from llm_track.demo.receiver import Receiver
from llm_track.demo.store import EventStore

BEGINNING = datetime(2000, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def receiver(store: EventStore) -> Iterator[Receiver]:
    with Receiver(store) as running:
        yield running


def post(receiver: Receiver, path: str, body: bytes | None, **headers: str) -> tuple[int, Any]:
    """Send one POST as it is and return the answer's status and JSON."""
    connection = http.client.HTTPConnection(urlsplit(receiver.url).netloc, timeout=10)
    try:
        connection.putrequest("POST", path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_the_official_client_delivers(receiver: Receiver, store: EventStore, mode: str, compressed: bool) -> None:
    """Both protocols and both lanes of the official client arrive, compressed or not, and report no error."""
    errors: list[object] = []
    client = posthog.Posthog(
        "phc_test",
        host=receiver.url,
        gzip=compressed,
        capture_mode=mode,
        on_error=lambda error, _: errors.append(error),
    )
    try:
        client.capture("$ai_trace", distinct_id="ada", properties={"$ai_trace_id": "t"})
        client.capture_ai("$ai_generation", distinct_id="ada", properties={"$ai_trace_id": "t", "$ai_model": "m"})
        client.flush()
        assert client.get_all_flags("ada") == {}
    finally:
        client.shutdown()
    events = store.received_since(BEGINNING)
    assert sorted(event.event for event in events) == ["$ai_generation", "$ai_trace"]
    assert {event.distinct_id for event in events} == {"ada"}
    assert not errors


def test_a_repeated_delivery_is_kept_once(receiver: Receiver, store: EventStore) -> None:
    """A client that never saw the answer may send the same batch again."""
    body = json.dumps({"batch": [{"uuid": "u1", "event": "e"}]}).encode()
    answers = [post(receiver, "/batch/", body) for _ in range(2)]
    assert answers == [(200, {"status": 1, "results": {"u1": {"result": "ok"}}})] * 2
    assert len(store.received_since(BEGINNING)) == 1


@pytest.mark.parametrize(
    "body", [{"event": "e"}, [{"event": "e"}], {"batch": [{"event": "e"}]}], ids=["one", "list", "batch"]
)
def test_every_body_shape_is_read(receiver: Receiver, store: EventStore, body: object) -> None:
    """One event, a list of events and a batch object all hold the same event."""
    assert post(receiver, "/i/v0/e/?compression=no", json.dumps(body).encode())[0] == 200
    assert [event.event for event in store.received_since(BEGINNING)] == ["e"]


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_read(receiver: Receiver, store: EventStore, encoding: str, encode: Any) -> None:
    """The body is unpacked as its header says."""
    assert post(receiver, "/batch", encode(b'{"event": "e"}'), Content_Encoding=encoding)[0] == 200
    assert len(store.received_since(BEGINNING)) == 1


def test_numbers_that_json_does_not_know_become_null(receiver: Receiver, store: EventStore) -> None:
    """Python's NaN and Infinity do not reach the file, where no query could read them."""
    assert post(receiver, "/batch/", b'{"event": "e", "properties": {"x": NaN, "y": -Infinity, "z": 1}}')[0] == 200
    assert store.received_since(BEGINNING)[0].properties == {"x": None, "y": None, "z": 1}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/nowhere", b"{}", {}, 404),
        ("/batch/", b"no json", {}, 400),
        ("/batch/", b"\xff\xfe\xff", {}, 400),
        ("/batch/", b'{"batch": 7}', {}, 400),
        ("/batch/", b'{"batch": [7]}', {}, 400),
        ("/batch/", b'{"batch": [{"no": "event"}]}', {}, 400),
        ("/batch/", b"{}", {"Content_Encoding": "gzip"}, 400),
        ("/batch/", gzip.compress(b"{}", mtime=0)[:-4], {"Content_Encoding": "gzip"}, 400),
        ("/batch/", b"{}", {"Content_Encoding": "deflate"}, 400),
        ("/batch/", b"{}", {"Content_Encoding": "zstd"}, 415),
        ("/batch/", None, {}, 411),
        ("/batch/", b"", {"Content_Length": "many"}, 411),
        ("/batch/", b"", {"Content_Length": "99999999999"}, 413),
    ],
)
def test_what_cannot_be_read_is_refused(
    receiver: Receiver, store: EventStore, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    """A request that makes no sense gets a client error with a reason, and nothing is kept."""
    answer = post(receiver, path, body, **headers)
    assert (answer[0], bool(answer[1]["detail"])) == (status, True)
    assert not store.received_since(BEGINNING)


def test_a_file_that_cannot_be_written_asks_for_a_retry(receiver: Receiver, store: EventStore) -> None:
    """When the file fails the answer is a server error, after which clients send again."""
    store.close()
    status, answer = post(receiver, "/batch/", b'{"event": "e"}')
    assert (status, "cannot be written" in answer["detail"]) == (503, True)


def test_a_browser_gets_an_answer(receiver: Receiver) -> None:
    """A GET, by a health check or a curious person, is answered."""
    connection = http.client.HTTPConnection(urlsplit(receiver.url).netloc, timeout=10)
    try:
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_it_listens_on_loopback_only(receiver: Receiver) -> None:
    """Nobody outside this machine can reach the receiver."""
    assert urlsplit(receiver.url).hostname == "127.0.0.1"


def test_it_ends_with_its_block(store: EventStore) -> None:
    """After the block nobody listens any more."""
    with Receiver(store) as receiver:
        pass
    with pytest.raises(ConnectionRefusedError):
        post(receiver, "/batch/", b"{}")
