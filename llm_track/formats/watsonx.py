"""IBM watsonx: ``/ml/v1/text/generation``, ``/text/chat``, ``/text/embeddings`` and ``/text/rerank``.

A chat is OpenAI's, but for the name of the model; the rest is IBM's own.  In a stream of text the count of what was
generated grows, and only the first chunk counts the prompt.

API reference: IBM, "watsonx.ai", text generation, chat, embeddings and rerank.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import chat_completions
from llm_track.formats._errors import error_of
from llm_track.formats._fold import grow, settled
from llm_track.formats._json import JSON, count, dump, entries, name, obj, objects, text, without
from llm_track.records import Request, Response, Usage

_PLACE = ("model_id", "project_id", "space_id", "crypto")
_NOT_PARAMETERS = (*_PLACE, "input", "inputs", "query", "parameters")
_UNFINISHED = "not_finished"


def request(body: JSON) -> Request:
    """Read a chat, a text that is to go on, texts to be embedded, or a question with the texts that may answer it."""
    model = name(body.get("model_id"))
    if "messages" in body:
        return chat_completions.request({"model": model, **without(body, *_PLACE)})
    texts = [_words(each) for each in entries(body.get("inputs")) or ()]
    asked = [] if body.get("input") is None else [_words(body["input"])]
    if "query" in body:
        asked, texts = [_words(body["query"]), *texts], []
    return Request(
        model=model,
        input=texts or [{"role": "user", "content": words} for words in asked],
        parameters={**without(body, *_NOT_PARAMETERS), **without(obj(body.get("parameters")))},
    )


def _words(value: Any) -> str:
    """A text may stand in an object."""
    return value if isinstance(value, str) else text(obj(value).get("text")) or dump(value)


def response(body: JSON) -> Response:
    """Read an answer: a chat's choices, or results; of vectors nothing is kept."""
    if "choices" in body:
        return chat_completions.response({"model": body.get("model_id"), **without(body, "model_id")})
    results = objects(body.get("results"))
    first: JSON = results[0] if results else {}
    error, error_type = error_of(body)
    return Response(
        output=_output(results),
        usage=_usage({**body, **first}),
        model=name(body.get("model_id")),
        stop_reason=name(first.get("stop_reason")),
        error=error,
        error_type=error_type,
    )


def _output(results: list[JSON]) -> list[JSON]:
    order = [without(result, "input") for result in results if "score" in result]
    said = [words for result in results if (words := text(result.get("generated_text"))) is not None]
    return [{"role": "assistant", "content": words} for words in said or ([dump(order)] if order else [])]


def _usage(told: JSON) -> Usage:
    raw = {key: told[key] for key in ("input_token_count", "generated_token_count") if told.get(key) is not None}
    return Usage(
        input_tokens=count(told.get("input_token_count")),
        output_tokens=count(told.get("generated_token_count")),
        raw=raw or None,
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output."""
    if "choices" in chunk:
        return chat_completions.is_content(chunk)
    return any(result.get("generated_text") != "" for result in objects(chunk.get("results")))


class _Fold:
    """Builds the answer: a chat as OpenAI's chunks are, a text from its results."""

    def __init__(self) -> None:
        self.complete = False
        self._chat = chat_completions.fold()
        self._chats = False
        self._body: dict[str, Any] = {}
        self._result: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        self._chats = self._chats or "choices" in chunk
        if self._chats:
            self._chat.add(chunk)
            self.complete = self._chat.complete
            return
        self._body |= settled(without(chunk, "results"))
        for result in objects(chunk.get("results"))[:1]:
            self._body["results"] = [self._result]
            self._grow(result)
        self.complete = name(self._result.get("stop_reason")) is not None

    def _grow(self, result: JSON) -> None:
        for key, value in without(result).items():
            if key == "generated_text":
                grow(self._result, key, value)
            elif value != _UNFINISHED and (key != "input_token_count" or value or key not in self._result):
                self._result[key] = settled(value)

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        body: dict[str, Any] = settled(self._body) | self._chat.body()
        return body


def fold() -> _Fold:
    """Begin a stream."""
    return _Fold()
