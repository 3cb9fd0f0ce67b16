"""What an event of LiteLLM says is so: prices, served models, counts, and whose question a question was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

import llm_track
from llm_track.testing import Events

from .litellm_calls import FORMS, NO_TOKENS, WORDS, calls, chat, counted, failing, only, run
from .server import ANSWER, INPUT, OUTPUT, Provider

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMS = pytest.mark.parametrize("streamed", [False, True])
PRICES = {"input_cost_per_token": 1e-3, "cache_read_input_token_cost": 1e-3, "output_cost_per_token": 2e-3}
FREE = dict.fromkeys(PRICES, 0)
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


def own_router(litellm: Any, provider: Provider, **more: Any) -> Any:
    """A router with one deployment, under the name ``group``."""
    place = {"api_base": provider.v1, "api_key": "key-of-the-deployment-1"}
    deployment = {"litellm_params": {"model": "openai/gpt-4o-mini", **place, **more.pop("params", {})}}
    return litellm.Router(model_list=[{"model_name": "group", **deployment, **more.pop("deployment", {})}], **more)


@pytest.mark.parametrize("place", ["params", "model_info"])
@pytest.mark.parametrize("prices", [PRICES, FREE], ids=["priced", "free"])
@BOTH
@STREAMS
def test_prices_of_a_deployment(
    place: str, prices: Any, mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events
) -> None:
    """A deployment with prices of its own costs what they say, nothing included, streamed or not."""
    how = {"params": prices} if place == "params" else {"deployment": {"model_info": prices}}
    asked = {"model": "group", "messages": chat(WORDS), **(ASKED if streamed else {})}
    run(own_router(litellm, provider, **how), FORMS["completion"].named(mode), asked)
    right = INPUT * prices["input_cost_per_token"] + OUTPUT * prices["output_cost_per_token"]
    assert only(events).properties["$ai_total_cost_usd"] == pytest.approx(right)


@BOTH
def test_a_stream_says_which_model_served_it(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream's event has the model that the provider names in it, not the one that was asked for."""
    asked = FORMS["completion"].given(provider, f"{WORDS} dated", **ASKED)
    run(litellm, FORMS["completion"].named(mode), asked)
    told = only(events).properties
    assert (told["$ai_model"], told["llm_requested_model"]) == ("gpt-4o-mini-2024-07-18", "gpt-4o-mini")


def test_a_partly_cached_embedding(litellm: Any, provider: Provider, events: Events) -> None:
    """Where a cache held some of a list, the rest was asked for: the event has the provider's counts."""
    litellm.cache = litellm.Cache()
    for texts in (["part one"], ["part one", "part two"]):
        run(litellm, "aembedding", FORMS["embedding"].given(provider, "") | {"input": texts}, pause=0.3)
    assert len(provider.requests) == 2
    told = events.settle()[1].properties
    assert told["$ai_input_tokens"] == INPUT
    assert "llm_cache_hit" not in told
    assert told.get("$ai_total_cost_usd") != 0


@BOTH
def test_an_answer_made_up_for_a_test(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """``mock_response`` asks nobody: the event has the words, but no counts and no cost."""
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, mock_response="mocked"))
    event = only(events)
    assert (provider.requests, counted(event)) == ([], NO_TOKENS)
    assert "mocked" in json.dumps(event.properties["$ai_output_choices"])
    assert "$ai_total_cost_usd" not in event.properties


@BOTH
def test_a_fallback_to_another_provider(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The event is of the provider that answered, and lists the other one's failure."""
    claude = {"model": "anthropic/claude-sonnet-4-5", "api_base": provider.url, "api_key": "k"}
    asked = FORMS["completion"].given(provider, WORDS, fallbacks=[claude], max_retries=0, max_tokens=9)
    run(litellm, FORMS["completion"].named(mode), asked | {"model": "openai/fails-500"})
    told = only(events).properties
    assert (told["$ai_provider"], told["$ai_model"], told["llm_attempts"]) == ("anthropic", "claude-sonnet-4-5", 2)
    assert [(each["provider"], each["http_status"]) for each in told["llm_failed_attempts"]] == [("openai", 500)]


@BOTH
def test_an_error_amid_a_stream_came_with_a_status(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The status of a stream that breaks is the one that it began with."""
    failing(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, "fail inside", **ASKED))
    assert only(events).properties["$ai_http_status"] == 200


def judged(litellm: Any, provider: Provider) -> Callable[..., None]:
    """Return a hook that asks another model once about each call of the first one."""

    def judge(self: Any, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        if kwargs["model"] != "judge":
            litellm.completion(**FORMS["completion"].given(provider, "is that so?", model="openai/judge"))

    return judge


@pytest.mark.parametrize("hook", ["log_pre_api_call", "log_success_event", "log_failure_event"])
@STREAMS
def test_a_question_of_a_callback_is_its_own(
    hook: str, streamed: bool, litellm: Any, provider: Provider, events: Events
) -> None:
    """What the program's own callback asks a model amid a call is a call of its own, and no attempt of the other."""
    logger, ask = litellm.integrations.custom_logger.CustomLogger, judged(litellm, provider)
    body = (lambda self, model, messages, kwargs: ask(self, kwargs, 0, 0, 0)) if hook == "log_pre_api_call" else ask
    litellm.callbacks = [type("Judge", (logger,), {hook: body})()]
    words = "answer 400" if hook == "log_failure_event" else WORDS
    asked = FORMS["completion"].given(provider, words, stream=streamed, max_retries=0)
    (failing if hook == "log_failure_event" else run)(litellm, "completion", asked)
    until = 100
    while len(provider.requests) < 2 and (until := until - 1):
        asyncio.run(asyncio.sleep(0.05))
    for _ in range(20):
        if len(found := calls(events)) >= 2:
            break
        asyncio.run(asyncio.sleep(0.05))
    assert sorted(event.properties["$ai_model"] for event in found) == ["gpt-4o-mini", "judge"]
    assert all("llm_attempts" not in event.properties for event in found)


@BOTH
def test_other_functions_are_steps(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A function without tokens, such as making a file, is one span of LiteLLM's name for it; ``no-log`` holds."""
    name = "create_file" if mode == "sync" else "acreate_file"
    place = {"api_base": provider.v1, "api_key": "k", "custom_llm_provider": "openai"}
    for more in ({"metadata": {"no-log": True}}, {}):
        run(litellm, name, {"file": ("a.jsonl", b"{}"), "purpose": "batch", **place, **more})
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", name)


def test_a_background_run(litellm: Any, provider: Provider, events: Events) -> None:
    """Asking for a background run is a step, fetching it the generation, once, with the counts."""
    asked = litellm.responses(**FORMS["responses"].given(provider, f"{WORDS} later", background=True))
    place = {"api_base": provider.v1, "api_key": "k", "custom_llm_provider": "openai"}
    for _ in range(2):
        litellm.get_responses(response_id=asked.id, **place)
    names = [(event.name, event.properties.get("$ai_input_tokens")) for event in events.settle()]
    assert names == [("$ai_span", None), ("$ai_generation", INPUT), ("$ai_span", None)]
    assert ANSWER in json.dumps(events[1].properties["$ai_output_choices"])


SILENCES = [{"no-log": True}, {"turn_off_message_logging": True}]


@pytest.mark.parametrize("silence", SILENCES, ids=["no-log", "turn-off"])
@pytest.mark.parametrize("place", ["params", "default_litellm_params"])
@pytest.mark.parametrize("words", [WORDS, f"{WORDS}, answer 400"], ids=["answered", "refused"])
@BOTH
def test_the_silence_of_a_router(
    silence: Any, place: str, words: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """What a router or a deployment says of logging holds for the calls that it serves, answered or refused."""
    how = {place: dict(silence)}
    asked = {"model": "group", "messages": chat(words)}
    (failing if "400" in words else run)(own_router(litellm, provider, num_retries=0, **how), f"a{'completion'}", asked)
    sent = json.dumps([event.properties for event in events.settle()])
    assert WORDS not in sent
    assert len(events) == (0 if "no-log" in silence else 1)


@pytest.mark.parametrize("silence", SILENCES, ids=["no-log", "turn-off"])
def test_steps_around_a_silent_call_are_silent_too(
    silence: Any, litellm: Any, provider: Provider, events: Events
) -> None:
    """The error of a call whose content must not leave is not told by the span that it passes, either."""
    asked = FORMS["completion"].given(provider, f"{WORDS}, answer 400", max_retries=0, **silence)
    with pytest.raises(litellm.BadRequestError), llm_track.llm_span("around"):
        litellm.completion(**asked)
    (span,) = (event for event in events.settle() if event.name == "$ai_trace")
    assert span.properties["$ai_error_type"] == "BadRequestError"
    assert WORDS not in json.dumps([event.properties for event in events])


@pytest.mark.parametrize(
    "name", ["azure_ad_token", "aws_web_identity_token", "oci_key", "watsonx_token", "github_token"]
)
def test_credentials_among_the_arguments(name: str, litellm: Any, provider: Provider, events: Events) -> None:
    """An argument that is a credential is in no event, whatever provider it is for."""
    run(litellm, "completion", FORMS["completion"].given(provider, WORDS, **{name: "canary-7Qx2Lm9Zt4Rw8sVb"}))
    assert "canary" not in json.dumps(only(events).properties)


@BOTH
def test_the_key_of_a_deployment_in_an_error(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A key that a provider quotes is masked, though the program's call did not bring it along."""
    asked = {"model": "group", "messages": chat("key-of-the-deployment-1, answer 401")}
    failing(own_router(litellm, provider, num_retries=0), FORMS["completion"].named(mode), asked)
    told = only(events).properties
    assert "key-of-the-deployment-1" not in json.dumps([told["$ai_error"], told["llm_stack_trace"]])
    assert "[secret]" in told["$ai_error"]


@pytest.mark.parametrize("identity", [b"alice", type("User", (), {"__str__": lambda self: "alice"})()])
def test_users_of_other_types(identity: Any, litellm: Any, provider: Provider, events: Events) -> None:
    """Bytes and objects of the program's own name a user by their text, each its own."""
    run(litellm, "completion", FORMS["completion"].given(provider, WORDS, metadata={"user_id": identity}))
    assert only(events).distinct_id == "alice"
