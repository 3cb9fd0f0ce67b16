"""What must not leave: texts of calls whose logging is turned off, and credentials wherever they are put."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.records import Event
from llm_track.testing import Events

from .litellm_calls import FORMS, as_json, counted, failing, only, run
from .server import ANSWER, PIECES, Provider

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
CANARY = "canary7Qx2"
SWITCHES = pytest.mark.parametrize("switch", ["global", "request", "metadata"])
WITH_TEXT = (
    "completion",
    "claude",
    "text_completion",
    "responses",
    "embedding",
    "image_generation",
    "rerank",
    "speech",
)


def switched(litellm: Any, switch: str) -> dict[str, Any]:
    """Turn message logging off, and return the arguments that do it."""
    if switch == "global":
        litellm.turn_off_message_logging = True
        return {}
    off = {"turn_off_message_logging": True}
    return off if switch == "request" else {"metadata": off}


def silent(event: Event) -> bool:
    """Whether an event has no word of prompt, answer or error."""
    told = as_json(event)
    return not any(text in told for text in (CANARY, ANSWER, PIECES[0], "cannot say"))


@pytest.mark.parametrize("form", WITH_TEXT)
@SWITCHES
@BOTH
def test_texts_stay(form: str, switch: str, mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """With message logging off an event has its counts and its cost, and no text."""
    more = switched(litellm, switch)
    run(litellm, FORMS[form].named(mode), FORMS[form].given(provider, CANARY, **more))
    event = only(events)
    assert silent(event)
    assert counted(event).items() >= FORMS[form].tokens.items()
    assert event.properties["$ai_total_cost_usd"] > 0
    assert event.properties["$ai_model"] == FORMS[form].model


@pytest.mark.parametrize("form", ["completion", "claude", "responses"])
@SWITCHES
@BOTH
def test_texts_of_streams_stay(
    form: str, switch: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """With message logging off the event of a stream has no text either."""
    more = {**switched(litellm, switch), "stream": True}
    if form == "completion":
        more["stream_options"] = {"include_usage": True}
    run(litellm, FORMS[form].named(mode), FORMS[form].given(provider, CANARY, **more))
    event = only(events)
    assert silent(event)
    assert counted(event).items() >= FORMS[form].tokens.items()
    assert event.properties["llm_outcome"] == "completed"


@pytest.mark.parametrize("form", WITH_TEXT)
@SWITCHES
@BOTH
def test_texts_of_errors_stay(
    form: str, switch: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """With message logging off an error has its type and status, and neither its text nor its stack trace."""
    more = {**switched(litellm, switch), "max_retries": 0}
    failing(litellm, FORMS[form].named(mode), FORMS[form].given(provider, f"{CANARY} answer 429", **more))
    event = only(events)
    assert silent(event)
    assert "llm_stack_trace" not in event.properties
    assert (event.properties["$ai_error_type"], event.properties["$ai_http_status"]) == ("RateLimitError", 429)
    assert event.properties["$ai_is_error"] is True


@BOTH
def test_texts_of_a_broken_stream_stay(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """With message logging off, neither what came before an error amid a stream nor the error's text is told."""
    litellm.turn_off_message_logging = True
    asked = FORMS["completion"].given(provider, f"{CANARY} fail inside", stream=True)
    failing(litellm, FORMS["completion"].named(mode), asked)
    assert silent(only(events))


@BOTH
def test_one_request_may_speak(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """A request that turns message logging on for itself is told although it is off for all."""
    litellm.turn_off_message_logging = True
    asked = FORMS["completion"].given(provider, CANARY, turn_off_message_logging=False)
    run(litellm, FORMS["completion"].named(mode), asked)
    assert CANARY in as_json(only(events))


HIDING = {
    "api_key": {"api_key": CANARY},
    "authorization": {"extra_headers": {"Authorization": f"Bearer {CANARY}"}},
    "x-api-key": {"extra_headers": {"x-api-key": CANARY}},
    "headers": {"headers": {"authorization": CANARY}},
    "metadata key": {"metadata": {"api_key": CANARY}},
    "metadata headers": {"metadata": {"headers": {"authorization": f"Bearer {CANARY}"}}},
    "nested": {"metadata": {"client": {"secret_key": CANARY, "password": CANARY}}},
    "user_api_key": {"metadata": {"user_api_key": CANARY, "user_api_key_hash": CANARY}},
    "proxy": {"proxy_server_request": {"headers": {"authorization": CANARY}, "body": {"api_key": CANARY}}},
    "secret fields": {"secret_fields": {"raw_headers": {"authorization": CANARY}}},
    "posthog": {"metadata": {"posthog_api_key": CANARY}},
    "organization": {"organization": CANARY},
    "fallbacks": {"fallbacks": [{"model": "gpt-4o-mini", "api_key": CANARY}]},
}


@pytest.mark.parametrize("hiding", HIDING)
@pytest.mark.parametrize("words", ["how do snails live", "answer 401"])
@BOTH
def test_no_credential_leaves(
    hiding: str, words: str, mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """A credential is in no event, wherever a program or LiteLLM itself carries it, and whether the call succeeds."""
    asked = FORMS["completion"].given(provider, words, max_retries=0) | HIDING[hiding]
    try:
        run(litellm, FORMS["completion"].named(mode), asked)
    except Exception:  # noqa: BLE001, S110 - some of these are refused, which is one more way out
        pass
    assert CANARY not in as_json(only(events))


@BOTH
def test_no_credential_leaves_a_router(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """The key and the headers of a deployment are in no event, even if an error quotes its settings."""
    params = {"model": "openai/fails-401", "api_base": provider.v1, "api_key": CANARY, "max_retries": 0}
    listed = [
        {"model_name": "snail", "litellm_params": {**params, "extra_headers": {"authorization": CANARY}}},
        {"model_name": "slug", "litellm_params": {**params, "model": "openai/gpt-4o-mini"}},
    ]
    router = litellm.Router(model_list=listed, num_retries=0, fallbacks=[{"snail": ["slug"]}])
    run(router, FORMS["completion"].named(mode), {"model": "snail", **FORMS["completion"].arguments("hi")})
    assert CANARY not in as_json(only(events))
