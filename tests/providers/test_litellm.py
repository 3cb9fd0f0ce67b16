"""LiteLLM's calls, read without LiteLLM: what its Proxy adds, how its streams are put together, who served a call."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from llm_track import _guard
from llm_track.policies import METADATA
from llm_track.providers import (
    Invocation,
    _litellm_answer,
    _litellm_functions,
    _litellm_http,
    _litellm_proxy,
    _litellm_request,
    _litellm_served,
    litellm,
)
from llm_track.wire.pulled import Pulled

KEY = {
    "user_api_key_hash": "b3b47382",
    "user_api_key_user_id": "key-user",
    "user_api_key_team_id": "key-team",
    "user_api_key_org_id": "key-org",
    "user_api_key_alias": "key-alias",
}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A LiteLLM of which nothing is known but what a test sets."""
    module = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "litellm", module)
    return module


def request(**headers: str) -> dict[str, Any]:
    return {"headers": headers, "arrival_time": 1.0}


def told(given: dict[str, Any]) -> Any:
    """Return the labels of a call that a Proxy makes."""
    return _litellm_request.labels(_litellm_request.beside(given))


def test_the_key_is_the_user_and_its_team_a_group(library: SimpleNamespace) -> None:
    """Who has the key is the user where nobody else is named; team and organization are groups; nothing else leaves."""
    labels = told({"proxy_server_request": request(), "metadata": {**KEY, "plan": "pro"}})
    assert labels.identity.user_id == "key-user"
    assert labels.identity.groups == {"team": "key-team", "organization": "key-org"}
    assert labels.identity.metadata == {"plan": "pro"}


def test_headers_come_first(library: SimpleNamespace) -> None:
    """The headers name the user, the session and the trace, before what the body says."""
    headers = {"x-posthog-distinct-id": "u", "x-posthog-session-id": "s", "x-posthog-trace-id": "t"}
    metadata = {**KEY, "user_id": "of the body", "trace_id": "of the body"}
    labels = told({"proxy_server_request": request(**headers), "metadata": metadata})
    assert (labels.identity.user_id, labels.identity.session_id, labels.trace_id) == ("u", "s", "t")
    assert labels.identity.metadata["$session_id"] == "s"


def test_a_session_is_no_trace(library: SimpleNamespace) -> None:
    """The trace that LiteLLM makes of a session's id is none."""
    headers = {"x-posthog-session-id": "s"}
    assert told({"proxy_server_request": request(**headers), "metadata": {**KEY, "trace_id": "s"}}).trace_id is None


def test_a_redacted_key_names_nobody(library: SimpleNamespace) -> None:
    """With ``redact_user_api_key_info`` neither the key's user nor its groups are told."""
    library.redact_user_api_key_info = True
    labels = told({"proxy_server_request": request(), "metadata": dict(KEY)})
    assert (labels.identity.user_id, labels.identity.groups) == (None, {})


@pytest.mark.parametrize(
    ("headers", "withheld"),
    [
        ({"litellm-enable-message-redaction": "true"}, True),
        ({"x-litellm-enable-message-redaction": "TRUE"}, True),
        ({"litellm-enable-message-redaction": "false"}, False),
        ({"litellm-disable-message-redaction": "true"}, False),
        ({}, True),
    ],
)
def test_headers_withhold_content(headers: dict[str, str], withheld: bool, library: SimpleNamespace) -> None:
    """A header withholds content, or opens it up where it is withheld for all."""
    library.turn_off_message_logging = "litellm-enable-message-redaction" not in headers
    said = told({"proxy_server_request": request(**headers), "metadata": dict(KEY)}).identity
    assert said.content == (METADATA if withheld else None)


def test_a_client_has_no_say_in_the_project(library: SimpleNamespace) -> None:
    """Key and address of a PostHog project count in a program, and not in what a client sends to a Proxy."""
    own = {"posthog_api_key": "phc_1", "posthog_api_url": "http://elsewhere"}
    assert told({"metadata": own}).project == told(own).project == ("phc_1", "http://elsewhere")
    for given in ({"metadata": {**KEY, **own}}, {**own, "metadata": dict(KEY)}):
        assert told({"proxy_server_request": request(), **given}).project is None


def test_what_identifies_a_key_is_a_secret(library: SimpleNamespace) -> None:
    """The hash of a key and its alias are masked in errors, and so are LiteLLM's own keys and those of fallbacks."""
    library.openai_key = "key-of-the-module"
    given = {"metadata": dict(KEY), "fallbacks": [{"api_key": " key-of-a-fallback\n"}, "gpt-4o"]}
    assert {"b3b47382", "key-alias", "key-of-the-module", "key-of-a-fallback"} <= set(_litellm_request.secrets(given))


def test_only_so_many_requests_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is known by its id and its arrival, and forgotten when many others came after it."""
    monkeypatch.setattr(_litellm_proxy, "_REMEMBERED", 2)
    monkeypatch.setattr(_litellm_proxy, "_asked", type(_litellm_proxy._asked)())
    first, *others = ({"litellm_call_id": "same", "proxy_server_request": {"arrival_time": time}} for time in range(3))
    _litellm_proxy.remember(first)
    _litellm_proxy.remember({"litellm_call_id": "no request of a proxy"})
    assert _litellm_proxy.was_asked(first)
    assert not _litellm_proxy.was_asked(others[0])
    for other in others:
        _litellm_proxy.remember(other)
    assert not _litellm_proxy.was_asked(first)


def test_two_callbacks_are_warned_of_once(
    library: SimpleNamespace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM's own callback beside llm_track is one log line, that says how to stop it."""
    monkeypatch.setattr(_guard, "_said", set())
    library.success_callback = ["posthog"]
    with caplog.at_level(logging.WARNING, "llm_track"):
        for _ in range(2):
            told({})
    (record,) = caplog.records
    assert "sent to PostHog twice" in record.message
    assert "Remove" in record.message


class Chunk:
    """A chunk as LiteLLM has them."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return self.fields


class TextChunk(Chunk):
    """One of the other kind."""


def test_the_chunks_of_a_stream() -> None:
    """Chunks are those that LiteLLM kept, with usage and stop reason; bytes and others are as they were handed out."""
    said, usage = Chunk(choices=[{"delta": {"content": "hi"}}]), Chunk(choices=[], usage={"total_tokens": 3})
    stop = Chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage={"total_tokens": 9})
    kept = {"chunks": [said, usage]}
    assert _litellm_answer.chunks(Pulled(pieces=[said])) == [said]
    assert _litellm_answer.chunks(Pulled(pieces=[b"data: 1"], about=kept)) == [b"data: 1"]
    text = TextChunk(text="hi")
    assert _litellm_answer.chunks(Pulled(pieces=[text], about=kept)) == [text, {"usage": {"total_tokens": 3}}]
    *first, _, last = _litellm_answer.chunks(Pulled(pieces=[said, stop], about=kept))
    assert first == [said, usage]
    assert last == {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def test_an_answer_without_json() -> None:
    """Sound is told by its size; what is nothing is told by nothing."""
    assert _litellm_answer.to_json(SimpleNamespace(content=b"ID3")) == {"bytes": 3}
    assert _litellm_answer.to_json(object()) is None
    assert _litellm_answer.to_json({"text": "hi"}) == {"text": "hi"}


def test_the_proxys_name_of_a_model_is_not_the_served_one(library: SimpleNamespace) -> None:
    """Where the answer has the name that a Proxy gives to a model, the deployment's own name is the served model's."""
    hidden = {
        "custom_llm_provider": "openai",
        "litellm_model_name": "openai/gpt-4o-mini",
        "additional_headers": {"x-litellm-model-group": "plain"},
    }
    answer = SimpleNamespace(model="plain", _hidden_params=hidden)
    served = _litellm_served.served(_litellm_served.Asked.of("completion", {"model": "plain"}), answer, None)
    assert (served.model, served.provider, served.model_group) == ("gpt-4o-mini", "openai", "plain")


def test_an_exception_of_the_http_client_names_no_provider(library: SimpleNamespace) -> None:
    """LiteLLM's HTTP client names itself and a made-up model where it runs out of time: neither is told."""
    library.get_llm_provider = lambda model: (model, "gemini", None, None) if model else None
    error = TimeoutError()
    error.llm_provider, error.model = "litellm-httpx-handler", "default-model-name"  # type: ignore[attr-defined]
    asked = _litellm_served.Asked.of("completion", {"model": "gemini/gemini-2.5-flash"})
    served = _litellm_served.served(asked, None, error)
    assert (served.provider, served.asked, served.model) == ("gemini", "gemini-2.5-flash", "gemini-2.5-flash")


def test_how_routers_name_what_is_asked(library: SimpleNamespace) -> None:
    """A Router says by a function or by a plan which of LiteLLM's functions it serves; others are passed through."""

    async def _aresponses() -> None:
        """As a Router names it."""

    routed = litellm._read_routed(Invocation(None, (), {"original_function": _aresponses, "model": "m"}))
    assert routed is not None
    assert (routed.name, routed.kind) == ("responses", "generation")
    assert litellm._read_routed(Invocation(None, (), {})) is None
    plan = SimpleNamespace(endpoint="aanthropic_messages")
    planned = litellm._read_planned(Invocation(None, (plan, {"model": "m", "messages": []}), {}))
    assert planned is not None
    assert (planned.name, planned.body["model"]) == ("anthropic_messages", "m")
    assert litellm._read_planned(Invocation(None, (SimpleNamespace(endpoint="acreate_file"), {}), {})) is None


def test_functions_that_make_other_requests_are_found() -> None:
    """Decorated functions and those of assistants are found, but no private ones, no model calls and no other names."""

    def plain() -> None:
        """No function of LiteLLM's."""

    def decorated() -> None:
        """As LiteLLM's decorator leaves it."""

    decorated.__wrapped__ = plain  # type: ignore[attr-defined]
    decorated.__code__ = decorated.__code__.replace(co_filename="/site-packages/litellm/utils.py")
    names = {"create_file": decorated, "_hidden": decorated, "completion": decorated, "plain": plain}
    module: Any = SimpleNamespace(**names, acreate_thread=plain, version="1")
    assert list(_litellm_functions.others(module)) == ["create_file", "acreate_thread"]
    assert [target.path for target in litellm._others(module)] == ["create_file", "acreate_thread"]


def test_who_bills_for_an_address() -> None:
    """Who bills for a request that the Proxy passes on is told by its address."""
    assert litellm.biller_at("https://api.openai.com/v1") == "openai"


def test_what_a_router_adds_must_not_be_told_either(library: SimpleNamespace) -> None:
    """Silence that a Router adds to a call that it serves is heard, and its user where no Proxy knows who asks."""
    added = {"model_info": {"id": "1"}, "user": "of the router", "no-log": True, "turn_off_message_logging": True}
    labels = _litellm_request.silence(added)
    said = labels.identity
    assert (said.user_id, said.no_log, said.content) == ("of the router", True, METADATA)
    proxied = _litellm_request.silence({**added, "metadata": dict(KEY)})
    assert (proxied.identity.user_id, proxied.identity.no_log) == (None, True)
    assert _litellm_request.silence({"no-log": True, "user": "u"}).identity.user_id is None


def sending(module: str, **given: Any) -> Any:
    """Return how a request of LiteLLM's own client is read that code of a module sends."""
    scope = {"__name__": module, "read": _litellm_http.TARGETS[0].read, "call": Invocation(None, (), given)}
    exec("def send():\n    return read(call)", scope)
    return scope["send"]()


OWN = "litellm.llms.anthropic.chat.handler"
ADDRESS = "https://api.anthropic.com/v1/messages"


@pytest.mark.parametrize(
    "module", ["litellm.utils", "litellm.caching.qdrant", "litellm.integrations.custom", "program"]
)
def test_requests_of_others(module):
    """Only what LiteLLM's code for a provider sends is an attempt; its callbacks and caches use the same client."""
    assert sending(module, url=ADDRESS) is None
    assert sending(OWN, url=ADDRESS).provider == "anthropic"


@pytest.mark.parametrize("end", ["chat", "chat_stream", "generation", "generation_stream", "embeddings", "rerank"])
def test_requests_to_ibm(end):
    """What LiteLLM asks of watsonx is read in IBM's own language, embeddings and rerank too."""
    found = sending(OWN, url=f"https://us-south.ml.cloud.ibm.com/ml/v1/text/{end}?version=2024-03-13")
    assert (found.provider, found.format.__name__.rpartition(".")[2]) == ("watsonx", "watsonx")


@pytest.mark.parametrize(
    ("url", "asks"),
    [
        ("https://iam.cloud.ibm.com/identity/token", False),
        ("https://example.org/v1/files/", False),
        ("https://x.googleapis.com/v1/cachedContents?key=k", False),
        ("https://example.org/search/rerank", True),
        ("https://show/v1/chat/completions", True),
        (None, False),
    ],
)
def test_requests_that_ask_no_model(url, asks):
    """The end of a path says whether a model is asked; a request that names its call in LiteLLM's log always does."""
    assert (sending(OWN, url=url) is not None) is asks
    assert (sending(OWN, url=url, logging_obj=object()) is not None) is (url is not None)


def test_what_an_http_error_says():
    """Status, address and id are those of httpx's exceptions; any other tells nothing, whatever it says."""
    failure = _litellm_http.PROVIDER.failure
    refused, lost = OSError("overloaded"), OSError("nobody there")
    response = SimpleNamespace(status_code=529, headers={"request-id": "req_1"})
    refused.__dict__.update(_request=SimpleNamespace(url=ADDRESS), response=response)
    lost.__dict__.update(_request=None)
    assert failure(refused) == {"url": ADDRESS, "http_status": 529, "request_id": "req_1"}
    assert failure(lost) == {"url": None}
    assert failure(TimeoutError("too late")) == {}


def test_the_secrets_of_a_request():
    """Keys in an address and in headers are known, with and without their scheme."""
    found = sending(
        OWN, url=f"{ADDRESS}?key=AIza-1", headers={"Authorization": "Bearer sk-1", "x-api-key": "k-1", "a": 1}
    )
    assert {"AIza-1", "Bearer sk-1", "sk-1", "k-1"} <= set(found.secrets())
    assert set(sending(OWN, url=ADDRESS).secrets()) == set()
