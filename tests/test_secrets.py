"""Credentials never leave: planted in every place where a program has them, looked for in everything that would."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

import llm_track
from llm_track import llm_span, track_llm
from llm_track.masking import mask_fields
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of

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
    with capture_events() as events, pytest.raises(openai.BadRequestError):
        _key = "sk-proj-a1b2c3d4e5f6g7h8i9"
        made.chat.completions.create(model="m", messages=MESSAGES)
    assert events[0].exception is None


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
    """A background run that was asked for under no_log sends nothing, wherever it is fetched."""
    body = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [], "background": True}
    states = iter(["queued", "completed"])
    made = client(openai, "OpenAI", lambda _: http_of(openai).Response(200, json=body | {"status": next(states)}))
    with capture_events() as events:
        with llm_span("secret", no_log=True):
            made.post("/responses", cast_to=object, body={"model": "m", "input": "private", "background": True})
        made.get("/responses/resp_1", cast_to=object)
    assert events == []


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
