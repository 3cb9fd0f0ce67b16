"""What the lines of a batch's results say: of OpenAI and those who speak its language, of Anthropic, and of Gemini."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.formats import batch_results
from llm_track.formats.batch_results import holds_all, inlined, is_result, result, without_results

from .wire import _garbage
from .wire import batch_results as of_openai
from .wire import generate_content as of_gemini
from .wire import messages as of_anthropic

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1730000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "slow snails"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}
TEXT = {"object": "text_completion", "choices": [{"text": "slow", "finish_reason": "length"}]}
ANSWER = {
    "object": "response",
    "id": "resp_1",
    "status": "completed",
    "created_at": 1730000000,
    "completed_at": 1730000007,
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "slow"}]}],
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "slow snails"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 7, "service_tier": "batch"},
}
CANDIDATES = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "slow"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 6},
    "modelVersion": "gemini-2.5-flash",
}


def openai(body: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    """Return a line of OpenAI's."""
    answer = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": "a", "response": answer, "error": None, **more}


def anthropic(kind: str, **said: Any) -> dict[str, Any]:
    """Return a line of Anthropic's."""
    return {"custom_id": "a", "result": {"type": kind, **said}}


def test_a_line_of_openai():
    """A line holds the answer, the ids of the request and of the line, the status, and when the model answered."""
    read = result(openai(CHAT))
    assert read is not None
    assert (read.kind, read.outcome, read.answered_at) == ("generation", "completed", 1730000000.0)
    assert (read.id, read.custom_id, read.request_id, read.http_status) == ("batch_req_1", "a", "req_1", 200)
    assert (read.response.model, read.response.stop_reason) == ("gpt-4o-mini-2024-07-18", "stop")
    assert (read.response.usage.input_tokens, read.response.usage.output_tokens) == (5, 7)


@pytest.mark.parametrize(
    ("body", "kind", "stop", "tokens"),
    [
        (CHAT, "generation", "stop", 5),
        ({key: CHAT[key] for key in ("choices", "usage")}, "generation", "stop", 5),
        (TEXT, "generation", "length", None),
        (ANSWER, "generation", "completed", 3),
        (VECTORS, "embedding", None, 5),
        ({"data": VECTORS["data"], "usage": VECTORS["usage"]}, "embedding", None, 5),
    ],
    ids=["chat", "chat without a type", "text", "responses", "embeddings", "embeddings without a type"],
)
def test_the_body_says_what_it_is(body, kind, stop, tokens):
    """The endpoint stands nowhere in a line: the type of the body tells it, else what the body holds."""
    read = result(openai(body))
    assert read is not None
    assert (read.kind, read.response.stop_reason, read.response.usage.input_tokens) == (kind, stop, tokens)


@pytest.mark.parametrize(
    "body",
    [{"id": "modr-1", "results": [{"flagged": False}]}, {"data": [{"b64_json": "aGk="}], "usage": {}}, {}, None],
    ids=["moderation", "picture", "empty", "none"],
)
def test_what_is_no_language_model_gives_no_result(body):
    """The answers of other endpoints are no generations, and their reading as one is empty."""
    assert result(openai(body)) is None
    assert batch_results.response(openai(body)) == batch_results.Response()


@pytest.mark.parametrize(
    ("line", "message", "kind", "status"),
    [
        (openai({"error": {"message": "no", "type": "invalid"}}, 400), "no", "invalid", 400),
        (openai({"detail": "busy"}, 503), '{"detail":"busy"}', None, 503),
        (openai(CHAT, 500), json.dumps(CHAT, separators=(",", ":")), None, 500),
        (
            {"id": "r", "custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "late"}},
            "late", "batch_expired", None,
        ),
    ],
    ids=["refused", "refused in other words", "a status alone", "never made"],
)  # fmt: skip
def test_an_error_of_openai(line, message, kind, status):
    """A refused request, and one that was never made, are failures with the provider's words."""
    read = result(line)
    assert read is not None
    assert (read.outcome, read.http_status) == ("failed", status)
    assert (read.response.error, read.response.error_type) == (message, kind)


def test_a_response_tells_when_it_was_complete():
    """The time of an answer is that of its end where that is told; a time that is none is not told."""
    assert result(openai(ANSWER)).answered_at == 1730000007.0
    for odd in (None, "1730000000", -1, 0, 10**12, float("inf"), True):
        assert result(openai({**CHAT, "created": odd})).answered_at is None


def test_a_message_of_anthropic():
    """A request that succeeded is a message, at the tier of batches; it has neither status nor time of its own."""
    read = result(anthropic("succeeded", message=MESSAGE))
    assert read is not None
    assert (read.kind, read.outcome, read.custom_id, read.http_status) == ("generation", "completed", "a", None)
    assert (read.response.id, read.response.service_tier, read.answered_at) == ("msg_1", "batch", None)
    assert read.response.usage.output_tokens == 7


@pytest.mark.parametrize(
    ("line", "outcome", "message", "kind"),
    [
        (
            anthropic("errored", error={"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}),
            "failed", "no", "invalid_request_error",
        ),
        (anthropic("errored"), "failed", "the request of the batch failed", "errored"),
        (anthropic("canceled"), "cancelled", "the request of the batch was cancelled", "canceled"),
        (anthropic("expired"), "failed", "the request of the batch expired before it was made", "expired"),
        ({"custom_id": "a", "result": None}, "failed", "the request of the batch failed", "unknown"),
    ],
    ids=["errored", "without words", "canceled", "expired", "nothing"],
)  # fmt: skip
def test_an_ending_of_anthropic(line, outcome, message, kind):
    """A request that erred or was never made is told, with how it ended."""
    read = result(line)
    assert read is not None
    assert (read.outcome, read.response.error, read.response.error_type) == (outcome, message, kind)


def test_a_line_of_gemini():
    """A line of a result file has the program's key and an answer, or an error."""
    read = result({"key": "k", "response": CANDIDATES})
    assert read is not None
    assert (read.kind, read.custom_id, read.response.stop_reason) == ("generation", "k", "STOP")
    embedded = result(
        {"key": "k", "response": {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 4}}}
    )
    assert embedded is not None
    assert (embedded.kind, embedded.response.usage.input_tokens) == ("embedding", 4)
    failed = result({"key": "k", "error": {"code": 400, "message": "no"}})
    assert failed is not None
    assert (failed.outcome, failed.response.error, failed.response.error_type) == ("failed", "no", "400")


@pytest.mark.parametrize("place", ["metadata", "response"])
def test_results_inside_a_batch_of_gemini(place):
    """Results that stand in the batch itself are taken out by key or place, and the batch is told without them."""
    entries = [{"response": CANDIDATES, "metadata": {"key": "k"}}, {"error": {"message": "no"}}]
    output = {"inlinedResponses": {"inlinedResponses": entries}}
    batch = {"name": "batches/1", "metadata": {"state": "BATCH_STATE_SUCCEEDED"}}
    if place == "metadata":
        batch["metadata"]["output"] = output
    else:
        batch["response"] = output
    assert [(file, line["key"], is_result(line)) for file, line in inlined(batch)] == [
        (None, "k", True),
        (None, "1", True),
    ]
    assert holds_all(batch)
    assert without_results(batch) == {"name": "batches/1", "metadata": {"state": "BATCH_STATE_SUCCEEDED"}}
    assert without_results({"bytes": 5}) == {"bytes": 5}
    assert list(inlined({"name": "batches/1", "metadata": {"state": "BATCH_STATE_RUNNING"}})) == []


@pytest.mark.parametrize("named", [False, True])
def test_results_inside_a_job_of_mistral(named):
    """Each result in a job is of the file that has it, failures of the error file, as far as the job names files."""
    failures = [openai({"error": {"message": "no"}}, 400), openai(None, error={"message": "no"})]
    job = {"id": "job-1", "status": "SUCCESS", "outputs": [openai(CHAT), *failures, None]}
    files = {"output_file": "out", "error_file": "err"} if named else {"output_file": None}
    assert [(file, line["custom_id"], is_result(line)) for file, line in inlined({**job, **files})] == [
        ("out" if named else None, "a", True),
        ("err" if named else None, "a", True),
        ("err" if named else None, "a", True),
    ]
    assert [file for file, _ in inlined({**job, "output_file": "out"})] == ["out"] * 3
    assert without_results(job) == {"id": "job-1", "status": "SUCCESS"}
    assert not holds_all(job)
    assert list(inlined({**job, "outputs": None})) == []


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}},
        {"messages": [{"role": "user", "content": "train me"}]},
        {"key": "a", "request": {"contents": []}},
        {"custom_id": "a"},
        {},
    ],
    ids=["a request", "an example", "a request of Gemini", "a name", "nothing"],
)
def test_lines_of_other_files_are_no_results(line):
    """What is uploaded to be asked or learnt is no result, although it may be downloaded again."""
    assert not is_result(line)


LINES = st.one_of(
    of_openai.bodies,
    of_anthropic.bodies.map(lambda body: anthropic("succeeded", message=body)),
    of_gemini.bodies.map(lambda body: {"key": "k", "response": body}),
)


@given(LINES | _garbage.spoiled(LINES) | _garbage.objects)
def test_no_line_can_break_it(line):
    """Whatever a line is, it is told apart and read, and what is read can be written as JSON."""
    assert is_result(line) in (True, False)
    read = result(line)
    json.dumps(None if read is None else dataclasses.asdict(read))
    for body in (line, {"outputs": [line]}):
        assert all(is_result(each) in (True, False) for _, each in inlined(body))
    without_results(line)
