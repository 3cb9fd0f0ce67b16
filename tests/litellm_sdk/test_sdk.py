"""LiteLLM's functions: each call is one event, whatever is called and however it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_track.testing import Events

from .litellm_calls import FORMS, NO_TOKENS, WORDS, as_json, chat, counted, failing, input_of, only, output_of, run
from .server import DELAY, Provider

MODES = ("sync", "async")
EVERY = pytest.mark.parametrize("form", FORMS)
BOTH = pytest.mark.parametrize("mode", MODES)
INTERNALS = {
    "api_key", "api_base", "base_url", "metadata", "litellm_metadata", "custom_llm_provider", "num_retries",
    "max_retries", "extra_headers", "headers", "user", "no-log", "timeout", "fallbacks", "mock_response", "messages",
    "model", "client", "caching", "cache", "acompletion", "logger_fn", "proxy_server_request",
}  # fmt: skip


@EVERY
@BOTH
def test_a_call_is_one_event(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Every function, called either way, makes one request and one event of the right kind, model and provider."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, WORDS))
    event = only(events)
    told = event.properties
    assert event.name == asked.event
    assert (told["$ai_provider"], told["$ai_model"]) == (asked.provider, asked.model)
    assert (told["llm_outcome"], told["$ai_http_status"]) == ("completed", 200)
    assert "$ai_is_error" not in told
    assert len(provider.requests) == 1


@EVERY
@BOTH
def test_tokens_are_the_providers(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The counts are those that came over the wire; what the provider did not count is absent, not 0."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, WORDS))
    assert counted(only(events)) == asked.tokens


@pytest.mark.parametrize("form", [form for form in FORMS if form != "moderation"])
@BOTH
def test_content_is_what_was_said(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The input holds the program's words, the output is a list of messages with the model's."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, WORDS))
    event = only(events)
    assert WORDS in (as_json(event) if form == "transcription" else input_of(event))
    assert event.properties["$ai_input"] is not None
    if asked.event == "$ai_generation":
        output = event.properties["$ai_output_choices"]
        assert isinstance(output, list)
        assert all(isinstance(message, dict) for message in output)
        assert asked.said in output_of(event)
        assert event.properties["$ai_stream"] is False


@BOTH
def test_a_moderation_is_a_span(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Moderation is a step of its own name with its input and output, and has no tokens."""
    run(litellm, FORMS["moderation"].named(mode), FORMS["moderation"].given(provider, WORDS))
    event = only(events)
    assert WORDS in input_of(event)
    assert "flagged" in output_of(event)
    assert "moderation" in event.properties["$ai_span_name"]


@EVERY
@BOTH
def test_costs_are_litellms(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A model on LiteLLM's price list has the cost that LiteLLM states; one that is free or unpriced has none."""
    asked = FORMS[form]
    answer = run(litellm, asked.named(mode), asked.given(provider, WORDS))
    cost = only(events).properties.get("$ai_total_cost_usd")
    if form == "moderation":
        assert cost is None
    else:
        assert cost == pytest.approx(answer._hidden_params["response_cost"])
        assert cost > 0


@pytest.mark.parametrize("form", ["completion", "responses", "embedding"])
@BOTH
def test_an_unknown_model_has_no_cost(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """What a model costs that LiteLLM does not know is absent, not 0."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, WORDS, model="openai/snail-9"))
    told = only(events).properties
    assert told["$ai_model"] == "snail-9"
    assert counted(events[0]) == asked.tokens
    assert not [name for name in told if name.endswith("_cost_usd")]


@pytest.mark.parametrize("form", ["completion", "responses", "embedding", "image_generation", "transcription"])
@BOTH
def test_uncounted_is_not_zero(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """Without usage in the answer there are no counts, although LiteLLM fills in zeros; and no price on tokens."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, f"{WORDS} uncounted"))
    event = only(events)
    assert counted(event) == NO_TOKENS
    assert event.properties.get("$ai_total_cost_usd") != 0


@EVERY
@BOTH
def test_latency_is_the_callers_wait(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The latency holds the provider's delay."""
    asked = FORMS[form]
    run(litellm, asked.named(mode), asked.given(provider, f"{WORDS} slow"))
    assert only(events).properties["$ai_latency"] >= DELAY


@BOTH
def test_parameters_are_the_requests(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """What shapes the answer is a parameter; keys, addresses, metadata and LiteLLM's own arguments are not."""
    more = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "stop": ["end"], "seed": 3}
    own = {"metadata": {"plan": "pro"}, "num_retries": 1, "timeout": 30.0, "user": "u_1", "caching": False}
    headers = {"extra_headers": {"x-own": "1"}}
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, **more, **own, **headers))
    parameters = only(events).properties["$ai_model_parameters"]
    assert {name: parameters[name] for name in more} == more
    assert not INTERNALS & set(parameters)
    assert not [name for name in parameters if name.startswith(("litellm", "_", "posthog"))]


@BOTH
def test_tools_are_told(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The tools that the model may call are on the event, and not among the parameters."""
    tool = {"type": "function", "function": {"name": "find_snail", "parameters": {"type": "object", "properties": {}}}}
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, tools=[tool]))
    told = only(events).properties
    assert "find_snail" in json.dumps(told["$ai_tools"])
    assert "tools" not in told["$ai_model_parameters"]


@EVERY
@BOTH
def test_a_failure_is_one_event(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A refused call is one failed event with the error's class, text, trace and status, and with its input."""
    asked, words = FORMS[form], f"{WORDS}, answer 429"
    error = failing(litellm, asked.named(mode), asked.given(provider, words))
    event = only(events)
    told = event.properties
    assert event.name == asked.event
    assert (told["llm_outcome"], told["$ai_is_error"], told["$ai_http_status"]) == ("failed", True, 429)
    assert told["$ai_error_type"] == type(error).__name__ == "RateLimitError"
    assert "cannot say" in told["$ai_error"]
    assert "RateLimitError" in told["llm_stack_trace"]
    assert told["$ai_provider"] == asked.provider
    assert told["$ai_model"] == asked.model
    assert words in (as_json(event) if form == "transcription" else input_of(event))
    assert counted(event) == NO_TOKENS
    assert "$ai_total_cost_usd" not in told


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "BadRequestError"), (401, "AuthenticationError"), (429, "RateLimitError"), (500, "InternalServerError")],
)
@pytest.mark.parametrize("form", ["completion", "claude", "responses", "embedding"])
@BOTH
def test_every_refusal_has_its_name(
    status: int, kind: str, form: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """The error's type is LiteLLM's name for it, the status is the provider's, and the wait is the caller's."""
    asked = FORMS[form]
    error = failing(litellm, asked.named(mode), asked.given(provider, f"slow, answer {status}", max_retries=0))
    told = only(events).properties
    assert told["$ai_error_type"] == kind == type(error).__name__
    assert told["$ai_http_status"] == status
    assert told["$ai_latency"] >= DELAY


@BOTH
def test_nobody_listens(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A provider that cannot be reached is a failure without a status of its own, and has its input."""
    dead = FORMS["completion"].given(provider, WORDS, api_base="http://127.0.0.1:9/v1", max_retries=0)
    error = failing(litellm, FORMS["completion"].named(mode), dead)
    event = only(events)
    assert event.properties["$ai_error_type"] == type(error).__name__
    assert event.properties["llm_outcome"] == "failed"
    assert WORDS in input_of(event)


@BOTH
def test_a_call_that_never_leaves_is_an_event(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A model of no provider is refused by LiteLLM itself: one failed event, nothing on the wire."""
    error = failing(litellm, FORMS["completion"].named(mode), {"model": "snail", "messages": chat(WORDS)})
    event = only(events)
    assert event.properties["$ai_error_type"] == type(error).__name__ == "BadRequestError"
    assert (event.properties["$ai_is_error"], event.properties["$ai_model"]) == (True, "snail")
    assert provider.requests == []


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropics_own_messages(streamed: bool, litellm: Any, provider: Provider, events: Events) -> None:
    """``anthropic_messages`` asks and answers as Anthropic does, and is one event with the counts of the wire."""
    asked = {"model": "anthropic/claude-sonnet-4-5", "messages": chat(WORDS), "max_tokens": 9, "stream": streamed}
    run(litellm, "anthropic_messages", {**asked, "api_base": provider.url, "api_key": "k"})
    event = only(events)
    assert (event.name, event.properties["$ai_provider"]) == ("$ai_generation", "anthropic")
    assert counted(event) == FORMS["claude"].tokens
    assert FORMS["claude"].said in output_of(event)
    assert event.properties["$ai_stream"] is streamed
