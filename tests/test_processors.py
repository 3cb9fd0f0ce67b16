"""What happens to an event between being made and being sent."""

from __future__ import annotations

import base64
import json
import random
import re
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_track import _guard, processors, properties
from llm_track.config import Settings
from llm_track.formats import chat_completions, messages, responses
from llm_track.processors import LARGEST_EVENT, built_in, run, size, strip_media, truncate
from llm_track.records import Event, Failure, Identity, ModelCall, Request, Response, Span, Usage
from llm_track.withholding import withhold_content

CANARY = "canary-7f3a"
SECRET = "sk-proj-" + "Ab1Cd2Ef3Gh4Ij5Kl6"
MEDIA = base64.b64encode(random.Random(1).randbytes(600)).decode()
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
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
    event = run(built_in(Settings(content="metadata")), make())
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
    private = Settings(client=SimpleNamespace(privacy_mode=True))
    assert withhold_content in built_in(private)
    assert withhold_content not in built_in(Settings(client=SimpleNamespace(privacy_mode="no")))
    assert withhold_content not in built_in(Settings(client=object()))


def test_the_order_is_fixed():
    """Media and credentials go first, then content, then length, then cost; so nothing is cut before it is masked."""
    names = [processor.__name__ for processor in built_in(Settings(content="metadata", cost="local"))]
    assert names == [
        "strip_media",
        "mask_credentials",
        "withhold_where_asked",
        "withhold_content",
        "truncate",
        "add_cost",
    ]
    assert [processor.__name__ for processor in built_in(Settings(cost="off"))][-2:] == ["truncate", "remove_cost"]
    least = ["strip_media", "mask_credentials", "withhold_where_asked", "truncate"]
    assert [processor.__name__ for processor in built_in(Settings())] == least


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
    """Embedded media becomes a mark with its kind and size in every shape and in every field that may hold it."""
    stripped = json.dumps(strip_media(an_event(**{key: [{"role": "user", "content": [place]}]})).properties)
    assert MEDIA[:76] not in stripped
    assert re.search(r"\[base64 [a-z/]+ \d+ bytes redacted\]", stripped)


def test_the_mark_says_kind_and_size():
    """The kind is the declared one, else what the field holds; the size is in bytes of the media itself."""
    stripped = strip_media(an_event(a=MEDIA_PLACES["anthropic source"], b=MEDIA_PLACES["b64_json"])).properties
    assert stripped["a"]["source"]["data"] == "[base64 image/png 600 bytes redacted]"
    assert stripped["b"]["data"][0]["b64_json"] == "[base64 image 600 bytes redacted]"


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


CUT = re.compile(r"(?s)(.*) \[\.\.\. (\d+) characters cut \.\.\.\] (.*)")
TEXTS = st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=8), st.sampled_from([1, 50, 30_000, 400_000])
)
VALUES = st.recursive(
    TEXTS | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*CONTENT_KEYS, "$ai_error", "$ai_span_name", "own", "llm_error_code"]), VALUES))
@settings(max_examples=40, deadline=None)
def test_every_event_is_made_to_fit(given_properties):
    """However long its texts, whatever fields hold them, an event fits afterwards, and one that fitted is untouched."""
    event = an_event(**given_properties)
    after = truncate(event)
    assert size(after) <= LARGEST_EVENT
    json.loads(json.dumps(after.properties, allow_nan=False))
    if size(event) <= LARGEST_EVENT:
        assert after is event


@pytest.mark.parametrize("length", [950_000, 5_000_000])
@pytest.mark.parametrize("character", ["a", "字", "\U0001f600"])
def test_the_mark_says_how_much_was_cut(length, character):
    """Start and end of a long text stay, and the number in the mark is exactly what is missing between them."""
    text = "begin" + character * length + "end"
    cut = truncate(an_event(**{"$ai_input": [{"role": "user", "content": text}]})).properties["$ai_input"][0]["content"]
    head, missing, tail = CUT.fullmatch(cut).groups()
    assert head.startswith("begin")
    assert tail.endswith("end")
    assert len(head) + int(missing) + len(tail) == len(text)


def test_only_long_texts_are_cut():
    """The short texts beside a long one stay as they are."""
    event = an_event(**{"$ai_input": ["short", "x" * 2_000_000], "$ai_model": "gpt-4o"})
    after = truncate(event).properties
    assert after["$ai_input"][0] == "short"
    assert after["$ai_model"] == "gpt-4o"


def test_fifty_megabytes_are_cut_to_fit():
    """A text of 50 MB fits into an event, with a mark in its middle."""
    event = an_event(**{"$ai_input": [{"role": "user", "content": "word " * 10_000_000}]})
    after = run(built_in(Settings()), event)
    assert size(after) <= LARGEST_EVENT
    assert CUT.fullmatch(after.properties["$ai_input"][0]["content"])


@pytest.mark.parametrize("value", [["w" * 40] * 60_000, list(range(150_000)), {f"key {n}": n for n in range(50_000)}])
def test_what_cannot_be_cut_is_withheld_visibly(value):
    """An event of very many short values loses its content, says so, and keeps its counts."""
    event = an_event(**{"$ai_input": value, "$ai_input_tokens": 5, "$ai_trace_id": "t-1", "own": value})
    after = truncate(event).properties
    assert size(truncate(event)) <= LARGEST_EVENT
    assert after["$ai_input_tokens"] == 5
    assert "too long" in json.dumps(after)


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


def test_cost_off_removes_every_cost():
    """With cost "off" not even a reported cost leaves."""
    event = run(built_in(Settings(cost="off")), a_costed_event(cost=0.5))
    assert not [key for key in event.properties if "cost" in key]
    assert event.properties["$ai_input_tokens"] == 1000
