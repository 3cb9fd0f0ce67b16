"""Events on their way through the official client, as they arrive at the other end."""

from __future__ import annotations

import gc
import json
import logging
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

import llm_track
from llm_track import _guard, config
from llm_track.config import Settings
from llm_track.records import Event
from llm_track.sinks import given as given_module
from llm_track.sinks import posthog as sink_module
from llm_track.sinks import sending
from llm_track.sinks.ai_lane import AILane
from llm_track.sinks.given import GivenSink
from llm_track.sinks.posthog import PostHogSink, build
from llm_track.sizing import LARGEST_EVENT, fit, size

from .receiver import Receiver

TRACE = "00000000-0000-4000-8000-000000000001"
SPAN = "00000000-0000-4000-8000-000000000002"
NOON = datetime(2026, 1, 2, 12, 30, 15, 250_000, tzinfo=timezone.utc)
PROPERTIES = {
    "$ai_trace_id": TRACE,
    "$ai_span_id": SPAN,
    "$ai_model": "gpt-4o",
    "$ai_input_tokens": 3,
    "own": "ünïcode 字",
}
EVENT = Event(name="$ai_generation", uuid=SPAN, trace_id=TRACE, distinct_id=None, properties=PROPERTIES, timestamp=NOON)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def build_sink(receiver: Receiver) -> Iterator[Callable[..., PostHogSink]]:
    """Build sinks whose real clients send to the receiver, and end these clients with the test."""
    built: list[PostHogSink] = []

    def make(**given: Any) -> PostHogSink:
        sink = build(Settings(**{"api_key": "phc_test", "host": receiver.url, **given}))
        assert sink is not None
        built.append(sink)
        return sink

    yield make
    for sink in built:
        sink.close()


@pytest.fixture
def arrived(receiver: Receiver, build_sink: Callable[..., PostHogSink]) -> Callable[..., list[dict[str, Any]]]:
    """Emit events, flush, and return what arrived."""

    def send(*events: Event, **given: Any) -> list[dict[str, Any]]:
        sink = build_sink(**given)
        admitted = [sink.emit(event) for event in events]
        assert all(admitted)
        sink.flush(10.0)
        return receiver.events

    return send


def test_an_event_arrives_as_it_is(arrived):
    """Name, uuid, time and properties arrive unchanged, under the id of the user who was named."""
    (event,) = arrived(replace(EVENT, distinct_id="u_1"))
    assert (event["event"], event["uuid"], event["distinct_id"]) == ("$ai_generation", SPAN, "u_1")
    assert datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")) == NOON
    assert {key: event["properties"][key] for key in PROPERTIES} == PROPERTIES
    assert "$process_person_profile" not in event["properties"]


def test_an_event_of_nobody_is_anonymous(arrived):
    """Without a user the events of a trace share one anonymous id, and PostHog makes no person of it."""
    first, second = arrived(EVENT, replace(EVENT, uuid=TRACE))
    for event in (first, second):
        assert event["distinct_id"] == TRACE
        assert event["properties"]["$process_person_profile"] is False


def test_results_of_a_batch_have_one_anonymous_id_in_every_trace(arrived):
    """Two processes that send the result of a batch send it under one id: PostHog would keep both otherwise."""
    first, second = arrived(replace(EVENT, batch="openai:file-1"), replace(EVENT, batch="openai:file-1", trace_id=SPAN))
    for event in (first, second):
        assert event["distinct_id"] == "openai:file-1"
        assert event["properties"]["$process_person_profile"] is False
    (named,) = arrived(replace(EVENT, batch="openai:file-1", distinct_id="u_1"))[2:]
    assert named["distinct_id"] == "u_1"


def test_groups_arrive_and_absent_ones_do_not(arrived):
    """The groups of a span are the groups of its event; without any there is no such property."""
    grouped, single = arrived(replace(EVENT, groups={"company": "acme"}), EVENT)
    assert grouped["properties"]["$groups"] == {"company": "acme"}
    assert "$groups" not in single["properties"]


def test_a_repeated_event_keeps_its_uuid(arrived):
    """Sent twice, an event has the same uuid twice, by which PostHog drops the repeat."""
    assert [event["uuid"] for event in arrived(EVENT, EVENT)] == [SPAN, SPAN]


def test_bodies_are_compressed(receiver, arrived):
    """Events go out as gzip, with the project's key, on the lane for which they were measured."""
    arrived(replace(EVENT, properties={"text": "long " * 10_000}))
    (request,) = receiver.requests
    assert (request["encoding"], request["body"]["api_key"]) == ("gzip", "phc_test")
    assert request["bytes"] < 5_000


def test_a_large_event_that_was_made_to_fit_arrives(arrived):
    """The limit to which events are cut is one that the client accepts with everything it adds."""
    fitted = fit(replace(EVENT, properties={**PROPERTIES, "$ai_input": "x" * 5_000_000}))
    filler = "y" * (LARGEST_EVENT - size(fitted) - 20)
    fullest = replace(fitted, properties={**fitted.properties, "filler": filler})
    assert LARGEST_EVENT - 100 < size(fullest) <= LARGEST_EVENT
    assert len(arrived(fullest)) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_passing_outage_loses_nothing(receiver, build_sink, status):
    """A server that fails and recovers gets the event once."""
    sink = build_sink()
    receiver.statuses = [status]
    assert sink.emit(EVENT)
    sink.flush(20.0)
    assert [event["uuid"] for event in receiver.events] == [SPAN]
    assert len(receiver.requests) == 2


def an_exception() -> dict[str, Any]:
    try:
        raise ValueError("refused")
    except ValueError as error:
        return {"exception": error, "traceback": error.__traceback__}


def test_a_failed_call_has_a_linked_exception(arrived):
    """An `$exception` of the same person and groups and the event of the call point at each other."""
    failed = replace(EVENT, **an_exception(), groups={"company": "acme"})
    exception, event = arrived(failed, exceptions=True)
    assert (exception["event"], exception["distinct_id"]) == ("$exception", TRACE)
    assert exception["properties"]["$ai_trace_id"] == TRACE
    assert exception["properties"]["$process_person_profile"] is False
    assert exception["properties"]["$groups"] == {"company": "acme"}
    (raised,) = exception["properties"]["$exception_list"]
    assert raised["type"] == "ValueError"
    assert [frame["function"] for frame in raised["stacktrace"]["frames"]] == ["an_exception"]
    assert event["properties"]["$exception_event_id"] == exception["uuid"]


def test_an_exception_belongs_to_the_named_user(arrived):
    """The exception of a call of a known user is theirs, with a profile."""
    exception, _ = arrived(replace(EVENT, distinct_id="u_1", **an_exception()), exceptions=True)
    assert exception["distinct_id"] == "u_1"
    assert "$process_person_profile" not in exception["properties"]


@pytest.mark.parametrize(
    ("given", "exception"), [({}, an_exception()), ({"exceptions": True}, {})], ids=["switched off", "no exception"]
)
def test_without_setting_or_exception_there_is_no_link(arrived, given, exception):
    """No `$exception` is sent unless it was asked for and there is one."""
    (event,) = arrived(replace(EVENT, **exception), **given)
    assert "$exception_event_id" not in event["properties"]


def test_an_exception_is_captured_once(arrived):
    """An exception that the client has captured before is no reason to lose the event: it goes without a link."""
    failed = replace(EVENT, **an_exception())
    _, first, second = arrived(failed, failed, exceptions=True)
    assert "$exception_event_id" in first["properties"]
    assert "$exception_event_id" not in second["properties"]


class Client:
    """A client of the program's own, which does as it is told."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer
        self.captured: list[str] = []

    def capture(self, event: str, **given: Any) -> Any:
        self.captured.append(event)
        return self.answer()

    def flush(self, timeout_seconds: float | None = None) -> None:
        self.flushed = timeout_seconds


def test_the_programs_own_client_is_used(monkeypatch):
    """A client that was given is the one that gets the events; no other is built, and it is flushed in bounded time."""
    monkeypatch.setattr(sending, "_made", pytest.fail)
    client = Client(lambda: SPAN)
    sink = build(Settings(client=client, api_key="phc_other"))
    assert sink is not None
    assert sink.emit(EVENT)
    sink.flush(2.5)
    assert (client.captured, client.flushed, sink.delivery) == (["$ai_generation"], 2.5, None)


def test_a_client_that_takes_nothing_is_believed():
    """`None` from the client means that the event was not admitted."""
    assert given(Client(lambda: None)).emit(EVENT) is False
    assert given(Client(lambda: uuid.uuid4())).emit(EVENT) is True


def given(client: Any) -> GivenSink:
    return GivenSink(client, AILane("auto", tells=False))


def run_worker(client: Any) -> dict[str, int]:
    """Return how the counts change when a span is sent to this client."""
    before = llm_track.stats()
    llm_track.configure(client=client)
    with llm_track.llm_span("step"):
        pass
    llm_track.flush(10.0)
    after = llm_track.stats()
    return {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}


@pytest.mark.usefixtures("without_pytest")
def test_a_client_that_raises_costs_its_event_only(caplog):
    """A client that raises is a counted fault, logged without the event; the program hears nothing of it."""

    def failing() -> Any:
        raise RuntimeError("canary")

    with caplog.at_level(logging.WARNING, logger="llm_track"):
        changes = run_worker(Client(failing))
    assert changes["dropped_fault"] == 1
    assert "admitted" not in changes
    assert "canary" not in caplog.text
    assert run_worker(Client(lambda: SPAN)) == {"admitted": 1}
    _guard.faults.clear()


def test_a_client_that_refuses_is_counted():
    """An event that the client did not take is counted as such."""
    assert run_worker(Client(lambda: None)) == {"dropped_refused_by_client": 1}


def test_a_full_queue_is_waited_for():
    """While the client's queue is full the worker waits, and the event goes in as soon as there is room."""
    client = Client(lambda: SPAN)
    client.queue = queue.Queue(1)  # type: ignore[attr-defined]
    client.queue.put("waiting")  # type: ignore[attr-defined]
    threading.Timer(0.2, client.queue.get).start()  # type: ignore[attr-defined]
    assert given(client).emit(EVENT)
    assert client.queue.empty()  # type: ignore[attr-defined]


def test_a_full_queue_is_not_waited_for_for_ever(monkeypatch):
    """After a bounded time the client is asked anyway, and its refusal counts."""
    monkeypatch.setattr(given_module, "_ROOM_SECONDS", 0.1)
    client = Client(lambda: None)
    client.queue = SimpleNamespace(full=lambda: True)  # type: ignore[attr-defined]
    assert given(client).emit(EVENT) is False
    assert client.captured == ["$ai_generation"]


@pytest.mark.parametrize(
    "odd", [None, SimpleNamespace(), SimpleNamespace(full=True), SimpleNamespace(full=lambda: "yes")]
)
def test_a_client_with_another_queue_is_not_waited_for(monkeypatch, odd):
    """What does not say plainly that it is full, such as a mock, is not waited for."""
    monkeypatch.setattr(given_module.time, "sleep", lambda seconds: pytest.fail("waited"))
    client = Client(lambda: SPAN)
    client.queue = odd  # type: ignore[attr-defined]
    assert given(client).emit(EVENT)


def test_without_a_key_one_warning_says_what_to_do(monkeypatch):
    """The warning names the variable, says what to do and that calls are unaffected; no event is sent or kept."""
    gc.collect()
    llm_track.flush(10.0)  # what earlier tests left
    config.reset()
    said = []
    monkeypatch.setattr(sink_module.logger, "warning", lambda *args: said.append(args))
    before = llm_track.stats().get("dropped_no_key", 0)
    for _ in range(3):
        with llm_track.llm_span("step"):
            pass
    llm_track.flush(10.0)
    ((words,),) = said
    assert words.startswith("POSTHOG_API_KEY is not set: LLM calls work as ever")
    assert "llm_track.configure(api_key=" in words
    assert llm_track.stats()["dropped_no_key"] == before + 3


def test_key_and_host_come_from_the_environment(monkeypatch, receiver):
    """With the two variables set nothing needs to be configured."""
    monkeypatch.setenv("POSTHOG_API_KEY", "phc_environment")
    monkeypatch.setenv("POSTHOG_API_URL", receiver.url)
    with llm_track.llm_span("step", user_id="u_1"):
        pass
    llm_track.flush(10.0)
    assert [event["distinct_id"] for event in receiver.events] == ["u_1"]
    assert receiver.requests[0]["body"]["api_key"] == "phc_environment"


@pytest.mark.parametrize(("statuses", "became"), [([], "delivered"), ([503], "waiting"), ([400], "waiting")])
def test_without_threads_events_are_sent_where_they_are_flushed(monkeypatch, receiver, caplog, statuses, became):
    """At the end of an interpreter no thread can start: then the client sends each event on the thread that ends it."""

    start = threading.Thread.start

    def refusing(thread: threading.Thread) -> None:
        if "process_request" not in thread.name:  # of the receiver
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    receiver.statuses = list(statuses)
    with monkeypatch.context() as ending:
        ending.setattr(threading.Thread, "start", refusing)
        sink = build(Settings(api_key="phc_test", host=receiver.url))
        assert sink is not None
        assert sink.emit(EVENT)
        assert sink.flush(1.5 if statuses else 10.0) is (not statuses)
    assert [event["uuid"] for event in receiver.events] == [SPAN] * (not statuses)
    assert json.dumps(receiver.requests[0]["body"])
    assert sink.tally[became] == 1
    assert caplog.text.count("Error in capture") == 0


def test_another_project_is_at_the_configured_address(receiver, build_sink):
    """A project that a call names without an address gets its events at the address that is configured."""
    sink = build_sink()
    assert sink.emit(replace(EVENT, project=("phc_other", None)))
    sink.flush(10.0)
    assert [request["body"]["api_key"] for request in receiver.requests] == ["phc_other"]
