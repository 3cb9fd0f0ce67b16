"""Carriers against a real receiver: what PostHog answers decides what becomes of an event, and of no other one."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_track import clock
from llm_track.config import Settings
from llm_track.sinks.parcels import unpack
from llm_track.sinks.posthog import PostHogSink, build
from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.sinks.receiver import Receiver
from tests.sinks.test_outbox import balance
from tests.sinks.test_posthog import EVENT


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def sink(receiver: Receiver, **settings: Any) -> PostHogSink:
    built = build(Settings(api_key="phc_test", host=receiver.url, **settings))
    assert built is not None
    return built


def emit(to: PostHogSink, number: int, **properties: Any) -> list[str]:
    """Emit events; return their uuids."""
    made = [str(uuid.uuid4()) for _ in range(number)]
    for each in made:
        assert to.emit(replace(EVENT, uuid=each, properties={**EVENT.properties, **properties}))
    return made


def arrived(receiver: Receiver) -> list[str]:
    return sorted(event["uuid"] for event in receiver.events)


def threads_since(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the threads of carriers and of clients that are new and alive."""
    new = [each for each in threading.enumerate() if each not in before]
    return [each for each in new if each.name == "llm_track carrier" or type(each).__module__.startswith("posthog")]


def counted(of: PostHogSink, admitted: int) -> dict[str, int]:
    assert of.delivery is not None
    balance(of.delivery.outbox, admitted)
    return of.tally.numbers()


@pytest.mark.parametrize("has_spool", [True, False])
def test_a_host_that_takes_nothing_puts_no_event_aside(receiver, tmp_path, has_spool):
    """Where 400 is the answer to everything, no event is put aside, and few are tried alone; once the host takes some,
    all arrive but the one that it still refuses."""
    receiver.judge = lambda batch: 400
    to = sink(receiver, spool=str(tmp_path) if has_spool else None)
    good, bad = emit(to, 100), emit(to, 1, poison=True)
    assert not to.flush(1.0)
    assert counted(to, 101).get("quarantined", 0) == 0
    assert len(receiver.requests) < 60  # and not 200 each time
    receiver.judge = lambda batch: 400 if any("poison" in event["properties"] for event in batch) else None
    assert to.flush(30.0)
    assert arrived(receiver) == sorted(good)
    assert bad
    assert counted(to, 101)["quarantined"] == 1


@pytest.mark.parametrize("has_spool", [True, False])
def test_an_event_that_is_refused_takes_no_other_with_it(receiver, tmp_path, has_spool, caplog):
    """Of 250 events two are refused with 400: these are put aside, the others arrive, each once."""
    receiver.judge = lambda batch: 400 if any("poison" in event["properties"] for event in batch) else None
    to = sink(receiver, spool=str(tmp_path) if has_spool else None)
    good = emit(to, 124) + emit(to, 124)
    bad = emit(to, 2, poison=True)
    assert to.flush(30.0)
    assert arrived(receiver) == sorted(good)
    assert counted(to, 250)["quarantined"] == 2
    assert caplog.text.count("does not take an event (HTTP 400)") == 1
    kept = sorted((tmp_path / "quarantine").glob("*")) if has_spool else []
    assert [path.stem for path in kept] == (sorted(bad) if has_spool else [])
    assert all(unpack(path.read_bytes())["properties"]["poison"] for path in kept)
    to.close()


def test_a_batch_that_is_too_large_is_halved_and_an_event_cut(receiver):
    """413 for more than 100 KB: batches are halved until they fit, and an event that alone is too large is cut."""
    receiver.judge = lambda batch: 413 if len(str(batch)) > 100_000 else None
    to = sink(receiver)
    small, large = emit(to, 40, text="x" * 9_000), emit(to, 1, text="y" * 400_000)
    assert to.flush(30.0)
    assert arrived(receiver) == sorted(small + large)
    (cut,) = [event for event in receiver.events if event["uuid"] in large]
    assert "characters cut" in cut["properties"]["text"]
    assert counted(to, 41)["delivered"] == 41
    to.close()


def test_what_is_too_large_however_small_is_put_aside(receiver):
    """An event that a host finds too large, however small it is cut, is put aside if the host takes others."""
    receiver.judge = lambda batch: 413 if any("text" in event["properties"] for event in batch) else None
    to = sink(receiver)
    emit(to, 2, text="z" * 50_000)
    emit(to, 1)
    assert to.flush(30.0)
    assert counted(to, 3)["quarantined"] == 2
    to.close()


@pytest.mark.parametrize(("bad", "good"), [(3, 97), (3, 1), (5, 50), (150, 120)])
def test_however_many_bad_events_come_first_the_good_ones_arrive(receiver, bad, good):
    """Events that are refused alone hold up no others, not even those of a host that has taken nothing yet."""
    receiver.judge = lambda batch: 400 if any("poison" in event["properties"] for event in batch) else None
    to = sink(receiver)
    emit(to, bad, poison=True)
    made = emit(to, good)
    to.flush(3.0)
    assert arrived(receiver) == sorted(made)
    counted(to, bad + good)
    to.close()


@pytest.mark.parametrize("status", [400, 413])
def test_a_host_that_takes_nothing_any_more_puts_no_event_aside(receiver, status):
    """What was a PostHog before may be something else's page of errors now: events wait until it takes some again."""
    to = sink(receiver)
    emit(to, 1)
    assert to.flush(30.0)
    receiver.judge = lambda batch: status
    emit(to, 40)
    assert not to.flush(2.0)
    assert counted(to, 41).get("quarantined", 0) == 0
    receiver.judge = lambda batch: None
    assert to.flush(30.0)
    assert counted(to, 41)["delivered"] == 41
    to.close()


@pytest.mark.parametrize("status", [202, 204])
def test_whatever_says_that_events_were_taken_is_believed(receiver, status):
    """An answer that the client takes for a failure, but that is none, has nothing sent again."""
    receiver.judge = lambda batch: status
    to = sink(receiver)
    emit(to, 5)
    assert to.flush(30.0)
    assert counted(to, 5)["delivered"] == 5
    assert sum(len(each["body"]["batch"]) for each in receiver.requests) == 5
    to.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_passes_is_tried_again(receiver, status):
    """A host that fails twice gets each event once, later."""
    receiver.statuses = [status] * 2
    to = sink(receiver)
    made = emit(to, 5)
    assert to.flush(30.0)
    assert arrived(receiver) == sorted(made)
    assert counted(to, 5)["retried"] == 10
    to.close()


def test_many_events_are_brought_by_several_carriers(receiver):
    """With a slow host several requests are under way at once, and none of the events is sent twice."""
    receiver.seconds = 0.3
    to = sink(receiver)
    made = emit(to, 1_000)
    assert to.delivery is not None
    assert to.delivery.outbox.line(to.delivery.project).carriers > 1
    assert to.flush(60.0)
    assert arrived(receiver) == sorted(made)
    to.close()


def test_every_project_gets_its_own_however_many_there_are(receiver):
    """Forty projects that calls name, more than there are carriers, each get their events under their key."""
    to = sink(receiver)
    for number in range(40):
        assert to.emit(replace(EVENT, uuid=str(uuid.uuid4()), project=(f"phc_{number}", None)))
    assert to.flush(60.0)
    keys = sorted(request["body"]["api_key"] for request in receiver.requests)
    assert keys == sorted(f"phc_{number}" for number in range(40))
    counted(to, 40)
    to.close()


def test_a_spool_keeps_no_carrier_from_the_projects_that_calls_name(receiver, tmp_path):
    """With a spool, twelve projects that calls name, more than there are carriers, each get all their events."""
    to = sink(receiver, spool=str(tmp_path))
    for number in range(36):
        assert to.emit(replace(EVENT, uuid=str(uuid.uuid4()), project=(f"phc_{number % 12}", None)))
    assert to.flush(60.0)
    found = Counter(key for each in receiver.requests for key in [each["body"]["api_key"]] * len(each["body"]["batch"]))
    assert found == {f"phc_{number}": 3 for number in range(12)}
    counted(to, 36)
    to.close()
    assert list(tmp_path.glob("*.spool")) == []


@pytest.mark.parametrize("has_spool", [True, False])
@pytest.mark.parametrize("status", [200, 503])
def test_carriers_of_a_closed_sink_leave(receiver, tmp_path, has_spool, status):
    """Of a sink that is closed no thread stays, its clients' included, be it that events wait for two projects."""
    before = set(threading.enumerate())
    receiver.refusing["/batch/"] = status
    to = sink(receiver, spool=str(tmp_path) if has_spool else None)
    emit(to, 3)
    assert to.emit(replace(EVENT, uuid=str(uuid.uuid4()), project=("phc_named", None)))
    assert to.flush(30.0 if status == 200 else 3.0) is (status == 200)
    assert len(threads_since(before)) >= 2
    to.close()
    until = clock.monotonic() + 30.0
    while (left := threads_since(before)) and clock.monotonic() < until:
        left[0].join(0.1)
    assert left == []
    assert to.delivery is not None
    assert [line.carriers for line in to.delivery.outbox.lines()] == [0, 0]


def test_however_many_projects_hang_the_configured_one_is_served(receiver):
    """Twelve projects that calls name have hosts that never answer: the project that is configured has a carrier."""
    with Faulty(faulty.HANGS) as hanging:
        to = sink(receiver)
        for number in range(12):
            assert to.emit(replace(EVENT, uuid=str(uuid.uuid4()), project=(f"phc_{number}", hanging.url)))
        assert not to.flush(1.0)
        made = emit(to, 20)
        assert not to.flush(8.0)
        assert arrived(receiver) == sorted(made)
        to.close()


def test_a_project_that_is_down_does_not_hold_up_the_others(receiver):
    """One project's host does not answer: the other's events arrive meanwhile."""
    to = sink(receiver)
    assert to.emit(replace(EVENT, uuid=str(uuid.uuid4()), project=("phc_down", "http://127.0.0.1:9")))
    made = emit(to, 3)
    assert not to.flush(3.0)
    assert arrived(receiver) == sorted(made)
    assert counted(to, 4)["waiting"] == 1
    to.close()


def test_other_settings_keep_what_waits(receiver, tmp_path: Path):
    """Where the address stays the same, what waits goes on with the new settings; nobody waits for it."""
    receiver.refusing["/batch/"] = 503
    first = sink(receiver)
    made = emit(first, 3)
    began = clock.monotonic()
    second = build(Settings(api_key="phc_test", host=receiver.url, exceptions=True), first)
    assert second is not None
    assert second.delivery is first.delivery
    assert clock.monotonic() - began < 5.0
    third = build(Settings(api_key="phc_other", host=receiver.url), second)
    assert third is not None
    assert third.delivery is not first.delivery
    receiver.refusing.clear()
    assert first.flush(30.0)
    assert arrived(receiver) == sorted(made)
    first.close()
    third.close()
