"""What happens to an event between being made and being sent."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track import _guard, processors, properties
from llm_track.config import Settings
from llm_track.failures import failure_of
from llm_track.formats import chat_completions, messages, responses
from llm_track.media import strip_media
from llm_track.policies import METADATA
from llm_track.prices import prices
from llm_track.processors import built_in, run
from llm_track.records import Event, Failure, Identity, ModelCall, Request, Response, Span, Usage
from llm_track.redaction import redactors
from llm_track.withholding import withhold_content

CANARY = "canary-7f3a"
SECRET = "sk-proj-" + "Ab1Cd2Ef3Gh4Ij5Kl6"
MEDIA = base64.b64encode(random.Random(1).randbytes(600)).decode()
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
PLACE = {
    "span_id": "s-1", "trace_id": "t-1", "parent_id": None, "identity": Identity(), "ended_at": NOON, "latency": 1.0
}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "search", "description": CANARY, "parameters": {"title": CANARY}}}]
FAILURE = Failure(
    message=f"400: {CANARY} was refused",
    type="BadRequestError",
    code="invalid_prompt",
    stack_trace=f"Traceback\n  ask({CANARY!r})\n",
    exception=ValueError(CANARY),
)


def an_event(**given: Any) -> Event:
    return Event(name="$ai_generation", uuid="u", trace_id="t-1", distinct_id=None, properties=given)


def a_call(**fields: Any) -> Event:
    shared: dict[str, Any] = {**PLACE, "kind": "generation", "name": "chat.completions", "provider": "openai"}
    return properties.event(ModelCall(**{**shared, "request": Request(model="gpt-4o"), **fields}))


CHAT = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": CANARY, "name": CANARY}],
    "tools": TOOLS,
    "tool_choice": {"type": "function", "function": {"name": "search"}},
    "prediction": {"type": "content", "content": CANARY},
    "stop": [CANARY],
    "response_format": {"type": "json_schema", "json_schema": {"name": CANARY, "schema": {"title": CANARY}}},
    "metadata": {"note": CANARY},
    "user": CANARY,
    "safety_identifier": CANARY,
    "prompt_cache_key": CANARY,
    "web_search_options": {"user_location": {"city": CANARY}},
    "extra": {"deep": [CANARY]},
    "temperature": 0.5,
    "n": 2,
    "reasoning_effort": "low",
}
CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": CANARY,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "search", "arguments": f'{{"q":"{CANARY}"}}'},
                    }
                ],
            },
        }
    ],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
MESSAGES = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "system": CANARY,
    "messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}]}],
    "tools": [{"name": "search", "description": CANARY, "input_schema": {"title": CANARY}}],
    "stop_sequences": [CANARY],
    "metadata": {"user_id": CANARY},
    "mcp_servers": [{"url": CANARY}],
}
MESSAGES_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": CANARY, "signature": "s"},
        {"type": "text", "text": CANARY, "citations": [{"cited_text": CANARY}]},
        {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": CANARY}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}
ITEMS = {
    "model": "gpt-4o",
    "input": CANARY,
    "instructions": CANARY,
    "metadata": {"a": CANARY},
    "text": {"format": {"name": CANARY}},
}
ITEMS_ANSWER = {
    "id": "resp_1",
    "status": "completed",
    "model": "gpt-4o",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": CANARY}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": CANARY}]},
        {"type": "function_call", "call_id": "call_1", "name": "search", "arguments": CANARY},
    ],
    "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
}


def read(wire_format: Any, body: Any, answer: Any) -> Event:
    return a_call(request=wire_format.request(body), response=wire_format.response(answer))


REALISTIC = {
    "chat": lambda: read(chat_completions, CHAT, CHAT_ANSWER),
    "messages": lambda: read(messages, MESSAGES, MESSAGES_ANSWER),
    "responses": lambda: read(responses, ITEMS, ITEMS_ANSWER),
    "failed": lambda: a_call(
        request=chat_completions.request(CHAT), failure=FAILURE, outcome="failed", http_status=400
    ),
    "endpoint": lambda: a_call(kind="endpoint", input_state={"input": CANARY}, output_state={"results": [CANARY]}),
    "span": lambda: properties.event(Span(**PLACE, name="step", kind="span", input={"q": CANARY}, output=[CANARY])),
    "failed span": lambda: properties.event(
        Span(**PLACE, name="step", kind="tool", input=CANARY, failure=FAILURE, outcome="failed")
    ),
}


@pytest.mark.parametrize("make", REALISTIC.values(), ids=REALISTIC)
def test_the_canary_is_there_to_begin_with(make):
    """Each of the events below does carry content, so that its absence later means something."""
    assert CANARY in json.dumps(make().properties)


@pytest.mark.parametrize("make", REALISTIC.values(), ids=REALISTIC)
def test_with_metadata_only_no_content_is_left_in_any_field(make):
    """Of inputs, outputs, tools, errors, stack traces and parameters nothing remains, nor the exception itself."""
    event = run(built_in(Settings(content=METADATA)), make())
    assert CANARY not in repr(event)


@pytest.mark.parametrize("name", ["chat", "messages", "responses"])
def test_withholding_keeps_the_counts_and_the_names_of_tools(name):
    """What was called, how often, with how many tokens, and how it ended stays."""
    before, after = REALISTIC[name]().properties, withhold_content(REALISTIC[name]()).properties
    assert (after["$ai_tools_called"], after["$ai_tool_call_count"]) == ("search", 1)
    kept = (
        "$ai_model",
        "$ai_input_tokens",
        "$ai_output_tokens",
        "$ai_stop_reason",
        "$ai_latency",
        "$ai_trace_id",
        "llm_outcome",
    )
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["$ai_input"] is None
    assert after["$ai_output_choices"] is None


def test_withholding_keeps_numbers_flags_and_fixed_words_of_the_parameters():
    """Parameters that cannot hold content stay, for they say how a call was made."""
    kept = withhold_content(REALISTIC["chat"]()).properties["$ai_model_parameters"]
    assert kept == {"temperature": 0.5, "n": 2, "reasoning_effort": "low"}


def test_a_withheld_error_says_class_and_status():
    """An error without its text still says what kind it was, for PostHog to group by."""
    kept = withhold_content(a_call(failure=FAILURE, http_status=400, request_id="req_1")).properties
    assert kept["$ai_error"] == "BadRequestError status 400 req_1"
    assert kept["$ai_is_error"] is True
    bare = withhold_content(a_call(failure=FAILURE)).properties
    assert bare["$ai_error"] == "BadRequestError"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["function", "tool_use", "function_call", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "function", "content", "tool_calls"]), inner, max_size=4)
    ),
)


@given(st.lists(ODD, max_size=3))
def test_no_shape_of_an_answer_stops_the_withholding(output):
    """Whatever JSON an answer turned out to be, its content is withheld and no error takes the event with it."""
    assert withhold_content(an_event(**{"$ai_output_choices": output})).properties["$ai_output_choices"] is None


def test_the_privacy_mode_of_the_users_client_is_honoured():
    """A client in privacy mode withholds content without another setting; a truthy stand-in does not."""
    for client, leaves in (
        (SimpleNamespace(privacy_mode=True), False),
        (SimpleNamespace(privacy_mode="no"), True),
        (object(), True),
    ):
        event = run(built_in(Settings(client=client)), REALISTIC["chat"]())
        assert (CANARY in repr(event)) is leaves


def test_the_order_is_fixed():
    """Media and credentials go first, then content, then cost."""
    names = [processors._name(processor) for processor in built_in(Settings(cost="local"))]
    assert names == ["strip_media_unless", "mask_credentials", "withhold_by_policy", "add_cost"]
    costs = [processors._name(built_in(Settings(cost=cost))[-1]) for cost in ("auto", "off")]
    assert costs == ["add_special_cost", "remove_cost"]


def test_processors_run_in_their_order_each_on_the_result_of_the_last():
    """Every processor sees what the one before it returned."""

    def adding(word):
        return lambda event: replace(event, properties={"said": event.properties.get("said", "") + word})

    assert run([adding("a"), adding("b"), adding("c")], an_event()).properties == {"said": "abc"}


def test_a_processor_that_returns_none_drops_the_event():
    """`None` ends the chain: no later processor sees the event."""
    seen = []
    assert run([lambda event: None, seen.append], an_event()) is None
    assert seen == []


@pytest.mark.parametrize("make", REALISTIC.values(), ids=REALISTIC)
@pytest.mark.parametrize("answers", ["raises", "no event"])
def test_a_processor_that_fails_costs_the_content_not_the_event(make, answers):
    """It may have been a redactor: the event goes on, without content; what comes later in the chain still runs."""

    def redactor(event):
        event.properties["touched"] = "half-way"
        if answers == "raises":
            raise KeyError("redact")
        return event.properties

    later = []
    event = run([redactor, lambda it: later.append(it) or it], make())
    assert isinstance(event, Event)
    assert CANARY not in repr(event)
    assert later
    assert _guard.raised_in_background
    _guard.raised_in_background.clear()


@pytest.mark.usefixtures("without_pytest")
def test_a_failing_processor_is_named_in_the_log(caplog):
    """The warning says which processor failed, and not what it failed on."""

    class Redactor:
        def __call__(self, event):
            raise ValueError(CANARY)

    run([Redactor()], an_event())
    assert "could not run the processor Redactor (ValueError" in caplog.text
    assert CANARY not in "".join(record.getMessage() for record in caplog.records)
    _guard.faults.clear()


MEDIA_PLACES = {
    "data uri": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{MEDIA}"}},
    "data uri in text": f"look at data:image/png;base64,{MEDIA}, please",
    "input_audio": {"type": "input_audio", "input_audio": {"data": MEDIA, "format": "wav"}},
    "audio of an answer": {"type": "audio", "audio": {"id": "a", "data": MEDIA, "transcript": "hello"}},
    "file_data": {"type": "file", "file": {"filename": "a.pdf", "file_data": MEDIA}},
    "file_data as uri": {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{MEDIA}"}},
    "anthropic source": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": MEDIA}},
    "b64_json": {"data": [{"b64_json": MEDIA}]},
    "partial image": {"type": "image_generation.partial_image", "partial_image_b64": MEDIA},
    "image generation": {"type": "image_generation_call", "result": MEDIA},
    "google picture": {"instances": [{"image": {"bytesBase64Encoded": MEDIA, "mimeType": "image/png"}}]},
    "google video": {"generatedSamples": [{"video": {"encodedVideo": MEDIA}}]},
    "wrapped lines": {"data": base64.encodebytes(base64.b64decode(MEDIA)).decode()},
}
CONTENT_KEYS = [
    "$ai_input",
    "$ai_output_choices",
    "$ai_input_state",
    "$ai_output_state",
    "$ai_tools",
    "$ai_model_parameters",
]


@pytest.mark.parametrize("key", [*CONTENT_KEYS, "own_metadata"])
@pytest.mark.parametrize("place", MEDIA_PLACES.values(), ids=MEDIA_PLACES)
def test_media_is_replaced_wherever_it_is(place, key):
    """Embedded media becomes a mark with kind, size and hash in every shape and in every field that may hold it."""
    stripped = json.dumps(strip_media(an_event(**{key: [{"role": "user", "content": [place]}]})).properties)
    assert MEDIA[:76] not in stripped
    assert re.search(r"\[base64 [a-z/]+ \d+ bytes sha256 [0-9a-f]{64} redacted\]", stripped)


def test_the_mark_says_kind_size_and_hash():
    """The kind is the declared one, else what the field holds; size and hash are those of the media itself."""
    known = f"600 bytes sha256 {hashlib.sha256(base64.b64decode(MEDIA)).hexdigest()}"
    stripped = strip_media(an_event(a=MEDIA_PLACES["anthropic source"], b=MEDIA_PLACES["b64_json"])).properties
    assert stripped["a"]["source"]["data"] == f"[base64 image/png {known} redacted]"
    assert stripped["b"]["data"][0]["b64_json"] == f"[base64 image {known} redacted]"


ORDINARY = [
    "今日はとても良い天気ですね。" * 30,
    json.dumps({"rows": list(range(200))}, separators=(",", ":")),
    "https://example.com/" + "path/" * 60 + "?q=1",
    "plain words " * 50,
    MEDIA[:100],
    "ünïcödé" * 40,
    "",
]


@pytest.mark.parametrize("text", ORDINARY, ids=range(len(ORDINARY)))
@pytest.mark.parametrize("key", ["data", "result", "file_data", "b64_json", "content"])
def test_ordinary_text_is_never_taken_for_media(text, key):
    """A long text without blanks, in any language or as JSON, stays, whatever its field is called."""
    event = an_event(**{"$ai_output_state": {key: text}})
    assert strip_media(event) == event


def test_other_values_of_media_fields_stay():
    """Lists, numbers and nested objects under such names are walked through like all others."""
    event = an_event(**{"$ai_output_state": {"data": [{"id": 1}, "x"], "result": None, "b64_json": {"data": 3}}})
    assert strip_media(event) == event


def test_credentials_are_masked_where_they_leak():
    """Error texts, stack traces, tools, parameters and the input of a step lose what looks like a credential."""
    before = an_event(
        **{
            "$ai_error": f"Incorrect API key provided: {SECRET}",
            "llm_stack_trace": f'OpenAI(api_key="{SECRET}")',
            "$ai_tools": [{"type": "mcp", "authorization": "plain", "server_url": f"https://h/{SECRET}"}],
            "$ai_input_state": {"api_key": "plain", "note": f"Bearer {SECRET}"},
            "$ai_model_parameters": {"extra_headers": {"x-api-key": "plain"}},
        }
    )
    after = run(built_in(Settings()), before)
    assert SECRET not in json.dumps(after.properties)
    assert "plain" not in json.dumps(after.properties)
    assert after.properties["$ai_error"] == "Incorrect API key provided: [secret]"


def test_an_exception_that_names_a_credential_is_not_sent():
    """The text of an exception cannot be masked, so one with a credential in it stays here; others are kept."""
    leaking = replace(an_event(**{"$ai_error": f"wrong {SECRET}"}), exception=ValueError(SECRET))
    harmless = replace(an_event(**{"$ai_error": "wrong"}), exception=ValueError("wrong"))
    assert processors.mask_credentials(leaking).exception is None
    assert processors.mask_credentials(harmless).exception is harmless.exception


class ToldError(Exception):
    """As many SDKs have them: the client sends what is called message or detail, not what is printed."""

    def __init__(self, **said: Any) -> None:
        super().__init__("wrong")
        vars(self).update(said)


class GroupError(Exception):
    """As a group of exceptions is, which Python has from 3.11 on."""

    def __init__(self, exceptions: list[Exception]) -> None:
        super().__init__("wrong")
        self.exceptions = exceptions


@pytest.mark.parametrize(
    "make",
    [
        lambda words: ToldError(message=words),
        lambda words: ToldError(detail={"asked": words}),
        lambda words: GroupError([*(ValueError("wrong") for _ in range(20)), ValueError(words)]),
    ],
)
def test_whatever_is_sent_along_with_an_exception_is_looked_at(make):
    """The client sends more of an exception than its stack trace shows: where that holds a credential, or what is to be
    redacted, no exception is sent."""
    shown = an_event(**{"$ai_error": "wrong", "llm_stack_trace": "wrong"})
    leaking, harmless = (replace(shown, exception=make(f"of {words}")) for words in (SECRET, "wrong"))
    assert processors.mask_credentials(leaking).exception is None
    assert processors.mask_credentials(harmless).exception is harmless.exception
    personal = replace(shown, exception=make("of bob@example.com"))
    assert processors.redact_texts(redactors("emails"), 60, personal).exception is None
    assert processors.redact_texts(redactors("emails"), 60, harmless).exception is harmless.exception
    assert failure_of(make("of 0123456789"), secrets=["0123456789"]).exception is None
    assert failure_of(harmless.exception, secrets=["0123456789"]).exception is harmless.exception


def a_costed_event(**given: Any) -> Event:
    usage = Usage(input_tokens=1000, output_tokens=10, cache_included_in_input=True, **given)
    return a_call(response=Response(model="gpt-4o", usage=usage))


def test_local_prices_are_added_to_what_has_none():
    """With cost "local" a priced model gets both parts and their sum."""
    cost = processors.add_cost(a_costed_event()).properties
    assert cost["$ai_input_cost_usd"] == pytest.approx(0.0025)
    assert cost["$ai_total_cost_usd"] == pytest.approx(0.0026)


@pytest.mark.parametrize(
    "event",
    [
        a_costed_event(cost=0.5),
        a_costed_event(cost=0.0),
        replace(a_costed_event(), name="$ai_span"),
        a_call(response=Response(model="no-such-model", usage=Usage(input_tokens=1))),
        a_call(),
    ],
    ids=["cost reported", "reported as free", "a span", "unknown model", "no usage"],
)
def test_local_prices_are_not_added_to_others(event):
    """A cost that the provider reported stays; spans, unknown models and unknown usage get none."""
    assert processors.add_cost(event).properties == event.properties


OURS = prices({"gpt-4o": {"input": 1, "output": 2, "batch": 0.25}})


@pytest.mark.parametrize("cost", ["auto", "local"])
def test_the_prices_of_the_program_come_before_all_lists(cost):
    """A price that was given makes a cost, in batches too, which PostHog keeps; what was reported is left as it is."""
    chain = built_in(Settings(cost=cost, prices=OURS))
    after = run(chain, a_costed_event()).properties
    assert after["$ai_total_cost_usd"] == pytest.approx(0.00102)
    assert after["$ai_cost_passthrough"] is True
    assert after["$ai_input_tokens"] == 1000
    assert run(chain, a_result()).properties["$ai_total_cost_usd"] == pytest.approx(0.00102 / 4)
    assert run(chain, a_costed_event(cost=0.5)).properties["$ai_total_cost_usd"] == 0.5
    other = a_call(response=Response(model="o3", usage=Usage(input_tokens=1000, output_tokens=10)))
    assert run(chain, other).properties == run(built_in(Settings(cost=cost)), other).properties


def test_cost_off_leaves_the_prices_of_the_program_unused():
    """With cost "off" not even a price that was given makes a cost."""
    event = run(built_in(Settings(cost="off", prices=OURS)), a_costed_event())
    assert not [key for key in event.properties if "cost" in key]


OTHERWISE = [
    ("openai", "gpt-5", {"tier": "priority"}, 0.0025 + 0.0002),
    ("openai", "gpt-5", {"tier": "flex"}, 0.000625 + 0.00005),
    ("openai", "gpt-5", {"tier": "scale"}, None),
    ("openai", "no-such-model", {"tier": "priority"}, None),
    ("anthropic", "claude-opus-4-8", {"tier": "priority"}, None),
    ("anthropic", "claude-opus-4-8", {"geo": "us"}, (0.005 + 0.00025) * 1.1),
    ("anthropic", "claude-opus-4-8", {"geo": "moon"}, None),
    ("google-vertex", "claude-opus-4-8", {"geo": "us"}, None),
    ("anthropic", "no-such-model", {"geo": "us"}, None),
]
"""Calls that PostHog takes for ordinary ones, and what they cost, if anybody tells."""


def served(provider: str, model: str, tier: str | None = None, geo: str | None = None) -> Event:
    raw = {"inference_geo": geo} if geo else None
    usage = Usage(input_tokens=1000, output_tokens=10, raw=raw)
    return a_call(provider=provider, response=Response(model=model, usage=usage, service_tier=tier))


@pytest.mark.parametrize(("provider", "model", "how", "dollars"), OTHERWISE)
def test_what_posthog_takes_for_an_ordinary_call_has_its_own_price(provider, model, how, dollars):
    """With cost "auto" the price of a service tier and of a place is sent, where it is known.

    Where it is not, there is no cost, PostHog's own included: it makes none of an event without counts.
    """
    after = run(built_in(Settings()), served(provider, model, **how)).properties
    if dollars is None:
        assert not [name for name in after if "cost" in name or re.fullmatch(r"\$ai_(.*_tokens|usage)", name)]
        assert (after["llm_input_tokens"], after["llm_output_tokens"]) == (1000, 10)
    else:
        assert after["$ai_total_cost_usd"] == pytest.approx(dollars)
        assert after["$ai_input_tokens"] == 1000


@pytest.mark.parametrize(("provider", "model", "how", "dollars"), OTHERWISE)
def test_cost_off_leaves_no_ordinary_price_to_what_is_no_ordinary_call(provider, model, how, dollars):
    """With cost "off" neither we nor PostHog give a cost to such a call."""
    after = run(built_in(Settings(cost="off")), served(provider, model, **how)).properties
    assert not [name for name in after if "cost" in name or re.fullmatch(r"\$ai_(.*_tokens|usage)", name)]


@pytest.mark.parametrize("cost", ["auto", "off"])
@pytest.mark.parametrize(
    "how",
    [{}, {"tier": "default"}, {"tier": "auto"}, {"tier": "on_demand"}, {"geo": "global"}, {"geo": "not_available"}],
)
def test_an_ordinary_call_is_left_to_posthog(cost, how):
    """A standard tier, and a model that may run anywhere, have PostHog's price."""
    after = run(built_in(Settings(cost=cost)), served("anthropic", "claude-opus-4-8", **how)).properties
    assert "$ai_total_cost_usd" not in after
    assert after["$ai_input_tokens"] == 1000


def test_cost_off_removes_every_cost():
    """With cost "off" not even a reported cost leaves."""
    event = run(built_in(Settings(cost="off")), a_costed_event(cost=0.5))
    assert not [key for key in event.properties if "cost" in key]
    assert event.properties["$ai_input_tokens"] == 1000


def a_result(model: str = "gpt-4o", **given: Any) -> Event:
    usage = {"input_tokens": 1000, "output_tokens": 10, "cache_included_in_input": True, "raw": {"prompt_tokens": 1000}}
    response = Response(model=model, usage=Usage(**(usage | given)))
    return a_call(response=response, batch="file-1", custom_id="c1", latency=None)


@pytest.mark.parametrize("cost", ["auto", "local"])
def test_the_result_of_a_batch_has_the_price_of_batches(cost):
    """PostHog would price it as an ordinary call: its cost is sent, and its counts stay where PostHog sums them."""
    event = run(built_in(Settings(cost=cost)), a_result())
    assert event.properties["$ai_total_cost_usd"] == pytest.approx(0.0013)
    assert event.properties["$ai_cost_passthrough"] is True
    assert event.properties["$ai_input_tokens"] == 1000
    ordinary = run(built_in(Settings()), a_costed_event())
    assert not [key for key in ordinary.properties if "cost" in key]


@pytest.mark.parametrize(
    ("cost", "event"),
    [("auto", a_result("no-such-model")), ("local", a_result("no-such-model")), ("off", a_result())],
    ids=["unknown", "unknown locally", "off"],
)
def test_without_a_price_of_batches_posthog_prices_nothing(cost, event):
    """Where no cost is sent, the counts go by names of ours, by which PostHog gives no price; nothing is lost."""
    after = run(built_in(Settings(cost=cost)), event).properties
    assert not [key for key in after if "cost" in key]
    assert not after.keys() & {"$ai_usage", "$ai_input_tokens", "$ai_output_tokens"}
    assert (after["llm_input_tokens"], after["llm_output_tokens"]) == (1000, 10)
    assert after["llm_usage"] == {"prompt_tokens": 1000}
    assert after["$ai_tokens_source"] == "sdk"


def test_a_cost_that_the_provider_reports_for_a_result_stands():
    """What the provider says that a result cost is its cost."""
    event = run(built_in(Settings()), a_result("no-such-model", cost=0.25))
    assert (event.properties["$ai_total_cost_usd"], event.properties["$ai_input_tokens"]) == (0.25, 1000)
