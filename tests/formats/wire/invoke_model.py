"""Bedrock ``InvokeModel``: the traffic of each language that is spoken there, with Amazon's own counts beside it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from . import chat_completions, converse, messages, prompts
from ._answer import Answer
from ._draw import Object, counts, record

COST = None
_METRICS = "amazon-bedrock-invocationMetrics"
_COUNTS = {
    "input_tokens": "inputTokenCount",
    "output_tokens": "outputTokenCount",
    "cache_read_tokens": "cacheReadInputTokenCount",
    "cache_write_tokens": "cacheWriteInputTokenCount",
}
COUNTS = {field: [f"{_METRICS}.{key}"] for field, key in _COUNTS.items()}


def _derived(field: str) -> Any:
    def of(body: Object) -> int | None:
        language = _language(body)
        own = {name: _own(language, name, body) for name in {*language.COUNTS, *getattr(language, "DERIVED", {})}}
        if own["input_tokens"] is None and own["output_tokens"] is None:
            told = {name: _count(body.get(_METRICS, {}).get(key)) for name, key in _COUNTS.items()}
            if told["input_tokens"] is not None or told["output_tokens"] is not None:
                return told.get(field)
        return own.get(field)

    return of


def _own(language: ModuleType, field: str, body: Object) -> int | None:
    if field in getattr(language, "DERIVED", {}):
        found: int | None = language.DERIVED[field](body)
        return found
    return next((n for path in language.COUNTS[field] if (n := _count(_at(body, path))) is not None), None)


def _at(body: Any, path: str) -> Any:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _count(value: Any) -> int | None:
    return int(value) if type(value) in (int, float) and 0 <= value < 10**300 and value == int(value) else None


DERIVED = {
    field: _derived(field)
    for field in {*messages.COUNTS, *converse.COUNTS, *converse.DERIVED, *chat_completions.COUNTS, *prompts.COUNTS}
}

_metrics = {_METRICS: record({"inputTokenCount": counts, "outputTokenCount": counts, "invocationLatency": counts})}
_languages = (messages, converse, chat_completions, prompts)
requests = st.one_of(
    messages.requests.map(lambda body: {**body, "anthropic_version": "bedrock-2023-05-31"}),
    converse.requests.map(lambda body: {**body, "schemaVersion": "messages-v1"}),
    chat_completions.requests,
    prompts.requests,
    record({"prompt": st.text(max_size=5), "max_tokens_to_sample": counts}),
)
bodies = st.builds(
    lambda body, more: {**body, **more},
    st.one_of([language.bodies for language in _languages]),
    st.fixed_dictionaries({}, optional=_metrics),
)


def _language(body: Object) -> ModuleType:
    if "output" in body:
        return converse
    if "choices" in body:
        return chat_completions
    return messages if body.get("type") == "message" else prompts


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The chunks of the language; Amazon's counts come with the last one."""
    metrics = {key: value for key, value in body.items() if key == _METRICS}
    said = {key: value for key, value in body.items() if key != _METRICS}
    *begun, last = _language(body).chunks(draw, said)
    return [*begun, {**last, **metrics}]


def answer(body: Object) -> Answer:
    """What the language says."""
    found: Answer = _language(body).answer(body)
    return found


def ended(seen: list[Object]) -> bool:
    """The end of the language came, or Amazon's counts."""
    said = [{key: value for key, value in chunk.items() if key != _METRICS} for chunk in seen]
    return any(_METRICS in chunk for chunk in seen) or any(_ended(language, said) for language in _languages)


def _ended(language: ModuleType, seen: list[Object]) -> bool:
    spoken = {chat_completions: "choices", messages: "type"}.get(language)
    return bool(language.ended(seen)) if spoken is None or any(spoken in chunk for chunk in seen) else False
