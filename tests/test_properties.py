"""From records to what PostHog is told."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

import llm_track
from llm_track import properties
from llm_track.processors import built_in, run
from llm_track.properties import costs
from llm_track.records import Event, Failure, Identity, ModelCall, Request, Response, Span, Usage
from llm_track.withholding import withhold_content

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
SPEC = Path(__file__).parents[2] / "shared" / "spec"
SPAN_ID, TRACE_ID, PARENT_ID = (f"0000000{n}-0000-4000-8000-000000000000" for n in (1, 2, 3))
FAILURE = Failure(
    message="no", type="RateLimitError", code="rate_limit", stack_trace="Traceback", exception=ValueError()
)


def place(**fields: Any) -> dict[str, Any]:
    shared = {"span_id": SPAN_ID, "trace_id": TRACE_ID, "parent_id": None, "identity": Identity()}
    return {**shared, "ended_at": NOON, "latency": 1.5, **fields}


def a_call(**fields: Any) -> ModelCall:
    shared: dict[str, Any] = {"kind": "generation", "name": "chat.completions", "provider": "openai"}
    request = Request(model="gpt-4o", input=[{"role": "user", "content": "hi"}], parameters={"temperature": 0.5})
    return ModelCall(**{**place(), **shared, "request": request, **fields})


def a_span(**fields: Any) -> Span:
    return Span(**{**place(), "name": "step", "kind": "span", **fields})


def told(record: Any) -> dict[str, Any]:
    return properties.event(record).properties


@pytest.fixture(scope="module")
def violations() -> Any:
    """The checker of PostHog's schema, in its strict profile."""
    if not (SPEC / "validate.py").exists() or importlib.util.find_spec("jsonschema") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(
                f"PostHog's schema or jsonschema is missing: expected {SPEC.name}/validate.py beside the checkout"
            )
        pytest.skip("PostHog's schema or jsonschema is not here")
    spec = importlib.util.spec_from_file_location("validate", SPEC / "validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def check(event: Event) -> list[str]:
        sent = {**event.properties, **properties.anonymity(event)}
        found: list[str] = module.violations(
            {
                "event": event.name,
                "distinct_id": event.distinct_id or event.trace_id,
                "uuid": event.uuid,
                "timestamp": NOON.isoformat(),
                "properties": sent,
            },
            strict=True,
        )
        return found

    return check


COUNTS = st.none() | st.integers(0, 10**9)
USAGES = st.builds(
    Usage,
    **{name: COUNTS for name in Usage.__dataclass_fields__ if name.endswith("_tokens") or name == "web_searches"},
    cache_included_in_input=st.booleans(),
    cost=st.none() | st.floats(0, 1000),
    raw=st.none() | st.just({"prompt_tokens": 1}),
)
TEXT = st.text(max_size=20)
IDENTITIES = st.builds(
    Identity,
    user_id=st.none() | TEXT,
    session_id=st.none() | TEXT,
    groups=st.dictionaries(st.text(min_size=1, max_size=9), TEXT, max_size=2),
    metadata=st.dictionaries(st.text("abcdefg_ ", min_size=1, max_size=9), TEXT | st.integers(), max_size=3),
)
OUTCOMES = st.sampled_from(["completed", "failed", "cancelled", "broken", "closed_early", "never_read"])
REQUESTS = st.builds(
    Request,
    model=st.sampled_from(["gpt-4o", "claude-sonnet-4-5"]),
    input=st.sampled_from([[], [{"role": "user", "content": "hi"}]]),
    parameters=st.sampled_from([{}, {"temperature": 0.1, "max_output_tokens": 5}, {"reasoning": {"effort": "low"}}]),
    tools=st.none() | st.just([{"type": "function", "function": {"name": "f"}}]),
    stream=st.booleans(),
)
RESPONSES = st.none() | st.builds(
    Response,
    output=st.none() | st.just([{"role": "assistant", "content": "hello"}]),
    usage=USAGES,
    model=st.none() | st.just("gpt-4o-2024-08-06"),
    id=st.none() | st.just("resp_1"),
    stop_reason=st.none() | st.just("stop"),
    service_tier=st.none() | st.just("default"),
)
SHARED: dict[str, Any] = {
    "span_id": st.just(SPAN_ID),
    "trace_id": st.just(TRACE_ID),
    "parent_id": st.none() | st.just(PARENT_ID),
    "identity": IDENTITIES,
    "ended_at": st.just(NOON),
    "latency": st.floats(0, 10_000),
    "outcome": OUTCOMES,
    "failure": st.none() | st.just(FAILURE),
}
CALLS = st.builds(
    ModelCall,
    **SHARED,
    kind=st.sampled_from(["generation", "embedding", "endpoint"]),
    name=st.just("chat.completions"),
    provider=st.sampled_from(["openai", "anthropic", "azure"]),
    base_url=st.just("https://api.openai.com/v1"),
    request_url=st.none() | st.just("https://api.openai.com/v1/chat/completions"),
    request=REQUESTS,
    response=RESPONSES,
    time_to_first_token=st.none() | st.floats(-1, 100),
    http_status=st.none() | st.integers(200, 599),
    request_id=st.none() | st.just("req_1"),
    retries=st.none() | st.integers(0, 9),
    input_state=st.none() | st.just({"a": 1}),
    output_state=st.none() | st.just([1]),
).filter(lambda call: call.time_to_first_token is not None or not call.request.stream)
SPANS = st.builds(
    Span,
    **SHARED,
    name=st.text(min_size=1, max_size=20),
    kind=st.sampled_from(["span", "tool", "agent"]),
    input=st.none() | TEXT,
    output=st.none() | TEXT | st.just({"a": math.nan}),
)


@given(CALLS | SPANS)
@settings(deadline=None, max_examples=40)
def test_every_record_becomes_an_event_of_the_strict_schema(violations, record):
    """Whatever kind of record, with whatever is absent, the event has the names and types that PostHog ingests."""
    event = properties.event(record)
    assert violations(event) == []
    processed = run(built_in(llm_track.config.settings()), event)
    assert processed is not None
    assert violations(processed) == []


@given(CALLS | SPANS)
@settings(deadline=None, max_examples=40)
def test_an_event_without_content_has_the_strict_schema_too(violations, record):
    """Withholding content leaves an event that PostHog still ingests."""
    assert violations(withhold_content(properties.event(record))) == []


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (a_call(), "$ai_generation"),
        (a_call(kind="embedding"), "$ai_embedding"),
        (a_call(kind="endpoint"), "$ai_span"),
        (a_call(kind="endpoint", parent_id=PARENT_ID), "$ai_span"),
        (a_span(), "$ai_trace"),
        (a_span(parent_id=PARENT_ID), "$ai_span"),
    ],
)
def test_which_event_a_record_becomes(record, name):
    """Each kind of call has its event; the outermost span is the trace."""
    assert properties.event(record).name == name


def test_the_place_in_the_trace():
    """A call at the root hangs under the trace, one in a span under the span, and the trace itself under nothing."""
    assert told(a_call())["$ai_parent_id"] == TRACE_ID
    assert told(a_call(parent_id=PARENT_ID))["$ai_parent_id"] == PARENT_ID
    assert told(a_span(parent_id=PARENT_ID))["$ai_parent_id"] == PARENT_ID
    assert "$ai_parent_id" not in told(a_span())
    event = properties.event(a_call())
    assert (event.uuid, event.trace_id) == (event.properties["$ai_span_id"], event.properties["$ai_trace_id"])
    assert (event.uuid, event.trace_id) == (SPAN_ID, TRACE_ID)


@freeze_time("2030-01-01")
def test_the_time_is_when_the_call_ended():
    """The timestamp is that of the record, whenever the event is made of it."""
    assert properties.event(a_call()).timestamp == NOON


COUNT_NAMES = {
    "input_tokens": "$ai_input_tokens",
    "output_tokens": "$ai_output_tokens",
    "total_tokens": "$ai_total_tokens",
    "cache_read_tokens": "$ai_cache_read_input_tokens",
    "cache_write_tokens": "$ai_cache_creation_input_tokens",
    "cache_write_5m_tokens": "$ai_cache_creation_5m_input_tokens",
    "cache_write_1h_tokens": "$ai_cache_creation_1h_input_tokens",
    "reasoning_tokens": "$ai_reasoning_tokens",
    "audio_input_tokens": "$ai_audio_input_tokens",
    "audio_output_tokens": "$ai_audio_output_tokens",
    "image_input_tokens": "$ai_image_input_tokens",
    "image_output_tokens": "$ai_image_output_tokens",
    "web_searches": "$ai_web_search_count",
}


@pytest.mark.parametrize(("field", "name"), COUNT_NAMES.items())
def test_what_was_not_reported_is_absent_and_zero_stays_zero(field, name):
    """Each count is sent as it was reported, zero included, and not at all when it was not."""
    assert name not in told(a_call(response=Response()))
    for count in (0, 7):
        assert told(a_call(response=Response(usage=Usage(**{field: count}))))[name] == count


def test_every_count_of_a_record_has_its_property():
    """No count is read from an answer and then forgotten."""
    assert set(COUNT_NAMES) == set(Usage.__dataclass_fields__) - {
        "cache_included_in_input", "reasoning_included_in_output", "cost", "raw",
    }  # fmt: skip


@pytest.mark.parametrize(("included", "exclusive"), [(True, False), (False, True), (None, None)])
def test_whether_cache_tokens_are_part_of_the_input_is_said_when_known(included, exclusive):
    """OpenAI counts cached tokens inside the input and Anthropic outside; PostHog is told which, or nothing."""
    told_properties = told(a_call(response=Response(usage=Usage(cache_included_in_input=included))))
    assert told_properties.get("$ai_cache_reporting_exclusive") is exclusive


@pytest.mark.parametrize(
    ("written", "short", "long", "sent"),
    [
        (9, None, 4, (5, 4)),
        (9, 4, None, (4, 5)),
        (9, None, 9, (0, 9)),
        (9, 3, 6, (3, 6)),
        (9, None, None, (None, None)),
        (None, None, 4, (None, 4)),
        (9, None, 10, (None, 10)),
    ],
)
def test_posthog_is_told_of_both_lifetimes_of_a_cache(written, short, long, sent):
    """PostHog prices an hour of cache only by both counts: what one leaves of all is the other, if that can be."""
    usage = Usage(cache_write_tokens=written, cache_write_5m_tokens=short, cache_write_1h_tokens=long)
    found = told(a_call(response=Response(usage=usage)))
    names = ("$ai_cache_creation_5m_input_tokens", "$ai_cache_creation_1h_input_tokens")
    assert tuple(found.get(name) for name in names) == sent


@pytest.mark.parametrize("cost", [0.0, 0.25])
def test_a_reported_cost_is_passed_through(cost):
    """What the provider says a call cost, free included, is what PostHog is to keep."""
    sent = told(a_call(response=Response(usage=Usage(cost=cost))))
    assert (sent["$ai_total_cost_usd"], sent["$ai_cost_passthrough"]) == (cost, True)
    assert not {key for key in told(a_call(response=Response())) if "cost" in key}


def test_costs_are_removed_by_name():
    """Every cost goes, whichever part of it, and nothing else does."""
    priced = {**costs.computed_cost(1.0, 2.0), "$ai_web_search_cost_usd": 1}
    assert priced["$ai_total_cost_usd"] == 3.0
    assert costs.without_cost({**priced, "$ai_input_tokens": 1}) == {"$ai_input_tokens": 1}


@pytest.mark.parametrize(
    ("asked", "served", "model", "requested"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o", "gpt-4o", "gpt-4o", None),
        ("gpt-4o", None, "gpt-4o", None),
        (None, "gpt-4o", "gpt-4o", None),
        (None, None, "unknown", None),
    ],
)
def test_the_model_is_the_one_that_answered(asked, served, model, requested):
    """The served model is priced; the requested one is kept beside it when it differs."""
    sent = told(a_call(request=Request(model=asked), response=Response(model=served)))
    assert sent["$ai_model"] == model
    assert sent.get("llm_requested_model") == requested


@pytest.mark.parametrize(
    ("session", "sent"),
    [("s_9", "s_9"), ("a/b c?d=é", "a-b-c-d--"), ("x" * 300, "x" * 200), (42, "42"), ("", None), (None, None)],
)
def test_session_ids_are_made_safe_for_links(session, sent):
    """Characters that break PostHog's links are replaced, and long ids are cut."""
    assert told(a_call(identity=Identity(session_id=session))).get("$ai_session_id") == sent


@given(st.text(min_size=1))
def test_no_session_id_holds_another_character(session):
    """Whatever the program calls its sessions, only the documented characters reach PostHog."""
    assert re.fullmatch(
        r"[A-Za-z0-9\-_~.@()!':|]{1,200}", told(a_call(identity=Identity(session_id=session)))["$ai_session_id"]
    )


@pytest.mark.parametrize(
    ("user", "distinct_id"), [("u_1", "u_1"), (7, "7"), (0, "0"), ("x" * 300, "x" * 200), ("", None), (None, None)]
)
def test_the_user_is_the_distinct_id(user, distinct_id):
    """The user of a span is the distinct id, as text of at most 200 characters; nobody is nobody."""
    assert properties.event(a_call(identity=Identity(user_id=user))).distinct_id == distinct_id


def test_anonymity_is_for_events_without_a_user():
    """Only an event whose user nobody named keeps PostHog from making a person of it."""
    assert properties.anonymity(properties.event(a_call())) == {"$process_person_profile": False}
    assert properties.anonymity(properties.event(a_call(identity=Identity(user_id="u")))) == {}


def test_groups_and_flags_of_the_span_reach_the_event():
    """Groups become text, and `no_log` and the exception go along."""
    error = ValueError()
    identity = Identity(groups={"company": 5, 6: "x"}, no_log=True)
    event = properties.event(a_call(identity=identity, failure=replace(FAILURE, exception=error)))
    assert event.groups == {"company": "5", "6": "x"}
    assert event.no_log
    assert event.exception is error
    assert properties.event(a_call()).exception is None


def test_metadata_is_added_and_cannot_speak_for_posthog():
    """The program's own metadata is sent as it is, but neither `$ai_` names nor what llm_track says are replaced."""
    metadata = {"plan": "pro", "$ai_model": "faked", "$ai_anything": 1, "llm_outcome": "faked", 5: {"a": (1,)}}
    sent = told(a_call(identity=Identity(metadata=metadata)))
    assert (sent["plan"], sent["5"], sent["$ai_model"], sent["llm_outcome"]) == (
        "pro",
        {"a": [1]},
        "gpt-4o",
        "completed",
    )
    assert "$ai_anything" not in sent


def test_a_failure_is_told_in_full():
    """An error has its flag, text, class, code and stack trace; a call without one has none of these."""
    sent = told(a_call(failure=FAILURE, outcome="failed", http_status=429))
    assert (sent["$ai_is_error"], sent["$ai_error"], sent["$ai_error_type"]) == (True, "no", "RateLimitError")
    assert (sent["llm_error_code"], sent["llm_stack_trace"], sent["$ai_http_status"]) == (
        "rate_limit",
        "Traceback",
        429,
    )
    assert sent["llm_outcome"] == "failed"
    assert sent["$ai_input"] == [{"role": "user", "content": "hi"}]
    assert not {key for key in told(a_call()) if "error" in key or "stack" in key}


def test_no_answer_has_the_status_zero():
    """Where there was no HTTP answer the status is 0, as PostHog wants it."""
    assert told(a_call(http_status=None))["$ai_http_status"] == 0


def test_what_a_generation_says_of_its_request():
    """Parameters, effort, the newer name of the token limit, tools, streaming and first token are sent."""
    request = Request(
        model="gpt-5",
        parameters={"max_output_tokens": 9, "reasoning": {"effort": "high"}},
        tools=[{"type": "function"}],
        stream=True,
    )
    sent = told(a_call(request=request, time_to_first_token=0.25, retries=0, request_id="req_1"))
    assert (sent["$ai_max_tokens"], sent["$ai_effort"], sent["$ai_stream"]) == (9, "high", True)
    assert (sent["$ai_tools"], sent["$ai_time_to_first_token"]) == ([{"type": "function"}], 0.25)
    assert (sent["llm_retry_count"], sent["llm_request_id"], sent["$ai_latency"]) == (0, "req_1", 1.5)


@pytest.mark.parametrize(
    ("parameters", "absent"),
    [
        ({"max_output_tokens": "9"}, "$ai_max_tokens"),
        ({"max_output_tokens": True}, "$ai_max_tokens"),
        ({"reasoning": {"effort": 3}}, "$ai_effort"),
        ({"reasoning": "high"}, "$ai_effort"),
        ({}, "$ai_effort"),
    ],
)
def test_parameters_of_another_type_are_not_lifted(parameters, absent):
    """What is no count or no word is left among the parameters."""
    assert absent not in told(a_call(request=Request(parameters=parameters)))


def test_a_first_token_before_the_start_is_at_the_start():
    """Clocks may disagree by a hair; a time is never negative."""
    assert told(a_call(time_to_first_token=-0.001))["$ai_time_to_first_token"] == 0.0


def test_a_span_tells_its_name_kind_input_and_output():
    """A tool or an agent is marked as such; a plain span has no type; what is absent is absent."""
    sent = told(a_span(kind="tool", input={"q": 1}, output="done"))
    assert (sent["$ai_span_name"], sent["$ai_span_type"]) == ("step", "tool")
    assert (sent["$ai_input_state"], sent["$ai_output_state"]) == ({"q": 1}, "done")
    assert not {"$ai_span_type", "$ai_input_state", "$ai_output_state"} & told(a_span()).keys()


def test_an_endpoint_is_a_span_with_its_transport():
    """A request that is no model call tells its endpoint, model, status and both states, and no tokens."""
    sent = told(
        a_call(kind="endpoint", name="moderations.create", http_status=200, input_state={"a": 1}, output_state=[2])
    )
    assert (sent["$ai_span_name"], sent["$ai_model"], sent["$ai_http_status"]) == ("moderations.create", "gpt-4o", 200)
    assert (sent["$ai_input_state"], sent["$ai_output_state"]) == ({"a": 1}, [2])
    assert "$ai_tokens_source" not in sent


def test_an_embedding_has_input_and_usage_but_no_choices():
    """An embedding's vectors are not sent."""
    sent = told(a_call(kind="embedding", response=Response(output=[1], usage=Usage(input_tokens=3))))
    assert (sent["$ai_input_tokens"], sent["$ai_input"]) == (3, [{"role": "user", "content": "hi"}])
    assert not {"$ai_output_choices", "$ai_stream", "$ai_stop_reason"} & sent.keys()


def test_the_version_is_that_of_the_package(monkeypatch):
    """The library's version is on each event, and a source tree that was never installed says so."""
    from importlib import metadata

    assert told(a_call())["$ai_lib_version"] == metadata.version("llm-track")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert properties.version.__wrapped__() == "unknown"


def test_no_other_file_spells_the_names_of_posthog():
    """PostHog's vocabulary is in one room; the demo, which plays PostHog, has its own."""
    package = Path(llm_track.__file__).parent
    files = [path for path in package.rglob("*.py") if "demo" not in path.relative_to(package).parts]
    assert len(files) > 20
    spelling = [
        path.relative_to(package) for path in files if re.search(r"""["']\$ai_""", path.read_text(encoding="utf-8"))
    ]
    assert {path.parts[0] for path in spelling} == {"properties"}
