"""The receiver with faults does what each fault says, seen by a client that knows nothing of llm_track."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from http.client import HTTPException, RemoteDisconnected
from typing import Any

import pytest

from tests.delivery import faulty
from tests.delivery.faulty import CERTIFICATE, Fault, Faulty


def post(receiver: Faulty, names: list[str], trusted: bool = True, filling: str = "") -> int:
    """Send events and return the status of the answer, as soon as it is whole."""
    batch = [
        {"uuid": f"uuid of {name}", "event": "$ai_span", "properties": {"$ai_span_name": name, "filling": filling}}
        for name in names
    ]
    body = gzip.compress(json.dumps({"api_key": "phc_test", "batch": batch}).encode())
    request = urllib.request.Request(f"{receiver.url}/batch/", body, {"content-encoding": "gzip"})
    context = ssl.create_default_context(cafile=str(CERTIFICATE) if trusted else None)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def names(receiver: Faulty) -> list[str]:
    """Return the names of the events that were taken, in order."""
    return [event.name for event in receiver.stored]


def test_a_healthy_receiver_stores_what_it_is_sent():
    """Events are stored with their uuid and the key of their project."""
    with Faulty() as receiver:
        assert post(receiver, ["one", "two"]) == 200
        assert receiver.stored[1] == faulty.Stored("two", "uuid of two", "phc_test")
        assert names(receiver) == ["one", "two"]
        assert receiver.settle()


@pytest.mark.parametrize("code", [400, 401, 408, 413, 429, 500, 503])
def test_a_status_stores_nothing_until_its_times_are_over(code):
    """A refused request stores nothing; after the last that is refused, all is well."""
    with Faulty(faulty.status(code, 2)) as receiver:
        assert [post(receiver, [str(number)]) for number in range(3)] == [code, code, 200]
        assert names(receiver) == ["2"]


def test_a_header_says_when_to_try_again():
    """Headers of an answer arrive under the names that HTTP has for them."""
    with Faulty(faulty.status(429, Retry_After="1")) as receiver, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{receiver.url}/batch/", b'{"batch": []}', timeout=60)
    with refused.value as answer:
        assert answer.headers["retry-after"] == "1"


def test_a_receiver_that_is_down_refuses_connections_until_it_is_healed():
    """Nobody listens on its port; later somebody does, on the same one."""
    with Faulty(faulty.DOWN) as receiver:
        with pytest.raises(urllib.error.URLError, match="refused"):
            post(receiver, ["early"])
        receiver.heal()
        assert post(receiver, ["late"]) == 200
        assert names(receiver) == ["late"]


def test_connections_can_be_reset():
    """Whoever connects is cut off, and nothing is read."""
    with Faulty(faulty.RESETS) as receiver:
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            post(receiver, ["one"])
        receiver.heal()
        assert post(receiver, ["two"]) == 200
        assert names(receiver) == ["two"]


def test_an_answer_that_breaks_off_at_its_beginning_stores_nothing():
    """The request is read, the connection ends amid the first line of the answer."""
    with Faulty(faulty.BROKEN_OFF) as receiver:
        for _ in range(2):
            with pytest.raises((HTTPException, OSError)):
                post(receiver, ["one"])
        assert post(receiver, ["two"]) == 200
        assert names(receiver) == ["two"]


@pytest.mark.parametrize(("fault", "seen"), [(faulty.STORES_AND_CLOSES, RemoteDisconnected), (faulty.BODY_CUT, Any)])
def test_what_was_stored_may_never_be_answered_in_whole(fault, seen):
    """The events are taken, but the client is not told, or not in whole."""
    with Faulty(fault) as receiver:
        with pytest.raises((HTTPException, OSError) if seen is Any else seen):
            post(receiver, ["one"])
        assert names(receiver) == ["one"]


def test_a_receiver_that_hangs_answers_nobody():
    """No answer comes while it hangs; when it is healed the connection ends, and nothing was stored."""
    ended: list[BaseException] = []
    with Faulty(faulty.HANGS) as receiver:

        def ask() -> None:
            with pytest.raises(RemoteDisconnected) as error:
                post(receiver, ["one"])
            ended.append(error.value)

        client = threading.Thread(target=ask)
        client.start()
        while not receiver.requests:
            client.join(0.02)
        assert ended == []
        receiver.heal()
        client.join(60)
        assert len(ended) == 1
        assert names(receiver) == []


@pytest.mark.parametrize(
    ("fault", "good", "bad", "code"),
    [
        (faulty.TOO_MANY, ["x"] * faulty.MOST_EVENTS, ["x"] * (faulty.MOST_EVENTS + 1), 413),
        (faulty.POISONED, ["a", "b"], ["a", "poison", "b"], 400),
    ],
)
def test_some_requests_are_refused_for_what_they_hold(fault, good, bad, code):
    """Batches that are too long, or hold one bad event, are refused as a whole; others are not."""
    with Faulty(fault) as receiver:
        assert (post(receiver, bad), post(receiver, good)) == (code, 200)
        assert names(receiver) == good


def test_a_body_may_be_too_large():
    """The size of the body counts as it was sent, compressed."""
    with Faulty(faulty.TOO_LARGE) as receiver:
        noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(150_000))
        assert post(receiver, ["large"], filling=noise) == 413
        assert post(receiver, ["small"], filling="x" * 1_000_000) == 200


def test_tls_is_spoken_to_who_trusts_the_certificate():
    """A client that does not know the certificate sends nothing."""
    with Faulty(secure=True) as receiver:
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            post(receiver, ["one"], trusted=False)
        assert post(receiver, ["two"]) == 200
        assert names(receiver) == ["two"]


def test_plain_http_can_be_spoken_where_tls_is_expected():
    """A client that speaks TLS is not understood until the receiver is healed."""
    with Faulty(faulty.PLAIN, secure=True) as receiver:
        with pytest.raises(urllib.error.URLError, match="SSL"):
            post(receiver, ["one"])
        receiver.heal()
        assert post(receiver, ["two"]) == 200


def test_a_receiver_can_begin_to_fail():
    """A fault may come later, and goes again."""
    with Faulty() as receiver:
        codes = [post(receiver, ["one"])]
        receiver.fail(faulty.status(503))
        codes.append(post(receiver, ["two"]))
        receiver.heal()
        codes.append(post(receiver, ["three"]))
        assert codes == [200, 503, 200]


def test_two_receivers_never_share_a_port():
    """The port of a receiver that is down belongs to it: others that are made meanwhile have other ports."""
    with Faulty(faulty.DOWN) as down:
        for _ in range(50):
            with Faulty(Fault()) as other:
                assert other.server_address[1] != down.server_address[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(down.server_address[:2], timeout=60)
