"""The results of batches: in each line of a file, or in each entry of a list, an answer and the request it belongs to.

API reference: OpenAI's "request output object" of a batch, which Azure, Groq, Mistral and Together hand out, too;
Anthropic's ``GET /v1/messages/batches/{id}/results``; Gemini's ``inlinedResponses`` and the lines of its result files;
Mistral's ``outputs``, which its SDK declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from llm_track.formats import chat_completions, completions, embed_content, embeddings, generate_content, messages
from llm_track.formats import responses as responses_format
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, amount, count, dump, name, obj, objects, without
from llm_track.formats._whole import Whole
from llm_track.records import BatchResult, Request, Response

_Read = Callable[[JSON], Response]
_Kind = Literal["generation", "embedding"]


def is_result(line: JSON) -> bool:
    """Tell whether a line is a result, rather than a request or something of another kind of file."""
    if "method" in line or "url" in line:
        return False
    if "custom_id" in line:
        return "result" in line or "response" in line or "error" in line
    return "key" in line and ("response" in line or "error" in line)


def result(line: JSON) -> BatchResult | None:
    """Read a result; ``None`` for the answer of something that is no language model, such as a moderation."""
    if "result" in line:
        return _of_anthropic(line, obj(line["result"]))
    answer = obj(line.get("response"))
    if "custom_id" in line:
        return _of_openai(line, answer)
    return _of_gemini(line, answer)


def inlined(body: JSON) -> Iterator[tuple[str | None, JSON]]:
    """Yield the results that stand in a batch itself, each with the file that has it, too, if the batch names one.

    Gemini gives each with its key, or by its place; Mistral gives the lines of its files.
    """
    output = obj(obj(body.get("metadata")).get("output")) or obj(body.get("response"))
    for names in ("inlinedResponses", "inlinedEmbedContentResponses"):
        for place, entry in enumerate(objects(obj(output.get(names)).get(names))):
            yield None, {"key": name(obj(entry.get("metadata")).get("key")) or str(place), **entry}
    for line in objects(body.get("outputs")):
        yield (name(body.get("error_file")) if _has_failed(line) else None) or name(body.get("output_file")), line


def holds_all(body: JSON) -> bool:
    """Tell whether no other result will stand in a batch later: Mistral's can be looked at while it is at work."""
    return "outputs" not in body


def _has_failed(line: JSON) -> bool:
    status = count(obj(line.get("response")).get("status_code"))
    return line.get("error") is not None or (status is not None and status >= 400)


def without_results(body: JSON) -> JSON:
    """Return what a batch says of itself, without the results that stand in it."""
    about = without(body, "response", "outputs")
    return about | {"metadata": without(obj(about.get("metadata")), "output")} if "metadata" in about else about


def _of_openai(line: JSON, answer: JSON) -> BatchResult | None:
    body, status = obj(answer.get("body")), count(answer.get("status_code"))
    error, error_type = error_of(line)
    refused = status is not None and status >= 400
    kind, read = _meaning(body)
    if read is None:
        if error is None and not refused and "error" not in body:
            return None
        read = chat_completions.response
    response = read(body)
    if response.error is None and (error is not None or refused):
        response = replace(response, error=error or dump(body), error_type=error_type)
    return BatchResult(
        kind=kind,
        response=response,
        id=name(line.get("id")),
        custom_id=name(line.get("custom_id")),
        http_status=status,
        request_id=name(answer.get("request_id")),
        outcome="completed" if response.error is None else "failed",
        answered_at=_time(body.get("completed_at"), body.get("created_at"), body.get("created")),
    )


def _meaning(body: JSON) -> tuple[_Kind, _Read | None]:
    """What an answer is, by the type that it names, else by what it holds; an error, or a moderation, is nothing."""
    said = _BY_TYPE.get(str(body.get("object")))
    if said is not None:
        return said
    if "data" in body:
        embedded = any("embedding" in entry for entry in objects(body["data"]))
        return "embedding", embeddings.response if embedded else None
    return "generation", chat_completions.response if "choices" in body or "usage" in body else None


_BY_TYPE: dict[str, tuple[_Kind, _Read]] = {
    "chat.completion": ("generation", chat_completions.response),
    "text_completion": ("generation", completions.response),
    "response": ("generation", responses_format.response),
}


def _of_anthropic(line: JSON, said: JSON) -> BatchResult:
    """A request succeeded, erred, or was never made: the batch was cancelled, or a day had passed."""
    ending = name(said.get("type")) or "unknown"
    response = messages.response(obj(said.get("message")))
    if ending != "succeeded":
        error, error_type = error_of(obj(said.get("error")))
        error = error or f"the request of the batch {_NEVER_MADE.get(ending, 'failed')}"
        response = replace(response, error=error, error_type=error_type or ending)
    return BatchResult(
        kind="generation",
        response=response,
        custom_id=name(line.get("custom_id")),
        outcome="completed" if response.error is None else "cancelled" if ending == "canceled" else "failed",
    )


_NEVER_MADE = {"canceled": "was cancelled", "expired": "expired before it was made"}


def _of_gemini(line: JSON, answer: JSON) -> BatchResult:
    embedded = "embedding" in answer or "embeddings" in answer
    response = (embed_content if embedded else generate_content).response(answer)
    error, error_type = error_of(line)
    if error is not None:
        response = replace(response, error=error, error_type=error_type)
    return BatchResult(
        kind="embedding" if embedded else "generation",
        response=response,
        custom_id=name(line.get("key")),
        outcome="completed" if response.error is None else "failed",
    )


def _time(*candidates: Any) -> float | None:
    """The first of some times that is one: of this century."""
    times = (amount(candidate) for candidate in candidates)
    return next((time for time in times if time is not None and _THIS_CENTURY[0] < time < _THIS_CENTURY[1]), None)


_THIS_CENTURY = (946_684_800, 4_102_444_800)


def request(body: JSON) -> Request:
    """Read a request: a result holds none."""
    return Request()


def response(body: JSON) -> Response:
    """Read the answer of a result."""
    read = result(body)
    return read.response if read is not None else Response()


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output: the only one does."""
    return True


def fold() -> Whole:
    """Begin a "stream" of one result."""
    return Whole()
