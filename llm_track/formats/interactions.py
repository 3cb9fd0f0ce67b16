"""Gemini Interactions, of models and of Google's agents.

API reference: ``interactions.create``, ``interactions.get``, the ``Interaction``, its steps and its streaming events.
Before May 2026 an interaction had a flat list of ``outputs`` instead of ``steps``.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats._errors import error_of
from llm_track.formats._interactions_fold import InteractionsFold
from llm_track.formats._json import JSON, count, entries, name, obj, objects, without
from llm_track.formats._steps import drawn
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = (
    *("model", "agent", "input", "system_instruction", "tools", "stream", "generation_config", "labels"),
    *("continuation_token", "environment", "webhook_config"),
)
"""The last three are a token that only Google reads, and what may hold credentials of other services."""
_UNFINISHED = ("queued", "in_progress")


def request(body: JSON) -> Request:
    """Read the body of a request; the system instruction becomes the first message."""
    system = body.get("system_instruction")
    asked = drawn([{"role": "system", "content": system}], "system") if system else []
    return Request(
        model=name(body.get("model")) or name(body.get("agent")),
        input=asked + drawn(body.get("input"), "user"),
        parameters=without({**obj(body.get("generation_config")), **without(body, *_NOT_PARAMETERS)}),
        tools=entries(body.get("tools")),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read an interaction.  Its status is the stop reason; while it is ``pending``, it has none.

    Whether it runs in the background is said by who asked for it, not by the interaction.
    """
    status = name(body.get("status"))
    error, error_type = _error(body, status)
    given = body.get("outputs") if body.get("steps") is None else _latest(body.get("steps"))
    return Response(
        output=drawn(given, "assistant"),
        usage=_usage(obj(body.get("usage"))),
        model=name(body.get("model")) or name(body.get("agent")),
        id=name(body.get("id")),
        stop_reason=None if status in _UNFINISHED else status,
        service_tier=name(body.get("service_tier")),
        background=None,
        pending=status in _UNFINISHED,
        error=error,
        error_type=error_type,
    )


def _error(body: JSON, status: str | None) -> tuple[str | None, str | None]:
    """Return the error of an interaction: beside its steps, among its errors, or of a step."""
    failed = [step for step in objects(body.get("steps")) if step.get("error")] if status == "failed" else []
    told = [{"error": error} for error in objects(body.get("errors"))] if status == "failed" else []
    told_of: list[JSON] = [{"error": body.get("error")}, *told, *failed]
    error, error_type = next((found for each in told_of if (found := error_of(each))[0]), (None, None))
    return (error or "the interaction failed" if status == "failed" else error), error_type


def _latest(steps: Any) -> list[JSON]:
    """The steps after what was asked last: what came before was the answer to something else."""
    given = objects(steps)
    asked = [place for place, step in enumerate(given) if step.get("type") == "user_input"]
    return given[asked[-1] + 1 :] if asked else given


def _usage(usage: JSON) -> Usage:
    """Thoughts are counted beside the answer, what Google's own tools returned beside the prompt, caches inside it."""
    asked, tools = count(usage.get("total_input_tokens")), count(usage.get("total_tool_use_tokens"))
    cached, thoughts = count(usage.get("total_cached_tokens")), count(usage.get("total_thought_tokens"))
    given, answered = _kinds(usage.get("input_tokens_by_modality")), _kinds(usage.get("output_tokens_by_modality"))
    return Usage(
        input_tokens=asked if tools is None else (asked or 0) + tools,
        output_tokens=count(usage.get("total_output_tokens")),
        total_tokens=count(usage.get("total_tokens")),
        cache_read_tokens=cached,
        cache_included_in_input=None if cached is None else True,
        reasoning_tokens=count(usage.get("total_reasoning_tokens")) if thoughts is None else thoughts,
        reasoning_included_in_output=False,
        audio_input_tokens=given.get("audio"),
        audio_output_tokens=answered.get("audio"),
        image_input_tokens=given.get("image"),
        image_output_tokens=answered.get("image"),
        web_searches=_searches(usage.get("grounding_tool_count")),
        raw=dict(usage) or None,
    )


def _kinds(details: Any) -> dict[str, int]:
    return {
        kind: tokens
        for each in objects(details)
        if (kind := name(each.get("modality"))) and (tokens := count(each.get("tokens"))) is not None
    }


def _searches(counts: Any) -> int | None:
    """How many searches are billed, as far as the API counts them."""
    known = [count(each.get("count")) for each in objects(counts) if each.get("type") == "google_search"]
    found = [number for number in known if number is not None]
    return sum(found) if found else None


def is_content(chunk: JSON) -> bool:
    """Tell whether an event carries output.  Texts and thoughts begin empty; any other step says something then."""
    kind = chunk.get("event_type")
    begun = obj(chunk.get("step")) or obj(chunk.get("content"))
    if kind in ("step.start", "content.start"):
        said = any(begun.get(key) for key in ("text", "content", "summary"))
        return said or begun.get("type") not in ("model_output", "text", "thought")
    return kind in ("step.delta", "content.delta") and obj(chunk.get("delta")).get("type") not in _SILENT


_SILENT = ("thought_signature", "text_annotation", "text_annotation_delta")


def fold() -> InteractionsFold:
    """Begin a stream of events."""
    return InteractionsFold()
