"""What is said of a call afterwards, through real SDKs: one event each, beside the call that it is said of."""

from __future__ import annotations

import asyncio
import copy
import gc
import importlib
import json
import weakref
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from conformance.events import envelope
from conformance.server import CaseServer
from test_properties import violations  # noqa: F401  a fixture

import llm_track
from llm_track import ConfigurationError, _guard, answers, places, properties, sealing, worker
from llm_track.testing import Events
from tests.providers.calls import tracked

SECRET = "a secret of more than sixteen characters"
CHAT = {
    "id": "chatcmpl-9", "object": "chat.completion", "created": 1, "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "slow snails"}}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}  # fmt: skip
MESSAGE = {
    "id": "msg_9", "type": "message", "role": "assistant", "model": "snail-1", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "slow snails"}], "usage": {"input_tokens": 11, "output_tokens": 7},
}  # fmt: skip
MESSAGE_EVENTS = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "slow snails"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]
ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "how do snails live"}]}


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is known yet, and nothing has been logged."""
    monkeypatch.setattr(places, "memory", places.Memory())
    monkeypatch.setattr(_guard, "_said", set())
    monkeypatch.setattr(worker._worker, "tally", type(worker._worker.tally)())


@pytest.fixture
def events() -> Iterator[Events]:
    """What tracked calls of openai and anthropic lead to."""
    with tracked("openai", "anthropic") as captured:
        yield captured


@pytest.fixture(scope="module")
def server() -> Iterator[CaseServer]:
    """A provider on loopback."""
    with CaseServer() as running:
        yield running


@pytest.fixture
def client(server: CaseServer) -> openai.OpenAI:
    """A client whose calls are answered."""
    run = server.play([{"json": CHAT, "headers": {"x-request-id": "req_9"}}])
    return openai.OpenAI(api_key="canary", base_url=run.url + "/v1", max_retries=0)


def ask(client: Any) -> Any:
    return client.chat.completions.create(**ASKED)


def split(events: Events) -> tuple[Any, list[Any]]:
    """Return the call and what is said of it."""
    told = events.settle()
    calls = [event for event in told if event.name == "$ai_generation"]
    assert len(calls) == 1
    return calls[0], [event for event in told if event.name in ("$ai_feedback", "$ai_metric", "$ai_evaluation")]


def only(events: Events) -> Any:
    """Return the one event of what is said."""
    _, (said,) = split(events)
    return said


def test_feedback_stands_beside_its_call(client: Any, events: Events, violations: Any) -> None:  # noqa: F811
    """Feedback has the trace, the user, the session, the groups and the id of its call, and is valid for PostHog."""
    with llm_track.llm_span("shop", user_id="u_1", session_id="s_1", groups={"company": "acme"}, metadata={"plan": 1}):
        answer = ask(client)
    assert llm_track.feedback(answer, "it was wrong", metadata={"stars": 1, "$ai_model": "x"})
    call, (said,) = split(events)
    assert (said.name, said.trace_id, said.distinct_id) == ("$ai_feedback", call.trace_id, "u_1")
    assert said.groups == {"company": "acme"}
    told = said.properties
    assert told == {
        "$ai_lib": "llm_track", "$ai_lib_version": properties.version(), "$ai_trace_id": call.trace_id,
        "$ai_session_id": "s_1", "$ai_feedback_text": "it was wrong", "llm_span_id": call.uuid, "stars": 1,
    }  # fmt: skip
    assert violations(said) == []
    assert envelope(said)["timestamp"] >= envelope(call)["timestamp"]


@pytest.mark.parametrize(
    ("given", "sent"), [(0.9, 0.9), ("good", "good"), (True, True), (0, "0"), (False, "false"), (Decimal("0.5"), 0.5)]
)
def test_a_metric_has_its_name_and_value(given: Any, sent: Any, client: Any, events: Events, violations: Any) -> None:  # noqa: F811
    """A metric is a number, a flag or a text; what PostHog would not show is a text."""
    assert llm_track.metric(ask(client), "accuracy", given)
    said = only(events)
    assert (said.name, said.properties["$ai_metric_name"]) == ("$ai_metric", "accuracy")
    assert (said.properties["$ai_metric_value"], type(said.properties["$ai_metric_value"])) == (sent, type(sent))
    assert violations(said) == []


@pytest.mark.parametrize(
    ("result", "score", "kind"), [(True, 0.75, "binary"), (False, None, "binary"), ("rude", None, "categorical"),
                                  (3, None, "numeric"), (None, 0.5, "numeric")]
)  # fmt: skip
def test_an_evaluation_names_the_generation(
    result: Any, score: Any, kind: str, client: Any, events: Events, violations: Any  # noqa: F811
) -> None:  # fmt: skip
    """The verdict on a call has the id of its generation; the one on a span that of the trace."""
    answer = ask(client)
    assert llm_track.evaluation(answer, "polite", result=result, score=score, reasoning="because", model="judge-1")
    call, (said,) = split(events)
    told = said.properties
    assert (said.name, told["$ai_target_id"], told["$ai_target_type"]) == (
        "$ai_evaluation",
        call.uuid,
        "generation_uuid",
    )
    assert (told["$ai_evaluation_name"], told["$ai_evaluation_result"], told.get("$ai_score")) == (
        "polite",
        result,
        score,
    )
    assert (told["$ai_evaluation_reasoning"], told["$ai_evaluation_model"]) == ("because", "judge-1")
    assert told["$ai_result_type"] == kind
    assert "$ai_span_id" not in told
    assert violations(said) == []


def test_an_evaluation_of_a_span_is_of_its_trace(events: Events) -> None:
    """What is judged of a span counts for the trace, as PostHog knows only generations and traces."""
    with llm_track.llm_span("shop") as span:
        assert llm_track.evaluation(span, "done", result=True)
    said = next(event for event in events.settle() if event.name == "$ai_evaluation")
    assert (said.properties["$ai_target_type"], said.properties["$ai_target_id"]) == ("trace_id", span.trace_id)
    assert said.properties["llm_span_id"] == span.id


def test_a_span_is_a_target_while_it_is_open_and_after(events: Events) -> None:
    """Feedback on an open span and on one that has ended goes under its trace and user."""
    with llm_track.llm_span("outer", user_id="u"), llm_track.llm_span("inner") as span:
        assert llm_track.feedback(span, "open")
    events.settle()
    assert llm_track.feedback(span, "ended")
    told = [event for event in events.settle() if event.name == "$ai_feedback"]
    assert [event.properties["$ai_feedback_text"] for event in told] == ["open", "ended"]
    assert {(event.trace_id, event.distinct_id, event.properties["llm_span_id"]) for event in told} == {
        (span.trace_id, "u", span.id)
    }


def test_a_trace_id_is_a_target(client: Any, events: Events) -> None:
    """The id of a trace leads to the user of the trace, in it, after it, and elsewhere without one."""
    with llm_track.llm_span("shop", user_id="u") as span:
        trace_id = llm_track.current_trace_id()
        ask(client)
        assert llm_track.feedback(trace_id, "inside")
    assert llm_track.feedback(trace_id, "at once")
    events.settle()
    assert llm_track.feedback(trace_id, "later")
    assert llm_track.feedback("trace-of-elsewhere", "elsewhere", user_id="v")
    _, told = split(events)
    assert [(event.trace_id, event.distinct_id) for event in told] == [(span.trace_id, "u")] * 3 + [
        ("trace-of-elsewhere", "v")
    ]
    assert all("llm_span_id" not in event.properties for event in told)


def test_an_anonymous_call_has_anonymous_feedback(client: Any, events: Events) -> None:
    """Where nobody said who asked, feedback has no user either, and so is sent under the trace, as the call is."""
    assert llm_track.feedback(ask(client), "good")
    call, (said,) = split(events)
    assert (call.distinct_id, said.distinct_id) == (None, None)
    assert envelope(call)["distinct_id"] == envelope(said)["distinct_id"]


def test_the_user_of_posthogs_own_context(client: Any, events: Events) -> None:
    """A call that PostHog attributes to the user of its own context has its feedback attributed to that user."""
    contexts = importlib.import_module("posthog.contexts")
    with contexts.new_context():
        contexts.identify_context("u_9")
        answer = ask(client)
    token_first = places.of(answers.call_of(answer)).identity.user_id
    assert llm_track.feedback(answer, "good")
    assert (only(events).distinct_id, token_first) == ("u_9", "u_9")


def test_streams_and_helpers_are_targets(server: CaseServer, events: Events) -> None:
    """A stream, the helper around one, and the message that it puts together all lead to the call."""
    run = server.play([{"events": MESSAGE_EVENTS, "named": True}])
    asking = anthropic.Anthropic(api_key="canary", base_url=run.url, max_retries=0)
    asked: dict[str, Any] = {"max_tokens": 9, "messages": ASKED["messages"], "model": "snail-1"}
    with asking.messages.stream(**asked) as stream:
        assert llm_track.feedback(stream, "unread")
        assert stream.get_final_text() == "slow snails"
        final = stream.get_final_message()
    assert llm_track.feedback(stream, "read")
    assert llm_track.feedback(final, "final")
    call, told = split(events)
    assert [event.properties["$ai_feedback_text"] for event in told] == ["unread", "read", "final"]
    assert {event.properties["llm_span_id"] for event in told} == {call.uuid}


def test_an_asynchronous_call(server: CaseServer, events: Events) -> None:
    """What an asynchronous client returned is a target."""
    run = server.play([{"json": MESSAGE}])

    async def judge() -> None:
        async with anthropic.AsyncAnthropic(api_key="canary", base_url=run.url) as asking:
            asked: dict[str, Any] = {"max_tokens": 9, "messages": ASKED["messages"], "model": "snail-1"}
            assert llm_track.feedback(await asking.messages.create(**asked), "good")

    asyncio.run(judge())
    call, (said,) = split(events)
    assert said.properties["llm_span_id"] == call.uuid


def test_raw_responses_parsed_ones_copies_and_dicts(client: Any, events: Events) -> None:
    """A raw response, what it parses to, a copy and the answer as a dict lead to the call, by reference or by id."""
    raw = client.chat.completions.with_raw_response.create(**ASKED)
    parsed = raw.parse()
    for number, target in enumerate([raw, parsed, copy.deepcopy(parsed), parsed.model_dump(), json.loads(raw.text)]):
        assert llm_track.feedback(target, str(number))
    call, told = split(events)
    assert [event.properties["llm_span_id"] for event in told] == [call.uuid] * 5


def test_an_id_that_two_calls_had_is_of_neither(client: Any, events: Events, caplog: Any) -> None:
    """Small servers give the same id again: a copy of such an answer is no target; that is counted, and said once."""
    first, second = ask(client), ask(client)
    llm_track.feedback(first, "first")
    llm_track.feedback(copy.deepcopy(second), "a copy")
    llm_track.feedback({"id": "unheard of"}, "unknown")
    told = events.settle()
    said = [event for event in told if event.name == "$ai_feedback"]
    assert [event.properties["llm_span_id"] for event in said] == [told[0].uuid]
    assert llm_track.stats()["dropped_unknown_target"] == 2
    assert caplog.text.count("an id that no call of this process had") == 1


def test_an_answer_is_not_kept_and_not_changed(client: Any, events: Events) -> None:
    """Nothing is set on an answer, and it goes when the program lets go of it, with its note."""
    gc.collect()
    before = len(answers._notes)
    answer = ask(client)
    llm_track.unpatch()
    assert vars(answer).keys() == vars(ask(client)).keys()
    gc.collect()
    alive = weakref.ref(answer)
    assert len(answers._notes) == before + 1
    events.settle()
    del answer
    gc.collect()
    assert (alive(), len(answers._notes)) == (None, before)


def test_an_answer_that_is_kept_keeps_nothing_of_its_call(client: Any, events: Events) -> None:
    """While a program holds an answer, the request and the HTTP answer are let go as ever."""
    answer = ask(client)
    events.settle()
    call = answers.call_of(answer)
    assert call is not None
    assert (call.answer, call.result, call.context, dict(call.reading.body), call.reading.content) == (
        None,
        None,
        None,
        {},
        None,
    )


def test_silence_covers_what_is_said(client: Any, events: Events) -> None:
    """There is no feedback on a call with ``no_log``, and none from inside a block with it."""
    with llm_track.llm_span("secret", no_log=True) as span:
        silent = ask(client)
    token = None
    llm_track.configure(feedback_secret=SECRET)
    token = llm_track.feedback_token(silent)
    for target in (silent, span, span.trace_id, token):
        llm_track.feedback(target, "good")
    with llm_track.llm_span("open") as loud, llm_track.llm_span("secret", no_log=True):
        llm_track.feedback(loud, "good")
    assert [event.name for event in events.settle()] == ["$ai_trace"]


@pytest.mark.parametrize("where", ["settings", "span of the call", "context of the feedback", "token"])
def test_words_leave_as_the_policy_says(where: str, client: Any, events: Events, violations: Any) -> None:  # noqa: F811
    """Words about an answer may quote it: without content there is a mark, and numbers stay."""
    llm_track.configure(content="metadata" if where == "settings" else "full", feedback_secret=SECRET)
    with llm_track.llm_span("shop", content="metadata" if where in ("span of the call", "token") else None):
        target = ask(client)
    if where == "token":
        target = llm_track.feedback_token(target)
    with llm_track.llm_span("judge", content="metadata" if where == "context of the feedback" else None):
        assert llm_track.feedback(target, "my name is Bob", metadata={"stars": 1})
        assert llm_track.metric(target, "accuracy", 0.5)
        assert llm_track.evaluation(target, "polite", result=True, reasoning="it said my name Bob")
    told = [event for event in events.settle() if event.name in ("$ai_feedback", "$ai_metric", "$ai_evaluation")]
    assert "Bob" not in json.dumps([event.properties for event in told])
    feedback, metric, evaluation = (event.properties for event in told)
    assert (feedback["$ai_feedback_text"], feedback["stars"]) == ("[withheld]", 1)
    assert (metric["$ai_metric_name"], metric["$ai_metric_value"]) == ("accuracy", 0.5)
    assert (evaluation["$ai_evaluation_result"], evaluation["$ai_evaluation_reasoning"]) == (True, "[withheld]")
    assert [violations(event) for event in told] == [[], [], []]


@pytest.mark.parametrize("allowed", [("outputs", "metadata"), ("inputs", "metadata")])
def test_feedback_needs_inputs_and_outputs(allowed: Any, client: Any, events: Events) -> None:
    """What a person says may quote question and answer, so either of them withheld withholds it."""
    llm_track.configure(content=allowed)
    llm_track.feedback(ask(client), "my name is Bob")
    assert only(events).properties["$ai_feedback_text"] == "[withheld]"


def test_personal_data_is_redacted(client: Any, events: Events) -> None:
    """The redactors see feedback, reasoning, names and values as any other text."""
    llm_track.configure(redact="emails")
    answer = ask(client)
    llm_track.feedback(answer, "write to bob@example.com")
    llm_track.metric(answer, "of bob@example.com", "by bob@example.com today")
    llm_track.evaluation(answer, "polite", result="to bob@example.com", reasoning="he is bob@example.com")
    _, told = split(events)
    assert "bob@" not in json.dumps([event.properties for event in told])
    assert told[0].properties["$ai_feedback_text"] == "write to [email]"


BAD = [
    lambda answer: llm_track.feedback(None, "good"),
    lambda answer: llm_track.feedback(7, "good"),
    lambda answer: llm_track.feedback([], "good"),
    lambda answer: llm_track.feedback(object(), "good"),
    lambda answer: llm_track.feedback(llm_track.llm_span("never opened"), "good"),
    lambda answer: llm_track.feedback("not an id", "good"),
    lambda answer: llm_track.feedback("x" * 201, "good"),
    lambda answer: llm_track.feedback("", "good"),
    lambda answer: llm_track.feedback(answer, ""),
    lambda answer: llm_track.feedback(answer, " \n"),
    lambda answer: llm_track.feedback(answer, None),
    lambda answer: llm_track.feedback(answer, 5),
    lambda answer: llm_track.metric(answer, "", 1),
    lambda answer: llm_track.metric(answer, None, 1),
    lambda answer: llm_track.metric(answer, "m", float("nan")),
    lambda answer: llm_track.metric(answer, "m", float("inf")),
    lambda answer: llm_track.metric(answer, "m", 10**400),
    lambda answer: llm_track.metric(answer, "m", [1]),
    lambda answer: llm_track.metric(answer, "m", b"1"),
    lambda answer: llm_track.metric(answer, "m", None),
    lambda answer: llm_track.metric(answer, "m", ""),
    lambda answer: llm_track.evaluation(answer, "e"),
    lambda answer: llm_track.evaluation(answer, "", result=True),
    lambda answer: llm_track.evaluation(answer, "e", result=True, score="high"),
    lambda answer: llm_track.evaluation(answer, "e", result=True, score=float("nan")),
    lambda answer: llm_track.evaluation(answer, "e", result=[], score=1.0),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_cannot_be_sent_is_refused(number: int, client: Any, events: Events, caplog: Any) -> None:
    """A bad target or value raises nothing, sends nothing, is False, and is one log line that says what is possible."""
    answer = ask(client)
    assert BAD[number](answer) is False
    assert BAD[number](answer) is False
    assert len(events.settle()) == 1
    (line,) = [record.getMessage() for record in caplog.records if record.name == "llm_track"]
    assert "must be" in line or "A target is an llm_span" in line


def test_nothing_is_sent_where_llm_track_is_off(client: Any, events: Events, caplog: Any) -> None:
    """With ``enabled=False`` nothing is taken and nothing is said of it."""
    llm_track.configure(enabled=False)
    answer = ask(client)
    assert not llm_track.feedback(answer, "good")
    assert not llm_track.metric(answer, "m", 1)
    assert not llm_track.evaluation(answer, "e", result=True)
    assert llm_track.feedback_token(answer) is None
    assert events.settle() == []
    assert caplog.text == ""


def test_a_token_leads_to_the_call_elsewhere(client: Any, events: Events) -> None:
    """Whoever has the secret takes a token without having seen the call: same trace, user, session, groups and id."""
    llm_track.configure(feedback_secret=SECRET)
    with llm_track.llm_span("shop", user_id="u_1", session_id="s_1", groups={"company": "acme"}):
        token = llm_track.feedback_token(ask(client))
    call, _ = split(events)
    places.memory = places.Memory()
    assert token is not None
    assert llm_track.feedback(token, "good")
    assert llm_track.feedback(token, "good")
    assert llm_track.feedback(token, "bad")
    _, (said, again, other) = split(events)
    assert (said.trace_id, said.distinct_id, said.groups) == (call.trace_id, "u_1", {"company": "acme"})
    assert (said.properties["$ai_session_id"], said.properties["llm_span_id"]) == ("s_1", call.uuid)
    assert said.uuid == again.uuid
    assert said.uuid != other.uuid


def test_a_token_of_each_kind_of_target(client: Any, events: Events) -> None:
    """Spans, answers, traces and tokens themselves have tokens; what is no target has none."""
    llm_track.configure(feedback_secret=SECRET)
    with llm_track.llm_span("shop", user_id="u") as span:
        answer = ask(client)
        inside = llm_track.feedback_token(span.trace_id)
    events.settle()
    tokens = [inside, *map(llm_track.feedback_token, (span, answer, span.trace_id, copy.deepcopy(answer)))]
    tokens.append(llm_track.feedback_token(tokens[1]))
    found = [sealing.unseal(str(token), SECRET, now=0)[0] for token in tokens]
    assert {(place.trace_id, place.identity.user_id) for place in found} == {(span.trace_id, "u")}
    assert llm_track.feedback_token(object()) is None
    assert llm_track.feedback_token("of-elsewhere") is None


@pytest.mark.parametrize("change", ["first", "middle", "last", "longer", "other secret", "expired", "no secret"])
def test_a_changed_or_expired_token_is_refused(
    change: str, client: Any, events: Events, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was changed anywhere, of another secret, or out of time is no event, and one log line says so."""
    llm_track.configure(feedback_secret=SECRET)
    token = str(llm_track.feedback_token(ask(client), expires_in=60))
    assert llm_track.feedback(token, "in time")
    other = {"first": "x" + token[1:], "middle": token[:30] + ("A" if token[30] != "A" else "B") + token[31:]}
    other |= {"last": token[:-1] + ("A" if token[-1] != "A" else "B"), "longer": token + "A"}
    if change == "other secret":
        llm_track.configure(feedback_secret=SECRET + "!")
    elif change == "no secret":
        llm_track.configure()
    elif change == "expired":
        real = sealing.unseal
        monkeypatch.setattr(sealing, "unseal", lambda token, secret, now: real(token, secret, now=now + 61))
    caplog.clear()
    llm_track.feedback(other.get(change, token), "too late")
    assert only(events).properties["$ai_feedback_text"] == "in time"
    assert len([record for record in caplog.records if record.name == "llm_track"]) == 1


def test_where_tokens_are_taken_a_text_names_no_other_trace(client: Any, events: Events) -> None:
    """With a secret, a text from outside that is no token is the id of a trace of this process, or refused."""
    llm_track.configure(feedback_secret=SECRET)
    with llm_track.llm_span("shop") as span:
        ask(client)
    llm_track.feedback(span.trace_id, "own")
    llm_track.feedback("00000000-0000-4000-8000-000000000000", "foreign")
    assert only(events).properties["$ai_feedback_text"] == "own"
    assert llm_track.stats()["dropped_unknown_target"] == 1


def test_a_token_needs_a_secret(client: Any, events: Events) -> None:
    """Without a secret no token is made, and the error says what to set; a short one is an error of ``configure``."""
    with pytest.raises(ConfigurationError, match="LLM_TRACK_FEEDBACK_SECRET"):
        llm_track.feedback_token(ask(client))
    with pytest.raises(ConfigurationError, match="at least 16"):
        llm_track.configure(feedback_secret="short")
    llm_track.configure(feedback_secret=SECRET)
    assert SECRET not in repr(llm_track.config.settings())
    for wrong in (0, -1, float("nan"), "soon", 1e12):
        with pytest.raises(ConfigurationError, match="seconds above 0"):
            llm_track.feedback_token(ask(client), expires_in=wrong)  # type: ignore[arg-type]  # the test
    assert {event.name for event in events.settle()} == {"$ai_generation"}


def test_a_full_queue_is_no_admission(client: Any, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """What found no room in the queue was not taken."""
    answer = ask(client)
    events.settle()
    monkeypatch.setattr(worker, "LONGEST_QUEUE", 0)
    assert llm_track.feedback(answer, "good") is False
    assert llm_track.stats()["dropped_queue_full"] == 1
