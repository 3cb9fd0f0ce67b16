"""The older languages of Bedrock's ``InvokeModel``, in which a prompt goes on, and Cohere's first language of chats.

Titan, Llama, Mistral, Command and Command R, Jurassic.  API reference: Amazon Bedrock, "Inference request parameters
and response fields for foundation models".
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._errors import error_of
from llm_track.formats._fold import grow, settled, slots
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_ASKED = ("model", "prompt", "inputText", "message", "chat_history", "preamble", "tools", "documents", "stream")
_ROLES = {"CHATBOT": "assistant", "USER": "user", "SYSTEM": "system", "TOOL": "tool"}
_LISTS = ("results", "outputs", "generations", "completions")
"""Where answers stand: Titan's, Mistral's, Command's, Jurassic's.  Llama and Command R have one, beside its counts."""


def request(body: JSON) -> Request:
    """Read a prompt, or a message after those before it."""
    drawn: list[JSON] = [{"role": "system", "content": body["preamble"]}] if name(body.get("preamble")) else []
    for turn in objects(body.get("chat_history")):
        role = _ROLES.get(name(turn.get("role")) or "", "user")
        drawn.append({"role": role, "content": text(turn.get("message")) or dump(turn)})
    asked = next((body[key] for key in ("message", "prompt", "inputText") if body.get(key) is not None), None)
    if asked is not None:
        drawn.append({"role": "user", "content": asked if isinstance(asked, str) else dump(asked)})
    settings = obj(body.get("textGenerationConfig"))
    return Request(
        model=name(body.get("model")),
        input=drawn,
        parameters={**settings, **without(body, "textGenerationConfig", *_ASKED)},
        tools=entries(body.get("tools")) or None,
    )


def response(body: JSON) -> Response:
    """Read an answer: its words, its calls of functions, and the pictures of models that draw."""
    answers = [answer for key in _LISTS for answer in objects(body.get(key))]
    output = [drawn for answer in [body, *answers] for drawn in _answer(answer)]
    error, error_type = error_of(body)
    return Response(
        output=output,
        usage=_usage(body, answers),
        id=name(body.get("generation_id")) or name(body.get("id")),
        stop_reason=next((reason for answer in [body, *answers] if (reason := _reason(answer))), None),
        error=error,
        error_type=error_type,
    )


def _answer(answer: JSON) -> list[JSON]:
    told = [answer.get(key) for key in ("generation", "outputText", "text")] + [obj(answer.get("data")).get("text")]
    words = next((said for said in told if isinstance(said, str)), None)
    blocks = [] if words is None else [_blocks.said(words)]
    blocks += [
        _blocks.embedded("image", "image/png", picture)
        for picture in entries(answer.get("images")) or ()
        if isinstance(picture, str)
    ]
    calls = [
        _blocks.tool_call(None, each.get("name"), each.get("parameters")) for each in objects(answer.get("tool_calls"))
    ]
    return _blocks.answer("assistant", blocks, calls) if blocks or calls else []


_REASONS = ("stop_reason", "completionReason", "finish_reason")


def _reason(answer: JSON) -> str | None:
    return next((found for key in _REASONS if (found := name(answer.get(key)))), None) or name(
        obj(answer.get("finishReason")).get("reason")
    )


def _usage(body: JSON, answers: list[JSON]) -> Usage:
    """Titan and Llama count in their answers; Titan once for each answer."""
    asked, answered = count(body.get("inputTextTokenCount")), count(body.get("generation_token_count"))
    counted = [each for answer in answers if (each := count(answer.get("tokenCount"))) is not None]
    raw = {key: body[key] for key in _COUNTED if body.get(key) is not None}
    return Usage(
        input_tokens=count(body.get("prompt_token_count")) if asked is None else asked,
        output_tokens=sum(counted) if counted and answered is None else answered,
        raw=raw or None,
    )


_COUNTED = ("inputTextTokenCount", "prompt_token_count", "generation_token_count")


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output."""
    return any(message.get("content") or "tool_calls" in message for message in response(chunk).output or ())


class _Fold:
    """Builds the answer: words grow, counts are cumulative.  The last chunk has the reason for the end."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        if "outputText" in chunk:
            chunk = _titan(chunk)
        whole = obj(chunk.get("response"))  # Command R says all of it once more
        self.complete = self.complete or chunk.get("is_finished") is True or response(chunk).stop_reason is not None
        if whole:
            self._body |= settled(whole)
            return
        for key, value in chunk.items():
            if key in _LISTS:
                for place, more in enumerate(objects(value)):
                    _grow(slots(self._body, key).at(place), without(more, "is_finished"))
        _grow(self._body, without(chunk, *_LISTS, "event_type", "is_finished"))

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body)
        return body


def _titan(chunk: JSON) -> JSON:
    """Titan's chunks are flat, its answer is a list of one."""
    told = {"outputText": chunk.get("outputText"), "tokenCount": chunk.get("totalOutputTextTokenCount")}
    result = without({**told, "completionReason": chunk.get("completionReason")})
    return {**without(chunk, "index", "totalOutputTextTokenCount", "completionReason", *told), "results": [result]}


_GROWING = ("generation", "outputText", "text")


def _grow(into: dict[str, Any], more: JSON) -> None:
    for key, value in more.items():
        if key in _GROWING and isinstance(value, str):
            grow(into, key, value)
        else:
            into[key] = settled(value)


def fold() -> _Fold:
    """Begin a stream of chunks."""
    return _Fold()
