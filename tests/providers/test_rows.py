"""Every SDK in every form of a call: one event each, with what was said, and a program that notices nothing."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from conformance.events import answer_words, spoken
from conformance.modes import AsyncMode, Mode, SyncMode

import llm_track
from llm_track import _guard, answers, llm_span, places, providers, track_llm
from llm_track.policies import FULL
from llm_track.testing import Events, capture_events

from .calls import only, tracked
from .row import ASKED, TOKENS, WORDS, Row, every_row

ROWS = every_row()
APART = ("litellm", "vertexai")
"""SDKs that have an environment of their own."""
WHOLE = "".join(WORDS)
STREAMS = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="session", params=[SyncMode, AsyncMode], ids=["sync", "async"])
def mode(request: Any) -> Iterator[Mode]:
    """Both modes of a client, one after the other."""
    with contextlib.closing(request.param()) as made:
        yield made


@dataclass
class Scene:
    """A row, a mode and a server."""

    row: Row
    mode: Mode
    server: Any
    run: Any = None

    def play(self, answer: Any, **more: Any) -> str:
        """Have the server give an answer; return its URL."""
        self.run = self.server.play([{**answer, **more}])
        return str(self.run.url)

    def client(self, answer: Any, **more: Any) -> Any:
        """Return a client that will get an answer."""
        return self.row.make(self.play(answer, **more), self.mode)

    async def answered(self, client: Any, streamed: bool) -> Any:
        """Ask, and read the answer to its end."""
        answer = await self.mode.call(self.row.ask, self.mode, client, streamed)
        return await self.mode.items(answer) if streamed else answer

    def do(self, form: Any) -> Any:
        """Run a form."""
        return self.mode.run(form)

    def whole(self, streamed: bool) -> Any:
        """Return the prepared answer."""
        answer = self.row.chunks if streamed else self.row.whole
        if answer is None:
            pytest.skip("the SDK does not stream")
        return answer


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[Any, Any]]:
    """One server of each kind."""
    running: dict[Any, Any] = {}
    yield running
    for server in running.values():
        server.__exit__(None, None, None)


@pytest.fixture(params=ROWS, ids=str)
def scene(request: Any, mode: Mode, _servers: dict[Any, Any]) -> Iterator[Scene]:
    """A row in a mode; nothing is tracked yet."""
    row: Row = request.param
    if mode.name not in row.modes:
        pytest.skip(f"the SDK has no {mode.name} client")
    if row.serve not in _servers:
        _servers[row.serve] = row.serve().__enter__()
    made = Scene(row, mode, _servers[row.serve])
    yield made
    if made.run is not None:
        made.run.over.set()


@pytest.fixture
def events(scene: Scene) -> Iterator[Events]:
    """What the SDK of the row, tracked, leads to."""
    with tracked(*scene.row.names) as captured:
        yield captured


def check_whole(event: Any, row: Row, streamed: bool) -> None:
    """The event is that of the whole answer."""
    told = event.properties
    assert (event.name, told["llm_outcome"], told.get("$ai_stream", False)) == (row.event, "completed", streamed)
    assert (told["$ai_provider"], told["$ai_model"], told["$ai_http_status"]) == (row.billed, row.model, row.status)
    assert {name: told.get(name) for name in TOKENS} == {**TOKENS, **row.tokens}
    assert urlsplit(told["$ai_base_url"]).hostname == row.host
    assert told.get("$ai_stop_reason") == row.stop
    assert told["$ai_input"] == (row.input or [{"role": "user", "content": ASKED}])
    assert told.get("$ai_output_choices") == row.output
    assert ("$ai_time_to_first_token" in told) is streamed
    assert told["$ai_latency"] > 0


@STREAMS
def test_a_call_is_one_generation(streamed: bool, scene: Scene, events: Events) -> None:
    """A call is one generation with its words, counts, model, reason and who bills."""
    client = scene.client(scene.whole(streamed))
    scene.do(scene.answered(client, streamed))
    scene.do(scene.row.end(scene.mode, client))
    check_whole(only(events), scene.row, streamed)


WAYS = [
    pytest.param(row, name, streamed, id=f"{row}-{name}{'-streamed' * streamed}")
    for row in ROWS
    for streamed, ways in ((False, row.ways), (True, row.streamed_ways))
    for name in ways
]


@pytest.mark.parametrize(("scene", "name", "streamed"), WAYS, indirect=["scene"])
def test_other_ways_to_ask(name: str, streamed: bool, scene: Scene, events: Events) -> None:
    """A raw response or a helper of the SDK is the same one generation."""
    way = (scene.row.streamed_ways if streamed else scene.row.ways)[name]
    scene.do(way(scene.mode, scene.client(scene.whole(streamed))))
    check_whole(only(events), scene.row, streamed)


@STREAMS
def test_a_refusal(streamed: bool, scene: Scene, events: Events) -> None:
    """An error is one failed event with its status and message, without the key that it quotes."""
    scene.whole(streamed)
    with pytest.raises(Exception, match=r"(?s)."):
        scene.do(scene.answered(scene.client(scene.row.refused), streamed))
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_is_error"]) == ("failed", True)
    assert told["$ai_http_status"] == scene.row.refused_status
    assert "too much" in told["$ai_error"] or (streamed and scene.mode.name in scene.row.unread)
    assert not set(TOKENS) & set(told)


def test_nobody_there(scene: Scene, events: Events) -> None:
    """A connection that is refused is one failed event with the status 0."""
    client = scene.row.make("http://127.0.0.1:9", scene.mode)
    with pytest.raises(Exception, match=r"(?s)."):
        scene.do(scene.answered(client, False))
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"]) == ("failed", 0)


def test_an_error_amid_a_stream(scene: Scene, events: Events) -> None:
    """An error inside a stream that began well is one failed event with the words before it."""
    if scene.row.broken is None:
        pytest.skip("the SDK knows no errors amid a stream")
    with contextlib.suppress(Exception):  # some SDKs raise nothing
        scene.do(scene.answered(scene.client(scene.row.broken), True))
    told = only(events).properties
    assert told["llm_outcome"] in ("failed", "broken")
    assert told["$ai_is_error"] is True
    assert "overloaded" in told["$ai_error"]
    assert WORDS[0].strip() in json.dumps(told["$ai_output_choices"])


async def _each(mode: Mode, stream: Any) -> AsyncIterator[Any]:
    if mode.prefix:
        async for piece in stream:
            yield piece
    else:
        for piece in stream:
            yield piece


def _can_be_told(answer: Any) -> bool:
    """Plain texts, lists and dicts have no weak references; a dict may have an id of the provider's."""
    try:
        return weakref.ref(answer)() is answer
    except TypeError:
        return isinstance(answer, dict) and bool(answers.ids_of(answer))


@STREAMS
def test_feedback_on_an_answer(
    streamed: bool, scene: Scene, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What an SDK returned is a target of feedback as soon as the SDK has asked, while it is read and after; it has the
    trace and the id of its call.  So is the last chunk that has the provider's id.  What Python cannot tell from others
    is refused with a log line that says what to do."""
    monkeypatch.setattr(places, "memory", places.Memory())  # all answers of a row have the same id
    monkeypatch.setattr(_guard, "_said", set())
    client = scene.client(scene.whole(streamed), headers={"x-amzn-requestid": "req_9"})
    given: dict[str, bool] = {}
    pieces: list[Any] = []

    async def ask_and_judge() -> bool:
        answer = await scene.mode.call(scene.row.ask, scene.mode, client, streamed)
        given["early"] = llm_track.feedback(answer, "early")
        if not scene.run.requests:
            assert given["early"] or "has not asked yet" in caplog.text
            given["early"] = True
        if streamed:
            async for piece in _each(scene.mode, answer):
                given["amid"] = llm_track.feedback(answer, "amid")
                pieces.append(piece)
        given["late"] = llm_track.feedback(answer, "late")
        return _can_be_told(answer)

    told_apart = scene.do(ask_and_judge())
    scene.do(scene.row.end(scene.mode, client))
    if pieces and answers.ids_of(pieces[-1]):
        events.settle()
        given["piece"] = llm_track.feedback(pieces[-1], "piece")
    told = events.settle()
    calls = [event for event in told if event.name == scene.row.event]
    said = [event for event in told if event.name == "$ai_feedback"]
    assert len(calls) == 1
    assert set(given.values()) == {told_apart}
    assert ("use an llm_span around the call" in caplog.text) is not told_apart
    for event in said:
        assert (event.trace_id, event.properties["llm_span_id"]) == (calls[0].trace_id, calls[0].uuid)
    assert len(said) >= len(given) - 1 if told_apart else not said


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_stream_left_early(how: str, scene: Scene, events: Events) -> None:
    """A stream that is closed or dropped after its first piece is one event with what was read."""
    client = scene.client(scene.whole(True), hold_after=scene.row.first)

    async def leave() -> None:
        stream = await scene.mode.call(scene.row.ask, scene.mode, client, True)
        if how == "closed":
            for _ in range(scene.row.first):
                await scene.mode.first(stream)
            await scene.row.leave(scene.mode, stream)
        else:
            await scene.mode.first(stream)
        del stream
        await scene.mode.collect_garbage()

    scene.do(leave())
    scene.run.over.set()
    event = only(events)
    assert event.properties["llm_outcome"] == "closed_early"
    assert WHOLE.startswith(answer_words(event))


def test_a_stream_that_nobody_reads(scene: Scene, events: Events) -> None:
    """A stream that is dropped unread is one event if the SDK has asked for it, and none if it has not."""
    client = scene.client(scene.whole(True))

    async def leave() -> None:
        stream = await scene.mode.call(scene.row.ask, scene.mode, client, True)
        del stream
        await scene.mode.collect_garbage()

    scene.do(leave())
    assert len(events.settle()) == len(scene.run.requests)


def test_a_call_that_is_cancelled(scene: Scene, events: Events) -> None:
    """A task that is cancelled while it waits is one cancelled event."""
    if not scene.mode.prefix:
        pytest.skip("only tasks are cancelled")
    client = scene.client(scene.row.whole, delay=5)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(scene.answered(client, False), 0.3)

    scene.do(give_up())
    scene.run.over.set()
    assert only(events).properties["llm_outcome"] == "cancelled"


def asker(scene: Scene) -> Any:
    """Return a function, a coroutine function for an asynchronous client, that asks the model."""
    client = scene.client(scene.row.whole)
    if not scene.mode.prefix:

        def ask() -> None:
            scene.do(scene.answered(client, False))

        return ask

    async def ask_async() -> None:
        await scene.answered(client, False)

    return ask_async


def test_inside_a_tool_of_a_span(scene: Scene, events: Events) -> None:
    """A call inside a tool inside a block is a generation of its own, under the tool, with the block's user."""
    tool = track_llm(kind="tool", name="look_up")(asker(scene))

    async def ask() -> None:
        with llm_span("checkout", user_id="u_1"):
            await scene.mode.call(tool)

    scene.do(ask())
    call, step, trace = events.settle()
    check_whole(call, scene.row, streamed=False)
    assert [event.name for event in (step, trace)] == ["$ai_span", "$ai_trace"]
    assert call.properties["$ai_parent_id"] == step.properties["$ai_span_id"]
    assert {event.trace_id for event in (call, step, trace)} == {trace.trace_id}
    assert {event.distinct_id for event in (call, step, trace)} == {"u_1"}


def test_inside_another_generation(scene: Scene, events: Events) -> None:
    """A call inside a function that is a generation itself is that generation: there is one event."""
    outer = track_llm(kind="generation", provider="acme", user_id="u_1")(asker(scene))
    scene.do(scene.mode.call(outer))
    event = only(events)
    assert (event.name, event.distinct_id) == ("$ai_generation", "u_1")
    assert event.properties["$ai_provider"] == "acme"


@STREAMS
def test_calls_at_the_same_time_do_not_mix(streamed: bool, scene: Scene, events: Events) -> None:
    """Of calls that run at once, in threads or tasks, each is one event with the user of its own."""
    clients = [scene.row.make(scene.play(scene.whole(streamed), delay=0.02), scene.mode) for _ in range(8)]

    async def ask(number: int) -> None:
        with llm_span("step", user_id=str(number)):
            await scene.answered(clients[number], streamed)

    async def ask_all() -> None:
        await scene.mode.together(ask(number) for number in range(8))

    scene.do(ask_all())
    found = [event for event in events.settle() if event.name == scene.row.event]
    assert sorted(str(event.distinct_id) for event in found) == [str(number) for number in range(8)]
    assert {answer_words(event) for event in found} == {spoken(scene.row.output)}


@STREAMS
def test_content_that_is_not_wanted_is_not_told(streamed: bool, scene: Scene, events: Events) -> None:
    """Without content an event has the counts, and neither the question nor the answer."""
    llm_track.configure(content="metadata")
    scene.do(scene.answered(scene.client(scene.whole(streamed)), streamed))
    told = only(events).properties
    assert {name: told.get(name) for name in TOKENS} == {**TOKENS, **scene.row.tokens}
    assert "snail" not in json.dumps({name: value for name, value in told.items() if "model" not in name})


@STREAMS
def test_fields_that_may_not_leave(streamed: bool, scene: Scene, events: Events) -> None:
    """Each field that is held back by itself is not told, whatever else is, and errors are not told around the call."""
    told: dict[str, str] = {}
    for field in ("inputs", "outputs"):
        llm_track.configure(content=FULL - {field})
        scene.do(scene.answered(scene.client(scene.whole(streamed)), streamed))
        told[field] = json.dumps(events.settle()[-1].properties)
    assert "how do" not in told["inputs"]
    assert WORDS[0] not in told["outputs"] or WORDS[0] not in json.dumps(scene.row.output)
    llm_track.configure()
    with contextlib.suppress(Exception), llm_span("outer", content=FULL - {"errors"}), llm_span("inner"):
        scene.do(scene.answered(scene.client(scene.row.refused), streamed))
    failed = [event.properties for event in events.settle()[2:]]
    assert [told["$ai_is_error"] for told in failed] == [True] * 3
    assert "too much" not in json.dumps(failed)


def test_one_client_alone(scene: Scene) -> None:
    """``instrument(client)`` tracks the calls of that client, and no others; `unpatch` ends it."""
    mine, other = scene.client(scene.row.whole), scene.client(scene.row.whole)
    if not scene.row.alone(mine):
        pytest.skip("the SDK has functions, or clients that are not told apart")
    try:
        with capture_events() as events:
            assert llm_track.instrument(mine) is mine
            for client in (other, mine):
                scene.do(scene.answered(client, False))
            assert len(events.settle()) == 1
    finally:
        llm_track.unpatch()
    with capture_events() as events:
        scene.do(scene.answered(mine, False))
    assert list(events) == []


@STREAMS
def test_the_program_sees_the_same(streamed: bool, scene: Scene) -> None:
    """Answers and their types, and what is sent, are equal with llm_track and without it."""
    seen: list[Any] = []
    for hooked in (False, True):
        with tracked(*scene.row.names) if hooked else capture_events() as events:
            got = scene.do(scene.answered(scene.client(scene.whole(streamed)), streamed))
        assert len(events) == hooked
        sent = [(one["method"], one["path"], one["body"]) for one in scene.run.requests]
        seen.append(([scene.row.shown(each) for each in (got if streamed else [got])], sent))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", providers.KNOWN)
def test_every_provider_has_a_row(name: str) -> None:
    """A provider that is known and has no row here is not supported."""
    assert any(name in row.names for row in ROWS)


_REQUIRED = os.environ.get("LLM_TRACK_TEST_PROVIDERS") == "required"  # a test itself sees no such variables


@pytest.mark.parametrize("name", providers.KNOWN)
def test_every_sdk_is_there(name: str) -> None:
    """Where all SDKs are required, as in CI, none of the rows is left out."""
    if not _REQUIRED or name in APART:
        pytest.importorskip(name, exc_type=ImportError)
    importlib.import_module(name)
