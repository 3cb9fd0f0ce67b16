"""Which traces are sent when not all are, and what each event that is sent stands for."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextvars import Context
from typing import Any

import openai
import pytest
from conformance.server import CaseServer
from hypothesis import given, settings
from hypothesis import strategies as st

import llm_track
from llm_track import sampling, worker
from llm_track.config import Settings
from llm_track.records import Event
from llm_track.sampling import Sampler, is_in_share
from llm_track.tallies import Tally
from llm_track.testing import Events, capture_events
from tests.sinks.receiver import Receiver
from tests.test_worker import run

RATES = st.floats(0, 1)
HERE = Context()
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "error": {"$ai_is_error": True},
    "slow": {"$ai_latency": 10.0},
    "quick": {"$ai_latency": 9.9},
    "costly": {"$ai_total_cost_usd": 0.5},
    "cheap": {"$ai_total_cost_usd": 0.2},
    "feedback": {},
}
LIMITS: dict[str, Any] = {"keep_slower_than": 10.0, "keep_costlier_than": 0.5}


CALLED = {"$ai_provider": "p", "$ai_model": "m"}


def an_event(trace_id: str, kind: str = "plain", number: int = 0) -> Event:
    name = "$ai_feedback" if kind == "feedback" else "$ai_generation"
    return Event(name=name, uuid=str(number), trace_id=trace_id, distinct_id=None, properties={**CALLED, **KINDS[kind]})


@given(st.uuids(), RATES, RATES)
def test_a_higher_rate_keeps_what_a_lower_one_keeps(trace, one, other):
    """Raising the rate never loses a trace."""
    low, high = sorted((one, other))
    assert is_in_share(str(trace), low) <= is_in_share(str(trace), high)


def test_the_answer_is_the_same_in_every_process():
    """The answer depends on nothing but id and rate, so that the services of one trace agree: these stay for ever."""
    traces = [f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(10)]
    assert [is_in_share(trace, 0.5) for trace in traces] == EXPECTED


EXPECTED = [True, True, False, False, True, True, False, False, True, True]


@given(st.text())
def test_the_ends_of_the_scale(trace):
    """At 1.0 every trace is in the share, at 0.0 none, whatever its id."""
    assert is_in_share(trace, 1.0)
    assert not is_in_share(trace, 0.0)


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.9])
def test_about_the_share_is_kept(rate):
    """Of many traces the share that was asked for is kept, within what chance allows."""
    many = 20_000
    kept = sum(is_in_share(str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % 2**128)), rate) for number in range(many))
    assert abs(kept / many - rate) < 0.02


def test_without_a_rate_nothing_is_weighed():
    """At 1.0 every event is sent as it is."""
    event = an_event("t", "error")
    assert Sampler().passed(event, HERE, Settings(), ends=True) == ([(event, HERE)], 0)


STEPS = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(sorted(KINDS)), st.booleans()), max_size=25)
"""Events one after the other: of which of three traces, of which kind, and whether they end it."""
BOUNDS = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 900))


class World:
    """A sampler, and which of the traces are in the share."""

    def __init__(self, share: str, rate: float, bounds: tuple[int, int, int]) -> None:
        self.share, self.rate, self.bounds = share, rate, bounds
        self.weights: Counter[str] = Counter()
        self.sent: list[str] = []
        self.left_out = 0
        self.sampler = Sampler()

    def play(self, steps: list[tuple[str, str, bool]]) -> World:
        """Send the events through."""
        chosen = Settings(sample_rate=self.rate, **LIMITS)
        names = ("MOST_TRACES", "MOST_HELD", "MOST_BYTES")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sampling, "is_in_share", lambda trace, rate: trace in self.share)
            for name, bound in zip(names, self.bounds, strict=True):
                patch.setattr(sampling, name, bound)
            for number, (trace, kind, ends) in enumerate(steps):
                sent, left_out = self.sampler.passed(an_event(trace, kind, number), HERE, chosen, ends=ends)
                self.left_out += left_out
                for event, _ in sent:
                    self.sent.append(event.uuid)
                    self.weights[event.uuid] += event.properties["llm_sample_weight"]
                assert self.sampler.held <= self.bounds[1]
                assert self.sampler.held == sum(len(each.held) for each in self.sampler._holding.values())
        return self


@settings(deadline=None)
@given(STEPS, st.sampled_from("ABC"), st.sampled_from(["", "A", "BC", "ABC"]), st.floats(0.01, 0.99), BOUNDS)
def test_each_event_stands_for_one_on_average(steps, trace, others, rate, bounds):
    """Over whether a trace is in the share or not, the mean weight of each of its events is 1, whatever kinds of events
    came before and after it, and however little is held back: so sums of weights are counts."""
    rest = others.replace(trace, "")
    inside, outside = World(rest + trace, rate, bounds).play(steps), World(rest, rate, bounds).play(steps)
    for number, (whose, *_) in enumerate(steps):
        if whose == trace:
            mean = rate * inside.weights[str(number)] + (1 - rate) * outside.weights[str(number)]
            assert mean == pytest.approx(1.0)


@settings(deadline=None)
@given(STEPS, st.sampled_from(["", "A", "BC"]), RATES.filter(lambda rate: rate < 1), BOUNDS)
def test_every_event_is_sent_once_or_counted(steps, share, rate, bounds):
    """No event is sent twice; each is sent, held back, or counted as left out."""
    world = World(share, rate or 0.5, bounds).play(steps)
    assert len(set(world.sent)) == len(world.sent)
    assert len(world.sent) + world.left_out + world.sampler.held == len(steps)


ROOMY = (9, 99, 99_999)


@settings(deadline=None)
@given(STEPS)
def test_a_trace_is_whole_or_not_there(steps):
    """Where there is room, a trace that is kept has all its events up to its end, in their order, and those after it;
    another one has none, and nothing is held back of a trace that has ended."""
    world = World("", 0.5, ROOMY).play(steps)
    for trace in "ABC":
        mine = [(str(number), kind, ends) for number, (whose, kind, ends) in enumerate(steps) if whose == trace]
        sent = [number for number in world.sent if number in {each for each, *_ in mine}]
        ended = next((place for place, (_, _, ends) in enumerate(mine) if ends), len(mine))
        first = _first_notable([kind for _, kind, _ in mine])
        if first is None:
            assert sent == []
        elif first <= ended:
            assert sent == [number for number, *_ in mine]
        else:
            assert sent == [number for number, *_ in mine[first:]]
    ended_traces = {whose for whose, _, ends in steps if ends}
    assert not ended_traces & world.sampler._holding.keys()


def _first_notable(kinds: list[str]) -> int | None:
    """Which of the events of a trace is the first by which it is kept."""
    cost = 0.0
    for place, kind in enumerate(kinds):
        cost += KINDS[kind].get("$ai_total_cost_usd", 0.0)
        if kind in ("error", "slow", "feedback") or cost >= 0.5:
            return place
    return None


def test_sums_of_weights_are_counts():
    """Of many traces, some with errors, the weights add up to how many events there were, and how many of each kind."""
    many, rate, sampler = 6_000, 0.1, Sampler()
    sums: Counter[str] = Counter()
    sent = 0
    for number in range(many):
        trace = str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % 2**128))
        kinds = ["plain", "error" if number % 20 == 0 else "cheap", "quick"]
        for place, kind in enumerate(kinds):
            passed, _ = sampler.passed(an_event(trace, kind), HERE, Settings(sample_rate=rate), ends=place == 2)
            sent += len(passed)
            for event, _ in passed:
                sums[
                    next(
                        name
                        for name, given in KINDS.items()
                        if given.items() <= event.properties.items()
                        and (len({**CALLED, **given}) + 1 == len(event.properties))
                    )
                ] += event.properties["llm_sample_weight"]
    assert sums["error"] == many / 20
    assert sums["plain"] == pytest.approx(many, rel=0.1)
    assert sums["quick"] == pytest.approx(many, rel=0.1)
    assert sent < many * 3 * 0.2


CHAT = {
    "id": "chatcmpl-9", "object": "chat.completion", "created": 1, "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "slow snails"}}],
    "usage": {"prompt_tokens": 100_000, "completion_tokens": 10_000, "total_tokens": 110_000},
}  # fmt: skip
REFUSED = {"status": 400, "json": {"error": {"message": "no", "type": "invalid_request_error"}}}


@pytest.fixture
def events() -> Iterator[Events]:
    """What tracked calls of openai lead to; nothing has been counted yet."""
    llm_track.autopatch("openai")
    try:
        with pytest.MonkeyPatch.context() as patch, capture_events() as captured:
            patch.setattr(worker._worker, "tally", Tally())
            yield captured
    finally:
        llm_track.unpatch()


@pytest.fixture(scope="module")
def server() -> Iterator[CaseServer]:
    """A provider on loopback."""
    with CaseServer() as running:
        yield running


def ask_twice(server: CaseServer, *answers: Any) -> str:
    """Ask a model twice in a trace; return the id of the trace."""
    client = openai.OpenAI(api_key="canary", base_url=server.play(list(answers)).url + "/v1", max_retries=0)
    with llm_track.llm_span("shop") as span, llm_track.llm_span("inner"):
        for _ in answers:
            try:
                client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
            except openai.BadRequestError:
                pass
    return str(span.trace_id)


def weights(events: Events) -> list[tuple[str, float]]:
    return [(event.name, event.properties["llm_sample_weight"]) for event in events.settle()]


WHOLE = ["$ai_generation", "$ai_generation", "$ai_span", "$ai_trace"]


def test_a_trace_with_an_error_is_there_as_a_whole(server: CaseServer, events: Events) -> None:
    """The call before the error, the error, and the steps around them are sent although the share is nothing."""
    llm_track.configure(sample_rate=0.0)
    ask_twice(server, {"json": CHAT}, REFUSED)
    assert weights(events) == list(zip(WHOLE, [0, 1, 1, 1], strict=True))
    assert events[0].properties["$ai_output_choices"]
    ask_twice(server, {"json": CHAT}, {"json": CHAT})
    assert len(events.settle()) == 4
    assert llm_track.stats()["sampled_out"] == 4
    assert "held_back" not in llm_track.stats()


def test_what_is_held_back_is_counted_and_not_waited_for(server: CaseServer, events: Events) -> None:
    """While a trace is open its events are held back: `flush` does not wait for them, and `stats` says how many."""
    llm_track.configure(sample_rate=0.0)
    with llm_track.llm_span("outer"):
        ask_twice(server, {"json": CHAT})
        assert llm_track.flush(5.0)
        assert (events, llm_track.stats()["held_back"]) == ([], 3)
    assert llm_track.flush(5.0)
    assert (events, llm_track.stats()["sampled_out"], "held_back" in llm_track.stats()) == ([], 4, False)


def test_a_slow_trace_is_there_as_a_whole(server: CaseServer, events: Events) -> None:
    """A trace of which only the outermost step took long is sent, with its quick calls."""
    llm_track.configure(sample_rate=0.0, keep_slower_than=0.3)
    with llm_track.llm_span("outer"):
        ask_twice(server, {"json": CHAT})
        time.sleep(0.3)
    assert [weight for _, weight in weights(events)] == [0, 0, 0, 1]


@pytest.mark.parametrize("dollars", [0.5, 5.0])
def test_a_costly_trace_is_there_as_a_whole(dollars: float, server: CaseServer, events: Events) -> None:
    """The cost of a trace is the sum of its calls, by the price list where nobody says it: two of 0.35."""
    llm_track.configure(sample_rate=0.0, keep_costlier_than=dollars)
    ask_twice(server, {"json": CHAT}, {"json": CHAT})
    assert weights(events) == (list(zip(WHOLE, [0, 1, 1, 1], strict=True)) if dollars < 1 else [])


def test_feedback_keeps_its_trace(server: CaseServer, events: Events) -> None:
    """What a person says is sent at any rate, with what is still held back of the trace; a metric goes with it."""
    llm_track.configure(sample_rate=0.0)
    with llm_track.llm_span("outer") as span:
        llm_track.metric(span.trace_id, "accuracy", 1)
        llm_track.feedback(span, "good")
    with llm_track.llm_span("other") as other:
        llm_track.metric(other, "accuracy", 1)
    assert weights(events) == [("$ai_metric", 0), ("$ai_feedback", 1), ("$ai_trace", 1)]


def test_a_share_has_the_weight_of_the_rest(server: CaseServer, events: Events) -> None:
    """An event of the share has the weight 1 / rate, under any policy; without sampling there is no weight."""
    llm_track.configure(sample_rate=0.25, content="none")
    for _ in range(40):
        with llm_track.llm_span("step"):
            pass
    assert {weight for _, weight in weights(events)} == {4.0}
    llm_track.configure()
    ask_twice(server, {"json": CHAT})
    assert "llm_sample_weight" not in events.settle()[-1].properties


def test_a_program_that_ends_amid_a_trace() -> None:
    """What is held back when a program ends is decided then: an open step ends with it, and the numbers add up."""
    program = """
    import atexit, contextvars, json, llm_track
    llm_track.configure(sample_rate=0.0)
    def begin(name):
        span = llm_track.llm_span(name).__enter__()
        with llm_track.llm_span("inside"): pass
        if name == "kept":
            llm_track.feedback(span, "good")
    contextvars.Context().run(begin, "left out")
    contextvars.Context().run(begin, "kept")
    llm_track.flush()
    print(json.dumps(llm_track.stats()))
    llm_track.shutdown()
    print(json.dumps(llm_track.stats()))
    """
    with Receiver() as receiver:
        done = run(program, receiver.url)
        names = sorted(event["event"] for event in receiver.events)
    assert (done.returncode, done.stderr) == (0, "")
    assert names == ["$ai_feedback", "$ai_span", "$ai_trace"]
    before, after = map(json.loads, done.stdout.splitlines())
    assert (before["admitted"], before["held_back"]) == (2, 1)
    assert (after["admitted"], after["sampled_out"], "held_back" in after) == (3, 2, False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_holds_back_nothing_of_its_parent() -> None:
    """What a parent holds back the parent sends, and only once, whatever its child does."""
    program = """
    import llm_track, os, warnings
    warnings.simplefilter("ignore")  # Python 3.12 has a word to say on every fork beside threads
    llm_track.configure(sample_rate=0.0)
    with llm_track.llm_span("parent") as span:
        with llm_track.llm_span("before"): pass
        llm_track.flush()
        child = os.fork()
        if not child:
            assert "held_back" not in llm_track.stats()
            llm_track.feedback(span, "child")
            llm_track.flush()
            os._exit(0)
        os.waitpid(child, 0)
        llm_track.feedback(span, "parent")
    """
    with Receiver() as receiver:
        done = run(program, receiver.url)
        names = sorted(event["event"] for event in receiver.events)
    assert (done.returncode, done.stderr) == (0, "")
    assert names == ["$ai_feedback", "$ai_feedback", "$ai_span", "$ai_trace"]
