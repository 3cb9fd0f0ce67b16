"""What a program says in ``metadata`` and beside the request: who asks, which trace, which properties."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

import llm_track
from llm_track.records import Event
from llm_track.testing import Events

from .litellm_calls import FORMS, WORDS, as_json, failing, only, run
from .server import Provider

MODES = ("sync", "async")
WAYS = {
    "plain": ("completion", WORDS, {}),
    "stream": ("completion", WORDS, {"stream": True}),
    "error": ("completion", f"{WORDS}, answer 429", {"max_retries": 0}),
    "embedding": ("embedding", WORDS, {}),
    "responses": ("responses", WORDS, {}),
}
EVERY = pytest.mark.parametrize("way", WAYS)
BOTH = pytest.mark.parametrize("mode", MODES)


class Asking:
    """Calls LiteLLM in one way and mode, with metadata and other arguments."""

    def __init__(self, litellm: Any, provider: Provider, events: Events, way: str, mode: str) -> None:
        self.litellm, self.provider, self.events = litellm, provider, events
        self.form, self.words, self.more = WAYS[way]
        self.fails, self.name = way == "error", FORMS[self.form].named(mode)

    def ask(self, **more: Any) -> None:
        """Make the call."""
        given = FORMS[self.form].given(self.provider, self.words, **self.more, **more)
        (failing if self.fails else run)(self.litellm, self.name, given)

    def event(self, **more: Any) -> Event:
        """Make the call and return its event."""
        self.ask(**more)
        return only(self.events)


@pytest.fixture
def asking(litellm: Any, provider: Provider, events: Events, way: str, mode: str) -> Asking:
    return Asking(litellm, provider, events, way, mode)


@EVERY
@BOTH
def test_the_user_of_the_metadata(asking: Asking) -> None:
    """``metadata.user_id`` is the event's person, and no property."""
    event = asking.event(metadata={"user_id": "u_1"}, user="u_2")
    assert event.distinct_id == "u_1"
    assert "user_id" not in event.properties


@EVERY
@BOTH
def test_the_user_of_the_request(asking: Asking) -> None:
    """Without a user in the metadata, ``user`` is the event's person."""
    assert asking.event(user="u_2", metadata={"plan": "pro"}).distinct_id == "u_2"


@EVERY
@BOTH
def test_nobody(asking: Asking) -> None:
    """Without any user the event is nobody's."""
    assert asking.event().distinct_id is None


@EVERY
@BOTH
def test_the_user_of_the_span(asking: Asking) -> None:
    """The user of a span around the call comes before what the call itself says."""
    with llm_track.llm_span("step", user_id="u_0"):
        asking.ask(metadata={"user_id": "u_1", "plan": "pro"}, user="u_2")
    (call,) = (event for event in asking.events.settle() if event.name != "$ai_trace")
    assert call.distinct_id == "u_0"
    assert call.properties["plan"] == "pro"


@EVERY
@BOTH
def test_own_fields_are_properties(asking: Asking) -> None:
    """Every other field of the metadata is a property of that name, as it was given."""
    fields = {"plan": "pro", "seats": 3, "beta": True, "nested": {"list": [1, 2]}}
    properties = asking.event(metadata=copy.deepcopy(fields)).properties
    assert {name: properties[name] for name in fields} == fields


@EVERY
@BOTH
def test_nothing_is_overwritten(asking: Asking) -> None:
    """Metadata replaces nothing that llm_track itself says."""
    lies = {"$ai_model": "lie", "$ai_provider": "lie", "$ai_total_cost_usd": 99, "$ai_own": "lie", "llm_outcome": "lie"}
    event = asking.event(metadata=lies)
    assert event.properties["$ai_model"] == FORMS[asking.form].model
    assert '"lie"' not in as_json(event)
    assert event.properties.get("$ai_total_cost_usd") != 99


@EVERY
@BOTH
def test_the_place_in_a_trace(asking: Asking) -> None:
    """Trace, session, parent and name of the metadata are those of the event, under PostHog's names."""
    said = {"trace_id": "t-1", "session_id": "s-1", "parent_run_id": "p-1", "generation_name": "greeting"}
    event = asking.event(metadata=said)
    told = event.properties
    assert event.trace_id == told["$ai_trace_id"] == "t-1"
    assert (told["$ai_session_id"], told["$ai_parent_id"], told["$ai_span_name"]) == ("s-1", "p-1", "greeting")
    assert not set(said) & set(told)


@EVERY
@BOTH
def test_tags(asking: Asking) -> None:
    """``metadata.tags`` is the property ``tags``."""
    assert asking.event(metadata={"tags": ["winter", "slow"]}).properties["tags"] == ["winter", "slow"]


@BOTH
@pytest.mark.parametrize("way", ["plain"])
def test_tags_beside_the_metadata(asking: Asking) -> None:
    """The argument ``tags`` is the same property."""
    assert asking.event(tags=["winter"]).properties["tags"] == ["winter"]


@EVERY
@BOTH
def test_two_calls_of_one_trace(asking: Asking) -> None:
    """Calls that name the same trace are two events of one trace, and of two spans."""
    for _ in range(2):
        asking.ask(metadata={"trace_id": "t-1"})
    first, second = asking.events.settle()
    assert first.trace_id == second.trace_id == "t-1"
    assert first.uuid != second.uuid


@EVERY
@BOTH
@pytest.mark.parametrize("said", [{"metadata": {"no-log": True}}, {"no-log": True}], ids=["metadata", "argument"])
def test_no_log(asking: Asking, said: dict[str, Any]) -> None:
    """A call that is not to be logged makes its request and no event."""
    asking.ask(**said)
    assert asking.events.settle() == []
    assert asking.provider.requests


@EVERY
@BOTH
def test_no_log_that_is_off(asking: Asking) -> None:
    """``no-log`` that is false is no wish for silence, and no property either."""
    event = asking.event(metadata={"no-log": False, "plan": "pro"})
    assert "no-log" not in event.properties
    assert event.properties["plan"] == "pro"


@EVERY
@BOTH
def test_the_programs_metadata_is_its_own(asking: Asking) -> None:
    """The metadata of the program has what it has after a call without llm_track: LiteLLM adds to it, in a thread."""
    said = {"user_id": "u_1", "tags": ["winter"], "nested": {"list": [1]}}
    tracked, plain = copy.deepcopy(said), copy.deepcopy(said)
    asking.ask(metadata=tracked)
    llm_track.unpatch()
    asking.ask(metadata=plain)
    until = time.monotonic() + 5.0
    while set(tracked) != set(plain) and time.monotonic() < until:
        time.sleep(0.02)
    assert set(tracked) == set(plain)
    assert {name: tracked[name] for name in said} == said


@EVERY
@BOTH
def test_nothing_goes_to_the_provider(asking: Asking) -> None:
    """What is said for the event is not in the request: it is what it would be without llm_track."""
    said: dict[str, Any] = {"metadata": {"user_id": "u_1", "trace_id": "t-1", "plan": "pro"}, "temperature": 0.5}
    said = {name: value for name, value in said.items() if name == "metadata" or asking.form == "completion"}
    asking.ask(**copy.deepcopy(said))
    llm_track.unpatch()
    asking.ask(**copy.deepcopy(said))
    half = len(asking.provider.requests) // 2
    bodies = [request.body for request in asking.provider.requests]
    assert bodies[:half] == bodies[half:]


@BOTH
@pytest.mark.parametrize("way", ["plain"])
def test_litellms_own_additions_are_no_properties(asking: Asking) -> None:
    """What LiteLLM itself puts into metadata on the way is not told."""
    told = asking.event(metadata={"plan": "pro"}).properties
    own = ("litellm_", "user_api_key", "hidden_params", "model_info", "deployment", "attempted_", "previous_models")
    assert not [name for name in told if name.startswith(own)]


@pytest.mark.parametrize("way", ["plain"])
@BOTH
def test_feedback_goes_where_the_metadata_sent_the_call(asking: Asking) -> None:
    """Feedback on what LiteLLM returned, and a token of it, has the trace and the user that the call's metadata names,
    whether or not the event of the call was made by then."""
    llm_track.configure(feedback_secret="a secret of more than sixteen characters")
    given = FORMS[asking.form].given(asking.provider, asking.words, **asking.more)
    said = {"user_id": "u_1", "session_id": "s_1", "trace_id": "trace-1"}
    answer = run(asking.litellm, asking.name, given | {"metadata": said})
    token = llm_track.feedback_token(answer)
    assert llm_track.feedback(answer, "at once")
    asking.events.settle()
    assert llm_track.feedback(answer, "later")
    assert llm_track.feedback(llm_track.feedback_token(answer), "later, by a token")
    assert llm_track.feedback(token, "by a token")
    told = [event for event in asking.events.settle() if event.name == "$ai_feedback"]
    (call,) = (event for event in asking.events if event.name == "$ai_generation")
    assert len(told) == 4
    assert {(event.trace_id, event.distinct_id, event.properties["llm_span_id"]) for event in told} == {
        ("trace-1", "u_1", call.uuid)
    }
