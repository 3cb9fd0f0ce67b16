"""Results of batches as OpenAI hands them out: the answer of an endpoint, or why there is none, in a line each."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from . import chat_completions, completions, embeddings, responses
from ._answer import Answer
from ._draw import Object, ids, record, words

COST = "response.body.usage.cost"
COUNTS = {field: [f"response.body.{path}" for path in paths] for field, paths in chat_completions.COUNTS.items()}

requests = record(
    {"custom_id": ids, "method": "POST", "url": "/v1/chat/completions", "body": chat_completions.requests}
)

_bodies = chat_completions.bodies | completions.bodies | embeddings.bodies | responses.bodies
_answered = record({"status_code": 200, "request_id": ids, "body": _bodies})
_error = record({"message": words, "type": ids}, code=st.none() | ids)
_refused = record(
    {"status_code": st.sampled_from([400, 429, 500]), "request_id": ids, "body": record({"error": _error})}
)
bodies = st.one_of(
    record({"id": ids, "custom_id": ids, "response": _answered | _refused, "error": st.none()}),
    record({"id": ids, "custom_id": ids, "response": st.none(), "error": record({"code": ids, "message": words})}),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Results are not streamed: the line is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """That of the endpoint that was asked; an embedding and an error have none."""
    said = (body["response"] or {}).get("body", {})
    if language := _LANGUAGES.get(said.get("object")):
        found: Answer = language.answer(said)
        return found
    return Answer()


_LANGUAGES: dict[Any, Any] = {
    "chat.completion": chat_completions,
    "text_completion": completions,
    "response": responses,
}


def ended(seen: list[Object]) -> bool:
    """The line came."""
    return bool(seen)
