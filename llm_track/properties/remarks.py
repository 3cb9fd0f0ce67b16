"""What is said of a call afterwards, in PostHog's vocabulary.

Source: PostHog's manual capture reference for feedback and metrics, and what its own evaluations send.  None of these
events is a node of the trace tree, so none has a span id of its own.
"""

from __future__ import annotations

from typing import Any

from llm_track.masking import mask_fields
from llm_track.properties.values import distinct_id, given, safe_id, text_groups, version
from llm_track.records import Event, Remark
from llm_track.snapshot import jsonable

TEXTS = ("$ai_feedback_text", "$ai_evaluation_reasoning")
"""Words about an answer, which may quote it and the question."""
NAMES = ("$ai_metric_name", "$ai_evaluation_name")
REQUIRED = (
    "$ai_feedback_text", "$ai_metric_name", "$ai_metric_value", "$ai_evaluation_name", "$ai_evaluation_result",
)  # fmt: skip
FEEDBACK = "$ai_feedback"


def event(remark: Remark) -> Event:
    """Translate what is said of a call into the event that PostHog is told."""
    who = remark.identity
    metadata = mask_fields(jsonable(who.metadata))
    properties: dict[str, Any] = {key: value for key, value in metadata.items() if not key.startswith("$ai_")}
    properties |= given(
        {
            "$ai_lib": "llm_track",
            "$ai_lib_version": version(),
            "$ai_trace_id": remark.trace_id,
            "$ai_session_id": safe_id(who.session_id),
            "llm_span_id": remark.parent_id,
        }
    )
    return Event(
        name=f"$ai_{remark.kind}",
        uuid=remark.span_id,
        trace_id=remark.trace_id,
        distinct_id=distinct_id(who.user_id),
        properties=jsonable(properties | _SAID[remark.kind](remark)),
        groups=text_groups(who.groups),
        timestamp=remark.ended_at,
        no_log=who.no_log,
        content=who.content,
    )


def _feedback(remark: Remark) -> dict[str, Any]:
    return {"$ai_feedback_text": remark.value}


def _metric(remark: Remark) -> dict[str, Any]:
    """PostHog shows no metric whose value is 0 or false, unless that is a text."""
    value = remark.value
    return {"$ai_metric_name": remark.name, "$ai_metric_value": value or str(value).lower()}


def _evaluation(remark: Remark) -> dict[str, Any]:
    """PostHog looks for its target by the id of the event of a generation, else by the trace."""
    is_of_call = remark.of_model_call and remark.parent_id is not None
    result = remark.value
    kind = "binary" if isinstance(result, bool) else "categorical" if isinstance(result, str) else "numeric"
    return given(
        {
            "$ai_target_id": remark.parent_id if is_of_call else remark.trace_id,
            "$ai_target_type": "generation_uuid" if is_of_call else "trace_id",
            "$ai_evaluation_name": remark.name,
            "$ai_evaluation_start_time": remark.ended_at.isoformat(),
            "$ai_evaluation_reasoning": remark.reasoning,
            "$ai_evaluation_model": remark.model,
            "$ai_result_type": kind,
            "$ai_score": remark.score,
        }
    ) | {"$ai_evaluation_result": result}


_SAID = {"feedback": _feedback, "metric": _metric, "evaluation": _evaluation}
