"""How a call ended, and why."""

from __future__ import annotations

import asyncio
import builtins
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from llm_track import _guard
from llm_track.failures import ending, failure_of, hold_back, said_by
from llm_track.formats import chat_completions
from llm_track.policies import FULL, METADATA
from llm_track.records import Identity, Response
from llm_track.wire import Answer


class CustomError(Exception):
    """An exception of an SDK."""


def a_call(**given: Any) -> Any:
    """Return as much of a call as failures look at."""
    reading = SimpleNamespace(format=given.pop("format", None), secrets=given.pop("secrets", None))
    provider = SimpleNamespace(failure=given.pop("failure", lambda error: {}))
    shared = {
        "error": None,
        "outcome": "completed",
        "answer": None,
        "pulled": None,
        "reading": reading,
        "provider": provider,
        "attempts": [],
    }
    return SimpleNamespace(**shared | given)


def an_answer(kind: str, *, ended: bool = False) -> Answer:
    return Answer(status=200, headers={"content-type": kind}, url="https://h", ended=ended)


STREAM, BODY = an_answer("text/event-stream"), an_answer("application/json", ended=True)
UNREAD = an_answer("application/json")
DONE, CUT = Response(), Response(complete=False)
TOLD = Response(error="overloaded", error_type="overloaded_error")


@pytest.mark.parametrize(
    ("call", "response", "outcome", "failure"),
    [
        ({}, None, "completed", None),
        ({"answer": BODY}, DONE, "completed", None),
        ({"answer": STREAM}, DONE, "completed", None),
        ({"answer": STREAM, "outcome": "closed_early"}, DONE, "completed", None),
        ({"answer": STREAM, "outcome": "closed_early"}, CUT, "closed_early", None),
        ({"answer": STREAM, "outcome": "never_read"}, CUT, "never_read", None),
        ({"answer": STREAM, "outcome": "closed_early"}, None, "closed_early", None),
        ({"answer": STREAM}, CUT, "broken", "IncompleteStream"),
        ({"answer": BODY}, CUT, "completed", None),
        ({"answer": BODY}, None, "completed", None),
        ({"answer": BODY, "format": chat_completions}, None, "broken", "UnreadableAnswer"),
        ({"answer": UNREAD, "format": chat_completions, "outcome": "never_read"}, None, "never_read", None),
        ({"error": ValueError("x"), "answer": BODY}, None, "failed", "ValueError"),
        ({"error": ValueError("x"), "answer": UNREAD}, None, "broken", "ValueError"),
        ({"answer": BODY}, TOLD, "failed", "overloaded_error"),
        ({"answer": STREAM}, TOLD, "failed", "overloaded_error"),
        ({"answer": BODY}, Response(error="odd"), "failed", "error"),
        ({"outcome": "cancelled"}, None, "cancelled", "Cancelled"),
        ({"error": ValueError("x")}, None, "failed", "ValueError"),
        ({"error": ValueError("x"), "answer": STREAM}, CUT, "broken", "ValueError"),
        ({"error": ValueError("x"), "answer": STREAM}, None, "broken", "ValueError"),
        ({"error": ValueError("x"), "answer": STREAM}, TOLD, "failed", "ValueError"),
        ({"error": KeyboardInterrupt()}, None, "cancelled", "KeyboardInterrupt"),
        ({"error": asyncio.CancelledError(), "answer": STREAM}, CUT, "cancelled", "CancelledError"),
        ({"error": GeneratorExit(), "answer": STREAM}, TOLD, "cancelled", "GeneratorExit"),
    ],
)
def test_how_a_call_ended(call, response, outcome, failure):
    """What the program saw, corrected by what the answer says of itself, is one of the six endings."""
    ended, why = ending(a_call(**call), response, {})
    assert ended == outcome
    assert (why.type if why is not None else None) == failure


def test_a_failure_tells_text_class_code_and_trace():
    """An exception is described by its own words, its class, the provider's code and where it was raised."""
    try:
        raise KeyError("missing")
    except KeyError as error:
        failure = failure_of(error, {"code": 429})
    assert (failure.message, failure.type, failure.code) == ("'missing'", "KeyError", "429")
    assert failure.stack_trace is not None
    assert 'raise KeyError("missing")' in failure.stack_trace
    assert isinstance(failure.exception, KeyError)


def test_an_exception_without_words_is_named():
    """An exception whose text is empty has its class as its text; without a code there is none."""
    failure = failure_of(ValueError())
    assert (failure.message, failure.code) == ("ValueError", None)


def test_the_error_of_an_answer_keeps_its_type_as_code():
    """An error inside a successful HTTP answer keeps the provider's word for it."""
    _, failure = ending(a_call(answer=BODY), TOLD, {})
    assert failure is not None
    assert (failure.message, failure.type, failure.code) == ("overloaded", "overloaded_error", "overloaded_error")


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_printed_is_described_nevertheless():
    """A failing `__str__` of the program's own exception costs its text, not the event."""
    failure = failure_of(UnspeakableError())
    _guard.raised_in_background.clear()
    assert (failure.message, failure.type) == ("UnspeakableError", "UnspeakableError")
    assert failure.stack_trace is not None


def test_what_the_sdk_says_of_a_failure():
    """Only what the SDK's exception does tell is passed on; a call without an exception says nothing."""
    assert said_by(a_call(error=ValueError(), failure=lambda error: {"code": None, "http_status": 429})) == {
        "http_status": 429
    }
    assert said_by(a_call()) == {}


def test_an_exception_that_cannot_be_read_says_nothing():
    """A fault while reading an exception costs what it says, not the event."""

    def failing(error):
        raise RuntimeError("property not set")

    assert said_by(a_call(error=ValueError(), failure=failing)) == {}
    assert [str(error) for error in _guard.raised_in_background] == ["property not set"]
    _guard.raised_in_background.clear()


def test_credentials_of_attempts_and_of_the_environment_are_masked(monkeypatch):
    """A key that an attempt carried, or that stands in the environment, is masked where an error quotes it."""
    monkeypatch.setenv("SNAIL_API_KEY", "of-the-environment-1")
    attempt = a_call(secrets=lambda: ["of-the-attempt-1"])
    text = "refused: of-the-environment-1 and of-the-attempt-1"
    _, raised = ending(a_call(error=ValueError(text), attempts=[attempt]), None, {})
    _, answered = ending(a_call(answer=BODY, attempts=[attempt]), Response(error=text), {})
    assert raised.message == answered.message == "refused: [secret] and [secret]"
    assert raised.exception is None


@dataclass
class UnhashableError(Exception):
    """As mistralai 1's are: equal by their fields, so without a hash."""

    message: str

    def __str__(self) -> str:
        return self.message


@pytest.mark.parametrize("kind", [CustomError, UnhashableError, TimeoutError])
def test_a_silenced_error_tells_no_more_than_its_class(kind):
    """The error of a call whose content must not leave says nothing in the steps around it, nor in what it causes; an
    exception of Python's own is known by its words."""
    error = kind("what was asked")
    hold_back(error, Identity(content=METADATA))
    caused = ValueError("because of it")
    caused.__cause__ = error
    for each in (error, caused, *([kind("what was asked")] if kind is TimeoutError else [])):
        failure = failure_of(each)
        assert (failure.message, failure.stack_trace, failure.exception) == (type(each).__name__, None, None)
    assert failure_of(kind("another")).message == "another"


@pytest.mark.parametrize("kind", [CustomError, TimeoutError])
def test_a_silenced_error_stays_so_when_its_words_are_changed(kind):
    """Programs add to the words of an exception on its way through them: none of these words leaves either."""
    error = kind("what was asked")
    try:
        try:
            raise error
        except kind:
            hold_back(error, Identity(content=METADATA))
            error.args = ("while doing this: what was asked",)
            raise
    except kind:
        assert failure_of(error).message == kind.__name__
    with pytest.raises(kind) as raised:
        raise kind("another")
    assert failure_of(raised.value).message == "another"


@pytest.mark.parametrize("owner", [Identity(no_log=True), Identity(content=METADATA)])
def test_a_group_tells_nothing_of_a_silenced_error(owner):
    """What prints a group of errors prints all of them: of a group with a silenced one in it, or in what one of them
    came from, no text leaves."""
    error, other = CustomError("what was asked"), CustomError("another")
    hold_back(error, owner)
    other.__context__ = error
    for inside in (error, other):
        failure = failure_of(Group("1 sub-exception", [Group("1 sub-exception", [inside])]))
        assert (failure.message, failure.stack_trace, failure.exception) == (Group.__name__, None, None)
    assert failure_of(Group("2 sub-exceptions", [CustomError("yet another")])).message.startswith("2 sub-exceptions")


class GroupError(Exception):
    """As the package ``exceptiongroup`` has it for Python 3.10."""

    def __init__(self, message: str, exceptions: list[Exception]) -> None:
        super().__init__(message)
        self.exceptions = tuple(exceptions)


Group: Any = getattr(builtins, "ExceptionGroup", GroupError)


@pytest.mark.parametrize("kind", [CustomError, UnhashableError, TimeoutError])
@pytest.mark.parametrize("field", ["inputs", "outputs", "tracebacks"])
def test_a_trace_that_may_not_leave_is_not_told_by_others(kind, field):
    """Where a call may tell the text of its error but not all that a stack trace shows, the steps around it do not show
    that trace either, nor send the exception."""
    error = kind(f"of {field}")
    hold_back(error, Identity(content=FULL - {field}))
    caused = ValueError("because of it")
    caused.__cause__ = error
    for each in (error, caused):
        failure = failure_of(each)
        assert (failure.message, failure.stack_trace, failure.exception) == (str(each), None, None)
    assert failure_of(kind("another")).stack_trace is not None


def test_a_status_that_is_an_error():
    """Where the SDK raises only after it has given the response, the status says that the call failed;
    of a long text no part of a credential is left."""
    body = b'{"message": "too much for of-the-call-1"}'
    answer = Answer(status=429, headers={}, url="https://h", content=body, ended=True)
    refused = a_call(answer=answer, secrets=lambda: ["of-the-call-1"])
    outcome, failure = ending(refused, Response(), {})
    assert (outcome, failure.type) == ("failed", "HTTP 429")
    assert failure.message == '{"message": "too much for [secret]"}'
    long = Answer(status=500, headers={}, url="https://h", content=b" " * 9_995 + b"of-the-call-1", ended=True)
    _, failure = ending(a_call(answer=long, secrets=lambda: ["of-the-call-1"]), Response(), {})
    assert (failure.message.strip(), len(failure.message)) == ("[secr", 10_000)
