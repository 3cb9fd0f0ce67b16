"""From a settled call to a record: here the bytes of an answer are read by the format of its endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from llm_track import attempts, background, batches, places
from llm_track._guard import attempt, guarded
from llm_track.calls import Call
from llm_track.counting import counted
from llm_track.failures import ending, hold_back, said_by
from llm_track.formats import Format
from llm_track.formats._json import name
from llm_track.masking import safe_url
from llm_track.records import ModelCall, Request, Response, Served, Usage
from llm_track.snapshot import jsonable
from llm_track.wire import Answer, Chunk

_runs = background.Runs()


@dataclass(slots=True)
class _Read:
    """What an answer turned out to say."""

    response: Response | None = None
    first_token: float | None = None
    output: Any = None
    """The JSON of an endpoint that is no model call."""


def model_call(call: Call) -> ModelCall | None:
    """Return what happened, or ``None`` for a poll of a background run that is not done."""
    return _in_its_turn(call, whole(call))


def whole(call: Call) -> ModelCall:
    """Return what happened in a call, whether or not it is the one that is told of a background run."""
    reading, answer = call.reading, call.answer
    request = _request(call)
    read = _Read()
    with guarded("read an answer", background=True):
        read = _counted_beside(call, _answered(call))
    said = said_by(call)
    labels, served = places.labels(call), Served()
    if call.provider.layers:
        served = _served(call)
        request = replace(request, model=served.asked or request.model)
        with guarded("read what lies beneath a call", background=True):
            read, served = _completed(read, call, served)
            said |= attempts.told(call)
    outcome, failure = ending(call, read.response, said)
    record = ModelCall(
        kind=reading.kind,
        name=reading.name,
        span_id=call.id,
        trace_id=places.trace_of(call, labels),
        parent_id=call.parent_id or labels.parent_id,
        identity=places.both(call.belonging(), labels.identity),
        ended_at=datetime.fromtimestamp(call.ended_at, timezone.utc),
        latency=call.latency,
        outcome=outcome,
        failure=failure,
        provider=served.provider or reading.provider,
        base_url=safe_url(str(served.base_url or reading.base_url or "")) or None,
        request_url=_request_url(answer, said),
        request=request,
        response=read.response,
        time_to_first_token=None if read.first_token is None else read.first_token - call.started,
        http_status=_status(call, said),
        request_id=said.get("request_id") or (answer.request_id if answer is not None else None),
        retries=said.get("retries", answer.retries if answer is not None else None),
        input_state=reading.body,
        output_state=read.output,
        labels=labels,
        served=served,
        attempts=attempts.number(call, served),
        failed_attempts=attempts.failed(call),
    )
    if call.error is not None:
        hold_back(call.error, record.identity)
    return record


def _in_its_turn(call: Call, record: ModelCall) -> ModelCall | None:
    """Decide which call of a background run is its generation."""
    response = record.response
    if response is None:
        return replace(record, kind="endpoint") if call.reading.recalled else record
    if response.background is None:
        asked_so = record.request.parameters.get("background") is True
        response = replace(response, background=_runs.is_run(response) if call.reading.recalled else asked_so)
    if not call.reading.recalled:
        if response.background and response.pending:
            _runs.accepted(response, call.reading.body, call.started, call.belonging())
            return replace(record, kind="endpoint")
        if response.background and _runs.fetched(response) is not None:  # streamed to its end while somebody waited
            return replace(record, span_id=background.span_id(record.provider, response))
        return record
    if response.background and response.pending:
        return None
    run = _runs.fetched(response)
    if run is None:
        return replace(record, kind="endpoint", identity=places.both(record.identity, _runs.asked_by(response)))
    asked = call.reading.format.request(run.body) if run.body is not None and call.reading.format is not None else None
    return replace(
        record,
        span_id=background.span_id(record.provider, response),
        request=replace(asked, stream=record.request.stream) if asked is not None else record.request,
        latency=call.ended - run.started if run.started is not None else record.latency,
        identity=places.both(record.identity, run.identity),
    )


def _request(call: Call) -> Request:
    reading = call.reading
    if reading.content is not None:
        sent = attempt(json.loads, reading.content, otherwise=None)
        reading.body = {**sent, **reading.body} if isinstance(sent, dict) else reading.body
    if reading.written is not None:
        reading.body = attempt(reading.written, otherwise=reading.body)
    if call.provider.layers:
        reading.body = jsonable(reading.body)  # the arguments of a function, which nobody has made JSON of yet
    request = Request(model=name(reading.body.get("model")))
    if reading.format is not None:
        with guarded("read a request", background=True):
            request = reading.format.request(reading.body)
    return replace(request, stream=reading.stream)


def _served(call: Call) -> Served:
    """Return how a call was served; what it does not tell itself, the last attempt made for it tells."""
    served = Served()
    with guarded("read how a call was served", background=True):
        if call.reading.served is not None:
            served = call.reading.served(call.pulled if call.result is None else call.result, call.error)
    if not call.attempts:
        return served
    last = call.attempts[-1]
    if not last.provider.layers:
        provider, base_url = served.provider or last.reading.provider, served.base_url or last.reading.base_url
        return replace(served, provider=provider, base_url=base_url)
    inner = _served(last)
    model = served.model or inner.model or inner.asked
    return replace(
        served,
        provider=inner.provider or served.provider,  # a fallback may have gone to another one
        model=model if call.error is None else inner.model or inner.asked or served.model,
        base_url=served.base_url or inner.base_url or last.reading.base_url,
        cost=inner.cost if served.cost is None and call.error is None else served.cost,
        counted=served.counted and inner.counted,
    )


def _completed(read: _Read, call: Call, served: Served) -> tuple[_Read, Served]:
    """Complete what a layer handed out by what came over the wire beneath it; a cache asked nobody."""
    beneath = attempts.answering(call)
    if read.response is None:  # what could not be read by the layer was answered, and paid, all the same
        return (_answered(beneath) if beneath is not None else read), served
    response = read.response
    partly_cached = served.cached and beneath is not None
    if partly_cached:  # the rest was asked for, and paid
        served = replace(served, cached=False, cost=None, saved_cost=None)
    if served.cached or not served.counted:
        return replace(read, response=replace(response, usage=Usage())), served
    wire = seen = None
    if beneath is not None:
        seen = beneath.answer
        if call.reading.kind != "embedding" or partly_cached:  # vectors are long to read
            wire = _answered(beneath).response
    usage, is_all = counted(response.usage, wire.usage if wire is not None else None, seen)
    if wire is not None:
        complete = response.complete
        if call.pulled is not None:  # LiteLLM leaves off reading once it has the reason to stop
            complete = wire.complete or (complete and wire.stop_reason is not None)
        response = replace(response, model=wire.model or response.model, complete=complete)
        served = replace(served, model=wire.model or served.model)
    if not (response.complete and is_all):
        served = replace(served, cost=None)  # what it cost up to here nobody has said, or it was estimated
    return replace(read, response=replace(response, usage=usage)), served


def _counted_beside(call: Call, read: _Read) -> _Read:
    """Take the counts of the headers where a body has none, or was never read."""
    answer, response = call.answer, read.response
    known = response is not None and (response.usage.input_tokens, response.usage.output_tokens) != (None, None)
    if answer is None or known or (response is None and answer.ended):
        return read
    usage = call.provider.counts(answer.headers)
    return read if usage is None else replace(read, response=replace(response or Response(), usage=usage))


def _answered(call: Call) -> _Read:
    answer, wire_format = call.answer, call.reading.format
    if (fetched := batches.fetched(call)) is not None:
        return _Read(output=fetched)
    if call.pulled is not None:
        return _pulled(call, wire_format)
    if answer is None:
        said = None if call.result is None else call.provider.to_json(call.result)
        return _unpriced(_body(said, wire_format)) if call.provider.sees_wire else _body(said, wire_format)
    if answer.is_stream():
        return _stream(answer, wire_format)
    if wire_format is None and "json" not in answer.content_type:
        return _Read(output=answer.summary())
    return _body(answer.json(), wire_format)


def _unpriced(read: _Read) -> _Read:
    """No HTTP response was seen where one always is: a middleware answered from elsewhere, and no token was used."""
    return read if read.response is None else replace(read, response=replace(read.response, usage=Usage()))


def _body(said: Any, wire_format: Format | None) -> _Read:
    if wire_format is None:
        return _Read(output=said)
    if not isinstance(said, Mapping):
        return _Read()
    return _Read(response=wire_format.response(said), output=said)


def _stream(answer: Answer, wire_format: Format | None) -> _Read:
    """Fold the chunks that were read; an endpoint without a format is described by its last event."""
    return _folded([chunk for chunk in answer.chunks() if isinstance(chunk.value, dict)], wire_format, answer.said_done)


def _pulled(call: Call, wire_format: Format | None) -> _Read:
    """Fold the chunks that were handed out; their times are those of what the program got."""
    pulled, provider = call.pulled, call.provider
    assert pulled is not None
    chunks = [each for each in pulled.chunks(provider.chunks(pulled), provider.to_json) if isinstance(each.value, dict)]
    got = (each for each in pulled.chunks(pulled.pieces, provider.to_json) if isinstance(each.value, dict))
    return _folded(chunks, wire_format, lambda: pulled.ended, got)


def _folded(
    chunks: list[Chunk], wire_format: Format | None, done: Callable[[], bool], got: Iterable[Chunk] | None = None
) -> _Read:
    """Fold chunks; ``got`` are those that the program got, if it did not get these."""
    if wire_format is None:
        return _Read(output=chunks[-1].value if chunks else None)
    fold = wire_format.fold()
    got = chunks if got is None else got
    first = next((chunk for chunk in got if wire_format.is_content(chunk.value)), chunks[0] if chunks else None)
    for chunk in chunks:
        fold.add(chunk.value)
    complete = fold.complete or done()
    return _Read(
        response=replace(wire_format.response(fold.body()), complete=complete),
        first_token=first.arrived if first is not None else None,
    )


def _status(call: Call, said: Mapping[str, Any]) -> int:
    """The provider's HTTP status; 0 when there was no answer at all."""
    if call.answer is not None:
        return call.answer.status
    if call.error is None and (call.result is not None or (call.pulled is not None and call.pulled.pieces)):
        return 200  # the SDK returned a result, which it does for nothing else
    status = said.get("http_status")
    return status if isinstance(status, int) else 0


def _request_url(answer: Answer | None, said: Mapping[str, Any]) -> str | None:
    address = str(answer.url) if answer is not None else said.get("url")
    return safe_url(address) if address else None
