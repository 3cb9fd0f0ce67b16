"""What several saw of one call: what is kept of it, and what is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from llm_track import sightings, telemetry
from llm_track.context import NOBODY
from llm_track.records import ModelCall, Place, Request, Response
from llm_track.telemetry import Seen

HERE, THERE = Place(trace_id="here"), Place(trace_id="there")


@pytest.fixture
def told(monkeypatch):
    """What was told in a process that sends spans of others."""
    monkeypatch.setattr(telemetry, "is_used", True)
    return sightings.Sightings()


def call(answer, began, ended):
    """Return a call with the id of its answer and its times in seconds."""
    return ModelCall(
        kind="generation", name="chat", provider="p", span_id="s", trace_id="t", parent_id=None, identity=NOBODY,
        request=Request(), response=Response(id=answer), latency=ended - began,
        ended_at=datetime.fromtimestamp(ended, timezone.utc),
    )  # fmt: skip


def span_of(source):
    """Return a span of a tracer."""
    return SimpleNamespace(seen=Seen("s", "t", source, None, None, lambda: "call"))


@pytest.mark.parametrize(
    ("answer", "source", "began", "ended", "is_same"),
    [
        ("a", "other", 12, 18, True),
        ("a", "other", 5, 10, True),
        ("a", "other", 20, 25, True),
        ("a", "one", 12, 18, False),
        ("b", "other", 12, 18, False),
        (None, "other", 12, 18, False),
        ("a", "other", 0, 9, False),
        ("a", "other", 21, 25, False),
    ],
)
def test_one_call_is_one_answer_at_one_time_seen_by_two(told, answer, source, began, ended, is_same):
    """The same id, told by another tracer, of the same time: then it is one call, and else another."""
    assert told.before(call("a", 10, 20), span_of("one"), HERE) is None
    assert told.before(call(answer, began, ended), span_of(source), THERE) is (HERE if is_same else None)
    assert told.before(call("a", 10, 20), span_of("one"), THERE) is None


def test_a_step_that_fetches_an_answer_is_told_and_stands_for_what_others_tell_of_it(told):
    """Fetching again is a step of its own, whoever told of the answer, and a span of it is that step."""
    fetched = replace(call("a", 10, 20), kind="endpoint")
    assert told.before(call("a", 10, 20), span_of("one"), HERE) is None
    assert told.before(fetched, span_of("other"), THERE) is None
    assert told.before(call("a", 10, 20), span_of("one"), HERE) == THERE


def test_of_all_that_was_told_the_last_is_remembered(told, monkeypatch):
    """What is kept of earlier calls is bounded, by ids and for one id."""
    monkeypatch.setattr(sightings, "_MOST_KEYS", 2)
    monkeypatch.setattr(sightings, "_MOST_ALIKE", 3)
    for answer in ("a", "a", "a", "a", "b", "a", "c"):
        assert told.before(call(answer, 10, 20), span_of("one"), HERE) is None
    assert {key: len(found) for key, found in told._told.items()} == {"a": 3, "c": 1}


def test_where_nobody_else_tells_nothing_is_kept(told, monkeypatch):
    """Without spans of others there is nothing to compare."""
    monkeypatch.setattr(telemetry, "is_used", False)
    assert told.before(call("a", 10, 20), span_of("one"), HERE) is None
    assert not told._told
