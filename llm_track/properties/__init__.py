"""From records to PostHog's vocabulary.  The only room that spells ``$ai_``.

Source of every name and type: PostHog's manual capture reference for AI events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from llm_track.masking import mask_fields
from llm_track.properties import remarks
from llm_track.properties.costs import reported_cost, told_usage
from llm_track.properties.values import LONGEST_ID, distinct_id, given, rounded, safe_id, text_groups
from llm_track.properties.values import version as version
from llm_track.records import Event, Failure, Identity, ModelCall, Record, Remark, Response, Span
from llm_track.snapshot import jsonable

INPUTS = ("$ai_input", "$ai_input_state", "$ai_tools")
OUTPUTS = ("$ai_output_choices", "$ai_output_state")
ERROR_TEXTS = ("$ai_error", "llm_stack_trace")
REMARKS = remarks.TEXTS
FEEDBACK = remarks.FEEDBACK
FIELDS_WITH_SECRETS = ("$ai_tools", "$ai_input_state", "$ai_output_state", "$ai_model_parameters")
TOOLS = "$ai_tools"
INPUT = "$ai_input"
CUT = "llm_cut"
SPAN_TYPE = "$ai_span_type"
IDS = ("$ai_trace_id", "$ai_span_id", "$ai_parent_id", "$ai_session_id", "$session_id")
REQUIRED = ("$ai_model", "$ai_provider", *remarks.REQUIRED)
NAMES = (
    "$ai_span_name",
    "$ai_prompt_name",
    "$ai_prompt_version",
    "llm_custom_id",
    "llm_model_group",
    "llm_deployment_id",
    *remarks.NAMES,
)
"""What a program calls things."""
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
LATENCY = "$ai_latency"
WEIGHT = "llm_sample_weight"
"""How many events one stands for, where not all are sent."""
_FLAG = "$feature/"
_OWN = frozenset(
    {
        "llm_attempts", "llm_batch", "llm_cache_hit", "llm_custom_id", "llm_cut", "llm_deployment_id", "llm_error_code",
        "llm_failed_attempts", "llm_model_group", "llm_outcome", "llm_request_id", "llm_requested_model",
        "llm_retry_count", WEIGHT, "llm_saved_cost_usd", "llm_span_id", "llm_stack_trace", "llm_withheld",
    }
)  # fmt: skip
COSTED = ("$ai_generation", EMBEDDING)


def event(record: Record) -> Event:
    """Translate a record into the event that PostHog is told."""
    if isinstance(record, Remark):
        return remarks.event(record)
    metadata = mask_fields(jsonable(record.identity.metadata))
    properties: dict[str, Any] = {key: value for key, value in metadata.items() if not key.startswith("$ai_")}
    properties |= _flags(record.identity) | _place(record)
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
        distinct_id=distinct_id(record.identity.user_id),
        properties=jsonable(properties),
        groups=text_groups(record.identity.groups),
        timestamp=record.ended_at,
        no_log=record.identity.no_log,
        content=record.identity.content,
        project=record.labels.project if isinstance(record, ModelCall) else None,
        exception=record.failure.exception if record.failure else None,
        traceback=record.failure.traceback if record.failure else None,
        seen=record.failure.seen if record.failure else None,
        flags=None if isinstance(record.identity.flags, Mapping) else record.identity.flags,
        batch=_batch(record) if isinstance(record, ModelCall) else None,
    )


_EVENTS = {"generation": "$ai_generation", "embedding": "$ai_embedding", "endpoint": "$ai_span"}


def is_own(name: str) -> bool:
    """Tell whether llm_track gives a property, rather than the program."""
    return name.startswith("$ai_") or name in _OWN


def is_id(name: str) -> bool:
    """Tell whether a property says whose an event is: which trace and session, and which flags they have."""
    return name in IDS or name.startswith(_FLAG)


def is_text(name: str) -> bool:
    """Tell whether a property holds words, rather than ids, counts, addresses and names of models."""
    return not is_own(name) or name in (*INPUTS, *OUTPUTS, *ERROR_TEXTS, *REMARKS, *NAMES, PARAMETERS)


def too_long() -> dict[str, Any]:
    """Return what an event says whose content is too long to be sent even when it is cut."""
    return {"llm_withheld": "the content is too long for an event"}


def trace_link(of: Event) -> dict[str, str]:
    """Return the properties that tie an ``$exception`` event to the trace and the session of a call."""
    session = of.properties.get("$session_id")
    return {"$ai_trace_id": of.trace_id} | ({} if session is None else {"$session_id": session})


def anonymity(event: Event) -> dict[str, Any]:
    """Return what keeps PostHog from making a person of an event whose user nobody named."""
    return {"$process_person_profile": False} if event.distinct_id is None else {}


def _flags(identity: Identity) -> dict[str, Any]:
    given = identity.flags if isinstance(identity.flags, Mapping) else {}
    return {f"{_FLAG}{name}": value for name, value in given.items()}


def _batch(call: ModelCall) -> str | None:
    return f"{call.provider}:{call.batch}"[:LONGEST_ID] if call.batch is not None else None


def _place(record: Record) -> dict[str, Any]:
    """Ids, time and outcome.  A root span is the trace itself; a root model call hangs directly under the trace."""
    is_trace = isinstance(record, Span) and record.parent_id is None
    return given(
        {
            "$ai_lib": "llm_track",
            "$ai_lib_version": version(),
            "$ai_trace_id": record.trace_id,
            "$ai_span_id": record.span_id,
            "$ai_parent_id": None if is_trace else record.parent_id or record.trace_id,
            "$ai_session_id": safe_id(record.identity.session_id),
            "llm_outcome": record.outcome,
        }
    ) | {"$ai_latency": rounded(record.latency), **_failure(record.failure)}


def _failure(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return given(
        {
            "$ai_is_error": True,
            "$ai_error": failure.message,
            "$ai_error_type": failure.type,
            "llm_error_code": failure.code,
            "llm_stack_trace": failure.stack_trace,
        }
    )


def _span(span: Span) -> dict[str, Any]:
    return given(
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
    return given(
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
    return given(
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
    return _transport(call) | given(
        {
            "$ai_span_name": call.name,
            "$ai_model": call.served.model or call.request.model,
            "$ai_input_state": call.input_state,
            "$ai_output_state": call.output_state,
        }
    )


def billed(call: ModelCall) -> dict[str, Any]:
    """Return the properties that say what a call cost, and what that depends on: model, tier, counts."""
    response = call.response or Response()
    asked, served = call.request.model, call.served.model or response.model
    said = given(
        {
            "$ai_provider": call.provider,
            "$ai_model": served or asked or "unknown",
            "llm_requested_model": asked if served and asked and served != asked else None,
            "$ai_service_tier": response.service_tier,
            "llm_outcome": call.outcome,
        }
    )
    return said | told_usage(response.usage, said[MODEL]) | _layer(call)


def _model_call(call: ModelCall) -> dict[str, Any]:
    response = call.response or Response()
    shared = _transport(call) | given(
        {
            "$ai_model_parameters": call.request.parameters,
            "$ai_tokens_source": "sdk",
            "llm_batch": call.batch,
            "llm_custom_id": call.custom_id,
        }
    )
    shared["$ai_input"] = call.request.input
    shared |= billed(call)
    if call.kind == "embedding":
        return shared
    shared |= {
        "$ai_output_choices": response.output if response.output is not None else [],
        "$ai_stream": call.request.stream,
        "$ai_stop_reason": response.stop_reason,
    }
    return shared | given(
        {
            "$ai_response_id": response.id,
            "$ai_tools": call.request.tools,
            "$ai_max_tokens": _max_tokens(call.request.parameters),
            "$ai_effort": _effort(call.request.parameters),
            "$ai_prompt_name": call.identity.prompt[0] if call.identity.prompt else None,
            "$ai_prompt_version": call.identity.prompt[1] if call.identity.prompt else None,
            "$ai_time_to_first_token": rounded(call.time_to_first_token),
        }
    )


def _max_tokens(parameters: Mapping[str, Any]) -> int | None:
    """PostHog lifts ``max_tokens`` and ``max_completion_tokens`` by itself, but not the newer name."""
    value = parameters.get("max_output_tokens")
    return value if type(value) is int else None


def _effort(parameters: Mapping[str, Any]) -> str | None:
    reasoning = parameters.get("reasoning")
    effort = parameters.get("reasoning_effort") or (reasoning.get("effort") if isinstance(reasoning, Mapping) else None)
    return effort if isinstance(effort, str) else None
