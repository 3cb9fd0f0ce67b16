"""Batches of the real SDKs: submitting is a span, fetching is one, and each result is a generation inside it, once."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import openai
import pytest

import llm_track
from llm_track import batches, llm_span
from llm_track.records import Event
from llm_track.testing import Events, capture_events

from .clients import Clients, method
from .events import answer_words, envelope
from .server import CaseServer, a_file, lines

SCHEMA = Path(__file__).parents[3] / "shared" / "spec" / "validate.py"
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1730000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "slow snails"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "slow snails"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1000, "output_tokens": 100, "service_tier": "batch"},
}
pytestmark = pytest.mark.usefixtures("nothing_told")


def line(number: int, body: Any = CHAT, status: int = 200) -> dict[str, Any]:
    """Return a result of OpenAI."""
    answer = {"status_code": status, "request_id": f"req_{number}", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": f"ask-{number}", "response": answer, "error": None}


def result(number: int, kind: str = "succeeded", **said: Any) -> dict[str, Any]:
    """Return a result of Anthropic."""
    return {"custom_id": f"ask-{number}", "result": {"type": kind, **(said or {"message": MESSAGE})}}


def parts(events: Events) -> tuple[list[Event], list[Event]]:
    """Return the results and the spans."""
    spans = [event for event in events.settle() if event.name == "$ai_span"]
    return [event for event in events if event.name in ("$ai_generation", "$ai_embedding")], spans


def names(events: list[Event]) -> list[Any]:
    """Return what the program called the requests."""
    return [event.properties["llm_custom_id"] for event in events]


async def plain(mode: Any, files: Any) -> bytes:
    return bytes((await mode.call(files.content, "file-out1")).content)


async def raw(mode: Any, files: Any) -> bytes:
    response = await mode.call(files.with_raw_response.content, "file-out1")
    return bytes((await mode.call(response.parse)).content)


async def streamed(mode: Any, files: Any) -> bytes:
    async with mode.within(files.with_streaming_response.content("file-out1")) as response:
        return bytes(await mode.call(response.read))


async def by_line(mode: Any, files: Any) -> bytes:
    async with mode.within(files.with_streaming_response.content("file-out1")) as response:
        return "".join(each + "\n" for each in await mode.items(response.iter_lines())).encode()


async def to_a_file(mode: Any, files: Any) -> bytes:
    async with mode.within(files.with_streaming_response.content("file-out1")) as response:
        return b"".join(await mode.items(response.iter_bytes(100)))


WAYS = [plain, raw, streamed, by_line, to_a_file]
FILE = lines(line(1), line(2, VECTORS), line(3, {"error": {"message": "no", "type": "invalid"}}, 400))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("packed", [False, True], ids=["", "gzip"])
def test_a_result_file_of_openai(way: Any, packed: bool, clients: Clients, server: CaseServer) -> None:
    """However a result file is downloaded, each line is an event inside the download's span, and the file is whole."""
    client = clients.openai(server.play([a_file(FILE, gzip=packed)]).url + "/v1")
    with capture_events() as events, llm_span("night", user_id="u_1") as around:
        assert clients.mode.run(way(clients.mode, client.files)) == FILE
    told, spans = parts(events)
    (span,) = spans
    assert [event.name for event in told] == ["$ai_generation", "$ai_embedding", "$ai_generation"]
    assert names(told) == ["ask-1", "ask-2", "ask-3"]
    assert [event.properties["llm_request_id"] for event in told] == ["req_1", "req_2", "req_3"]
    assert [event.properties["$ai_http_status"] for event in told] == [200, 200, 400]
    assert [event.properties["llm_outcome"] for event in told] == ["completed", "completed", "failed"]
    assert {event.properties["$ai_parent_id"] for event in told} == {span.uuid}
    assert {event.trace_id for event in (*told, *spans)} == {around.trace_id}
    assert {event.distinct_id for event in told} == {"u_1"}
    assert answer_words(told[0]) == "slow snails"
    assert told[2].properties["$ai_error"] == "no"
    assert span.properties["$ai_output_state"]["bytes"] == len(FILE)


def test_what_a_result_says_and_what_it_does_not(clients: Clients, server: CaseServer) -> None:
    """A result has its counts, half the price, and the time of its answer; no question, no latency and no address."""
    client = clients.openai(server.play([a_file(FILE)]).url + "/v1")
    with capture_events() as events:
        clients.mode.run(plain(clients.mode, client.files))
    (chat, vectors, _), _ = parts(events)
    said = chat.properties
    assert (said["$ai_model"], said["$ai_stop_reason"], said["$ai_stream"]) == (CHAT["model"], "stop", False)
    assert (said["$ai_input_tokens"], said["$ai_output_tokens"]) == (1000, 100)
    assert (said["$ai_input_cost_usd"], said["$ai_output_cost_usd"]) == (
        pytest.approx(0.000075),
        pytest.approx(0.00003),
    )
    assert said["$ai_cost_passthrough"] is True
    assert (said["$ai_latency"], said["$ai_input"]) == (None, None)
    assert "$ai_request_url" not in said
    assert (said["llm_batch"], chat.batch) == ("file-out1", "openai:file-out1")
    assert chat.timestamp == datetime.fromtimestamp(1730000000, timezone.utc)
    assert vectors.properties["$ai_total_cost_usd"] == pytest.approx(0.00001)


def test_results_are_valid_events(clients: Clients, server: CaseServer) -> None:
    """All events of a batch pass PostHog's schema in its strict form."""
    if not SCHEMA.exists():
        pytest.skip("the schema is not here")
    spec = importlib.util.spec_from_file_location("validate", SCHEMA)
    assert spec is not None
    assert spec.loader is not None
    validate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(validate)
    client = clients.openai(server.play([a_file(FILE)]).url + "/v1")
    with capture_events() as events:
        clients.mode.run(plain(clients.mode, client.files))
    assert [validate.violations(envelope(event), strict=True) for event in events] == [[]] * 4


def test_a_file_fetched_twice_is_told_once(clients: Clients, server: CaseServer) -> None:
    """The second download of a file in a process is a span alone."""
    client = clients.openai(server.play([a_file(FILE)]).url + "/v1")
    with capture_events() as events:
        for way in (plain, streamed, raw):
            clients.mode.run(way(clients.mode, client.files))
    told, spans = parts(events)
    assert (len(told), len(spans)) == (3, 3)


def test_another_process_sends_the_same_events(clients: Clients, server: CaseServer, monkeypatch: Any) -> None:
    """Ids and, where the answer says it, time are those of the wire, and so is who it is when nobody says."""
    client = clients.openai(server.play([a_file(FILE)]).url + "/v1")
    seen = []
    for _ in range(2):
        monkeypatch.setattr(batches, "_told", batches.Told())
        with capture_events() as events:
            clients.mode.run(plain(clients.mode, client.files))
        told, _ = parts(events)
        assert len({event.uuid for event in told}) == 3
        seen.append([(event.uuid, event.name, event.distinct_id, event.batch) for event in told])
        assert told[0].timestamp == datetime.fromtimestamp(1730000000, timezone.utc)
    assert seen[0] == seen[1]


BIG = [line(number, {**CHAT, "system_fingerprint": "x" * 300_000}) for number in range(12)]


def test_a_download_left_early(clients: Clients, server: CaseServer) -> None:
    """Of a download that is left early the lines that came are told; the rest when it is fetched again."""
    client = clients.openai(server.play([a_file(lines(*BIG))]).url + "/v1")
    mode = clients.mode

    async def leave() -> None:
        async with mode.within(client.files.with_streaming_response.content("file-out1")) as response:
            assert json.loads(await mode.first(response.iter_lines()))["custom_id"] == "ask-0"

    with capture_events() as events:
        mode.run(leave())
        first, spans = parts(events)
        assert 1 <= len(first) < 12
        assert spans[0].properties["llm_outcome"] == "closed_early"
        mode.run(plain(mode, client.files))
    told, spans = parts(events)
    assert sorted(names(told)) == sorted(f"ask-{number}" for number in range(12))
    assert len(spans) == 2


@pytest.mark.parametrize("way", [plain, raw, streamed, by_line])
def test_a_packed_download_that_is_cut_short(way: Any, clients: Clients, server: CaseServer) -> None:
    """Of a compressed file without its end, of which the SDK says nothing, the rest is told when it comes."""
    packed = gzip.compress(FILE)
    begun = FILE.index(b"\n") + 5
    writer = zlib.compressobj(wbits=31)
    cut = writer.compress(FILE[:begun]) + writer.flush(zlib.Z_SYNC_FLUSH)
    headers = {"content-encoding": "gzip"}
    answers = [a_file(cut, headers=headers), a_file(packed[:-3], headers=headers), a_file(packed, headers=headers)]
    client, mode = clients.openai(server.play(answers).url + "/v1"), clients.mode
    ends = []
    with capture_events() as events:
        for _ in answers:
            mode.run(way(mode, client.files))
            ends.append((len(parts(events)[0]), batches._told.all_of("openai:file-out1")))
    assert ends == [(1, False), (3, False), (3, True)]
    assert names(parts(events)[0]) == ["ask-1", "ask-2", "ask-3"]


def broken_http(prefix: str) -> Any:
    """Return an HTTP client of the SDK whose answers break off amid a line."""
    kind = getattr(openai, f"Default{prefix}HttpxClient")
    http = sys.modules[
        next(each.__module__ for each in kind.__mro__ if each.__module__.startswith("httpx")).split(".")[0]
    ]

    class Broken(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]  # one of two libraries
        def __iter__(self) -> Iterator[bytes]:
            yield lines(line(0), line(1)) + b'{"custom_id": "ask-2", "resp'
            raise http.ReadError("reset by peer")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    return kind(transport=http.MockTransport(lambda request: http.Response(200, stream=Broken())))


def test_a_download_that_breaks(clients: Clients) -> None:
    """The lines that came before the connection broke are told, the program gets the exception, the span says so."""
    mode = clients.mode
    made = getattr(openai, f"{mode.prefix}OpenAI")(api_key="x", max_retries=0, http_client=broken_http(mode.prefix))
    with capture_events() as events, pytest.raises(Exception, match="reset by peer|Connection error"):
        mode.run(by_line(mode, made.files))
    told, spans = parts(events)
    assert names(told) == ["ask-0", "ask-1"]
    assert spans[0].properties["llm_outcome"] == "broken"


@pytest.mark.parametrize(
    "answer",
    [
        a_file(lines({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}})),
        a_file(lines({"messages": []})),
        a_file(b"\x89PNG\n\x1a\n" + bytes(range(256))),
        a_file(b""),
        a_file(FILE, status=404),
        {"json": [1, 2]},
        {"json": {"a": 1}},
    ],
    ids=["requests", "examples", "picture", "empty", "not found", "list", "object"],
)
def test_another_file_is_a_span(answer: Any, clients: Clients, server: CaseServer) -> None:
    """A download that is no result of a batch is the span that every download is."""
    client = clients.openai(server.play([answer]).url + "/v1")
    with capture_events() as events:
        try:
            clients.mode.run(plain(clients.mode, client.files))
        except Exception as error:  # noqa: BLE001  whatever this version calls it
            assert "status" in answer, error
    told, spans = parts(events)
    assert told == []
    assert spans[0].properties["llm_outcome"] == ("failed" if "status" in answer else "completed")


def test_submitting_is_a_span_each(clients: Clients, server: CaseServer) -> None:
    """Uploading the requests and creating the batch are spans, and so is looking at it."""
    batch = {"id": "batch_1", "object": "batch", "status": "completed", "output_file_id": "file-out1"}
    run = server.play([{"json": {"id": "file-in1", "object": "file", "purpose": "batch"}}, {"json": batch}])
    client, mode = clients.openai(run.url + "/v1"), clients.mode

    async def submit() -> None:
        sent = await mode.call(client.files.create, file=("in.jsonl", lines({"custom_id": "a"})), purpose="batch")
        given = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made = await mode.call(client.batches.create, input_file_id=sent.id, **given)
        await mode.call(client.batches.retrieve, made.id)

    with capture_events() as events:
        mode.run(submit())
    told, spans = parts(events)
    assert told == []
    assert [span.properties["$ai_span_name"] for span in spans][:2] == ["files.create", "batches.create"]


def test_silence_and_content(clients: Clients, server: CaseServer) -> None:
    """Nothing is told where nothing may be, and then later fetches tell it; with metadata only there are no words."""
    client = clients.openai(server.play([a_file(FILE)]).url + "/v1")
    with capture_events() as events, llm_span("silent", no_log=True):
        clients.mode.run(plain(clients.mode, client.files))
    assert events == []
    llm_track.configure(content="metadata")
    with capture_events() as events:
        clients.mode.run(plain(clients.mode, client.files))
    assert len(events) == 4
    assert "snails" not in json.dumps([event.properties for event in events])
    assert events[0].properties["$ai_output_tokens"] == 100


def results_of(clients: Clients, server: CaseServer, content: bytes, *, beta: bool = False, **more: Any) -> Any:
    """Return the method of a client that fetches the results of a batch, if this version has it."""
    run = server.play([{"json": {}}, a_file(content, **more)])
    address = f"{run.url}/v1/messages/batches/msgbatch_1/results"
    batch = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "results_url": address}
    run.answers = [{"json": batch}, *run.answers[1:]] * 4
    fetch = method(clients.anthropic(run.url), "beta.messages.batches" if beta else "messages.batches")
    if fetch is None:
        pytest.skip("this version of anthropic has no batches")
    return fetch


RESULTS = lines(
    result(1),
    result(2, "errored", error={"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
    result(3, "canceled", result={}),
    result(4, "expired", result={}),
)


@pytest.mark.parametrize("beta", [False, True], ids=["", "beta"])
@pytest.mark.parametrize("packed", [False, True], ids=["", "gzip"])
def test_the_results_of_anthropic(beta: bool, packed: bool, clients: Clients, server: CaseServer) -> None:
    """As the program reads the results, each is told, the ones of requests that came to nothing, too."""
    fetch = results_of(
        clients, server, RESULTS, beta=beta, gzip=packed, headers={"content-type": "application/x-jsonl"}
    )
    mode = clients.mode

    async def read() -> list[Any]:
        return await mode.items(await mode.call(fetch.results, "msgbatch_1"))

    with capture_events() as events:
        got = mode.run(read())
    assert [(each.custom_id, each.result.type) for each in got] == [
        ("ask-1", "succeeded"), ("ask-2", "errored"), ("ask-3", "canceled"), ("ask-4", "expired"),
    ]  # fmt: skip
    told, spans = parts(events)
    assert [span.properties["$ai_span_name"] for span in spans][-1] == "messages.batches.results.list"
    assert names(told) == ["ask-1", "ask-2", "ask-3", "ask-4"]
    assert [event.properties["llm_outcome"] for event in told] == ["completed", "failed", "cancelled", "failed"]
    assert [event.properties["$ai_http_status"] for event in told] == [200, 0, 0, 0]
    said = told[0].properties
    assert (answer_words(told[0]), said["$ai_model"], said["llm_batch"]) == (
        "slow snails", MESSAGE["model"], "msgbatch_1",
    )  # fmt: skip
    assert (said["$ai_service_tier"], said["$ai_latency"]) == ("batch", None)
    assert (said["$ai_input_cost_usd"], said["$ai_output_cost_usd"]) == (pytest.approx(0.0015), pytest.approx(0.00075))


def test_results_of_anthropic_left_early(clients: Clients, server: CaseServer) -> None:
    """Of results that are left or dropped what came is told, and the rest when they are read again; each once."""
    long = {**MESSAGE, "content": [{"type": "text", "text": "x" * 300_000}]}
    fetch = results_of(clients, server, lines(*(result(number, message=long) for number in range(12))))
    mode = clients.mode

    async def leave() -> None:
        stream = await mode.call(fetch.results, "msgbatch_1")
        assert (await mode.first(stream)).custom_id == "ask-0"
        del stream
        await mode.collect_garbage()

    async def read() -> None:
        await mode.items(await mode.call(fetch.results, "msgbatch_1"))

    with capture_events() as events:
        mode.run(leave())
        first, spans = parts(events)
        assert 1 <= len(first) < 12
        assert spans[-1].properties["llm_outcome"] == "closed_early"
        mode.run(read())
        mode.run(read())
    told, _ = parts(events)
    assert sorted(names(told)) == sorted(f"ask-{number}" for number in range(12))


def test_results_that_nobody_reads(clients: Clients, server: CaseServer) -> None:
    """Results that are fetched and never read are told of as far as they came: not at all."""
    fetch = results_of(clients, server, RESULTS)
    mode = clients.mode

    async def drop() -> None:
        await mode.call(fetch.results, "msgbatch_1")
        await mode.collect_garbage()

    with capture_events() as events:
        mode.run(drop())
    told, spans = parts(events)
    assert (told, spans[-1].properties["llm_outcome"]) == ([], "never_read")


def test_the_program_sees_the_same(clients: Clients, server: CaseServer) -> None:
    """Types, results and requests are equal with llm_track and without it."""
    seen = []
    for tracked in (True, False):
        if not tracked:
            llm_track.unpatch()
        run = server.play([a_file(FILE)])
        files = clients.openai(run.url + "/v1").files
        try:
            with capture_events():
                got = clients.mode.run(clients.mode.call(files.content, "file-out1"))
                body = clients.mode.run(by_line(clients.mode, files))
        finally:
            llm_track.autopatch("openai", "anthropic")
        asked = [(each["method"], each["path"], each["headers"].get("accept")) for each in run.requests]
        seen.append((type(got), got.content, got.text, body, asked))
    assert seen[0] == seen[1]
