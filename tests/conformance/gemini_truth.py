"""What a recorded answer of Gemini says, read without any code of llm_track."""

from __future__ import annotations

import json
from typing import Any

from .wire_truth import Truth

GENERATED = ("generateContent", "streamGenerateContent")
"""The endpoints that answer so."""
_COUNTS = {
    "$ai_input_tokens": "promptTokenCount",
    "$ai_output_tokens": "candidatesTokenCount",
    "$ai_reasoning_tokens": "thoughtsTokenCount",
    "$ai_total_tokens": "totalTokenCount",
    "$ai_cache_read_input_tokens": "cachedContentTokenCount",
}


def chunks(item: Any) -> list[Any]:
    """Return the answers of a recorded call: one, or those of its stream."""
    body = item["response"]["body"]
    if not item["endpoint"].startswith("stream"):
        return [json.loads(body)]
    lines = body.replace("\r\n", "\n").split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def truth(said: list[Any]) -> Truth:
    """Read an answer, or all of its chunks."""
    candidates = [candidate for answer in said for candidate in answer.get("candidates", ())]
    parts = [part for candidate in candidates for part in (candidate.get("content") or {}).get("parts") or ()]
    stops = [candidate["finishReason"] for candidate in candidates if "finishReason" in candidate]
    used = said[-1].get("usageMetadata", {})
    return Truth(
        model=said[-1]["modelVersion"].removeprefix("models/"),
        stop=stops[-1] if stops else None,
        counts={name: used[wire] for name, wire in _COUNTS.items() if used.get(wire) is not None},
        text="".join(part.get("text", "") for part in parts),
        tools=[part["functionCall"]["name"] for part in parts if "functionCall" in part],
    )
