"""Batches through LiteLLM: each result of a file that it fetched is a generation, once, whoever fetches it again."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from conformance.server import CaseServer, Run

from llm_track import batches, llm_span
from llm_track.records import Event
from llm_track.testing import Events

from .litellm_calls import run

BOTH = pytest.mark.parametrize("mode", ["sync", "async"])
NAMES = ("openai", "azure")
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1730000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "slow snails"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}
BATCH = {
    "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "status": "completed",
    "input_file_id": "file-in1", "output_file_id": "file-out1", "completion_window": "24h", "created_at": 1730000000,
    "request_counts": {"total": 2, "completed": 2, "failed": 0},
}  # fmt: skip


def line(number: int, **more: Any) -> dict[str, Any]:
    """Return a result."""
    answer = {"status_code": 200, "request_id": f"req_{number}", "body": {**CHAT, **more}}
    return {"id": f"batch_req_{number}", "custom_id": f"ask-{number}", "response": answer, "error": None}


def lines(*given: Any) -> bytes:
    """Return a file of lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in given)


def a_file(content: bytes, **more: Any) -> dict[str, Any]:
    """Return an answer that is a file."""
    return {"base64": base64.b64encode(content).decode(), **more}


FILE = lines(line(1), line(2))
BIG = lines(*(line(number, system_fingerprint="x" * 300_000) for number in range(12)))


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: Any) -> None:
    """Each test is a process that has told of nothing."""
    monkeypatch.setattr(batches, "_told", batches.Told())
    monkeypatch.setattr(batches, "_counted_in_silence", batches.Told())


@pytest.fixture(scope="module")
def server() -> Iterator[CaseServer]:
    with CaseServer() as running:
        yield running


def place(name: str, playing: Run) -> dict[str, Any]:
    """Return where LiteLLM asks a provider."""
    address = {"azure": {"api_base": playing.url, "api_version": "2024-10-21"}, "mistral": {"api_base": playing.url}}
    where = address.get(name, {"api_base": f"{playing.url}/v1"})
    return {"api_key": "k", "custom_llm_provider": name, **where}


def directly(name: str, playing: Run) -> bytes:
    """Fetch the file by the SDK that LiteLLM uses, without LiteLLM."""
    if name == "azure":
        with openai.AzureOpenAI(api_key="k", azure_endpoint=playing.url, api_version="2024-10-21") as client:
            return client.files.content("file-out1").content
    with openai.OpenAI(api_key="k", base_url=f"{playing.url}/v1") as client:
        return client.files.content("file-out1").content


def fetched(litellm: Any, mode: str, **given: Any) -> Any:
    """Fetch the file by LiteLLM."""
    return run(litellm, "afile_content" if mode == "async" else "file_content", {"file_id": "file-out1", **given})


def streamed(litellm: Any, mode: str, most: int | None = None, **given: Any) -> bytes:
    """Fetch the file by LiteLLM, piece by piece, or only so many pieces."""
    asked = {"file_id": "file-out1", "stream": True, "chunk_size": 100, **given}

    async def read() -> bytes:
        pieces = (await litellm.afile_content(**asked)).stream_iterator
        return b"".join([await anext(pieces) for _ in range(most)] if most else [each async for each in pieces])

    if mode == "async":
        return asyncio.run(read())
    pieces = litellm.file_content(**asked).stream_iterator
    return b"".join([next(pieces) for _ in range(most)] if most else pieces)


def parts(events: Events) -> tuple[list[Event], list[Event]]:
    """Return the results and the spans."""
    spans = [event for event in events.settle() if event.name == "$ai_span"]
    return [event for event in events if event.name == "$ai_generation"], spans


def names(events: list[Event]) -> list[Any]:
    """Return what the program called the requests."""
    return [event.properties["llm_custom_id"] for event in events]


def is_known(event: Event) -> tuple[Any, ...]:
    """Return what PostHog knows an event by, and what else is the same wherever it is fetched."""
    return event.uuid, event.name, event.batch, event.timestamp, event.properties["$ai_total_cost_usd"]


@pytest.mark.parametrize("name", NAMES)
@BOTH
def test_each_result_is_a_generation(
    name: str, mode: str, litellm: Any, server: CaseServer, events: Events, monkeypatch: Any
) -> None:
    """Each line is a generation inside LiteLLM's span, at the price of batches; the SDK's own fetch adds none."""
    playing = server.play([a_file(FILE)])
    with llm_span("night", user_id="u_1"):
        assert fetched(litellm, mode, **place(name, playing)).content == FILE
    told, (span,) = parts(events)
    assert names(told) == ["ask-1", "ask-2"]
    said = told[0].properties
    assert (said["$ai_provider"], said["$ai_model"], said["llm_batch"]) == (name, CHAT["model"], "file-out1")
    assert (said["$ai_input_tokens"], said["$ai_output_tokens"], said["$ai_latency"]) == (1000, 100, None)
    assert said["$ai_total_cost_usd"] == pytest.approx(0.000105)
    assert {event.properties["$ai_parent_id"] for event in told} == {span.uuid}
    assert {event.distinct_id for event in told} == {"u_1"}
    assert span.properties["$ai_span_name"] == ("afile_content" if mode == "async" else "file_content")
    assert span.properties["$ai_output_state"]["bytes"] == len(FILE)
    assert directly(name, playing) == FILE
    assert fetched(litellm, mode, **place(name, playing)).content == FILE
    assert len(parts(events)[0]) == 2
    before = len(events)
    monkeypatch.setattr(batches, "_told", batches.Told())
    monkeypatch.setattr(batches, "_counted_in_silence", batches.Told())
    directly(name, playing)
    events.settle()
    assert [is_known(event) for event in events[before:-1]] == [is_known(event) for event in told]


async def looked_at(litellm: Any, playing: Run, **given: Any) -> None:
    """Look at a batch, and wait until LiteLLM has fetched its file, in the background."""
    await litellm.aretrieve_batch(**given)
    for _ in range(400):
        if playing.requests[-1]["path"].endswith("/content"):
            break
        await asyncio.sleep(0.05)
    assert playing.requests[-1]["path"].endswith("/content")
    await asyncio.sleep(0.2)


@pytest.mark.parametrize("name", NAMES)
@BOTH
def test_submitting_and_looking_are_spans(
    name: str, mode: str, litellm: Any, server: CaseServer, events: Events
) -> None:
    """What LiteLLM fetches to learn what a batch cost is no call of the program, and tells nothing in its name."""
    playing = server.play([{"json": BATCH}, {"json": BATCH}, a_file(FILE)])
    prefix, where = "a" if mode == "async" else "", place(name, playing)
    submitted = {"completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file-in1"}
    assert run(litellm, f"{prefix}create_batch", {**submitted, **where}).id == "batch_1"
    if mode == "async":
        asyncio.run(looked_at(litellm, playing, batch_id="batch_1", **where))
    else:
        litellm.retrieve_batch(batch_id="batch_1", **where)
    told, spans = parts(events)
    assert told == []
    called = [span.properties["$ai_span_name"] for span in spans]
    assert called == [f"{prefix}create_batch", f"{prefix}retrieve_batch"]
    fetched(litellm, mode, **where)
    assert names(parts(events)[0]) == ["ask-1", "ask-2"]


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_batch_inside_a_budget(is_silent: bool, litellm: Any, server: CaseServer, events: Events) -> None:
    """Submitting is a call of unknown cost, and each result counts once: also where LiteLLM looks at it for itself."""
    playing = server.play([{"json": BATCH}, {"json": BATCH}, a_file(FILE)])
    where = place("openai", playing)
    with llm_span(budget_usd=1, no_log=is_silent) as span:
        litellm.create_batch(
            completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file-in1", **where
        )
        assert (span.spent_usd, span.unpriced_calls) == (0, 1)
        asyncio.run(looked_at(litellm, playing, batch_id="batch_1", **where))
        for _ in range(2):
            fetched(litellm, "sync", **where)
        events.settle()
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(2 * 0.000105), 1)


@BOTH
def test_a_file_that_is_streamed(mode: str, litellm: Any, server: CaseServer, events: Events) -> None:
    """A file that is read piece by piece ends its span when it has been read; what came of it is told, once."""
    playing = server.play([a_file(BIG)])
    where = place("openai", playing)
    assert len(streamed(litellm, mode, most=4000, **where)) == 400_000
    gc.collect()
    told, (span,) = parts(events)
    assert 1 <= len(told) < 12
    assert span.properties["llm_outcome"] == "closed_early"
    assert streamed(litellm, mode, **where) == BIG
    told, spans = parts(events)
    assert sorted(names(told)) == sorted(f"ask-{number}" for number in range(12))
    assert spans[1].properties["llm_outcome"] == "completed"
    assert streamed(litellm, mode, **where) == BIG
    assert len(parts(events)[0]) == 12


@BOTH
def test_a_stream_that_breaks(mode: str, litellm: Any, server: CaseServer, events: Events) -> None:
    """The lines that came before the connection broke are told, and the span says how it ended."""
    playing = server.play([a_file(BIG, cut_after=len(BIG) // 2)])
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        streamed(litellm, mode, **place("openai", playing))
    told, (span,) = parts(events)
    assert names(told) == [f"ask-{number}" for number in range(6)]
    assert span.properties["llm_outcome"] == "broken"
    assert span.properties["$ai_is_error"] is True


@BOTH
def test_silence(mode: str, litellm: Any, server: CaseServer, events: Events) -> None:
    """Where nothing may be told no result is, and the next fetch tells it."""
    where = place("openai", server.play([a_file(FILE)]))
    fetched(litellm, mode, **where, metadata={"no-log": True})
    assert events.settle() == []
    fetched(litellm, mode, **where)
    assert names(parts(events)[0]) == ["ask-1", "ask-2"]


@BOTH
def test_a_file_that_litellm_fetches_by_itself(mode: str, litellm: Any, server: CaseServer, events: Events) -> None:
    """Where LiteLLM uses no SDK its answer is read; one that was compressed and cut short is not all there is."""
    packed, headers = gzip.compress(FILE), {"content-encoding": "gzip"}
    playing = server.play([a_file(packed[:-3], headers=headers), a_file(packed, headers=headers)])
    for is_whole in (False, True):
        assert fetched(litellm, mode, **place("mistral", playing)).content == FILE
        told, spans = parts(events)
        assert batches._told.all_of("mistral:file-out1") is is_whole
    assert names(told) == ["ask-1", "ask-2"]
    assert {event.properties["$ai_provider"] for event in told} == {"mistral"}
    assert [span.properties["$ai_output_state"] for span in spans] == [{"bytes": len(FILE)}] * 2


def test_a_file_through_a_router(litellm: Any, server: CaseServer, events: Events) -> None:
    """A Router's deployment is told of, and the model is the one that answered, not the one that the fetch named."""
    playing = server.play([a_file(FILE)])
    deployment = {"model": "azure/my-own-name", "api_base": playing.url, "api_key": "k", "api_version": "2024-10-21"}
    deployments = [{"model_name": "group", "litellm_params": deployment, "model_info": {"id": "here"}}]
    asked = {"model": "group", "file_id": "file-out1", "custom_llm_provider": "azure"}
    assert asyncio.run(litellm.Router(model_list=deployments).afile_content(**asked)).content == FILE
    told, (span,) = parts(events)
    assert names(told) == ["ask-1", "ask-2"]
    for said in (event.properties for event in told):
        assert (said["$ai_provider"], said["$ai_model"]) == ("azure", CHAT["model"])
        assert said["$ai_total_cost_usd"] == pytest.approx(0.000105)
    assert {event.properties["$ai_parent_id"] for event in told} == {span.uuid}


def test_a_fetch_that_was_repeated(litellm: Any, server: CaseServer, events: Events) -> None:
    """How often a file was asked for is told of the fetch alone."""
    busy = {"status": 429, "json": {"error": {"message": "busy"}}, "headers": {"retry-after-ms": "1"}}
    playing = server.play([busy, a_file(FILE)])
    assert fetched(litellm, "sync", **place("openai", playing), max_retries=2).content == FILE
    told, (span,) = parts(events)
    assert names(told) == ["ask-1", "ask-2"]
    assert (span.properties["llm_retry_count"], len(playing.requests)) == (1, 2)
    assert all(not {"llm_attempts", "llm_retry_count"} & event.properties.keys() for event in told)
