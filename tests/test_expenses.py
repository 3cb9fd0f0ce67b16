"""Budgets and what is no event of a model call: pictures, sound, films, and batches with their results."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import llm_track
from llm_track import BudgetExceeded, _guard, batches, budgets, llm_span
from llm_track.expenses import is_paid
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of

DRAWN = {"input_tokens": 100, "output_tokens": 1000, "total_tokens": 1100,
         "input_tokens_details": {"text_tokens": 60, "image_tokens": 40}}  # fmt: skip
HEARD = {"type": "tokens", "input_tokens": 100, "output_tokens": 10, "total_tokens": 110,
         "input_token_details": {"text_tokens": 10, "audio_tokens": 90}}  # fmt: skip
DRAWING = 60 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6
"""What the list says of `DRAWN` by gpt-image-1."""


@pytest.fixture(autouse=True)
def _patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hook, and leave no hook behind; no span has had a budget yet, no batch was told, and nothing was said."""
    monkeypatch.setattr(budgets, "in_use", False)
    monkeypatch.setattr(batches, "_told", batches.Told())
    monkeypatch.setattr(batches, "_counted_in_silence", batches.Told())
    monkeypatch.setattr(_guard, "_said", set())
    llm_track.autopatch("openai", "anthropic")
    llm_track.configure()
    yield
    llm_track.unpatch()


class Provider:
    """Answers every path with what was prepared for it, and counts how often it was asked."""

    def __init__(self, sdk: Any = openai, name: str = "OpenAI", **answers: Any) -> None:
        self.http = http_of(sdk)
        self.answers = answers
        self.asked: list[str] = []
        self.made = client(sdk, name, self.answer)

    def answer(self, request: Any) -> Any:
        path = request.url.path.rpartition("/v1/")[2].replace("/", "_")
        self.asked.append(path)
        given = self.answers[path]
        if isinstance(given, bytes):
            return self.http.Response(200, content=given, headers={"content-type": "application/octet-stream"})
        if isinstance(given, str):
            return self.http.Response(200, content=given.encode(), headers={"content-type": "text/event-stream"})
        return self.http.Response(given.pop("http_status", 200), json=given)


def test_pictures_count_and_are_refused() -> None:
    """Drawing spends a budget as a model call does, tokens of pictures included, and is not done once it is spent."""
    provider = Provider(images_generations={"created": 1, "data": [{"b64_json": "aGk="}], "usage": DRAWN})
    with capture_events() as events, llm_span(budget_usd=DRAWING * 1.5) as span:
        for times in (1, 2):
            provider.made.images.generate(model="gpt-image-1", prompt="a snail")
            assert span.spent_usd == pytest.approx(times * DRAWING)
        with pytest.raises(BudgetExceeded):
            provider.made.images.generate(model="gpt-image-1", prompt="a snail")
        assert span.unpriced_calls == 0
    assert len(provider.asked) == 2
    assert [event.name for event in events] == ["$ai_span", "$ai_span", "$ai_trace"]


@pytest.mark.parametrize(
    ("answer", "spent"),
    [
        ({"usage": {**DRAWN, "output_tokens_details": {"text_tokens": 200, "image_tokens": 800}}},
         60 * 5e-6 + 40 * 8e-6 + 200 * 10e-6 + 800 * 32e-6),
        ({"usage": DRAWN}, 60 * 5e-6 + 40 * 8e-6 + 1000 * 32e-6),
        ({"usage": DRAWN, "svg_usage": {"model": "gpt-5", "input_tokens": 1, "output_tokens": 1}}, None),
        ({}, None),
    ],
    ids=["words and pictures", "pictures", "a second model", "no counts"],
)  # fmt: skip
def test_what_a_picture_cost(answer: Any, spent: float | None) -> None:
    """What is drawn is pictures unless the answer says otherwise; what nobody can tell counts as unknown."""
    provider = Provider(images_generations={"created": 1, "data": [], **answer})
    with llm_span(budget_usd=1) as span:
        provider.made.images.generate(model="gpt-image-1.5", prompt="a snail")
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(spent or 0), int(spent is None))


def test_a_picture_that_is_streamed() -> None:
    """The counts of a stream stand in its last event."""
    done = {"type": "image_generation.completed", "b64_json": "aGk=", "usage": DRAWN}
    part = {"type": "image_generation.partial_image", "b64_json": "aA==", "partial_image_index": 0}
    provider = Provider(images_generations="".join(f"data: {json.dumps(event)}\n\n" for event in (part, done)))
    with llm_span(budget_usd=1) as span:
        post = provider.made.post  # older SDKs have no `stream` of pictures
        list(post("/images/generations", cast_to=object, body={"model": "gpt-image-1", "stream": True}, stream=True,
                  stream_cls=openai.Stream[object]))  # fmt: skip
        assert span.spent_usd == pytest.approx(DRAWING)


def test_sound() -> None:
    """A recording counts by its tokens; speech has no counts, and costs what the program says of a request."""
    provider = Provider(audio_transcriptions={"text": "hi", "usage": HEARD}, audio_speech=b"RIFF")
    with llm_span(budget_usd=1) as span:
        provider.made.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", b"RIFF"))
        assert span.spent_usd == pytest.approx(heard := 10 * 2.5e-6 + 90 * 6e-6 + 10 * 10e-6)
        provider.made.audio.speech.create(model="tts-1", voice="alloy", input="hi")
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(heard), 1)
        llm_track.configure(prices={"tts-1": {"per_request": 0.01}})
        provider.made.audio.speech.create(model="tts-1", voice="alloy", input="hi")
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(heard + 0.01), 1)


def test_a_conversation_that_is_made_shorter() -> None:
    """What OpenAI compacts costs what its counts say."""
    used = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    answer = {
        "id": "r",
        "object": "response.compaction",
        "created_at": 1,
        "model": "gpt-5",
        "output": [],
        "usage": used,
    }
    provider = Provider(responses_compact=answer)
    with llm_span(budget_usd=1) as span:
        provider.made.post("/responses/compact", cast_to=object, body={"model": "gpt-5"})
        assert span.spent_usd == pytest.approx(1000 * 1.25e-6 + 100 * 10e-6)


def test_what_is_refused_or_free_costs_nothing() -> None:
    """A request that the provider refuses is not paid, and neither is a moderation or a file."""
    provider = Provider(
        images_generations={"http_status": 400, "error": {"message": "no"}},
        moderations={"id": "m", "model": "m", "results": []},
        files={"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "a", "purpose": "batch"},
    )
    with llm_span(budget_usd=1) as span:
        with pytest.raises(openai.BadRequestError):
            provider.made.images.generate(model="gpt-image-1", prompt="a snail")
        provider.made.moderations.create(input="hi")
        provider.made.files.create(file=b"{}", purpose="batch")
        assert (span.spent_usd, span.unpriced_calls) == (0, 0)


BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "endpoint": "/v1/chat/completions",
         "completion_window": "24h", "created_at": 1, "input_file_id": "file-in"}  # fmt: skip


def line(number: int, usage: Any, **more: Any) -> bytes:
    body = {"id": f"c{number}", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": []}
    answered = {"status_code": 200, "request_id": "r", "body": body | ({"usage": usage} if usage else {}), **more}
    return json.dumps({"id": f"b{number}", "custom_id": f"k{number}", "response": answered, "error": None}).encode()


USED = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
REFUSED = {"status_code": 400, "body": {"error": {"message": "no"}}}
RESULT = (1000 * 1.25e-6 + 100 * 10e-6) / 2
"""What the list says of `USED` by gpt-5 in a batch."""


def a_batch() -> Provider:
    results = b"\n".join([line(1, USED), line(2, USED), line(3, None), line(4, None, **REFUSED)]) + b"\n"
    return Provider(batches=dict(BATCH), **{"files_file-out_content": results, "files_file-other_content": results})


def fetch(provider: Provider, file: str = "file-out") -> None:
    assert provider.made.files.content(file).content
    llm_track.flush()


def test_a_batch_counts_where_its_results_are_fetched(caplog: Any) -> None:
    """What a batch costs nobody knows when it is submitted; its results count one by one, at their price, once."""
    provider = a_batch()
    with capture_events() as events, caplog.at_level(logging.WARNING, "llm_track"), llm_span(budget_usd=1) as span:
        provider.made.batches.create(input_file_id="file-in", endpoint="/v1/chat/completions", completion_window="24h")
        assert (span.spent_usd, span.unpriced_calls) == (0, 1)
        fetch(provider)
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(2 * RESULT), 2)
        fetch(provider)
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(2 * RESULT), 2)
    sent = [event.properties.get("$ai_total_cost_usd") or 0 for event in events]
    assert span.spent_usd == pytest.approx(sum(sent))
    assert "llm_track does not know what batches.create of openai cost: it counts in no budget." in caplog.messages


def test_a_batch_is_not_submitted_once_a_budget_is_spent_but_fetched() -> None:
    """Submitting costs, fetching does not: what was paid for is not withheld."""
    provider = a_batch()
    with llm_span("outer", budget_usd=9) as outer, llm_span(budget_usd=0) as span:
        with pytest.raises(BudgetExceeded):
            provider.made.batches.create(
                input_file_id="file-in", endpoint="/v1/chat/completions", completion_window="24h"
            )
        fetch(provider)
        assert span.spent_usd == outer.spent_usd == pytest.approx(2 * RESULT)
    assert provider.asked == ["files_file-out_content"]


def test_results_in_silence_count_once() -> None:
    """Where nothing is told of the results, they count all the same: where they are fetched first, told or not."""
    provider = a_batch()
    with capture_events() as events:
        for silent, spent in ((True, 2 * RESULT), (True, 0), (False, 0)):
            with llm_span(budget_usd=1, no_log=silent) as span:
                fetch(provider)
                assert span.spent_usd == pytest.approx(spent)
        assert [event.name for event in events].count("$ai_generation") == 4
        with llm_span(budget_usd=1) as span:
            fetch(provider, "file-other")
            assert span.spent_usd == pytest.approx(2 * RESULT)
        with llm_span(budget_usd=1, no_log=True) as span:
            fetch(provider, "file-other")
            assert (span.spent_usd, span.unpriced_calls) == (0, 0)


def test_a_fault_while_results_are_counted_loses_no_event(
    without_pytest: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """If a price cannot be found, each result is told all the same."""
    provider = a_batch()
    with capture_events() as events, llm_span(budget_usd=1):
        monkeypatch.setattr(budgets, "_cost", lambda record: 1 / 0)
        fetch(provider)
    assert [event.name for event in events].count("$ai_generation") == 4
    assert any("count what a result of a batch cost" in message for message in caplog.messages)


@pytest.mark.skipif(not hasattr(anthropic.resources.Messages, "batches"), reason="this anthropic has none")
def test_a_batch_of_anthropic() -> None:
    """Its results are a stream of lines, and count as they are read to their end."""
    said = {"id": "m", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [],
            "stop_reason": "end_turn", "usage": {"input_tokens": 100, "output_tokens": 10}}  # fmt: skip
    result = {"custom_id": "k", "result": {"type": "succeeded", "message": said}}
    submitted = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "created_at": "x",
                 "expires_at": "x", "request_counts": {}, "results_url": None}  # fmt: skip
    lines = json.dumps(result).encode() + b"\n"
    ended = {**submitted, "results_url": "/v1/messages/batches/msgbatch_1/results"}
    provider = Provider(
        anthropic, "Anthropic", messages_batches=submitted, messages_batches_msgbatch_1=ended,
        messages_batches_msgbatch_1_results=lines,
    )  # fmt: skip
    with llm_span(budget_usd=1) as span:
        provider.made.messages.batches.create(requests=[])
        assert span.unpriced_calls == 1
        list(provider.made.messages.batches.results("msgbatch_1"))
        llm_track.flush()
        assert span.spent_usd == pytest.approx((100 * 5e-6 + 10 * 25e-6) / 2)


@pytest.mark.parametrize(
    ("name", "costs"),
    [
        ("images.generate", True), ("images.generations.create", True), ("images.edit", True), ("images.list", False),
        ("audio.speech.create", True), ("audio.transcriptions.create", True), ("videos.create", True),
        ("videos.content", False), ("video.generations.create", True), ("batches.create", True),
        ("batches.retrieve", False), ("batches.cancel", False), ("messages.batches.create", True),
        ("batch.jobs.create", True), ("batch.jobs.list", False), ("vector_stores.file_batches.create", False),
        ("threads.runs.create", True), ("threads.create", False), ("files.create", False), ("ocr.create", True),
        ("moderations.create", False), ("models.countTokens", False), ("models.batchGenerateContent", True),
        ("bedrock-agent-runtime.InvokeAgent", True), ("bedrock-runtime.CountTokens", False), ("text_to_image", True),
        ("create_batch", True), ("aretrieve_batch", False), ("acreate_batch", True), ("moderation", False),
    ],
)  # fmt: skip
def test_which_requests_cost_money(name: str, costs: bool) -> None:
    """Requests that have something made cost; those that look, store or count do not."""
    assert is_paid(name) is costs
