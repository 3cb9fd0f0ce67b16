"""The results of a batch, from what a call fetched to what is told: once each, as far as they came."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from datetime import datetime, timezone
from random import Random
from types import SimpleNamespace
from typing import Any

import openai
import pytest

import llm_track
from llm_track import _guard, batches, worker
from llm_track.batches import Told
from llm_track.calls import Call
from llm_track.providers import Provider, Reading
from llm_track.records import Identity, ModelCall, Request
from llm_track.testing import capture_events
from llm_track.wire import Answer
from llm_track.wire.encoding import decoder
from tests.providers.offline import http_of

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone.utc)
CHAT = {"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}
pytestmark = pytest.mark.usefixtures("nothing_told")


def line(number: int, **more: Any) -> bytes:
    """Return a result, as a line without an end."""
    answer = {"status_code": 200, "request_id": f"req_{number}", "body": CHAT}
    return json.dumps({"id": f"r{number}", "custom_id": f"c{number}", "response": answer, **more}).encode()


def a_call(answer: Answer | None = None, *, result: Any = None, batch: str | None = "file-1") -> Call:
    """Return a call that fetched something."""
    provider = Provider("p", "p", (), to_json=lambda given: given, failure=lambda error: {})
    reading = Reading(kind="endpoint", name="files.content", provider="p", body={}, batch=batch)
    call = Call(provider, reading, None, lambda settled: None)
    call.answer = answer
    call.finish(result)
    return call


def an_answer(*pieces: bytes, ended: bool = True, status: int = 200, **fields: Any) -> Answer:
    """Return an answer that was read in pieces."""
    headers = {"content-type": "application/octet-stream"}
    return Answer(status, fields.pop("headers", headers), "https://x.test", pieces=[*pieces], ended=ended, **fields)


def told(call: Call, **fields: Any) -> list[Any]:
    """Return what the program called the requests whose results are told."""
    shared: dict[str, Any] = {"span_id": "s", "trace_id": "t", "parent_id": None, "identity": Identity()}
    fetch = ModelCall(
        kind="endpoint", name="files.content", provider="p", request=Request(), ended_at=NOON, latency=1.0,
        **(shared | fields),
    )  # fmt: skip
    *results, last = batches.records(call, lambda asked: fetch)
    assert last is fetch
    return [result.custom_id for result in results]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_lines_are_whole_however_they_came(size: int) -> None:
    """How the bytes were cut makes no difference, and neither do empty lines and the end of the last one."""
    for body in (b"\n".join([line(1), b"", line(2)]), line(1) + b"\r\n" + line(2) + b"\n \n"):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert told(a_call(an_answer(*pieces), batch=f"{size} {len(body)}")) == ["c1", "c2"]


def test_what_came_in_part_is_told_in_part() -> None:
    """A line that is cut short by the end of a stream that broke, or was left, is not told; later it is."""
    body = line(1) + b"\n" + line(2) + b"\n" + line(3)
    assert told(a_call(an_answer(body[:-5], ended=False))) == ["c1", "c2"]
    assert told(a_call(an_answer(body, ended=False))) == []
    assert told(a_call(an_answer(body))) == ["c3"]
    assert told(a_call(an_answer(body))) == []


def test_results_of_different_batches_are_different() -> None:
    """The same names in two files are two results."""
    assert told(a_call(an_answer(line(1)), batch="file-1")) == ["c1"]
    assert told(a_call(an_answer(line(1)), batch="file-2")) == ["c1"]


def test_a_line_that_cannot_be_read_costs_no_other() -> None:
    """What is no JSON, or no result, amid the results is left out; at the beginning it says what file it is."""
    assert told(a_call(an_answer(line(1) + b"\n{broken\n[]\n{}\n" + line(2)))) == ["c1", "c2"]
    assert told(a_call(an_answer(b"{broken\n" + line(1)), batch="file-2")) == []


def test_a_fault_in_a_line_costs_no_other(monkeypatch: Any, without_pytest: Any) -> None:
    """A fault in the reading of a result is counted, and the others are told."""
    known = batches._format()
    read = known.result

    def result(given: Any) -> Any:
        if given["custom_id"] == "c1":
            raise ValueError("a fault")
        return read(given)

    monkeypatch.setattr(known, "result", result)
    assert told(a_call(an_answer(line(1) + b"\n" + line(2)))) == ["c2"]
    assert _guard.faults["read a result of a batch: ValueError"] == 1
    del _guard.faults["read a result of a batch: ValueError"]


@pytest.mark.parametrize(
    "call",
    [
        a_call(an_answer(line(1)), batch=None),
        a_call(an_answer(line(1), status=500)),
        a_call(an_answer()),
        a_call(),
        a_call(result={"name": "batches/1", "metadata": {"state": "BATCH_STATE_RUNNING"}}),
        a_call(result=[1]),
    ],
    ids=["another endpoint", "refused", "empty", "nothing", "a batch at work", "something else"],
)
def test_what_is_no_result_uses_nothing_up(call: Call) -> None:
    """A call that brings no results tells none, and when they come they are told."""
    assert batches.fetched(call) is None
    assert told(call) == []
    assert told(a_call(an_answer(line(1)))) == ["c1"]


def test_a_silent_fetch_uses_nothing_up() -> None:
    """Results that were fetched where nothing may be told are told by the next fetch."""
    call = a_call(an_answer(line(1)))
    assert told(call, identity=Identity(no_log=True)) == []
    assert told(call) == ["c1"]


def test_results_inside_the_batch_and_in_bytes() -> None:
    """Results may stand in the JSON of the batch, or in a file that the SDK hands out as bytes."""
    entries = [{"response": {"candidates": []}, "metadata": {"key": "k"}}, {"response": {"candidates": []}}]
    body = {"name": "batches/1", "response": {"inlinedResponses": {"inlinedResponses": entries}}}
    call = a_call(result=body)
    assert batches.fetched(call) == {"name": "batches/1"}
    assert told(call) == ["k", "1"]
    assert told(call) == []
    file = a_call(result=b'{"key": "k", "response": {"candidates": []}}\n', batch="files/1")
    assert told(file) == ["k"]


def test_results_inside_the_batch_and_of_its_file() -> None:
    """A result that stands in a batch goes by the file that it names, and what is no result is left out."""
    entries = [{**json.loads(line(1)), "id": None}, {"custom_id": None, "method": "POST", "response": {}}]
    body = json.dumps({"outputs": entries, "output_file": "f"}, indent=1).encode()
    headers = {"content-type": "application/json"}
    assert told(a_call(an_answer(body, headers=headers, status=500), batch="job")) == []
    call = a_call(an_answer(body, headers=headers), batch="job")
    assert batches.fetched(call) == {"output_file": "f"}
    assert told(call) == ["c1"]
    assert told(a_call(an_answer(line(1, id=None)), batch="f")) == []


def test_a_result_without_names_is_known_by_its_place() -> None:
    """Where neither the provider nor the program names results, their places do."""
    unnamed = [json.dumps({"custom_id": None, "response": {"status_code": 200, "body": CHAT}}).encode()] * 2
    assert told(a_call(an_answer(b"\n".join(unnamed), ended=False))) == [None]
    assert told(a_call(an_answer(b"\n".join(unnamed)))) == [None]


def test_results_of_one_name_are_told_each() -> None:
    """A program may give many requests to Gemini the same key, or one the number of another's place."""
    answer: dict[str, Any] = {"candidates": []}
    entries = [{"response": answer, "metadata": {"key": key}} for key in ("2", "a", "a", "a")]
    body = {"metadata": {"output": {"inlinedResponses": {"inlinedResponses": [*entries[:2], {"response": answer}]}}}}
    assert told(a_call(result=body)) == ["2", "a", "2"]
    more = {"metadata": {"output": {"inlinedResponses": {"inlinedResponses": entries}}}}
    assert told(a_call(result=more, batch="b2")) == ["2", "a", "a", "a"]
    assert told(a_call(result=more, batch="b2")) == []


def test_a_name_that_no_unicode_holds_costs_no_other() -> None:
    """Half of a pair of surrogates in the name of a result costs neither it nor another."""
    body = b"\n".join([line(1), line(2, id=None, custom_id="\ud800"), line(3)])
    assert len(told(a_call(an_answer(body)))) == 3


def test_a_packed_file_that_is_too_long(monkeypatch: Any, caplog: Any) -> None:
    """Of a compressed file that is unpacked only in part the part is told, and a line says so."""
    body = line(1) + b"\n" + line(2)
    monkeypatch.setattr(batches, "LONGEST_DECODED", 10)
    monkeypatch.setattr(_guard, "_said", set())

    def decode(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        return [zlib.decompress(pieces[0])[: len(line(1)) + 3]], False

    packed = an_answer(zlib.compress(body), headers={"content-encoding": "deflate"}, decode=decode)
    assert told(a_call(packed)) == ["c1"]
    assert "a compressed file" in caplog.text
    assert told(a_call(an_answer(body))) == ["c2"]


@pytest.mark.parametrize(("lost", "came"), [(500, ["c1"]), (3, ["c1", "c2"]), (0, ["c1", "c2"])])
def test_a_packed_file_that_is_cut_short(lost: int, came: list[str], caplog: Any) -> None:
    """A compressed file without its end was not read to its end, although all lines of it may have come."""
    body = line(1) + b"\n" + line(2, filler=Random(1).randbytes(500).hex()) + b"\n"
    packed = gzip.compress(body)
    decode = decoder(http_of(openai).Response(200, headers={"content-encoding": "gzip"}))
    answer = an_answer(packed[:100], packed[100 : len(packed) - lost], decode=decode)
    assert told(a_call(answer)) == came
    assert caplog.text == ""
    assert batches._told.all_of("p:file-1") is (lost == 0)
    assert told(a_call(an_answer(body))) == ["c1", "c2"][len(came) :]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_file_that_ends_amid_a_line(size: int) -> None:
    """A file whose last line is no JSON was not read to its end, although nobody says so."""
    for ending, is_whole in ((b"", True), (b" \r\n ", True), (b"null", True), (line(2)[:-1], False), (b"{", False)):
        body = line(1) + b"\n" + ending
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert told(a_call(an_answer(*pieces), batch=ending.hex())) == ["c1"]
        assert batches._told.all_of(f"p:{ending.hex()}") is is_whole
    assert told(a_call(result=line(1) + b"\n{")) == ["c1"]
    assert told(a_call(result=line(1) + b"\n" + line(2))) == ["c2"]


def test_a_whole_body_is_not_copied() -> None:
    """The lines of a body are cut out of it one by one: reading the first costs nothing of the rest."""
    answer = an_answer(content=b"x" * 1000 + b"\n" + b"y" * 1000)
    lines = answer.in_lines()
    assert next(lines) == b"x" * 1000
    assert (answer.size(), answer.count_lines()) == (2001, 1)


def test_only_so_much_is_remembered(monkeypatch: Any) -> None:
    """The batches fetched longest ago are forgotten, and of many results of parts those read longest ago."""
    monkeypatch.setattr(batches, "_MOST_BATCHES", 2)
    monkeypatch.setattr(batches, "_MOST_RESULTS", 3)
    known = Told()
    for batch in ("a", "b", "a", "c"):
        known.is_new(batch, "1")
        known.read(batch, to_its_end=True)
    assert [known.all_of(batch) for batch in "abc"] == [True, False, True]
    for batch in ("d", "e", "d"):
        assert known.is_new(batch, f"{batch} {known._parts.keys()}")
        known.read(batch, to_its_end=False)
    assert list(known._parts) == ["e", "d"]
    known.is_new("f", "1")
    known.read("f", to_its_end=False)
    assert list(known._parts) == ["d", "f"]


def test_the_end_of_the_program_waits_for_results() -> None:
    """The results that are left of a batch count as events that have yet to be delivered."""
    body = b"\n".join(line(number) for number in range(4))
    records = batches.records(a_call(an_answer(body)), lambda call: a_fetch())
    seen = []
    for _ in records:
        seen.append(worker._worker.waiting())
    assert seen == [2, 1, 0, 0, 0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_the_results_of_its_parent(monkeypatch: Any) -> None:
    """Of a batch that is being read amid a fork nothing is left in the child: the parent tells of the rest."""
    monkeypatch.setattr(batches, "_waiting", 0)
    body = b"\n".join(line(number) for number in range(4))
    next(batches.records(a_call(an_answer(body)), lambda call: a_fetch()))
    assert batches.waiting() == 2
    child = os.fork()
    if not child:
        os._exit(batches.waiting())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def a_fetch() -> ModelCall:
    return ModelCall(
        kind="endpoint", name="files.content", provider="p", request=Request(), ended_at=NOON, latency=1.0,
        span_id="s", trace_id="t", parent_id=None, identity=Identity(),
    )  # fmt: skip


def test_an_event_that_fails_costs_no_other(monkeypatch: Any, without_pytest: Any) -> None:
    """Where one of several events of a call cannot be made, the others are sent, and it is counted."""
    monkeypatch.setattr(worker._worker, "tally", type(worker._worker.tally)())

    def records(work: Any, read: Any) -> Any:
        yield a_fetch()
        yield SimpleNamespace()
        yield a_fetch()
        raise ValueError("a fault")

    monkeypatch.setattr(batches, "records", records)
    with capture_events() as events:
        worker.put(a_call())
    assert len(events) == 2
    assert llm_track.stats()["dropped_fault"] == 2
    for kind in [kind for kind in _guard.faults if kind.startswith("turn a call")]:
        del _guard.faults[kind]
