"""Retries, fallbacks and LiteLLM's Router: one call of the program is one event, however often a provider was asked."""

from __future__ import annotations

from typing import Any

import pytest

import llm_track
from llm_track.testing import Events, capture_events

from .litellm_calls import FORMS, STREAMED, WORDS, counted, failing, input_of, only, output_of, run
from .server import ANSWER, Provider

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMS = pytest.mark.parametrize("streamed", [False, True])


def router(litellm: Any, provider: Provider, **more: Any) -> Any:
    """Return a router that knows a deployment for each form, named by it, and two that always fail."""
    models = {name: form.asked or f"openai/{form.model}" for name, form in FORMS.items()}
    models |= {"text_completion": "text-completion-openai/gpt-3.5-turbo-instruct"}
    models |= {"refusing": "openai/fails-429", "failing": "openai/fails-500"}
    shared = {"api_key": "k", "max_retries": 0}

    def address(name: str) -> str:
        return provider.v1 if name not in FORMS or FORMS[name].versioned else provider.url

    listed = [
        {"model_name": name, "litellm_params": {"model": model, "api_base": address(name), **shared}}
        for name, model in models.items()
    ]
    return litellm.Router(model_list=listed, **{"num_retries": 0, "retry_after": 0, **more})


def routed(form: str, words: str = WORDS, **more: Any) -> dict[str, Any]:
    """Return the arguments of a routed call."""
    return {"model": form, **FORMS[form].arguments(words), **more}


@pytest.mark.parametrize(
    ("form", "mode"),
    [(form, "async") for form in FORMS]
    + [(form, "sync") for form in ("completion", "claude", "responses", "embedding", "image_generation")],
)
def test_a_routed_call_is_one_event(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A call through a router is one event of the same kind, with the provider's own name for the model."""
    asked = FORMS[form]
    run(router(litellm, provider), asked.named(mode), routed(form))
    event = only(events)
    told = event.properties
    assert (event.name, told["llm_outcome"]) == (asked.event, "completed")
    assert (told["$ai_provider"], told["$ai_model"]) == (asked.provider, asked.model)
    assert counted(event).items() >= asked.tokens.items()
    assert len(provider.requests) == 1
    if form != "moderation":
        assert told["$ai_total_cost_usd"] > 0
    assert not {"model_list", "metadata", "original_function", "specific_deployment"} & set(
        told.get("$ai_model_parameters", {})
    )


@pytest.mark.parametrize("form", [form for form in STREAMED if form != "text_completion"])
@BOTH
def test_a_routed_stream_is_one_event(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A stream through a router is one event with the whole answer."""
    run(router(litellm, provider), FORMS[form].named(mode), routed(form, stream=True))
    event = only(events)
    assert (event.properties["llm_outcome"], event.properties["$ai_stream"]) == ("completed", True)
    assert event.properties["$ai_provider"] == FORMS[form].provider
    assert event.properties["$ai_model"] == FORMS[form].model
    assert ANSWER in output_of(event)


@BOTH
@STREAMS
def test_fallbacks_of_a_router(mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events) -> None:
    """A call that two deployments refuse and a third answers is one completed event that tells of all three."""
    asked = router(litellm, provider, fallbacks=[{"refusing": ["failing", "completion"]}])
    run(asked, FORMS["completion"].named(mode), routed("completion", model="refusing", stream=streamed))
    event = only(events)
    told = event.properties
    assert (told["llm_outcome"], told["$ai_model"]) == ("completed", "gpt-4o-mini")
    assert "$ai_is_error" not in told
    assert told["llm_attempts"] == len(provider.requests) == 3
    failed = told["llm_failed_attempts"]
    assert [attempt["model"].removeprefix("openai/") for attempt in failed] == ["fails-429", "fails-500"]
    assert [attempt["error_type"] for attempt in failed] == ["RateLimitError", "InternalServerError"]
    assert ANSWER in output_of(event)


@BOTH
@STREAMS
def test_fallbacks_that_fail_too(mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events) -> None:
    """A call that nobody answers is one failed event with the exception that the program saw."""
    asked = router(litellm, provider, fallbacks=[{"refusing": ["failing"]}])
    words = routed("completion", model="refusing", stream=streamed)
    error = failing(asked, FORMS["completion"].named(mode), words)
    event = only(events)
    told = event.properties
    assert (told["llm_outcome"], told["$ai_error_type"]) == ("failed", type(error).__name__)
    assert told["llm_attempts"] == len(provider.requests) == 2
    assert WORDS in input_of(event)
    assert "$ai_total_cost_usd" not in told


@BOTH
def test_retries_of_a_router(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A call that is answered at the second attempt is one completed event that names the first."""
    provider.failures += [500]
    run(router(litellm, provider, num_retries=1), FORMS["completion"].named(mode), routed("completion"))
    event = only(events)
    told = event.properties
    assert told["llm_outcome"] == "completed"
    assert told["llm_attempts"] == len(provider.requests) == 2
    assert [attempt["error_type"] for attempt in told["llm_failed_attempts"]] == ["InternalServerError"]
    assert counted(event) == FORMS["completion"].tokens


def test_retries_of_a_routers_embedding(litellm: Any, provider: Provider, events: Events) -> None:
    """An embedding that is answered at the second attempt is one event."""
    provider.failures += [500]
    run(router(litellm, provider, num_retries=1), "aembedding", routed("embedding"))
    event = only(events)
    assert (event.name, event.properties["llm_attempts"]) == ("$ai_embedding", 2)


@pytest.mark.parametrize("form", ["completion", "claude"])
@BOTH
def test_retries_of_a_function(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """``num_retries`` makes one event of all attempts, whether LiteLLM repeats them or the SDK below it."""
    provider.failures += [500, 500]
    run(litellm, FORMS[form].named(mode), FORMS[form].given(provider, WORDS, num_retries=2, max_retries=0))
    event = only(events)
    assert event.properties["llm_outcome"] == "completed"
    assert event.properties["llm_attempts"] == len(provider.requests) == 3
    assert counted(event).items() >= FORMS[form].tokens.items()


@BOTH
def test_failed_attempts_are_named(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The attempts that LiteLLM repeats by itself are listed with what they failed by."""
    provider.failures += [500, 429]
    run(litellm, FORMS["claude"].named(mode), FORMS["claude"].given(provider, WORDS, num_retries=2, max_retries=0))
    failed = only(events).properties["llm_failed_attempts"]
    assert [attempt["http_status"] for attempt in failed] == [500, 429]
    assert {attempt["model"].removeprefix("anthropic/") for attempt in failed} == {"claude-sonnet-4-5"}
    assert all(attempt["error_type"].endswith("Error") for attempt in failed)


@pytest.mark.parametrize("form", ["completion", "claude"])
@BOTH
def test_retries_in_vain(form: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A call that fails at every attempt is one failed event that counts every request."""
    asked = FORMS[form].given(provider, "answer 500", num_retries=2, max_retries=0)
    error = failing(litellm, FORMS[form].named(mode), asked)
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_error_type"]) == ("failed", type(error).__name__)
    assert told["llm_attempts"] == len(provider.requests)


@BOTH
def test_retries_of_the_sdk_below(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The requests that the openai SDK repeats by itself count as attempts of the one call."""
    provider.failures += [500, 500]
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, max_retries=2))
    told = only(events).properties
    assert told["llm_outcome"] == "completed"
    assert told["llm_attempts"] == len(provider.requests) == 3


@BOTH
def test_fallbacks_of_a_function(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """``completion(fallbacks=[...])`` is one completed event with the model that answered."""
    more = {"model": "openai/fails-429", "fallbacks": ["gpt-4o-mini"], "max_retries": 0}
    run(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, **more))
    event = only(events)
    told = event.properties
    assert (told["llm_outcome"], told["$ai_model"], told["$ai_provider"]) == ("completed", "gpt-4o-mini", "openai")
    assert told["llm_attempts"] == len(provider.requests) == 2
    (failed,) = told["llm_failed_attempts"]
    assert failed["error_type"] == "RateLimitError"
    assert failed["model"].removeprefix("openai/") == "fails-429"
    assert counted(event) == FORMS["completion"].tokens
    assert told["$ai_total_cost_usd"] > 0


@BOTH
def test_fallbacks_of_a_function_in_vain(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """When every fallback fails too, there is one failed event."""
    more = {"model": "openai/fails-429", "fallbacks": ["openai/fails-500"], "max_retries": 0}
    error = failing(litellm, FORMS["completion"].named(mode), FORMS["completion"].given(provider, WORDS, **more))
    event = only(events)
    assert event.properties["llm_outcome"] == "failed"
    assert event.properties["$ai_error_type"] == type(error).__name__
    assert WORDS in input_of(event)


@BOTH
def test_one_router_alone(mode: str, litellm: Any, provider: Provider) -> None:
    """``instrument(router)`` tracks the calls of that router, with what the SDK beneath tells, and no others."""
    chosen, other = router(litellm, provider), router(litellm, provider)
    with capture_events() as events:
        try:
            assert llm_track.instrument(chosen) is chosen
            for each in (other, chosen, litellm):
                asked = routed("completion") if each is not litellm else FORMS["completion"].given(provider, WORDS)
                run(each, FORMS["completion"].named(mode), asked)
            assert counted(only(events)) == FORMS["completion"].tokens
            assert events[0].properties["llm_request_id"] == "req_snail"
        finally:
            llm_track.unpatch()
