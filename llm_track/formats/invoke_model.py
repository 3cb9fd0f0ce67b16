"""Bedrock ``InvokeModel`` and ``InvokeModelWithResponseStream``: each maker of models has a language of its own there.

The address may hide the maker behind an inference profile, so the JSON itself tells the language.  What a language says
of its model is left out: Amazon bills for the model that the address names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_track.formats import Fold, Format, chat_completions, completions, converse, messages, prompts
from llm_track.formats._converse_fold import EVENTS
from llm_track.formats._fold import settled
from llm_track.formats._json import JSON, count, obj, objects, without
from llm_track.records import Request, Response, Usage

_METRICS = "amazon-bedrock-invocationMetrics"
"""What Amazon adds to the last chunk of every stream."""


def request(body: JSON) -> Request:
    """Read a request in the language that it is written in."""
    if "messages" in body:
        asked = _language_of_messages(body).request(body)
        return replace(asked, parameters=without(asked.parameters, "anthropic_version", "schemaVersion"))
    return _language_of_prompts(body).request(body)


def _language_of_prompts(body: JSON) -> Format:
    return completions if "max_tokens_to_sample" in body else prompts


def _language_of_messages(body: JSON) -> Format:
    """Claude's requests name a version.  Nova's parts have no type."""
    if "anthropic_version" in body:
        return messages
    asked = [*objects(body.get("messages")), {"content": body.get("system")}]
    untyped = any("type" not in part for message in asked for part in objects(message.get("content")))
    return converse if untyped or "inferenceConfig" in body or "schemaVersion" in body else chat_completions


def response(body: JSON) -> Response:
    """Read an answer in the language that it is written in; where that has no counts, Amazon's own are taken."""
    told = _read(body)
    if told.usage.input_tokens is None and told.usage.output_tokens is None:
        told = replace(told, usage=_counted(obj(body.get(_METRICS))) or told.usage)
    return replace(told, model=None, usage=replace(told.usage, cost=None))


def _read(body: JSON) -> Response:
    if "output" in body:
        return converse.response(body)
    if "choices" in body:
        choices = [_choice(choice) for choice in objects(body["choices"])]
        language: Format = chat_completions if any("message" in choice for choice in choices) else completions
        return language.response({**body, "choices": choices})
    if "completion" in body:
        return completions.response(body)
    if "content" in body or body.get("type") == "message":
        return messages.response(body)
    return prompts.response(body)


def _choice(choice: JSON) -> dict[str, Any]:
    """Mistral has Anthropic's word for the reason."""
    reason = choice.get("finish_reason") or choice.get("stop_reason")
    return {**choice, **({"finish_reason": reason} if reason else {})}


def _counted(metrics: JSON) -> Usage | None:
    asked, answered = count(metrics.get("inputTokenCount")), count(metrics.get("outputTokenCount"))
    if asked is None and answered is None:
        return None
    read, written = count(metrics.get("cacheReadInputTokenCount")), count(metrics.get("cacheWriteInputTokenCount"))
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_included_in_input=None if read is None and written is None else False,
        raw=dict(metrics),
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output."""
    if isinstance(chunk.get("choices"), list):
        return chat_completions.is_content(_delta(chunk)) or completions.is_content(chunk)
    return _language_of_chunk(chunk).is_content(chunk)


def _language_of_chunk(chunk: JSON) -> Format:
    """Tell the language of the first chunk of a stream."""
    if any(event in chunk for event in EVENTS):
        return converse
    if "choices" in chunk:
        return chat_completions
    if "completion" in chunk:
        return completions
    return messages if "type" in chunk else prompts


def _delta(chunk: JSON) -> JSON:
    """Mistral's chunks hold a piece of the message under the name of the whole."""
    choices = []
    for choice in objects(chunk.get("choices")):
        piece = {"delta": choice["message"]} if isinstance(choice.get("message"), Mapping) else {}
        choices.append(_choice({**{key: value for key, value in choice.items() if key != "message"}, **piece}))
    return {**chunk, "choices": choices}


class _Fold:
    """Folds a stream in the language of its first chunk."""

    def __init__(self) -> None:
        self.complete = False
        self._inner: Fold | None = None
        self._metrics: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        if self._inner is None:
            self._inner = _language_of_chunk(chunk).fold()
        said = {key: value for key, value in chunk.items() if key != _METRICS}
        self._inner.add(_delta(said) if "choices" in said else said)
        if _METRICS in chunk:
            self._metrics = {_METRICS: settled(chunk[_METRICS])}
        self.complete = self._inner.complete or bool(self._metrics)

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        return {**(self._inner.body() if self._inner is not None else {}), **self._metrics}


def fold() -> _Fold:
    """Begin a stream of chunks in any of the languages."""
    return _Fold()
