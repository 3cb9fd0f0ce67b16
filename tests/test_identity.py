"""Whose an event is: what spans say, posthog's own contexts, feature flags and prompts."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import UserDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import posthog
import pytest
from posthog import contexts, identify_context, new_context, set_context_session, tag
from posthog.ai.prompts import PromptResult, Prompts

import llm_track
from llm_track import llm_span, track_llm
from llm_track.testing import capture_events
from tests.sinks.receiver import Receiver


@pytest.fixture
def events() -> Iterator[Any]:
    with capture_events() as captured:
        yield captured


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_a_step_belongs_to_whom_posthogs_context_names(events):
    """In a scope of posthog's an event has its user, its session, for the replay too, and its tags."""
    with new_context(fresh=True):
        identify_context("u_1")
        set_context_session("s_1")
        tag("plan", "pro")
        with llm_span("step"):
            pass
    (event,) = events.settle()
    told = event.properties
    assert event.distinct_id == "u_1"
    assert (told["$session_id"], told["$ai_session_id"], told["plan"]) == ("s_1", "s_1", "pro")


def test_who_asks_is_known_when_it_is_asked(events):
    """A scope that names another user at once after a step does not change whose the step was."""
    with new_context(fresh=True):
        for number in range(200):
            identify_context(f"u_{number}")
            set_context_session(f"s_{number}")
            with llm_span(f"{number}"):
                pass
    told = {event.properties["$ai_span_name"]: event for event in events.settle()}
    for number in range(200):
        assert told[f"{number}"].distinct_id == f"u_{number}"
        assert told[f"{number}"].properties["$session_id"] == f"s_{number}"


def test_who_asked_first_counts(events):
    """A step that began as one user's stays that user's, whoever the scope names before it ends; where nobody was known
    when it began, whom the scope names by its end."""
    with new_context(fresh=True):
        with llm_span("unknown at first"):
            identify_context("u_1")
        with llm_span("known at first"):
            identify_context("u_2")
            tag("late", True)
    unknown, known = events.settle()
    assert (unknown.distinct_id, known.distinct_id) == ("u_1", "u_1")
    assert known.properties["late"] is True


def test_a_scope_that_has_ended_still_says_whose_a_step_was(events):
    """A step that outlives posthog's scope, as a stream does that a server reads after the view, keeps its user."""
    span = llm_span("step")
    with new_context(fresh=True):
        identify_context("u_1")
        span.__enter__()
    span.__exit__(None, None, None)
    assert [event.distinct_id for event in events.settle()] == ["u_1"]


def test_spans_say_it_before_posthog(events):
    """What spans name counts before what posthog's scope names: user, session, metadata; a replay is the browser's."""
    with new_context(fresh=True):
        identify_context("of the scope")
        set_context_session("of-the-scope")
        tag("plan", "of the scope")
        with llm_span("outer", user_id="u_1", session_id="s_1", metadata={"plan": "of the span"}), llm_span("inner"):
            pass
    for event in events.settle():
        told = event.properties
        assert event.distinct_id == "u_1"
        assert (told["$session_id"], told["$ai_session_id"], told["plan"]) == ("of-the-scope", "s_1", "of the span")


def test_tags_are_metadata(receiver):
    """Tags of posthog's scopes leave as the policy says of metadata, redacted and without credentials, also where the
    client would add them by itself; who asked and in which session always leaves."""
    for number, settings in enumerate(({"content": "none"}, {"redact": ["emails"]})):
        llm_track.configure(api_key="phc_test", host=receiver.url, **settings)
        with new_context(fresh=True):
            identify_context("u_1")
            set_context_session("s_1")
            tag("$current_url", "https://h/?of=bob@example.com")
            tag("api_key", "sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6")
            tag("$ai_model", "no model")
            with llm_span("step"):
                pass
        assert llm_track.flush()
        event = receiver.events[number]
        assert (event["distinct_id"], event["properties"]["$session_id"]) == ("u_1", "s_1")
        assert "bob@example.com" not in str(event)
        assert "sk-proj" not in str(event)
        assert event["properties"].get("$ai_model") is None
        assert ("$current_url" in event["properties"]) is (number == 1)


VALUE = ("the value", " of a variable")
"""In two parts, for the source around an exception is sent, too."""


def test_what_posthogs_context_says_of_variables_still_holds(receiver):
    """Only in a scope whose variables are to be sent with exceptions are they sent with the exception of a step."""
    client = posthog.Posthog("phc_test", host=receiver.url)
    llm_track.configure(client=client, exceptions=True)

    def fail() -> None:
        canary = "".join(VALUE)
        with llm_span("step"):
            raise ValueError(len(canary))

    for sends in (False, True):
        with new_context(fresh=True, capture_exceptions=False):
            contexts.set_capture_exception_code_variables_context(sends)
            tag("kept", "tag")
            set_context_session("s_1")
            with pytest.raises(ValueError, match="23"):
                fail()
        assert llm_track.flush()
        client.flush()
        (exception,) = [event for event in receiver.events if event["event"] == "$exception"]
        assert ("".join(VALUE) in str(exception["properties"]["$exception_list"])) is sends
        assert exception["properties"]["$session_id"] == "s_1"
        receiver.events.clear()
    client.shutdown()


@pytest.mark.parametrize(
    ("chosen", "content", "leaves"),
    [
        ({}, None, True),
        ({"redact": "emails"}, None, False),
        ({"content": ["inputs", "outputs", "errors", "tracebacks"]}, None, False),
        ({}, ["inputs", "outputs", "errors", "tracebacks", "metadata"], False),
        ({"content": "full"}, "full", True),
    ],
)
def test_variables_leave_where_all_content_may(receiver, chosen, content, leaves):
    """Nothing looks through the variables that the client sends with an exception, if it is told to: they are not sent
    where some content may not leave, or is to be redacted."""
    client = posthog.Posthog("phc_test", host=receiver.url, capture_exception_code_variables=True)
    llm_track.configure(client=client, exceptions=True, **chosen)

    def fail() -> None:
        canary = "".join(VALUE)
        with llm_span("step", content=content):
            raise ValueError(len(canary))

    with pytest.raises(ValueError, match="23"):
        fail()
    assert llm_track.flush()
    client.flush()
    (exception,) = [event for event in receiver.events if event["event"] == "$exception"]
    assert ("".join(VALUE) in str(exception)) is leaves
    client.shutdown()


def test_a_posthog_that_keeps_its_scopes_elsewhere(events, monkeypatch):
    """Should posthog keep its scopes in another way, its public functions still say whose a step is."""
    inside = SimpleNamespace(
        get_context_distinct_id=lambda: "u_1", get_context_session_id=lambda: None, get_tags=lambda: {"plan": "pro"}
    )
    monkeypatch.setitem(sys.modules, "posthog.contexts", inside)
    with llm_span("step"):
        pass
    monkeypatch.undo()
    (event,) = events.settle()
    assert (event.distinct_id, event.properties["plan"]) == ("u_1", "pro")


FLAGS = {
    "flags": {
        "new-prompt": {"key": "new-prompt", "enabled": True, "variant": "b", "metadata": {"id": 1, "version": 1}},
        "off": {"key": "off", "enabled": False, "variant": None, "metadata": {"id": 2, "version": 1}},
    },
    "errorsWhileComputingFlags": False,
    "requestId": "r",
}


@pytest.mark.parametrize("content", ["full", "none"])
def test_a_snapshot_of_flags_is_on_every_event_inside(receiver, content):
    """What the client evaluated is stamped on the span, on what is inside and on nothing else, and no flag counts as
    called for it."""
    receiver.answers["/flags/"] = FLAGS
    client = posthog.Posthog("phc_test", host=receiver.url)
    llm_track.configure(client=client, content=content)
    flags = client.evaluate_flags("u_1")
    with llm_span("outer", user_id="u_1", flags=flags), llm_span("inner"):
        pass
    with llm_span("outside"):
        pass
    assert llm_track.flush()
    client.flush()
    assert [event["event"] for event in receiver.events] == ["$ai_span", "$ai_trace", "$ai_trace"]
    for event, stamped in zip(receiver.events, (True, True, False), strict=True):
        told = event["properties"]
        assert (told.get("$feature/new-prompt"), told.get("$feature/off")) == (
            ("b", False) if stamped else (None, None)
        )
        assert told.get("$active_feature_flags") == (["new-prompt"] if stamped else None)
    client.shutdown()


@pytest.mark.parametrize("content", ["full", "none"])
def test_flags_as_a_dict(events, content):
    """Flags that something else evaluated are a dict; the nearest span that names flags counts."""
    llm_track.configure(content=content)
    with llm_span("outer", flags={"model": "large"}), llm_span("inner", flags={"model": "small", "fast": True}):
        pass
    inner, outer = events.settle()
    assert (inner.properties["$feature/model"], inner.properties["$feature/fast"]) == ("small", True)
    assert outer.properties["$feature/model"] == "large"
    assert "$feature/fast" not in outer.properties


@pytest.mark.parametrize("flags", [MagicMock(), SimpleNamespace(get_flag=print, only=print)])
def test_what_stands_in_for_a_snapshot_of_flags_costs_no_event(receiver, flags):
    """The client can make no properties of what a test has for a snapshot: the event goes without."""
    client = posthog.Posthog("phc_test", host=receiver.url)
    llm_track.configure(client=client)
    with llm_span("outer", flags=flags):
        pass
    assert llm_track.flush()
    client.flush()
    (event,) = receiver.events
    assert not [name for name in event["properties"] if name.startswith("$feature")]
    client.shutdown()


@pytest.mark.parametrize("flags", [UserDict(model="large"), MappingProxyType({"model": "large"})])
def test_flags_in_any_mapping(events, flags):
    """Flags with their values are a mapping of any type."""
    with llm_span("outer", flags=flags):
        pass
    assert events.settle()[0].properties["$feature/model"] == "large"


@pytest.mark.parametrize("lane", [False, True])
def test_many_flags_leave_room_for_what_is_asked(receiver, lane):
    """The client drops an event that is too long without a word: where a snapshot has thousands of flags, so much
    less is left of what a step was given."""
    receiver.answers["/flags/"] = {
        **FLAGS,
        "flags": {
            (name := f"experiment-{number}"): {**FLAGS["flags"]["new-prompt"], "key": name} for number in range(2000)
        },
    }
    client = posthog.Posthog("phc_test", host=receiver.url)
    llm_track.configure(client=client, ai_lane="on" if lane else "off")
    with llm_span("outer", user_id="u", flags=client.evaluate_flags("u")) as span:
        span.set(input="snail " * (1_500_000 if lane else 150_000))
    assert llm_track.flush()
    client.flush()
    (event,) = receiver.events
    assert event["properties"]["$feature/experiment-1999"] == "b"
    assert "characters cut" in event["properties"]["$ai_input_state"]
    client.shutdown()


def prompts_of(receiver: Receiver) -> Any:
    receiver.answers["/api/environments/@current/llm_prompts/name/greeting/"] = {
        "name": "greeting",
        "version": 7,
        "prompt": "Greet {{who}}",
    }
    fetched = Prompts(personal_api_key="phx_test", project_api_key="phc_test", host=receiver.url)
    return fetched.get("greeting", with_metadata=True)


def generate(**given: Any) -> None:
    @track_llm(kind="generation", model="m", provider="p", **given)
    def ask() -> dict[str, Any]:
        return {}

    ask()


@pytest.mark.parametrize(
    ("make", "name", "version"),
    [
        (prompts_of, "greeting", 7),
        (lambda receiver: PromptResult(source="code_fallback", prompt="Hi"), None, None),
        (lambda receiver: "greeting", "greeting", None),
        (lambda receiver: ("greeting", "2026-11"), "greeting", "2026-11"),
        (lambda receiver: {"name": "greeting", "version": 3}, "greeting", 3),
        (lambda receiver: ("greeting", 1.5), "greeting", None),
    ],
)
def test_the_prompt_is_on_the_generations(receiver, events, make, name, version):
    """Name and version of a prompt of PostHog, or given as they are, stand on the generations inside, and nowhere else;
    a prompt that stands in the program has no name."""
    prompt = make(receiver)
    with llm_span("step", prompt=prompt):
        generate()
    generate(prompt=prompt)
    inside, step, own = events.settle()
    for event in (inside, own):
        assert (event.properties.get("$ai_prompt_name"), event.properties.get("$ai_prompt_version")) == (name, version)
    assert "$ai_prompt_name" not in step.properties


@pytest.mark.parametrize(("policy", "leaves"), [("full", True), ("metadata", True), ("none", False)])
def test_the_name_of_a_prompt_is_a_name(events, policy, leaves):
    """Where no names of the program's may leave, that of a prompt does not; its number does."""
    llm_track.configure(content=policy)
    with llm_span("step", prompt=("how to greet", 7)):
        generate()
    told = events.settle()[0].properties
    assert (told.get("$ai_prompt_name"), told["$ai_prompt_version"]) == ("how to greet" if leaves else None, 7)


@pytest.mark.parametrize("given", [{"flags": 7}, {"flags": ["a"]}, {"prompt": 7}, {"prompt": ("", 1)}, {"prompt": {}}])
def test_what_is_neither_flags_nor_a_prompt_is_left_out(events, caplog, given):
    """A value that cannot be used is said once, and costs no event."""
    with llm_span("step", **given):
        generate()
    assert len(events.settle()) == 2
    (said,) = [record.getMessage() for record in caplog.records if "ignores" in record.getMessage()]
    assert "give " in said


def work(user: str, *, by_scope: bool) -> None:
    if by_scope:
        with new_context(fresh=True):
            identify_context(user)
            tag("of", user)
            with llm_span(user), llm_span(user):
                pass
        return
    with llm_span(user, user_id=user, metadata={"of": user}), llm_span(user):
        pass


async def awork(user: str, *, by_scope: bool) -> None:
    if by_scope:
        with new_context(fresh=True):
            identify_context(user)
            await asyncio.sleep(0)
            tag("of", user)
            async with llm_span(user):
                await asyncio.sleep(0)
                async with llm_span(user):
                    await asyncio.sleep(0)
        return
    async with llm_span(user, user_id=user, metadata={"of": user}):
        await asyncio.sleep(0)
        async with llm_span(user):
            await asyncio.sleep(0)


@pytest.mark.parametrize("_", range(int(os.environ.get("LLM_TRACK_TEST_ROUNDS", "1"))))
def test_a_thousand_tasks_and_threads_are_not_mixed_up(_, events):
    """Of a thousand tasks and a thousand threads that run at a time, each event belongs to its own user, by spans and
    by posthog's scopes alike.  In CI 17 rounds make 102,000 spans."""

    async def all_at_once() -> None:
        await asyncio.gather(*(awork(f"task {number}", by_scope=number % 2 == 0) for number in range(1_000)))

    threads = [
        threading.Thread(target=work, args=(f"thread {number}",), kwargs={"by_scope": number % 2 == 0})
        for number in range(1_000)
    ]
    for thread in threads:
        thread.start()
    asyncio.run(all_at_once())
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda number: work(f"pool {number}", by_scope=number % 2 == 0), range(1_000)))
    told = events.settle()
    assert len(told) == 6_000
    mixed = [event for event in told if event.distinct_id != event.properties["$ai_span_name"]]
    assert mixed == []
    assert all(event.properties["of"] == event.distinct_id for event in told)
