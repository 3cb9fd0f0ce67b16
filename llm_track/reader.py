"""From a settled call to a record: here the bytes of an answer are read by the format of its endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from typing import Any

from llm_track import attempts, background
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.failures import ending, said_by, silence
from llm_track.formats import Format
from llm_track.masking import safe_url
from llm_track.records import Identity, Labels, ModelCall, Request, Response, Served, Usage
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
    reading, answer = call.reading, call.answer
    request = _request(call)
    read = _Read()
    with guarded("read an answer", background=True):
        read = _answered(call)
    said = said_by(call)
    labels, served = _labels(call), Served()
    if call.provider.layers:
        served = _served(call)
        request = replace(request, model=served.asked or request.model)
        read, served = _completed(read, call, served)
        said |= attempts.told(call)
    outcome, failure = ending(call, read.response, said)
    if call.error is not None and (labels.withheld or labels.identity.no_log):
        silence(call.error)
    record = ModelCall(
        kind=reading.kind,
        name=reading.name,
        span_id=call.id,
        trace_id=call.trace_id if call.parent is not None else labels.trace_id or call.trace_id,
        parent_id=call.parent_id or labels.parent_id,
        identity=_of_run(call.identity, labels.identity),
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
    return _in_its_turn(call, record)


def _in_its_turn(call: Call, record: ModelCall) -> ModelCall | None:
    """Decide which call of a background run is its generation."""
    response = record.response
    if response is None:
        return replace(record, kind="endpoint") if call.reading.recalled else record
    if not call.reading.recalled:
        if response.background and response.pending:
            _runs.accepted(response, call.reading.body, call.started, call.identity)
            return replace(record, kind="endpoint")
        if response.background and _runs.fetched(response) is not None:  # streamed to its end while somebody waited
            return replace(record, span_id=background.span_id(record.provider, response))
        return record
    if response.background and response.pending:
        return None
    run = _runs.fetched(response)
    if run is None:
        return replace(record, kind="endpoint")
    asked = call.reading.format.request(run.body) if run.body is not None and call.reading.format is not None else None
    return replace(
        record,
        span_id=background.span_id(record.provider, response),
        request=replace(asked, stream=record.request.stream) if asked is not None else record.request,
        latency=call.ended - run.started if run.started is not None else record.latency,
        identity=_of_run(call.identity, run.identity),
    )


def _of_run(fetching: Identity, asking: Identity | None) -> Identity:
    """Who a background run belongs to: who fetches it, else who asked; silence on either side is silence."""
    if asking is None:
        return fetching
    return replace(
        fetching,
        user_id=asking.user_id if fetching.user_id is None else fetching.user_id,
        session_id=asking.session_id if fetching.session_id is None else fetching.session_id,
        groups={**asking.groups, **fetching.groups},
        metadata={**asking.metadata, **fetching.metadata},
        no_log=asking.no_log or fetching.no_log,
    )


def _request(call: Call) -> Request:
    reading = call.reading
    if call.provider.layers:
        reading.body = jsonable(reading.body)  # the arguments of a function, which nobody has made JSON of yet
    request = Request(model=_model(reading.body))
    if reading.format is not None:
        with guarded("read a request", background=True):
            request = reading.format.request(reading.body)
    return replace(request, stream=reading.stream)


def _model(body: Mapping[str, Any]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) else None


def _labels(call: Call) -> Labels:
    """Return what the program says of a call; what an attempt must not tell, as a router has it, the call must not."""
    labels = Labels(identity=Identity(no_log=True))
    with guarded("read what a program says of a call", background=True):
        labels = call.reading.labels() if call.reading.labels is not None else Labels()
    for attempt in call.attempts:
        inner = _labels(attempt)
        identity = replace(
            labels.identity,
            user_id=labels.identity.user_id or inner.identity.user_id,
            no_log=labels.identity.no_log or inner.identity.no_log,
        )
        labels = replace(labels, identity=identity, withheld=labels.withheld or inner.withheld)
    return labels


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
        counts_reasoning=served.counts_reasoning and inner.counts_reasoning,
    )


def _completed(read: _Read, call: Call, served: Served) -> tuple[_Read, Served]:
    """Complete what a layer handed out by what came over the wire beneath it; a cache asked nobody."""
    if read.response is None:
        return read, served
    response, beneath = read.response, attempts.last_answered(call)
    partly_cached = served.cached and beneath is not None
    if partly_cached:  # the rest was asked for, and paid
        served = replace(served, cached=False, cost=None, saved_cost=None)
    if served.cached or not served.counted:
        return replace(read, response=replace(response, usage=Usage())), served
    wire = None
    if beneath is not None and (call.pulled is not None or partly_cached):
        wire = _answered(beneath).response
    usage = _counted(response.usage, served)
    if wire is not None:
        usage = wire.usage if usage.total_tokens is None or partly_cached else usage
        complete = wire.complete if call.pulled is not None else response.complete
        response = replace(response, model=wire.model or response.model, complete=complete)
        served = replace(served, model=wire.model or served.model)
    if not response.complete:
        served = replace(served, cost=None)  # what it cost up to here nobody has said
    return replace(read, response=replace(response, usage=usage)), served


def _counted(usage: Usage, served: Served) -> Usage:
    """Return what the provider counted, without what the layer estimates."""
    usage = _without_zeros(usage)
    return usage if served.counts_reasoning else replace(usage, reasoning_tokens=None, raw=None)


def _without_zeros(usage: Usage) -> Usage:
    """A layer writes zeros where the provider said nothing."""
    counts = {each.name: getattr(usage, each.name) for each in fields(usage)}
    zeros = {name: None for name, count in counts.items() if count == 0 and type(count) is not bool}
    return replace(usage, **zeros, raw=usage.raw if usage.input_tokens or usage.output_tokens else None)


def _answered(call: Call) -> _Read:
    answer, wire_format = call.answer, call.reading.format
    if call.pulled is not None:
        return _pulled(call, wire_format)
    if answer is None:
        said = None if call.result is None else call.provider.to_json(call.result)
        return _unpriced(_body(said, wire_format)) if call.provider.sees_wire else _body(said, wire_format)
    if answer.is_stream():
        return _stream(answer, wire_format)
    if wire_format is None and "json" not in answer.content_type:
        return _Read(output={"content_type": answer.content_type, "bytes": len(answer.body())})
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
    address = answer.url if answer is not None else said.get("url")
    return safe_url(address) if address else None
