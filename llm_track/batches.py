"""Batches: submitted in one call, fetched in another, and one generation per result.

Submitting is a span, and so is fetching.  Each result that a fetch brings is a generation inside that span.  It is told
once: this process remembers what it has told, and its id is derived from the provider's ids, so that two processes
which both fetch a batch send the same events, of which PostHog keeps one each.  See decision 7.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from types import ModuleType
from typing import Any

from llm_track import attempts
from llm_track._guard import attempt, guarded, say_once
from llm_track.calls import Call
from llm_track.records import BatchResult, Failure, ModelCall, Record, Request, Served
from llm_track.settling import Finished
from llm_track.wire import LONGEST_DECODED, Answer
from llm_track.wire.encoding import is_unpacked

_MOST_BATCHES = 10_000
_MOST_RESULTS = 100_000
"""How many results are remembered of batches of which only a part was read."""
_NAMESPACE = uuid.UUID("5d0c6f52-2f5b-4b0e-9c35-0f1f6d7f2b61")


class Told:
    """The results that this process has told of; used by the worker's thread only."""

    def __init__(self) -> None:
        self._whole: OrderedDict[str, None] = OrderedDict()
        """Batches of which all results are told, the one fetched last at the end."""
        self._parts: OrderedDict[str, set[str]] = OrderedDict()
        """Of others: the ids of the results that are told."""

    def all_of(self, batch: str) -> bool:
        """Tell whether there is nothing more to tell of a batch."""
        return batch in self._whole

    def knows(self, batch: str, result: str) -> bool:
        """Tell whether a result is among those noted."""
        return batch in self._whole or result in self._parts.get(batch, ())

    def is_new(self, batch: str, result: str) -> bool:
        """Note a result; tell whether it was not told before."""
        known = self._parts.setdefault(batch, set())
        if result in known:
            return False
        known.add(result)
        return True

    def read(self, batch: str, *, to_its_end: bool) -> None:
        """Note that a batch has been read; the ones read longest ago are forgotten when there are too many."""
        if to_its_end:
            self._parts.pop(batch, None)
            self._whole[batch] = None
            self._whole.move_to_end(batch)
            while len(self._whole) > _MOST_BATCHES:
                self._whole.popitem(last=False)
        elif batch in self._parts:
            self._parts.move_to_end(batch)
        while sum(map(len, self._parts.values())) > _MOST_RESULTS:
            self._parts.popitem(last=False)


_told = Told()
_counted_in_silence = Told()
"""The results of which nothing is told, but which counted in a budget."""
_waiting = 0
"""How many results of the batch that is being read are left."""


def waiting() -> int:
    """Return about how many results have yet to be told, of the batch that is being read."""
    return _waiting


def _after_fork() -> None:
    """The results that are left of a batch are told by the process that was reading it."""
    global _waiting
    _waiting = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def records(work: Call | Finished, read: Callable[[Call], ModelCall | None]) -> Iterator[Record | None]:
    """Yield what happened: a span, or a call as it is read, after the results of a batch that it fetched; ``None`` for
    what is told elsewhere or not at all."""
    record = read(work) if isinstance(work, Call) else work.record()
    if isinstance(work, Call) and isinstance(record, ModelCall):
        yield from results(work, record)
    yield record


def fetched(call: Call) -> Mapping[str, Any] | None:
    """Return what a call gave that fetched the results of a batch, without them; ``None`` for any other call."""
    call = _bringing(call)
    if next(_in_file(call), None) is not None:
        return _said(call) if call.answer is None else call.answer.summary()
    if next(_in_batch(call), None) is None:
        return None
    said: Mapping[str, Any] = _format().without_results(_said(call))
    return said


def results(call: Call, fetch: ModelCall) -> Iterator[ModelCall]:
    """Yield the results that a call fetched and that were not told before; a budget is told of them in silence, too.

    Args:
        call: the call.
        fetch: what is told of the call itself; its results lie inside it.
    """
    bringing = _bringing(call)
    provider = fetch.provider if bringing is call else bringing.reading.provider
    silent = fetch.identity.no_log
    told, others = (_counted_in_silence, _told) if silent else (_told, _counted_in_silence)
    if silent and call.brought is None:
        return
    if told.all_of(f"{provider}:{bringing.reading.batch}") or fetched(call) is None:
        return
    places: dict[str, int] = {}
    named: Counter[str] = Counter()
    for source, line in _counted(bringing):
        batch, result = f"{provider}:{source}", None
        place = places[batch] = places.get(batch, -1) + 1
        with guarded("read a result of a batch", background=True):
            result = _format().result(line)
        if result is None or told.all_of(batch):
            continue
        told_as = _id(f"{batch}:{result.id}" if result.id else _nth(f"{batch}:{result.custom_id or place}", named))
        if told.is_new(batch, told_as):
            record = _told_of(result, told_as, fetch, source)
            if call.brought is not None and not others.knows(batch, told_as):
                call.brought(record)
            if not silent:
                yield record
    to_its_end = _is_whole(bringing)
    for batch in places:
        told.read(batch, to_its_end=to_its_end)


def _bringing(call: Call) -> Call:
    """Return the call that brought the results: of a layer over other SDKs the one that it made, if it was seen."""
    beneath = attempts.answering(call) if call.provider.layers and call.reading.batch is not None else None
    return call if beneath is None or beneath.reading.batch is None else beneath


def _counted(call: Call) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Yield the results that a call fetched, each with its batch or file; count those that are left."""
    global _waiting
    held: Iterable[tuple[str | None, Mapping[str, Any]]]
    if next(_in_file(call), None) is not None:
        held = ((call.reading.batch, line) for line in _in_file(call))
        _waiting = 0 if call.answer is None else call.answer.count_lines()
    else:
        held = list(_in_batch(call))
        _waiting = len(held)
    for each in held:
        _waiting = max(_waiting - 1, 0)
        yield each
    _waiting = 0


def _nth(name: str, named: Counter[str]) -> str:
    """Return what tells a result from others of the same name: Gemini takes whatever names a program gives."""
    named[name] += 1
    return name if named[name] == 1 else f"{name}:{named[name]}"


def _id(name: str) -> str:
    """Return the id of a result; JSON can name it by half of a pair of surrogates, which is no UTF-8."""
    return str(uuid.uuid5(_NAMESPACE, name.encode("utf-8", "backslashreplace").decode()))


def _in_file(call: Call) -> Iterator[Mapping[str, Any]]:
    """Yield the results in a file that a call fetched; of a file of another kind nothing."""
    lines = _lines(call)
    first: Any = next(lines, None)
    if _is_result(first):
        yield first
        yield from filter(_is_result, lines)


def _in_batch(call: Call) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Yield the results that stand in a batch itself, each with the file that has it, too, else with the batch."""
    if call.reading.batch is not None:
        for file, line in _format().inlined(_said(call)):
            if _is_result(line):
                yield file or call.reading.batch, line


def _said(call: Call) -> Mapping[str, Any]:
    """Return what a call gave, if it is JSON."""
    answer = call.answer
    if answer is None:
        said = call.provider.to_json(call.result) if call.result is not None else None
    else:
        said = answer.json() if "json" in answer.content_type and not answer.is_error else None
    return said if isinstance(said, Mapping) else {}


def _is_result(line: Any) -> bool:
    return isinstance(line, Mapping) and _format().is_result(line)


def _format() -> ModuleType:
    """What the lines mean: it knows the formats of all answers, and only who fetches a batch pays for loading them."""
    from llm_track.formats import batch_results

    return batch_results


def _is_whole(call: Call) -> bool:
    """Tell whether a call fetched all results of its batch; say so where a file was too long for that."""
    if next(_in_file(call), None) is None:
        return bool(_format().holds_all(_said(call)))
    file = _file(call)
    assert file is not None
    if not file.unpacked and file.size() > LONGEST_DECODED:
        say_once(f"llm_track told of the first {LONGEST_DECODED:,} bytes of a compressed file of batch results only.")
    return file.ended and not file.is_cut


def _lines(call: Call) -> Iterator[Any]:
    file = _file(call)
    if file is None or file.is_error or call.reading.batch is None:
        return
    for line in file.in_lines():
        if line.strip():
            yield attempt(json.loads, line, otherwise=None)


def _file(call: Call) -> Answer | None:
    """Return the file that a call fetched, as it came or as the SDK hands it out: its bytes, or what has them."""
    if call.answer is not None or call.result is None:
        return call.answer
    given = call.result
    content = given if isinstance(given, bytes) else attempt(getattr, given, "content", None, otherwise=None)
    if not isinstance(content, bytes):
        return None
    unpacked = attempt(is_unpacked, getattr(given, "response", None), otherwise=True)
    return Answer(200, {}, "", content=content, ended=True, unpacked=unpacked)


def _told_of(result: BatchResult, told_as: str, fetch: ModelCall, batch: str | None) -> ModelCall:
    """A result as a model call.  How long it took, and what was asked, nobody here knows; when, it may say."""
    response, failure = result.response, None
    if response.error is not None:
        kind = response.error_type
        failure = Failure(message=response.error, type=kind or "error", code=kind)
    status = result.http_status
    if status is None and failure is None:
        status = fetch.http_status  # of the request that brought it
    at = result.answered_at
    return replace(
        fetch,
        kind=result.kind,
        span_id=told_as,
        parent_id=fetch.span_id,
        ended_at=fetch.ended_at if at is None else datetime.fromtimestamp(at, timezone.utc),
        latency=None,
        outcome=result.outcome,
        failure=failure,
        request_url=None,
        request=Request(),
        response=response,
        http_status=status,
        request_id=result.request_id,
        retries=None,
        input_state=None,
        output_state=None,
        batch=batch,
        custom_id=result.custom_id,
        served=Served(model_group=fetch.served.model_group, deployment_id=fetch.served.deployment_id),
        attempts=1,
        failed_attempts=(),
    )
