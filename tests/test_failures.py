"""How a call ended, and why."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from llm_track import _guard
from llm_track.failures import ending, failure_of, said_by, silence
from llm_track.formats import chat_completions
from llm_track.records import Response
from llm_track.wire import Answer


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


def test_a_silenced_error_tells_no_more_than_its_class():
    """The error of a call whose content must not leave says nothing in the steps around it, nor in what it causes."""
    error = CustomError("what was asked")
    silence(error)
    caused = ValueError("because of it")
    caused.__cause__ = error
    for each in (error, caused):
        failure = failure_of(each)
        assert (failure.message, failure.stack_trace, failure.exception) == (type(each).__name__, None, None)
    assert failure_of(CustomError("another")).message == "another"


class CustomError(Exception):
    """An exception of an SDK."""
