"""What fails, is repeated, is cached or is cut off is one event, too; and nothing leaves that nobody may know."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from anthropic import Anthropic, AnthropicError
from openai import OpenAIError

from tests.sinks.receiver import Receiver

from .conftest import Seen
from .proxy import MASTER_KEY, OFTEN, THROUGH, UPSTREAM_KEY, Proxy, running
from .test_proxy import (
    AFTERWARDS,
    FORBIDDEN,
    LONE,
    MEANWHILE,
    USER,
    WITHIN,
    chat,
    chat_streamed,
    embeddings,
    identity,
    messages,
    openai,
    responses,
)  # fmt: skip
from .upstream import ANSWER, PROMPT_TOKENS, Upstream

BURST = 200


@pytest.mark.parametrize(("model", "status"), [("wrong", 400), ("busy", 429), ("broken", 500)])
def test_provider_error(proxy: Proxy, seen: Seen, model: str, status: int) -> None:
    """A request that the provider refuses is one error with the provider's status, of who asked."""
    with pytest.raises(OpenAIError):
        chat(proxy, USER, model=model, headers={"x-posthog-distinct-id": "header-user"})
    event = seen.one()
    said = event["properties"]
    assert (said["$ai_is_error"], said["$ai_http_status"]) == (True, status)
    assert f"refused with {status}" in said["$ai_error"]
    assert identity(event) == "header-user"
    assert said["$groups"] == {"team": "key-team", "organization": "key-org"}


def test_error_of_messages(proxy: Proxy, seen: Seen) -> None:
    """A failed request of Anthropic's endpoint is one error."""
    with pytest.raises(AnthropicError, match="500"):
        messages(proxy, model="broken")
    assert seen.one()["properties"]["$ai_is_error"] is True


def test_guardrail(proxy: Proxy, seen: Seen) -> None:
    """A request that a guardrail stops is one error, of who asked."""
    with pytest.raises(OpenAIError, match="guardrail says no"):
        chat(proxy, USER, text=FORBIDDEN, headers={"x-posthog-distinct-id": "header-user"})
    event = seen.one()
    assert event["properties"]["$ai_is_error"] is True
    assert "guardrail says no" in event["properties"]["$ai_error"]
    assert identity(event) == "header-user"


@pytest.mark.parametrize(("words", "says"), [(MEANWHILE, "no meanwhile"), (AFTERWARDS, "no afterwards")])
def test_an_answer_that_a_guardrail_holds_back(proxy: Proxy, seen: Seen, words: str, says: str) -> None:
    """What the model answered and costs is one generation, and that it was held back an error in the same trace."""
    with pytest.raises(OpenAIError, match=says):
        chat(proxy, USER, text=words, headers={"x-posthog-distinct-id": "header-user"})
    found = {event["event"]: event for event in seen.all(2)}
    answered, blocked = found["$ai_generation"]["properties"], found["$ai_span"]["properties"]
    if words == AFTERWARDS:
        assert (answered["llm_outcome"], answered["$ai_input_tokens"]) == ("completed", PROMPT_TOKENS)
    else:  # the proxy cancels what has not been answered by then
        assert answered["llm_outcome"] in ("completed", "cancelled")
    assert says in blocked["$ai_error"]
    assert (blocked["$ai_span_name"], blocked["$ai_trace_id"]) == ("blocked", answered["$ai_trace_id"])
    assert [identity(event) for event in found.values()] == ["header-user"] * 2


def test_an_exception_of_the_program_inside_a_call(proxy: Proxy, seen: Seen) -> None:
    """What a hook of the program raises inside the call is told by that call, once."""
    with pytest.raises(OpenAIError, match="no within"):
        chat(proxy, USER, text=WITHIN)
    event = seen.one()
    assert event["event"] == "$ai_generation"
    assert "no within" in event["properties"]["$ai_error"]


def test_a_stream_that_a_guardrail_holds_back(proxy: Proxy, seen: Seen) -> None:
    """A stream that a guardrail stops while it begins is told of, too, and leaves nothing open."""
    asked: list[Any] = [{"role": "user", "content": MEANWHILE}]
    with pytest.raises(OpenAIError, match="no meanwhile"):
        list(openai(proxy, USER).chat.completions.create(model="plain", messages=asked, stream=True))
    assert sorted(event["event"] for event in seen.all(2)) == ["$ai_generation", "$ai_span"]


@pytest.mark.parametrize("ask", ["messages", "responses"])
def test_hung_up_elsewhere(proxy: Proxy, seen: Seen, ask: str) -> None:
    """A stream of another endpoint that the client leaves is one event, which says so without the server's words."""
    if ask == "messages":
        client = Anthropic(base_url=proxy.url, api_key=LONE, max_retries=0)
        said: list[Any] = [{"role": "user", "content": "Bread?"}]
        stream: Any = client.messages.create(model="slower-claude", max_tokens=9, messages=said, stream=True)
    else:
        stream = openai(proxy, LONE).responses.create(model="slower", input="Bread?", stream=True)
    next(iter(stream))
    stream.close()
    told = seen.one()["properties"]
    assert told["llm_outcome"] in ("closed_early", "cancelled")
    assert "uvicorn" not in told.get("$ai_error", "")


def test_unknown_model(proxy: Proxy, seen: Seen) -> None:
    """A request for a model that the proxy does not have is one error, of who asked."""
    with pytest.raises(OpenAIError, match="nowhere"):
        chat(proxy, USER, model="nowhere")
    event = seen.one()
    said = event["properties"]
    assert (said["$ai_is_error"], said["$ai_http_status"], identity(event)) == (True, 400, "key-user")
    assert "nowhere" in said["$ai_error"]


@pytest.mark.parametrize("ask", [chat, messages, responses])
def test_bad_key(proxy: Proxy, seen: Seen, ask: Any) -> None:
    """A request with a key that nobody has is one error, of nobody."""
    with pytest.raises((OpenAIError, AnthropicError)):
        ask(proxy, "sk-stolen-1234567890abcdef")
    event = seen.one()
    assert event["properties"]["$ai_is_error"] is True
    assert identity(event) is None
    assert "sk-stolen" not in json.dumps(event)


def test_fallback(proxy: Proxy, seen: Seen) -> None:
    """A request that a second model answers is one event with two attempts and the answer."""
    chat(proxy, model="shaky")
    said = seen.one()["properties"]
    assert said["llm_attempts"] == 2
    assert ANSWER in str(said["$ai_output_choices"])
    assert not said.get("$ai_is_error")


@pytest.mark.parametrize("ask", [chat, chat_streamed, messages])
def test_cache_hit(proxy: Proxy, seen: Seen, upstream: Upstream, ask: Any) -> None:
    """An answer from the proxy's cache is an event that says so."""
    asked = len(upstream.asked)
    for _ in range(2):
        ask(proxy, body={"cache": {"use-cache": True}})
        time.sleep(0.5)  # the proxy fills its cache after it has answered
    first, second = (event["properties"] for event in seen.all(2))
    assert len(upstream.asked) == asked + 1
    assert "llm_cache_hit" not in first
    assert second["llm_cache_hit"] is True
    assert ANSWER in str(second["$ai_output_choices"])


def test_a_client_cannot_choose_the_project(proxy: Proxy, seen: Seen) -> None:
    """Whose PostHog an event goes to is the operator's choice: what a client says of it is not heard, key or no key."""
    with Receiver() as elsewhere:
        other = {"posthog_api_key": "phc_of_the_client", "posthog_api_url": elsewhere.url}
        for key in ("sk-stolen-1234567890abcdef", USER):
            with pytest.raises(OpenAIError):
                chat(proxy, key, body={"metadata": other})
        found = seen.all(2)
        assert elsewhere.requests == []
    assert "phc_of_the_client" not in json.dumps(found)


def test_a_repeated_id_hides_no_refusal(proxy: Proxy, seen: Seen) -> None:
    """A client that gives all its requests one id has an event of each: answered, stopped by a guardrail, unknown."""
    same = {"x-litellm-call-id": "always-the-same"}
    chat(proxy, USER, headers=same)
    for model, text in (("plain", FORBIDDEN), ("nowhere", "Bread?")):
        with pytest.raises(OpenAIError):
            chat(proxy, USER, model=model, text=text, headers=same)
    assert [bool(event["properties"].get("$ai_is_error")) for event in seen.all(3)] == [False, True, True]


def test_a_failed_pass_through(proxy: Proxy, seen: Seen) -> None:
    """A request that is handed on and refused is one error of who asked; silence and redaction hold for it, too."""
    asked = {"model": "fails-500", "messages": [{"role": "user", "content": "Bread and secrets?"}]}
    who = {"authorization": f"Bearer {USER}", "x-posthog-distinct-id": "header-user"}
    for more, headers in (({}, {}), ({}, {"litellm-enable-message-redaction": "true"}), ({"no-log": True}, {})):
        with pytest.raises(HTTPError):
            proxy.post(THROUGH, {**asked, **more}, **who, **headers)
    told, redacted = seen.all(2)
    assert identity(told) == identity(redacted) == "header-user"
    assert told["properties"]["$groups"] == {"team": "key-team", "organization": "key-org"}
    assert "secrets" in json.dumps(told["properties"]["$ai_input"])
    assert "secrets" not in json.dumps(redacted)


def test_what_asks_no_model_is_no_event(proxy: Proxy, seen: Seen) -> None:
    """Requests for the list of models, for keys and for the health of the proxy, with a bad key, are no events."""
    for path in ("/v1/models", "/key/info", "/health"):
        with pytest.raises(HTTPError):
            proxy.get(path, authorization="Bearer sk-stolen-1234567890abcdef")
    seen.all(0)


def test_hung_up(proxy: Proxy, seen: Seen) -> None:
    """A stream that the client leaves is one event with what was read, and no error."""
    asked: list[Any] = [{"role": "user", "content": "Bread?"}]
    stream = openai(proxy, LONE).chat.completions.create(model="slow", messages=asked, stream=True)
    next(iter(stream))
    stream.close()
    said = seen.one()["properties"]
    assert said["llm_outcome"] in ("closed_early", "cancelled")
    assert "Bread" in str(said["$ai_output_choices"])


def test_nothing_private(proxy: Proxy, seen: Seen) -> None:
    """No event has a key, its hash, what the proxy knows of the key, or a header of the client."""
    headers = {"x-secret-plan": "header-sentinel", "cookie": "cookie-sentinel", "user-agent": "agent-sentinel"}
    body = {"metadata": {"plan": "pro"}}
    for ask in (chat, chat_streamed, responses, embeddings):
        ask(proxy, USER, headers=headers, body=body)
    messages(proxy, USER, headers=headers, body={"litellm_metadata": {"plan": "pro"}})
    for model, text in (("broken", "Bread?"), ("nowhere", "Bread?"), ("plain", FORBIDDEN)):
        with pytest.raises(OpenAIError):
            chat(proxy, USER, model=model, text=text, headers=headers, body=body)
    with pytest.raises(OpenAIError):
        chat(proxy, MASTER_KEY, headers=headers)
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Bread?"}]}
    proxy.post(THROUGH, asked, **headers, authorization=f"Bearer {USER}")
    found = seen.all(10)
    for event in found:
        trace = event["properties"].pop(
            "llm_stack_trace", ""
        )  # names LiteLLM's own files, user_api_key_auth.py among them
        assert not any(key in trace for key in (USER, MASTER_KEY, UPSTREAM_KEY))
    sent = json.dumps(found).lower()
    keys = [USER, MASTER_KEY, UPSTREAM_KEY]
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
    of_key = ["alias of the key", "owner@example.org", "plan of the key"]
    names = ["user_api_key", "authorization", "bearer ", "x-stainless", "cookie", "requester_", "secret_fields"]
    for private in [*keys, *hashes, *of_key, *names, "header-sentinel", "cookie-sentinel", "agent-sentinel"]:
        assert private not in sent, private


def test_sigterm(upstream: Upstream, tmp_path: Path) -> None:
    """A proxy that is told to stop right after a burst of requests sends the event of each."""
    with Receiver() as receiver, running(tmp_path, upstream.url, receiver.url) as proxy:
        for number in range(BURST):
            chat(proxy, text=f"bread number {number};")
        proxy.terminate()
        sent = json.dumps(receiver.events)
        assert len(receiver.events) == BURST, proxy.said()
        assert all(f"bread number {number};" in sent for number in range(BURST))


def test_posthog_is_slow(upstream: Upstream, tmp_path: Path) -> None:
    """While PostHog does not answer, requests are answered as ever, and the proxy can be stopped."""
    with Receiver() as receiver, running(tmp_path, upstream.url, receiver.url, environment=OFTEN) as cut_off:
        receiver.seconds = 300.0
        for _ in range(BURST):
            assert ANSWER in str(chat(cut_off))
        assert receiver.answered == 0
        assert cut_off.terminate() < 15, cut_off.said()
