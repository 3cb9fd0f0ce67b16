"""Where a call stands, found by the ids that it is known by."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import openai
import pytest
from conformance.server import CaseServer

import llm_track
from llm_track import places
from llm_track.places import Memory
from llm_track.records import Identity, ModelCall, Place, Record, Remark, Request, Response, Span
from tests.providers.calls import tracked

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


with_responses = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="this openai has no Responses")


def shared(span_id: str, trace_id: str, identity: Identity | None = None) -> dict[str, Any]:
    place = {"span_id": span_id, "trace_id": trace_id, "parent_id": None}
    return {**place, "identity": identity or Identity(), "ended_at": NOON, "latency": 1.0}


def a_call(span_id: str, answer: str | None, kind: Any = "generation", trace_id: str = "t", **more: Any) -> ModelCall:
    response = Response(id=answer) if answer is not None else None
    given = {"kind": kind, "name": "chat", "provider": "p", "request": Request(), "response": response, **more}
    return ModelCall(**shared(span_id, trace_id), **given)


def a_span(trace_id: str, identity: Identity | None = None) -> Span:
    return Span(**shared("s", trace_id, identity), name="step", kind="span")


def knowing(*records: Record) -> Memory:
    """Return what is remembered after some records."""
    memory = Memory()
    for record in records:
        memory.note(record, places.told(record))
    return memory


def found(memory: Memory, *ids: str) -> str | None:
    place = memory.answer(ids)
    return None if place is None else place.span_id


def test_an_answer_is_found_by_its_id_or_that_of_its_request() -> None:
    """The provider's id of the answer leads to the call, and so does the one of the request."""
    memory = knowing(a_call("1", "a", request_id="r"), a_call("2", None, request_id="q"))
    assert [found(memory, *ids) for ids in (["a"], ["r"], ["q"], ["?", "a"], ["?"], [])] == [
        "1",
        "1",
        "2",
        "1",
        None,
        None,
    ]


def test_a_step_that_fetches_an_answer_is_not_its_call() -> None:
    """Whoever began or fetches an answer without being its generation has it only until that is known."""
    began, call, fetched = a_call("1", "a", "endpoint"), a_call("2", "a"), a_call("3", "a", "endpoint")
    assert found(knowing(began), "a") == "1"
    assert found(knowing(began, call), "a") == "2"
    assert found(knowing(began, call, fetched), "a") == "2"


def test_an_id_of_two_calls_is_of_neither_for_good() -> None:
    """Once two calls had an id it says nothing, also when a third has it; the same call may be told twice."""
    one, other, third = a_call("1", "a"), a_call("2", "a"), a_call("3", "a")
    assert found(knowing(one, other), "a") is None
    assert found(knowing(one, other, third), "a") is None
    assert found(knowing(one, one), "a") == "1"


def test_a_trace_belongs_to_whom_its_outermost_step_names() -> None:
    """The step that ends last says who a trace belongs to; where it names no user, the one before does."""
    inner, outer = Identity(user_id="u", session_id="s"), Identity(session_id="t", no_log=True)
    assert knowing(a_span("t", inner), a_span("t", outer)).trace("t") == Place(
        trace_id="t", identity=Identity(user_id="u", session_id="t", no_log=True)
    )
    assert knowing(a_span("t", outer), a_span("t", inner)).trace("t") == Place(trace_id="t", identity=inner)
    assert knowing().trace("t") is None


def test_what_is_said_is_no_call() -> None:
    """Feedback leaves the place of its trace as it is."""
    said = Remark(**shared("9", "t", Identity(user_id="v")), kind="feedback", value="good")
    memory = knowing(a_span("t", Identity(user_id="u")), said)
    place = memory.trace("t")
    assert place is not None
    assert place.identity.user_id == "u"


def test_what_was_known_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many ids are remembered, those that came last."""
    monkeypatch.setattr(places, "_MOST", 2)
    memory = knowing(*(a_call(number, number, trace_id=number) for number in "123"))
    assert [found(memory, number) for number in "123"] == [None, "2", "3"]
    assert [memory.trace(number) is None for number in "123"] == [True, False, False]


@with_responses
def test_a_background_run_is_judged_as_its_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that a background run gave leads to its one generation, not to the request that fetched it."""
    monkeypatch.setattr(places, "memory", Memory())
    run = {"id": "resp_68a9", "object": "response", "created_at": 1, "model": "gpt-4o", "background": True,
           "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}  # fmt: skip
    done = {**run, "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
    with CaseServer() as server, tracked("openai") as events:
        url = server.play([{"json": {**run, "status": "queued"}}, {"json": done}]).url
        client = openai.OpenAI(api_key="canary", base_url=url + "/v1", max_retries=0)
        client.responses.create(model="gpt-4o", input="hi", background=True)
        answer = client.responses.retrieve("resp_68a9")
        events.settle()
        llm_track.evaluation(answer, "polite", result=True)
        llm_track.evaluation({"id": "resp_68a9"}, "polite", result=True)
        told = events.settle()
    (call,) = (event for event in told if event.name == "$ai_generation")
    judged = [event.properties["$ai_target_id"] for event in told if event.name == "$ai_evaluation"]
    assert judged == [call.uuid, call.uuid]
