"""One request to a LiteLLM proxy is one event, and it says who asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from anthropic import Anthropic
from openai import OpenAI, OpenAIError

from .conftest import Seen
from .proxy import THROUGH, Proxy
from .upstream import ANSWER, COMPLETION_TOKENS, PICTURE, PROMPT_TOKENS, Upstream

LONE, USER, ENDS = "sk-lone-5f0c1b7e92d84a36", "sk-user-8d41c6a3f07b29e5", "sk-ends-2b96e0f4d718c35a"
FORBIDDEN, WITHIN = "the forbidden word", "forbidden within"
MEANWHILE, AFTERWARDS = "forbidden meanwhile", "forbidden afterwards"

Ask: TypeAlias = Callable[..., object]
"""Asks a proxy with a key; takes ``headers`` and ``body``, which are added to the request."""


def openai(proxy: Proxy, key: str, headers: dict[str, str] | None = None) -> OpenAI:
    return OpenAI(base_url=f"{proxy.url}/v1", api_key=key, max_retries=0, timeout=30, default_headers=headers or {})


def chat(
    proxy: Proxy, key: str = LONE, *, model: str = "plain", text: str = "How does bread rise?", **more: Any
) -> object:
    client = openai(proxy, key, more.get("headers"))
    messages: list[Any] = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, extra_body=more.get("body"))


def chat_streamed(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    client = openai(proxy, key, more.get("headers"))
    messages: list[Any] = [{"role": "user", "content": "How does bread rise?"}]
    return list(
        client.chat.completions.create(model="plain", messages=messages, stream=True, extra_body=more.get("body"))
    )


def responses(proxy: Proxy, key: str = LONE, *, stream: bool = False, **more: Any) -> object:
    client = openai(proxy, key, more.get("headers"))
    answer: Any = client.responses.create(model="plain", input="Bread?", stream=stream, extra_body=more.get("body"))
    return list(answer) if stream else answer


def responses_streamed(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    return responses(proxy, key, stream=True, **more)


def messages(proxy: Proxy, key: str = LONE, *, model: str = "claude", stream: bool = False, **more: Any) -> object:
    client = Anthropic(base_url=proxy.url, api_key=key, max_retries=0, default_headers=more.get("headers") or {})
    asked: list[Any] = [{"role": "user", "content": "Bread?"}]
    answer: Any = client.messages.create(
        model=model, max_tokens=99, messages=asked, stream=stream, extra_body=more.get("body")
    )
    return list(answer) if stream else answer


def messages_streamed(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    return messages(proxy, key, stream=True, **more)


def messages_of_openai(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    return messages(proxy, key, model="plain", **more)


def messages_of_openai_streamed(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    return messages(proxy, key, model="plain", stream=True, **more)


def embeddings(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    client = openai(proxy, key, more.get("headers"))
    return client.embeddings.create(model="plain", input="Bread?", extra_body=more.get("body"))


def completions(proxy: Proxy, key: str = LONE, **more: Any) -> object:
    client = openai(proxy, key, more.get("headers"))
    return client.completions.create(model="plain", prompt="Bread?", extra_body=more.get("body"))


GENERATIONS: list[Ask] = [
    chat, chat_streamed, responses, responses_streamed, messages, messages_streamed, messages_of_openai,
    messages_of_openai_streamed, completions,
]  # fmt: skip


def identity(event: dict[str, Any]) -> str | None:
    """Return the user of an event; PostHog's client makes up an id where nobody is known, and says so."""
    known = event["properties"].get("$process_person_profile") is not False
    return str(event["distinct_id"]) if known else None


@pytest.mark.parametrize("ask", GENERATIONS)
def test_generation(proxy: Proxy, seen: Seen, ask: Ask) -> None:
    """A request of any endpoint, streamed or not, is one generation with its answer and its tokens."""
    ask(proxy)
    event = seen.one()
    said = event["properties"]
    assert event["event"] == "$ai_generation"
    assert ANSWER in str(said["$ai_output_choices"])
    assert "read" in str(said["$ai_input"])
    assert (said["$ai_input_tokens"], said["$ai_output_tokens"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    assert said["$ai_model_parameters"].keys() <= {"max_tokens", "stream_options"}
    assert "$ai_is_error" not in said or said["$ai_is_error"] is False


def test_embedding(proxy: Proxy, seen: Seen) -> None:
    """A request for embeddings is one embedding event, without the vectors."""
    embeddings(proxy)
    event = seen.one()
    assert event["event"] == "$ai_embedding"
    assert event["properties"]["$ai_input_tokens"] == PROMPT_TOKENS
    assert "0.25" not in str(event)


def test_image(proxy: Proxy, seen: Seen) -> None:
    """A request for a picture is one event, without the picture."""
    openai(proxy, LONE).images.generate(model="plain", prompt="Bread")
    assert PICTURE not in str(seen.one())


def test_pass_through(proxy: Proxy, seen: Seen) -> None:
    """A request that the proxy hands on as it is, is one event of who has the key."""
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Bread?"}]}
    assert ANSWER in proxy.post(THROUGH, asked, authorization=f"Bearer {USER}").decode()
    assert identity(seen.one()) == "key-user"


HEADER = {"x-posthog-distinct-id": "header-user"}
METADATA = {"metadata": {"user_id": "metadata-user"}}
IDENTITIES = [
    pytest.param(ENDS, HEADER, {**METADATA, "user": "body-user"}, "header-user", id="header"),
    pytest.param(ENDS, {}, {**METADATA, "user": "body-user"}, "metadata-user", id="metadata"),
    pytest.param(ENDS, {}, {"user": "body-user"}, "body-user", id="user"),
    pytest.param(ENDS, {}, {}, "key-end-user", id="end user of the key"),
    pytest.param(USER, {}, {}, "key-user", id="user of the key"),
    pytest.param(LONE, {}, {}, None, id="nobody"),
]


@pytest.mark.parametrize(("key", "headers", "body", "expected"), IDENTITIES)
@pytest.mark.parametrize("ask", [chat, responses_streamed, embeddings])
def test_identity(
    proxy: Proxy, seen: Seen, ask: Ask, key: str, headers: dict[str, str], body: dict[str, Any], expected: str | None
) -> None:
    """The user is the header's, else that of ``metadata``, else ``user``, else the key's end user, else its user."""
    ask(proxy, key, headers=headers, body=body)
    assert identity(seen.one()) == expected


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [(HEADER, METADATA, "header-user"), ({}, METADATA, "metadata-user"), ({}, {}, "key-end-user")],
)
def test_identity_of_messages(
    proxy: Proxy, seen: Seen, headers: dict[str, str], body: dict[str, Any], expected: str
) -> None:
    """Anthropic's own ``metadata.user_id`` names the user, too."""
    messages(proxy, ENDS, headers=headers, body=body)
    assert identity(seen.one()) == expected


@pytest.mark.parametrize("ask", [chat_streamed, responses, messages])
def test_session(proxy: Proxy, seen: Seen, ask: Ask) -> None:
    """The session of the header is PostHog's session and the session of the trace; each request is its own trace."""
    for _ in range(2):
        ask(proxy, headers={"x-posthog-session-id": "session-9"})
    found = [event["properties"] for event in seen.all(2)]
    assert [said["$session_id"] for said in found] == ["session-9"] * 2
    assert [said["$ai_session_id"] for said in found] == ["session-9"] * 2
    assert len({said["$ai_trace_id"] for said in found} | {"session-9"}) == 3


@pytest.mark.parametrize("ask", [chat, responses, messages, embeddings])
def test_groups(proxy: Proxy, seen: Seen, ask: Ask) -> None:
    """The team and the organization of the key are groups."""
    ask(proxy, USER)
    assert seen.one()["properties"]["$groups"] == {"team": "key-team", "organization": "key-org"}


CUSTOM = {"user_id": "metadata-user", "plan": "pro", "$ai_model": "forged"}


@pytest.mark.parametrize(
    ("ask", "place"),
    [
        (chat, "metadata"), (chat_streamed, "metadata"), (embeddings, "metadata"), (responses, "litellm_metadata"),
        (messages, "litellm_metadata"),
    ],
)  # fmt: skip
def test_custom_fields(proxy: Proxy, seen: Seen, ask: Ask, place: str) -> None:
    """Fields and tags of ``metadata`` are properties, and cannot take the place of PostHog's own."""
    ask(proxy, body={place: {**CUSTOM, "tags": ["red", "blue"]}})
    said = seen.one()["properties"]
    assert (said["plan"], said["tags"]) == ("pro", ["red", "blue"])
    assert said["$ai_model"] != "forged"


@pytest.mark.parametrize("ask", [chat, chat_streamed, responses, messages, embeddings])
@pytest.mark.parametrize("place", ["metadata", "litellm_metadata", None])
def test_no_log(proxy: Proxy, seen: Seen, ask: Ask, place: str | None) -> None:
    """``no-log`` in ``metadata``, in ``litellm_metadata`` or in the body itself: no event."""
    if (ask, place) == (messages, "metadata"):
        pytest.skip("Anthropic's metadata has no other field than user_id")
    value: Any = "true" if (ask, place) == (responses, "metadata") else True
    ask(proxy, body={place: {"no-log": value}} if place else {"no-log": value})
    chat(proxy, text="the next bread")
    assert "the next bread" in str(seen.one())


def test_no_log_of_a_failure(proxy: Proxy, seen: Seen, upstream: Upstream) -> None:
    """A failed request that asks not to be logged: no event, wherever it failed."""
    for model, text in (("broken", "Bread?"), ("nowhere", "Bread?"), ("plain", FORBIDDEN)):
        with pytest.raises(OpenAIError):
            chat(proxy, model=model, text=text, body={"metadata": {"no-log": True}})
    chat(proxy, text="the next bread")
    assert "the next bread" in str(seen.one())
