"""Credentials never leave: planted in every place where a program has them, looked for in everything that would."""

from __future__ import annotations

import importlib
import json
import sys
import threading

import anthropic
import openai
import pytest

import llm_track
from llm_track import llm_span, track_llm
from llm_track.masking import mask_fields
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of
from tests.sinks.receiver import Receiver

PLAIN = "0123456789abcdefCANARY"
"""A key without a form that would give it away."""
MESSAGES = [{"role": "user", "content": "hi"}]
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
}


def ask_until(event, made):
    """Raise what a call raised once something else has happened; far from the keys in this file."""
    try:
        made.chat.completions.create(model="m", messages=MESSAGES)
    finally:
        assert event.wait(10)


def answering(body, status=200):
    return lambda request: http_of(openai).Response(status, json=body)


def sent(events):
    """Return everything that would leave, as one text."""
    assert events
    return json.dumps([[event.properties, event.groups, repr(event.exception)] for event in events], default=str)


@pytest.fixture(autouse=True)
def _patched():
    llm_track.autopatch()


def test_what_an_endpoint_answers_is_masked_by_name():
    """A secret that an endpoint hands out, such as a session's, does not leave as the output of its span."""
    made = client(openai, "OpenAI", answering({"client_secret": {"value": PLAIN}, "value": "sk-admin-" + "Ab1" * 9}))
    with capture_events() as events:
        made.post("/realtime/client_secrets", cast_to=object, body={"session": {"tools": [{"authorization": PLAIN}]}})
    assert "CANARY" not in sent(events)
    assert "Ab1Ab1" not in sent(events)


@pytest.mark.parametrize(
    "extra",
    [
        {
            "data_sources": [
                {"type": "azure_search", "parameters": {"authentication": {"type": "api_key", "key": PLAIN}}}
            ]
        },
        {"tools": [{"type": "shell", "environment": {"domain_secrets": [{"name": "k", "value": PLAIN}]}}]},
        {"auth": {"type": "bearer", "token": PLAIN}},
        {"tools": [{"type": "mcp", "server_url": f"https://user:{PLAIN}@mcp.example/?token={PLAIN}"}]},
        {"vault": {"refresh_token": PLAIN, "client_secret": PLAIN, "access_token": PLAIN}},
    ],
)
def test_what_a_request_carries_is_masked_by_name(extra):
    """A credential in a documented field of a request does not leave, whatever it looks like."""
    made = client(openai, "OpenAI", answering(CHAT))
    with capture_events() as events:
        made.chat.completions.create(model="m", messages=MESSAGES, extra_body=extra)
    assert "CANARY" not in sent(events)


def test_what_functions_are_given_and_give_is_masked_by_name():
    """Arguments and results of tracked functions lose the fields that hold credentials; all else stays."""

    @track_llm
    def tool(question, openai_api_key, *, password, aws_secret_access_key, headers, token):
        return {"api_key": PLAIN, "Authorization": f"Bearer {PLAIN}", "answer": "forty-two"}

    @track_llm(kind="generation", provider="mine")
    def ask(prompt, api_key, headers):
        return "forty-two"

    with capture_events() as events:
        tool("why?", PLAIN, password=PLAIN, aws_secret_access_key=PLAIN, headers={"X": PLAIN}, token=PLAIN)
        ask("why?", PLAIN, {"X-Any": PLAIN})
        with llm_span("step") as span:
            span.set(input={"cookie": PLAIN}, output={"connection_string": PLAIN})
    assert "CANARY" not in sent(events)
    assert sent(events).count("why?") == 2
    assert sent(events).count("forty-two") == 2


def test_probabilities_of_tokens_are_no_credentials():
    """A field named token in a list of probabilities is a piece of text, and counts of tokens are numbers."""
    said = {"logprobs": [{"token": "Hi", "logprob": -0.1}], "usage": {"total_tokens": 7}, "max_tokens": 5, "key": "E"}
    assert mask_fields(said) == said


@pytest.mark.parametrize(
    ("sdk", "name", "options"),
    [
        (openai, "OpenAI", {"api_key": PLAIN + "\n"}),
        (openai, "OpenAI", {"api_key": " " + PLAIN + "\n"}),
        (openai, "OpenAI", {"default_headers": {"X-Gateway-Key": PLAIN + "\n"}}),
        (openai, "AzureOpenAI", {"api_key": PLAIN + "\n", "azure_endpoint": "https://h", "api_version": "2024-10-21"}),
        (anthropic, "Anthropic", {"api_key": PLAIN + "\n"}),
    ],
)
def test_a_key_that_an_exception_quotes_is_masked(sdk, name, options):
    """The client's own key is masked where an exception or its cause quotes it, and no exception object leaves."""

    def refuse(request):
        try:
            raise ValueError(f"Illegal header value b'{PLAIN}\\n'")
        except ValueError as error:
            raise http_of(sdk).ConnectError("no") from error

    made = client(sdk, name, refuse, **options)
    with capture_events() as events:
        try:
            if sdk is openai:
                made.chat.completions.create(model="m", messages=MESSAGES)
            else:
                made.messages.create(model="m", max_tokens=1, messages=MESSAGES)
        except sdk.APIConnectionError:
            pass
    assert "CANARY" not in sent(events)
    assert events[0].exception is None
    assert "[secret]" in events[0].properties["llm_stack_trace"]


def test_a_key_that_the_provider_echoes_is_masked():
    """An error text of the provider that quotes the key, without a known form, does not leave."""
    body = {"error": {"message": f"Incorrect API key provided: {PLAIN}.", "code": "invalid_api_key"}}
    made = client(openai, "OpenAI", answering(body, 401), api_key=PLAIN)
    with capture_events() as events, pytest.raises(openai.AuthenticationError):
        made.chat.completions.create(model="m", messages=MESSAGES)
    assert "CANARY" not in sent(events)
    assert events[0].properties["$ai_http_status"] == 401


def test_a_key_in_the_source_around_a_failure_keeps_the_exception_back():
    """Where the lines around a frame hold a key, no exception leaves: the client sends those lines along."""
    made = client(openai, "OpenAI", answering({"error": {}}, 400))
    llm_track.configure(exceptions=True)
    caught = threading.Event()

    def wait(event):
        assert caught.wait(10)
        return event

    # the first call keeps the worker until the second has failed: by then its exception has come as far as here
    llm_track.configure(processors=[wait])
    with capture_events() as events, pytest.raises(openai.BadRequestError):
        with llm_span("first"):
            pass
        try:
            _key = "sk-proj-a1b2c3d4e5f6g7h8i9"
            made.chat.completions.create(model="m", messages=MESSAGES)
        finally:
            caught.set()
    assert [event.exception for event in events] == [None, None]


def test_of_an_exception_no_more_leaves_than_was_looked_at():
    """An exception that the program has yet to catch comes along by more lines of source: they do not leave with it."""
    made = client(openai, "OpenAI", answering({"error": {}}, 400))
    looked_at, caught = threading.Event(), threading.Event()

    def wait(event):
        looked_at.set()
        assert caught.wait(10)
        return event

    with Receiver() as receiver, pytest.raises(openai.BadRequestError):
        llm_track.configure(exceptions=True, processors=[wait], api_key="phc_test", host=receiver.url)
        try:
            ask_until(looked_at, made)
            _key = "sk-proj-a1b2c3d4e5f6g7h8i9"
        finally:
            caught.set()
            assert llm_track.flush(10)
    assert sorted(event["event"] for event in receiver.events) == ["$ai_generation", "$exception"]
    assert "a1b2c3d4e5f6" not in json.dumps(receiver.events)


HELD = "sk-proj-a1b2c3d4e5f6g7h8i9"


class OddlyToldError(Exception):
    """Cannot say what it is, so that others show what it was made of."""

    def __str__(self):
        raise TypeError


class NumberedError(Exception):
    def __init__(self, errno):
        super().__init__("wrong")
        self.errno = errno


def raise_it(error):
    raise error


def fails_in_a_data_class(module):
    """Raise where Python made the code: from a text, in the name of the module."""
    module.Made()


def fails_far_below(module):
    module.fail()


@pytest.mark.parametrize(
    "fails",
    [
        lambda module: raise_it(OddlyToldError(HELD)),
        lambda module: raise_it(NumberedError(HELD)),
        lambda module: raise_it(NumberedError(OddlyToldError(HELD))),
        fails_in_a_data_class,
        fails_far_below,
    ],
    ids=["its repr", "its number", "the repr of that", "another source", "other lines"],
)
def test_what_the_client_sends_of_an_exception_is_looked_at(fails, tmp_path, monkeypatch):
    """An exception does not leave where what the client makes of it holds a key: it shows the repr of one without
    words, takes the source of a module for that of all code in its name, and counts lines in a way of its own."""
    source = f"from dataclasses import dataclass, field\nKEY = '{HELD}'\n" + "\n" * 30
    source += "\n@dataclass\nclass Made:\n    x: int = field(default_factory=lambda: 1 / 0)\n"
    source += "\ndef fail():\n" + "    # \x0c\n" * 20 + f"    # {HELD}\n" + "    # \x0c\n" * 20 + "    return 1 / 0\n"
    (tmp_path / "with_a_key.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("with_a_key")
    monkeypatch.delitem(sys.modules, "with_a_key")

    @track_llm(kind="generation", provider="mine")
    def ask():
        fails(module)

    with Receiver() as receiver:
        llm_track.configure(exceptions=True, api_key="phc_test", host=receiver.url)
        with pytest.raises((ZeroDivisionError, OddlyToldError, NumberedError)):
            ask()
        assert llm_track.flush(10)
    assert [event["event"] for event in receiver.events] == ["$ai_generation"]
    assert "a1b2c3d4e5f6" not in json.dumps(receiver.events)


def comes_from_another(error):
    raise error from ValueError(HELD)


def comes_after_another(error):
    try:
        raise ValueError(HELD)
    except ValueError:
        raise error  # noqa: B904  as a program may


def says_more(error):
    error.message = HELD
    raise error


def joins_others(error):
    error.__cause__ = openai.OpenAIError("a group")
    error.__cause__.exceptions = [ValueError(HELD)]
    raise error


def goes_on_below(error):
    """Have the cause come along by the lines of another function."""
    try:
        raise error.__cause__ or error.__context__
    except http_of(openai).ConnectError:
        _key = "sk-proj-a1b2c3d4e5f6g7h8i9"
        raise error  # noqa: B904


def goes_on(error):
    raise error


@pytest.mark.parametrize(
    ("grows", "names"),
    [
        (comes_from_another, ["$ai_generation"]),
        (comes_after_another, ["$ai_generation"]),
        (says_more, ["$ai_generation"]),
        (joins_others, ["$ai_generation"]),
        (goes_on_below, ["$ai_generation"]),
        (goes_on, ["$ai_generation", "$exception"]),
        (lambda error: raise_it(error.with_traceback(None)), ["$ai_generation", "$exception"]),
    ],
)
def test_an_exception_that_is_more_than_was_looked_at_stays(grows, names):
    """Where the program raises an exception once more, from another or with other words, before it was sent, none of
    that leaves: what was looked at does, or nothing of it; the call is one event."""

    def refuse(request):
        raise http_of(openai).ConnectError("no")

    made = client(openai, "OpenAI", refuse)
    looked_at, grown = threading.Event(), threading.Event()

    def wait(event):
        looked_at.set()
        assert grown.wait(10)
        return event

    with Receiver() as receiver:
        llm_track.configure(exceptions=True, processors=[wait], api_key="phc_test", host=receiver.url)
        with pytest.raises(openai.APIConnectionError) as raised:
            ask_until(looked_at, made)
        with pytest.raises(openai.APIConnectionError):
            grows(raised.value)
        grown.set()
        assert llm_track.flush(10)
    assert sorted(event["event"] for event in receiver.events) == names
    assert "a1b2c3d4e5f6" not in json.dumps(receiver.events)


def test_a_key_in_the_path_of_a_url_is_masked():
    """A gateway's key in its URL does not leave, in either address of the event."""
    made = client(openai, "OpenAI", answering(CHAT), base_url="https://gw.example/sk-proj-a1b2c3d4e5f6g7h8/v1")
    with capture_events() as events:
        made.chat.completions.create(model="m", messages=MESSAGES)
    assert "a1b2c3d4" not in sent(events)
    assert events[0].properties["$ai_base_url"] == "https://gw.example/[secret]/v1"


@pytest.mark.parametrize("code", [{"detail": PLAIN}, [PLAIN], f"a sentence {PLAIN}"])
def test_an_error_code_that_is_no_word_is_content(code):
    """With content="metadata" the code and type of an error leave only if they are one word."""
    made = client(openai, "OpenAI", answering({"error": {"message": PLAIN, "code": code, "type": code}}, 400))
    llm_track.configure(content="metadata")
    with capture_events() as events, pytest.raises(openai.BadRequestError):
        made.chat.completions.create(model="m", messages=MESSAGES, extra_body={"account": 5})
    assert "CANARY" not in sent(events)
    assert "account" not in sent(events)


def test_silence_lasts_from_asking_to_fetching():
    """A background run that was asked for under no_log sends nothing, wherever and however often it is fetched."""
    body = {
        "id": "resp_90217",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "output": [],
        "background": True,
    }
    states = iter(["queued", "completed", "completed"])
    made = client(openai, "OpenAI", lambda _: http_of(openai).Response(200, json=body | {"status": next(states)}))
    with capture_events() as events:
        with llm_span("secret", no_log=True):
            made.post("/responses", cast_to=object, body={"model": "m", "input": "private", "background": True})
        for _ in range(2):
            made.get("/responses/resp_90217", cast_to=object)
        assert list(events.settle()) == []


class OddError(Exception):
    """Raised where nothing should be."""


class Odd:
    def __bool__(self):
        raise OddError


class OddKey:
    """A key that goes into one dict, but into no copy of it."""

    def __init__(self):
        self.asked = False

    def __hash__(self):
        if self.asked:
            raise OddError
        self.asked = True
        return 1


@pytest.mark.parametrize("given", [{"no_log": Odd()}, {"no_log": True, "metadata": {OddKey(): 1}}])
def test_silence_survives_bad_arguments(given):
    """A no_log that is neither true nor false counts as asked for, and what cannot be copied does not undo one."""

    @track_llm(no_log=True)
    def work(argument):
        with llm_span("inside"):
            pass

    with capture_events() as events:
        with llm_span("secret", **given), llm_span("inside"):
            pass
        work({OddKey(): 1})
    assert events == []
