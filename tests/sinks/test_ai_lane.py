"""Events that are too large for PostHog's ordinary lane: whole where the host has another, else cut, and never lost."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import posthog
import pytest

import llm_track
from llm_track import worker
from llm_track.records import Event
from llm_track.sinks.ai_lane import AILane
from llm_track.sizing import LARGEST_AI_EVENT, LARGEST_EVENT, size
from tests.sinks.receiver import Receiver

LANE = "/i/v0/ai/batch/"
HAS_LANE = hasattr(posthog.Posthog, "capture_ai")
with_lane = pytest.mark.skipif(not HAS_LANE, reason="this client has no lane for AI events: large events are cut")
ROOT = Path(__file__).parent.parent.parent
PROMPT = "word " * 1_000_000
"""5 MB."""


@pytest.fixture
def receiver(monkeypatch: Any) -> Iterator[Receiver]:
    for name in ("POSTHOG_API_KEY", "POSTHOG_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with Receiver() as running:
        yield running
    llm_track.configure(enabled=False)
    llm_track.flush()


def spanned(count: int = 1, prompt: str = PROMPT, **settings: Any) -> dict[str, int]:
    """Make spans with a long output, deliver them, and return what became of the events since."""
    llm_track.configure(**settings)
    before = llm_track.stats()
    for number in range(count):
        with llm_track.llm_span(f"span {number}") as span:
            span.set(output=prompt)
    assert llm_track.flush(20.0)
    return {name: number - before.get(name, 0) for name, number in llm_track.stats().items() if number}


def paths(receiver: Receiver) -> list[str]:
    return [request["path"] for request in receiver.requests]


@with_lane
def test_a_large_event_arrives_whole(receiver):
    """Where the host takes large events they are sent whole, and small ones the ordinary way."""
    told = spanned(api_key="phc_test", host=receiver.url)
    spanned(prompt="short", api_key="phc_test", host=receiver.url)
    assert paths(receiver) == [LANE, "/batch/"]
    assert receiver.events[0]["properties"]["$ai_output_state"] == PROMPT
    assert told["admitted"] == 1


@with_lane
@pytest.mark.parametrize("status", [404, 405, 413])
def test_a_host_without_that_lane_gets_the_event_cut(receiver, caplog, status):
    """A host that answers that it has no such lane, or that it is full, gets each event cut, once, with the same id
    and time; where the lane is not there it is not tried again, and one line says so."""
    receiver.refusing[LANE] = status
    told = spanned(3, api_key="phc_test", host=receiver.url)
    assert sorted(event["properties"]["$ai_span_name"] for event in receiver.events) == ["span 0", "span 1", "span 2"]
    tried = [
        message for request in receiver.requests if request["path"] == LANE for message in request["body"]["batch"]
    ]
    assert {(event["uuid"], event["timestamp"], event["distinct_id"]) for event in tried} == {
        (event["uuid"], event["timestamp"], event["distinct_id"]) for event in receiver.events
    }
    assert all("characters cut" in event["properties"]["$ai_output_state"] for event in receiver.events)
    assert (told["admitted"], told["cut_after_refusal"], told["delivered"]) == (3, 3, 3)
    again = len(paths(receiver))
    spanned(api_key="phc_test", host=receiver.url)
    assert len(receiver.events) == 4
    said = [record.getMessage() for record in caplog.records if "no way for large" in record.getMessage()]
    assert len(said) == (status != 413)
    assert len(paths(receiver)) == again + (2 if status == 413 else 1)


@with_lane
def test_once_found_absent_the_lane_is_not_tried_again(receiver):
    """After the first refusal large events are cut before they are sent."""
    receiver.refusing[LANE] = 404
    spanned(api_key="phc_test", host=receiver.url)
    with llm_track.llm_span("next") as span:
        span.set(output=PROMPT)
    assert llm_track.flush(20.0)
    assert paths(receiver) == [LANE, "/batch/", "/batch/"]


def test_switched_off(receiver):
    """With ``ai_lane="off"`` large events are cut, and the lane is never tried."""
    spanned(api_key="phc_test", host=receiver.url, ai_lane="off")
    assert paths(receiver) == ["/batch/"]
    assert "characters cut" in receiver.events[0]["properties"]["$ai_output_state"]


@with_lane
def test_a_refused_key_is_no_reason_to_cut(receiver, caplog):
    """Only what another way may deliver is sent another way: with a refused key the event waits, as one line says."""
    receiver.refusing[LANE] = 401
    llm_track.configure(api_key="phc_refused", host=receiver.url)
    with llm_track.llm_span("large") as span:
        span.set(output=PROMPT)
    assert not llm_track.flush(20.0)
    assert (receiver.events, llm_track.stats()["waiting"]) == ([], 1)
    assert "refuses the project key" in caplog.text
    receiver.refusing.clear()
    llm_track.configure(api_key="phc_refused", host=receiver.url)
    worker._worker.sink.delivery.outbox.line(worker._worker.sink.delivery.project).succeeded()
    assert llm_track.flush(20.0)


@pytest.mark.parametrize("choice", ["auto", "on"])
def test_the_programs_own_client(receiver, choice):
    """A client of the program's own does not tell what a host refused: the lane of an unknown host is used if the
    settings say so."""
    from posthog import Posthog

    client = Posthog("phc_test", host=receiver.url)
    spanned(client=client, ai_lane=choice)
    assert paths(receiver) == [LANE if choice == "on" and HAS_LANE else "/batch/"]
    client.shutdown()


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("https://us.i.posthog.com", True),
        ("https://eu.i.posthog.com/", True),
        ("https://posthog.com", True),
        ("https://notposthog.com", False),
        ("https://posthog.com.example.org", False),
        ("http://[", False),
        (None, False),
    ],
)
def test_hosts_that_are_known_to_have_it(host, known):
    """PostHog's own hosts have the lane; of others nobody knows before one answers."""
    client = SimpleNamespace(host=host, capture_ai=print)
    lane = AILane("auto", tells=False)
    assert lane.largest(client, 0) == (LARGEST_AI_EVENT if known else LARGEST_EVENT)
    assert AILane("off", tells=False).largest(client, 0) == LARGEST_EVENT
    assert lane.largest(SimpleNamespace(host=host), 0) == LARGEST_EVENT


def test_during_an_outage_large_events_do_not_fill_the_memory():
    """While many large events wait to be sent, the next ones are cut."""
    client = SimpleNamespace(capture_ai=print, host="https://us.i.posthog.com")
    assert AILane("auto", tells=True).largest(client, 15) == LARGEST_AI_EVENT
    assert AILane("auto", tells=True).largest(client, 16) == LARGEST_EVENT


def test_what_the_client_adds_is_left_room_for(receiver):
    """Tags of posthog's contexts and super properties count: an event with many of them arrives nevertheless."""
    from posthog import Posthog
    from posthog.contexts import new_context, tag

    client = Posthog("phc_test", host=receiver.url, super_properties={"super": "s" * 200_000})
    with new_context():
        tag("tagged", "t" * 200_000)
        spanned(client=client)
    (event,) = receiver.events
    assert len(event["properties"]["super"]) == 200_000
    assert event["properties"]["tagged"].startswith("t" * 10_000)
    assert "characters cut" in event["properties"]["$ai_output_state"]
    client.shutdown()


def test_events_that_processors_make_larger_fit_too(receiver):
    """An event is measured after the program's own processors: one that adds a long text loses nothing."""

    def adding(event: Event) -> Event:
        return replace(event, properties={**event.properties, "added": PROMPT})

    spanned(prompt="short", api_key="phc_test", host=receiver.url, ai_lane="off", processors=[adding])
    assert "characters cut" in receiver.events[0]["properties"]["added"]


def test_a_closed_way_is_no_loss(monkeypatch):
    """Where the client cannot take a large event, it is cut and given to it the ordinary way."""
    taken: list[Event] = []

    class Sink:
        def largest(self, event: Event) -> int:
            return LARGEST_AI_EVENT

        def emit(self, event: Event, *, large: bool = False) -> bool:
            assert large is (size(event) > LARGEST_EVENT)
            taken.extend([] if large else [event])
            return not large

        def flush(self, timeout: float) -> bool:
            """Nothing is kept back."""
            return True

        def waiting(self) -> int:
            return 0

    before = worker.send_to(Sink())
    try:
        told = spanned()
    finally:
        worker.send_to(before)
    assert len(taken) == told["admitted"] == 1


PROGRAM = """
    import base64, json, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    import llm_track, openai

    class Model(BaseHTTPRequestHandler):
        def do_POST(self):
            left = int(self.headers["content-length"])
            while left:
                left -= len(self.rfile.read(min(left, 1 << 20)))
            answer = json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a picture"}}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    llm_track.autopatch()
    picture = base64.b64encode(bytes(range(256)) * (50_000_000 * 3 // 4 // 256)).decode()
    openai.OpenAI(api_key="k", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1").chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": [
            {"type": "text", "text": "word " * 1_000_000},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture}},
        ]}],
    )
    assert llm_track.flush(60)  # on a busy machine it takes longer than the end of a program waits
"""


@pytest.mark.parametrize("has_lane", [True, False])
@pytest.mark.parametrize("content", ["full", "inputs,outputs,media"])
def test_a_picture_of_50_megabytes_with_a_prompt_of_5_arrives(receiver, has_lane, content):
    """From a real program with the real SDK: with the picture's mark, and the prompt whole where
    the host takes large events, else cut; also where media may leave, for this one is too large for any event."""
    if not has_lane:
        receiver.refusing[LANE] = 404
    environment = {"POSTHOG_API_KEY": "phc_test", "POSTHOG_API_URL": receiver.url, "PYTHONPATH": str(ROOT)}
    pytest.importorskip("openai")
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env={**environment, "LLM_TRACK_CONTENT": content},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert len(receiver.events) == 1, ended.stderr
    (event,) = receiver.events
    words, picture = event["properties"]["$ai_input"][0]["content"]
    assert "[base64 image/png 37499904 bytes sha256 " in json.dumps(picture)
    is_whole = has_lane and HAS_LANE
    assert (words["text"] == PROMPT) is is_whole
    assert ("characters cut" in words["text"]) is not is_whole
    assert event["properties"]["$ai_input_tokens"] == 9
