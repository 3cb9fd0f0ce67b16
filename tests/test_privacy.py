"""What leaves under a content policy: a canary is planted in traffic of every format, and looked for in the event.

The same is tried through the real SDKs by the conformance suite, `providers/test_rows.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from formats.wire import NAMES, wire
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import llm_track
from llm_track import policies, processors, properties, sizing
from llm_track.config import Settings
from llm_track.errors import ConfigurationError
from llm_track.formats import generate_content, responses
from llm_track.policies import ALL, FULL, METADATA, NOTHING, narrower, policy
from llm_track.records import Event, Failure, Identity, ModelCall, Policy, Request, Span
from llm_track.redaction import redactors
from llm_track.testing import Events, capture_events

CANARY = "a canary of bob@example.com"
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
PLACE: dict[str, Any] = {"span_id": "s-1", "trace_id": "t-1", "parent_id": None, "ended_at": NOON, "latency": 1.0}
law = settings(
    max_examples=int(os.environ.get("LLM_TRACK_LAW_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
every_format = pytest.mark.parametrize("name", NAMES)
Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where texts stand in a JSON value, and where a mapping could have one more."""
    if isinstance(value, dict):
        yield (*path, "something new")
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, str):
        yield path


def planted(value: Any, path: Path, as_key: bool = False) -> Any:
    """The value with a canary at a place: for the text there, or as a key beside it."""
    first, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[first] = planted(value[first], tuple(rest), as_key)
    elif as_key and isinstance(copy, dict):
        copy[CANARY] = copy.pop(first, 1)
    else:
        copy[first] = CANARY
    return copy


def sent(allowed: Policy, record: Any, **chosen: Any) -> Event:
    """What leaves of a record under a policy."""
    event = processors.run(processors.built_in(Settings(content=allowed, **chosen)), properties.event(record))
    assert event is not None
    return sizing.fit(event)


def a_call(**fields: Any) -> ModelCall:
    shared = {**PLACE, "identity": Identity(), "kind": "generation", "name": "chat", "provider": "openai"}
    return ModelCall(**{**shared, "request": Request(model="m"), **fields})


def read(name: str, body: Any, answer: Any) -> ModelCall:
    """A call as it is read by a format."""
    known = wire(name).format
    return a_call(request=known.request(body), response=known.response(answer), input_state=body)


def holds(event: Event) -> bool:
    return CANARY in json.dumps(event.properties) or CANARY in repr(event.exception)


@every_format
@law
@given(data=st.data())
def test_without_content_no_text_leaves_from_anywhere(name: str, data: st.DataObject) -> None:
    """Wherever a text of a request or an answer stands, under policies without content it is not in the event."""
    body, answer = data.draw(wire(name).source.requests), data.draw(wire(name).source.bodies)
    spots = [(0, path) for path in places(body)] + [(1, path) for path in places(answer)]
    which, path = data.draw(st.sampled_from(spots))
    as_key = data.draw(st.booleans())
    if which == 0:
        body = planted(body, path, as_key)
    else:
        answer = planted(answer, path, as_key)
    record = read(name, body, answer)
    for allowed in (METADATA, NOTHING):
        assert not holds(sent(allowed, record))


@every_format
@law
@given(data=st.data())
def test_a_field_that_may_not_leave_does_not(name: str, data: st.DataObject) -> None:
    """What is asked does not leave without ``inputs``, what is answered not without ``outputs``, tools not without
    ``tools``, whatever else may leave."""
    body, answer = data.draw(wire(name).source.requests), data.draw(wire(name).source.bodies)
    field, part = data.draw(st.sampled_from([("inputs", body), ("outputs", answer), ("tools", body)]))
    spots = [path for path in places(part) if field == "outputs" or (path[0] in _TOOLS) is (field == "tools")]
    if field == "outputs":  # an error that is said instead of an answer is another field
        spots = [path for path in spots if not _ERROR & set(map(str, path)) and _ERROR.isdisjoint(answer)]
    assume(spots)
    path = data.draw(st.sampled_from(spots))
    if field == "outputs":
        answer = planted(answer, path)
    else:
        body = planted(body, path)
    assert not holds(sent(FULL - {field}, read(name, body, answer)))


@every_format
@law
@given(data=st.data())
def test_what_is_redacted_does_not_leave(name: str, data: st.DataObject) -> None:
    """Wherever an address stands in a request or an answer, redacted it is not in the event, though all may leave."""
    body, answer = data.draw(wire(name).source.requests), data.draw(wire(name).source.bodies)
    which = data.draw(st.booleans())
    path = data.draw(st.sampled_from(list(places(body if which else answer))))
    if which:
        body = planted(body, path, data.draw(st.booleans()))
    else:
        answer = planted(answer, path, data.draw(st.booleans()))
    told = sent(FULL, read(name, body, answer), redact=redactors(["emails"]))
    assert "bob@example" not in json.dumps(told.properties)


_TOOLS = ("functions", "tools", "toolConfig")
_ERROR = {"error", "errors", "message", "detail", "error_message", "failed_reason", "finish_message"}


@pytest.mark.parametrize(
    "allowed", [FULL - {"errors"}, FULL - {"tracebacks"}, METADATA, NOTHING, frozenset({"errors"})]
)
def test_texts_of_errors_and_their_traces(allowed: Policy) -> None:
    """The text of an error leaves only with ``errors``; its trace and the exception only if all they quote may."""
    error = ValueError(CANARY)
    failure = Failure(message=CANARY, type="ValueError", code=CANARY, stack_trace=f"ask({CANARY!r})", exception=error)
    for record in (
        a_call(failure=failure, outcome="failed"),
        Span(**PLACE, identity=Identity(), name="step", kind="tool", failure=failure, outcome="failed"),
    ):
        told = sent(allowed, record)
        assert (CANARY in str(told.properties.get("$ai_error"))) is ("errors" in allowed)
        assert told.properties["$ai_is_error"] is True
        assert told.exception is None
        assert "llm_stack_trace" not in told.properties
        assert sent(FULL, record).exception is error


def test_what_a_program_says_of_itself() -> None:
    """Names and metadata leave with ``metadata`` only; who asked, and the place in the trace, are no content."""
    who = Identity(user_id="u-1", session_id="s 9", groups={"company": "acme"}, metadata={"note": CANARY, CANARY: 1})
    span = Span(**PLACE, identity=who, name=CANARY, kind="agent")
    told = sent(METADATA, span)
    assert (told.properties["note"], told.properties["$ai_span_name"], told.properties[CANARY]) == (CANARY, CANARY, 1)
    told = sent(FULL - {"metadata"}, span)
    assert not holds(told)
    assert not holds(sent(NOTHING, replace(span, identity=replace(who, metadata={CANARY: None}))))
    told = sent(NOTHING, replace(span, name="checkout"))
    assert not holds(told)
    assert told.properties["$ai_span_name"] == "checkout"
    assert (told.distinct_id, dict(told.groups)) == ("u-1", {"company": "acme"})
    assert told.properties["$ai_session_id"] == "s-9"


@pytest.mark.parametrize("kind", ["tool", "span"])
def test_what_a_tool_is_given_is_of_the_tool(kind: Any) -> None:
    """Without ``tools`` a step that is a tool keeps what went in and came out; another step does not."""
    span = Span(**PLACE, identity=Identity(), name="step", kind=kind, input={"q": CANARY}, output=[CANARY])
    assert holds(sent(FULL - {"tools"}, span)) is (kind == "span")


TOOL_SHAPES: list[Any] = [
    {"role": "assistant", "content": None, "tool_calls": [
        {"type": "function", "id": "c", "function": {"name": "f", "arguments": CANARY}}
    ]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"q": CANARY}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": CANARY}]},
    {"role": "tool", "tool_call_id": "c", "content": CANARY},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": CANARY},
    {"type": "function_call_output", "call_id": "c", "output": CANARY},
    {"type": "mcp_call", "id": "c", "name": "f", "arguments": CANARY, "output": CANARY, "server_label": CANARY},
    {"type": "web_search_call", "id": "c", "action": {"query": CANARY}},
    {"role": "assistant", "content": [{"type": "function", "function": {"name": CANARY, "arguments": {}}}]},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": CANARY}},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"q": CANARY}}}]},
]  # fmt: skip


@pytest.mark.parametrize("message", TOOL_SHAPES)
def test_tools_in_messages(message: Any) -> None:
    """Without ``tools`` a call of a tool keeps its name and its ids, and the words around it stay."""
    words = {"role": "user", "content": "how do snails live"}
    record = a_call(request=Request(model="m", input=[words, message], tools=[{"name": "f", "description": CANARY}]))
    told = sent(FULL - {"tools"}, record)
    assert not holds(told)
    assert told.properties["$ai_input"][0] == words
    assert ('"f"' in json.dumps(told.properties)) is ('"f"' in json.dumps(message))


UNDRAWN: list[tuple[Any, Any, Any]] = [
    *(
        (responses, {"input": [item]}, {"output": [item]})
        for item in (
            {"type": "mcp_approval_request", "id": "a", "name": "f", "arguments": CANARY, "server_label": "s"},
            {"type": "mcp_approval_response", "approve": False, "reason": CANARY},
            {"type": "mcp_list_tools", "tools": [{"name": "f", "description": CANARY}]},
            {"type": "local_shell_call", "call_id": "c", "action": {"command": [CANARY]}},
            {"type": "apply_patch_call", "call_id": "c", "operation": {"diff": CANARY}},
            {"type": "program", "code": CANARY},
            {"type": "program_output", "output": CANARY},
        )
    ),
    *(
        (generate_content, {"contents": [{"parts": parts}]}, {"candidates": [{"content": {"parts": parts}}]})
        for part in (
            {"executableCode": {"language": "PYTHON", "code": CANARY}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": CANARY}},
            {"toolCall": {"args": {"q": CANARY}}},
            {"toolResponse": {"response": CANARY}},
        )
        for parts in ([part], [{"text": "words"}, part])
    ),
]


@pytest.mark.parametrize(("read_by", "body", "answer"), UNDRAWN)
def test_tools_that_posthog_cannot_draw(read_by: Any, body: Any, answer: Any) -> None:
    """A call or a result of a tool that is JSON in a message does not leave without ``tools``; other JSON does."""
    record = a_call(request=read_by.request(body), response=read_by.response(answer))
    assert holds(sent(FULL, record))
    assert not holds(sent(FULL - {"tools"}, record))
    words = json.dumps({"type": "snail", "says": CANARY})
    spoken = a_call(request=Request(input=[{"role": "user", "content": words}]))
    assert sent(FULL - {"tools"}, spoken).properties["$ai_input"] == [{"role": "user", "content": words}]


def test_tools_that_an_endpoint_is_told_of() -> None:
    """The body of an endpoint that is no model call, one that counts tokens say, describes tools, too."""
    tools = [{"name": "f", "description": CANARY, "input_schema": {}}]
    record = a_call(kind="endpoint", input_state={"messages": [{"role": "user", "content": "hi"}], "tools": tools})
    told = sent(FULL - {"tools"}, record)
    assert not holds(told)
    assert told.properties["$ai_input_state"]["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("m%2Fgpt%3A1/invoke", True),
        ("a%20canary%20of%20bob", False),
        ("bob%40example.com", False),
        ("caf%C3%A9", False),
    ],
)
def test_words_in_addresses(path: str, leaves: bool) -> None:
    """An address is no content, but one whose path holds words is, however it writes the blanks between them."""
    url = f"https://api.example.com/v1/{path}"
    for allowed in (METADATA, NOTHING):
        assert (sent(allowed, a_call(request_url=url)).properties.get("$ai_request_url") == url) is leaves


def test_media_leave_on_request_only() -> None:
    """With ``media`` a picture leaves as it is, unless the event is too long: then there is a mark, never a part."""
    for size, allowed, leaves in ((900, ALL, True), (900, FULL, False), (1_000_000, ALL, False)):
        data = "iVBORw0KGgo" + "A" * size
        part = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        told = sent(allowed, a_call(request=Request(model="m", input=[{"role": "user", "content": [part]}])))
        (block,) = told.properties["$ai_input"][0]["content"]
        assert (block["source"]["data"] == data) is leaves
        assert block["source"]["data"].startswith("[base64 image/png ") is not leaves


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("full", FULL),
        (True, FULL),
        ("metadata", METADATA),
        (False, METADATA),
        ("none", NOTHING),
        (["inputs", "outputs"], {"inputs", "outputs"}),
        (" inputs ,media", {"inputs", "media"}),
        (("full", "media"), ALL),
        ({"errors"}, {"errors"}),
    ],
)
def test_what_a_setting_means(given: Any, meant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy is named, or is the fields that may leave; the environment says it in the same words."""
    assert policy(given) == meant
    if isinstance(given, str):
        monkeypatch.setenv("LLM_TRACK_CONTENT", given)
        assert llm_track.config.settings().content == meant
    llm_track.configure(content=given)
    assert llm_track.config.settings().content == meant


some_policies = st.none() | st.frozensets(st.sampled_from(sorted(ALL)))


@given(some_policies, some_policies)
def test_two_policies_leave_what_both_allow(one: Policy | None, other: Policy | None) -> None:
    """Whatever is combined, nothing is allowed that one of the two forbids."""
    both = narrower(one, other)
    assert both == narrower(other, one)
    for field in ALL:
        assert policies.may_leave(field, both) is policies.may_leave(field, one, other)


@pytest.fixture
def events() -> Iterator[Events]:
    with capture_events() as captured:
        yield captured


@llm_track.track_llm(name="step")
def step(words: str) -> str:
    return words


def leaves(events: Events) -> list[bool]:
    """Of each step in turn, whether its words left."""
    found = [event for event in events.settle() if event.properties.get("$ai_span_name") == "step"]
    events.clear()
    return [CANARY in json.dumps(event.properties) for event in found]


def test_a_span_narrows_what_is_inside(events: Events) -> None:
    """``content`` of a span holds for everything inside, can hold back more there, and never lets more out."""
    with llm_track.llm_span("a", content="metadata"):
        step(CANARY)
        with llm_track.llm_span("b", content="full"):
            step(CANARY)
    with llm_track.llm_span("c", content=("outputs", "metadata")):
        step(CANARY)
    llm_track.track_llm(name="step", content=False)(lambda words: words)(CANARY)
    step(CANARY)
    assert leaves(events) == [False, False, True, False, True]
    llm_track.configure(content="metadata")
    with llm_track.llm_span("d", content="full"):
        step(CANARY)
    assert leaves(events) == [False]


def test_a_policy_of_a_span_that_nobody_understands(events: Events, caplog: pytest.LogCaptureFixture) -> None:
    """What was meant to be held back nobody knows: nothing leaves, one log line says why, and the program runs on."""
    with llm_track.llm_span("a", content="ouputs"):
        step(CANARY)
    assert leaves(events) == [False]
    assert "Did you mean 'outputs'" in caplog.text


class Unusable:
    """What a program gives by mistake, and what raises as soon as it is looked at."""

    __hash__ = None  # type: ignore[assignment]  # it has none, as a list has not

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("==")

    __str__ = __repr__ = __iter__


class UnusableMapping(dict[str, Any]):
    """The same as a mapping."""

    def get(self, *_: Any) -> Any:
        raise RuntimeError("get")


@pytest.mark.parametrize("argument", ["user_id", "session_id", "groups", "metadata", "flags", "prompt", "no_log"])
@pytest.mark.parametrize(
    "given", [Unusable, lambda: UnusableMapping(a=1), lambda: {1}], ids=["object", "mapping", "set"]
)
def test_a_policy_holds_whatever_else_a_span_is_given(argument: str, given: Any, events: Events) -> None:
    """An argument that cannot be used keeps neither the policy beside it from holding nor the event from being sent."""
    with llm_track.llm_span("around", content="metadata", **{argument: given()}):
        step(CANARY)
    assert leaves(events) == ([] if argument == "no_log" else [False])


@pytest.mark.parametrize("given", [Unusable, lambda: [["inputs"]], lambda: [Unusable()], lambda: 3.5])
def test_a_policy_that_cannot_be_read(given: Any, events: Events) -> None:
    """A policy of any wrong type lets nothing leave; in the settings it is an error that says what is possible."""
    with llm_track.llm_span("a", content=given()):
        step(CANARY)
    assert leaves(events) == [False]
    with pytest.raises(ConfigurationError, match="some of inputs"):
        policy(given())


def test_consent(events: Events) -> None:
    """From `set_content` on no content leaves in this context, nor of the steps around; ``True`` takes it back."""
    try:
        with llm_track.llm_span("step") as outer, llm_track.llm_span("step"):
            outer.set(input=CANARY)
            step(CANARY)
            llm_track.set_content(False)
            step(CANARY)
            with llm_track.llm_span("inside", content="full"):
                step(CANARY)
            llm_track.set_content(True)
            step(CANARY)
        step(CANARY)
    finally:
        llm_track.set_content(None)
    assert leaves(events) == [True, False, False, True, False, False, True]
    with pytest.raises(ConfigurationError, match="no field"):
        llm_track.set_content("some")


def test_consent_goes_with_tasks_and_pools(events: Events) -> None:
    """What a task starts, and what it gives to a thread pool, holds back content as the task does; others do not."""

    async def answer(agrees: bool, pool: ThreadPoolExecutor) -> None:
        llm_track.set_content(agrees)
        await asyncio.sleep(0)
        step(CANARY)
        await asyncio.create_task(asyncio.to_thread(step, CANARY))
        await asyncio.wrap_future(pool.submit(step, CANARY))

    async def both() -> None:
        with ThreadPoolExecutor(1) as pool:
            await answer(False, pool)
            await asyncio.gather(answer(False, pool), *(answer(True, pool) for _ in range(3)))

    llm_track.autopatch("openai")
    try:
        asyncio.run(both())
    finally:
        llm_track.unpatch()
    assert sorted(leaves(events)) == [False] * 6 + [True] * 9


def test_errors_of_a_call_that_may_not_tell_them(events: Events) -> None:
    """The text of an error that a step may not tell is not told by the steps around it, which it passes."""

    @llm_track.track_llm(name="step", content=("inputs", "metadata"))
    def failing() -> None:
        raise ValueError(CANARY)

    with pytest.raises(ValueError, match="canary"), llm_track.llm_span("step"):
        failing()
    assert leaves(events) == [False, False]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup came with Python 3.11")
def test_errors_of_tasks_that_may_not_tell_them(events: Events) -> None:
    """A group of tasks raises the errors of its tasks together: a step around it does not tell theirs."""

    @llm_track.track_llm(name="step", content=("inputs", "metadata"))
    async def failing() -> None:
        raise ValueError(CANARY)

    async def both() -> None:
        with llm_track.llm_span("step"):
            async with asyncio.TaskGroup() as group:
                group.create_task(failing())

    with pytest.raises(Exception, match="unhandled errors in a TaskGroup"):
        asyncio.run(both())
    assert leaves(events) == [False, False]
