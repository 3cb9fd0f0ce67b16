"""From records to PostHog's vocabulary.  The only room that spells ``$ai_``.

Source of every name and type: PostHog's manual capture reference for AI events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from llm_track._guard import attempt
from llm_track.masking import mask_fields
from llm_track.properties.costs import reported_cost
from llm_track.records import Event, Failure, ModelCall, Record, Response, Span, Usage
from llm_track.snapshot import jsonable

INPUTS = ("$ai_input", "$ai_input_state", "$ai_tools")
OUTPUTS = ("$ai_output_choices", "$ai_output_state")
ERROR_TEXTS = ("$ai_error", "llm_stack_trace")
FIELDS_WITH_SECRETS = ("$ai_tools", "$ai_input_state", "$ai_output_state", "$ai_model_parameters")
ERROR_KINDS = ("$ai_error_type", "llm_error_code")
IS_ERROR = "$ai_is_error"
ERROR = "$ai_error"
ERROR_TYPE = "$ai_error_type"
HTTP_STATUS = "$ai_http_status"
REQUEST_ID = "llm_request_id"
PARAMETERS = "$ai_model_parameters"
OUTPUT_CHOICES = "$ai_output_choices"
TOOLS_CALLED = "$ai_tools_called"
TOOL_CALL_COUNT = "$ai_tool_call_count"
PROVIDER = "$ai_provider"
MODEL = "$ai_model"
BASE_URL = "$ai_base_url"
EMBEDDING = "$ai_embedding"
COSTED = ("$ai_generation", EMBEDDING)

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9\-_~.@()!':|]")
_LONGEST_ID = 200


def event(record: Record) -> Event:
    """Translate a record into the event that PostHog is told."""
    metadata = mask_fields(jsonable(record.identity.metadata))
    properties: dict[str, Any] = {key: value for key, value in metadata.items() if not key.startswith("$ai_")}
    properties |= _place(record)
    if isinstance(record, ModelCall):
        name = _EVENTS[record.kind]
        properties |= _endpoint(record) if record.kind == "endpoint" else _model_call(record)
    else:
        assert isinstance(record, Span)
        name = "$ai_trace" if record.parent_id is None else "$ai_span"
        properties |= _span(record)
    return Event(
        name=name,
        uuid=record.span_id,
        trace_id=record.trace_id,
        distinct_id=_distinct_id(record.identity.user_id),
        properties=jsonable(properties),
        groups={kind: str(key) for kind, key in jsonable(record.identity.groups).items() if key is not None},
        timestamp=record.ended_at,
        no_log=record.identity.no_log,
        withheld=isinstance(record, ModelCall) and record.labels.withheld,
        project=record.labels.project if isinstance(record, ModelCall) else None,
        exception=record.failure.exception if record.failure else None,
    )


_EVENTS = {"generation": "$ai_generation", "embedding": "$ai_embedding", "endpoint": "$ai_span"}


def too_long() -> dict[str, Any]:
    """Return what an event says whose content is too long to be sent even when it is cut."""
    return {"llm_withheld": "the content is too long for an event"}


def trace_link(trace_id: str) -> dict[str, str]:
    """Return the properties that tie an ``$exception`` event to a trace."""
    return {"$ai_trace_id": trace_id}


def anonymity(event: Event) -> dict[str, Any]:
    """Return what keeps PostHog from making a person of an event whose user nobody named."""
    return {"$process_person_profile": False} if event.distinct_id is None else {}


def _distinct_id(user_id: str | None) -> str | None:
    """Whatever the program uses as the id of a user, as text."""
    given = user_id if isinstance(user_id, str) else attempt(str, user_id, otherwise="") if user_id is not None else ""
    return str(jsonable(given))[:_LONGEST_ID] or None


def _place(record: Record) -> dict[str, Any]:
    """Ids, time and outcome.  A root span is the trace itself; a root model call hangs directly under the trace."""
    is_trace = isinstance(record, Span) and record.parent_id is None
    return _given(
        {
            "$ai_lib": "llm_track",
            "$ai_lib_version": version(),
            "$ai_trace_id": record.trace_id,
            "$ai_span_id": record.span_id,
            "$ai_parent_id": None if is_trace else record.parent_id or record.trace_id,
            "$ai_session_id": _safe_id(record.identity.session_id),
            "$ai_latency": round(record.latency, 6),
            "llm_outcome": record.outcome,
        }
    ) | _failure(record.failure)


def _failure(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return _given(
        {
            "$ai_is_error": True,
            "$ai_error": failure.message,
            "$ai_error_type": failure.type,
            "llm_error_code": failure.code,
            "llm_stack_trace": failure.stack_trace,
        }
    )


def _span(span: Span) -> dict[str, Any]:
    return _given(
        {
            "$ai_span_name": span.name,
            "$ai_span_type": span.kind if span.kind != "span" else None,
            "$ai_input_state": span.input,
            "$ai_output_state": span.output,
        }
    )


def _layer(call: ModelCall) -> dict[str, Any]:
    """What a layer over other SDKs did for the call: which deployment, how many attempts, out of a cache or not."""
    served, failed = call.served, [asdict(attempt) for attempt in call.failed_attempts]
    return _given(
        {
            "$ai_span_name": call.labels.name,
            "llm_model_group": served.model_group,
            "llm_deployment_id": served.deployment_id,
            "llm_cache_hit": served.cached or None,
            "llm_saved_cost_usd": served.saved_cost,
            "llm_attempts": call.attempts if call.attempts > 1 else None,
            "llm_failed_attempts": failed or None,
        }
    ) | (reported_cost(served.cost) if served.cost is not None else {})


def _transport(call: ModelCall) -> dict[str, Any]:
    return _given(
        {
            "$ai_provider": call.provider,
            "$ai_base_url": call.base_url,
            "$ai_request_url": call.request_url,
            "$ai_http_status": call.http_status or 0,
            "llm_request_id": call.request_id,
            "llm_retry_count": call.retries,
        }
    )


def _endpoint(call: ModelCall) -> dict[str, Any]:
    """A request that is neither generation nor embedding: a span with the endpoint's name."""
    return _transport(call) | _given(
        {
            "$ai_span_name": call.name,
            "$ai_model": call.served.model or call.request.model,
            "$ai_input_state": call.input_state,
            "$ai_output_state": call.output_state,
        }
    )


def _model_call(call: ModelCall) -> dict[str, Any]:
    response = call.response or Response()
    asked, served = call.request.model, call.served.model or response.model
    shared = _transport(call) | _given(
        {
            "$ai_model": served or asked or "unknown",
            "llm_requested_model": asked if served and asked and served != asked else None,
            "$ai_model_parameters": call.request.parameters,
            "$ai_service_tier": response.service_tier,
            "$ai_tokens_source": "sdk",
        }
    )
    shared["$ai_input"] = call.request.input
    shared |= _usage(response.usage) | _layer(call)
    if call.kind == "embedding":
        return shared
    shared |= {
        "$ai_output_choices": response.output if response.output is not None else [],
        "$ai_stream": call.request.stream,
        "$ai_stop_reason": response.stop_reason,
    }
    return shared | _given(
        {
            "$ai_response_id": response.id,
            "$ai_tools": call.request.tools,
            "$ai_max_tokens": _max_tokens(call.request.parameters),
            "$ai_effort": _effort(call.request.parameters),
            "$ai_time_to_first_token": _rounded(call.time_to_first_token),
        }
    )


def _usage(usage: Usage) -> dict[str, Any]:
    return _given(
        {
            "$ai_input_tokens": usage.input_tokens,
            "$ai_output_tokens": usage.output_tokens,
            "$ai_total_tokens": usage.total_tokens,
            "$ai_cache_read_input_tokens": usage.cache_read_tokens,
            "$ai_cache_creation_input_tokens": usage.cache_write_tokens,
            "$ai_cache_creation_5m_input_tokens": usage.cache_write_5m_tokens,
            "$ai_cache_creation_1h_input_tokens": usage.cache_write_1h_tokens,
            "$ai_reasoning_tokens": usage.reasoning_tokens,
            "$ai_audio_input_tokens": usage.audio_input_tokens,
            "$ai_audio_output_tokens": usage.audio_output_tokens,
            "$ai_image_input_tokens": usage.image_input_tokens,
            "$ai_image_output_tokens": usage.image_output_tokens,
            "$ai_web_search_count": usage.web_searches,
            "$ai_cache_reporting_exclusive": None
            if usage.cache_included_in_input is None
            else not usage.cache_included_in_input,
            "$ai_usage": usage.raw,
        }
    ) | (reported_cost(usage.cost) if usage.cost is not None else {})


def _max_tokens(parameters: Mapping[str, Any]) -> int | None:
    """PostHog lifts ``max_tokens`` and ``max_completion_tokens`` by itself, but not the newer name."""
    value = parameters.get("max_output_tokens")
    return value if type(value) is int else None


def _effort(parameters: Mapping[str, Any]) -> str | None:
    reasoning = parameters.get("reasoning")
    effort = parameters.get("reasoning_effort") or (reasoning.get("effort") if isinstance(reasoning, Mapping) else None)
    return effort if isinstance(effort, str) else None


def _safe_id(value: str | None) -> str | None:
    """PostHog's links break on other characters."""
    return _NOT_IN_AN_ID.sub("-", str(value))[:_LONGEST_ID] if value not in (None, "") else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(seconds, 0.0), 6)


def _given(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if value is not None}


@cache
def version() -> str:
    """Return the version of llm_track."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("llm-track")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
