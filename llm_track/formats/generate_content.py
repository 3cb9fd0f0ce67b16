"""Gemini: ``generateContent`` and ``streamGenerateContent``, of Google's developer API and of Vertex.

API reference: ``models.generateContent``, its ``Content``, ``Part`` and ``UsageMetadata``.
"""

from __future__ import annotations

import re
from typing import Any

from llm_track.formats._candidates_fold import CandidatesFold
from llm_track.formats._contents import field, messages, service_tier, snake
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, entries, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_NOT_PARAMETERS = (
    "model", "contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config",
    "labels",
)  # fmt: skip


def request(body: JSON) -> Request:
    """Read the body of a request; the system instruction becomes the first message."""
    drawn: list[JSON] = []
    system = field(body, "systemInstruction")
    if system:  # the SDK says that it is the user's
        told = system if isinstance(system, dict) else {"parts": system}
        drawn += messages({**told, "role": "system"}, "system")
    contents = body.get("contents")
    for content in contents if isinstance(contents, (list, tuple)) else [contents] if contents else []:
        drawn += messages(content if isinstance(content, dict) else {"parts": content}, "user")
    settings = {snake(key): value for key, value in obj(field(body, "generationConfig")).items()}
    return Request(
        model=_bare(body.get("model")),
        input=drawn,
        parameters=without({**settings, **without(body, *_NOT_PARAMETERS)}),
        tools=entries(body.get("tools")),
    )


def response(body: JSON) -> Response:
    """Read an answer.  A prompt that was blocked has no candidates, but the reason."""
    candidates = objects(body.get("candidates"))
    model = _bare(body.get("modelVersion"))
    reasons = [name(candidate.get("finishReason")) for candidate in candidates]
    blocked = name(obj(body.get("promptFeedback")).get("blockReason"))
    error, error_type = error_of(body)
    return Response(
        output=[drawn for candidate in candidates for drawn in messages(obj(candidate.get("content")), "assistant")],
        usage=_usage(obj(body.get("usageMetadata")), _searches(candidates, model)),
        model=model,
        id=name(body.get("responseId")),
        stop_reason=next(filter(None, reasons), blocked),
        service_tier=service_tier(body),
        error=error,
        error_type=error_type,
    )


def _usage(usage: JSON, searches: int | None) -> Usage:
    """Thoughts are counted beside the answer, what Google's own tools returned beside the prompt, caches inside it."""
    asked, tools = count(usage.get("promptTokenCount")), count(usage.get("toolUsePromptTokenCount"))
    cached = count(usage.get("cachedContentTokenCount"))
    given, answered = _modalities(usage.get("promptTokensDetails")), _modalities(usage.get("candidatesTokensDetails"))
    return Usage(
        input_tokens=asked if tools is None else (asked or 0) + tools,
        output_tokens=count(usage.get("candidatesTokenCount")),
        total_tokens=count(usage.get("totalTokenCount")),
        cache_read_tokens=cached,
        cache_included_in_input=None if cached is None else True,
        reasoning_tokens=count(usage.get("thoughtsTokenCount")),
        reasoning_included_in_output=False,
        audio_input_tokens=given.get("AUDIO"),
        audio_output_tokens=answered.get("AUDIO"),
        image_input_tokens=given.get("IMAGE"),
        image_output_tokens=answered.get("IMAGE"),
        web_searches=searches,
        raw=dict(usage) or None,
    )


def _modalities(details: Any) -> dict[str, int]:
    return {
        kind: tokens
        for each in objects(details)
        if (kind := text(each.get("modality"))) and (tokens := count(each.get("tokenCount"))) is not None
    }


def _searches(candidates: list[JSON], model: str | None) -> int | None:
    """How many searches are billed: from Gemini 3 on each query, before it one for an answer that searched."""
    queries = [
        query
        for candidate in candidates
        for query in entries(obj(candidate.get("groundingMetadata")).get("webSearchQueries")) or ()
    ]
    return None if not queries else len(queries) if _PER_QUERY.match(model or "") else 1


_PER_QUERY = re.compile(r"gemini-([3-9]|\d\d)")


def _bare(model: Any) -> str | None:
    """A model by its name; Google's path to it says who publishes it."""
    known = name(model)
    return known and (known.rpartition("/models/")[2] or known).removeprefix("models/")


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: any part but an empty text."""
    return any(
        part.keys() - {"text", "thought", "thoughtSignature"} or part.get("text")
        for candidate in objects(chunk.get("candidates"))
        for part in objects(obj(candidate.get("content")).get("parts"))
    )


def fold() -> CandidatesFold:
    """Begin a stream."""
    return CandidatesFold()
