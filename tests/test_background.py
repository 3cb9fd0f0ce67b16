"""Background runs: one generation in all, however often they are fetched."""

from __future__ import annotations

import uuid

import pytest

from llm_track import background
from llm_track.background import Runs, span_id
from llm_track.records import Identity, Response

BODY = {"model": "o3", "input": "long task"}


def a_response(name: str | None = "resp_1", *, pending: bool = False, background: bool = True) -> Response:
    return Response(id=name, background=background, pending=pending)


def test_the_first_fetch_of_a_finished_run_is_the_generation():
    """The first fetch that finds a run done gets what was asked and when; every later one gets nothing."""
    runs = Runs()
    runs.accepted(a_response(pending=True), BODY, 5.0, Identity())
    run = runs.fetched(a_response())
    assert run is not None
    assert (run.body, run.started) == (BODY, 5.0)
    assert runs.fetched(a_response()) is None


@pytest.mark.parametrize(
    "response",
    [a_response(pending=True), a_response(background=False), a_response(None)],
    ids=["not done", "not in the background", "without an id"],
)
def test_what_is_no_finished_run_is_no_generation(response):
    """A poll, an ordinary answer and an answer without an id are not counted, and do not use up the run."""
    runs = Runs()
    runs.accepted(a_response(None, pending=True), BODY, 5.0, Identity())
    assert runs.fetched(response) is None
    assert runs.fetched(a_response()) is not None


def test_a_run_that_another_process_asked_for():
    """A finished run that this process never accepted is a generation too, without its request."""
    run = Runs().fetched(a_response())
    assert run is not None
    assert (run.body, run.started) == (None, None)


def test_runs_are_told_apart():
    """Each run is counted once, whatever becomes of the others."""
    runs = Runs()
    assert all(runs.fetched(a_response(f"resp_{number}")) for number in range(5))
    assert not any(runs.fetched(a_response(f"resp_{number}")) for number in range(5))


def test_only_so_many_runs_are_remembered(monkeypatch):
    """A program that never ends forgets the oldest runs, and not one that it used lately."""
    monkeypatch.setattr(background, "_REMEMBERED", 3)
    runs = Runs()
    for name in ("a", "b", "c"):
        runs.accepted(a_response(name, pending=True), {"model": name}, 0.0, Identity())
    runs.accepted(a_response("a", pending=True), {"model": "a"}, 0.0, Identity())
    runs.accepted(a_response("d", pending=True), {"model": "d"}, 0.0, Identity())
    asked = {name: run.body for name in ("a", "c", "d") if (run := runs.fetched(a_response(name)))}
    assert asked == {"a": {"model": "a"}, "c": {"model": "c"}, "d": {"model": "d"}}
    forgotten = runs.fetched(a_response("b"))
    assert forgotten is not None
    assert forgotten.body is None


def test_the_id_is_the_same_wherever_a_run_is_fetched():
    """Two processes derive the same uuid from a provider's id, and other runs and providers have others."""
    ids = [span_id("openai", a_response()), span_id("openai", a_response("resp_2")), span_id("azure", a_response())]
    assert len(set(ids)) == 3
    assert span_id("openai", a_response(pending=True)) == ids[0]
    assert [str(uuid.UUID(each)) for each in ids] == ids


def test_an_answer_that_does_not_say_where_it_runs():
    """Fetched unfinished, or known as accepted, it is a background run; any other was told by who asked for it."""
    runs = Runs()
    assert not runs.is_run(a_response("done", background=None))
    assert runs.is_run(a_response("seen", pending=True, background=None))
    assert runs.is_run(a_response("seen", background=None))
    runs.accepted(a_response("asked", pending=True, background=True), BODY, 5.0, Identity())
    assert runs.is_run(a_response("asked", background=None))
    assert runs.is_run(a_response(None, pending=True, background=None))
    assert not runs.is_run(a_response(None, background=None))
