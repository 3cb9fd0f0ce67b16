"""From a settled call to a record: here the bytes of an answer are read by the format of its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from llm_track import background
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.failures import ending, said_by
from llm_track.formats import Format
from llm_track.masking import safe_url
from llm_track.records import Identity, ModelCall, Request, Response, Usage
from llm_track.wire import Answer

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
    outcome, failure = ending(call, read.response, said)
    record = ModelCall(
        kind=reading.kind,
        name=reading.name,
        span_id=call.id,
        trace_id=call.trace_id,
        parent_id=call.parent_id,
        identity=call.identity,
        ended_at=datetime.fromtimestamp(call.ended_at, timezone.utc),
        latency=call.latency,
        outcome=outcome,
        failure=failure,
        provider=reading.provider,
        base_url=safe_url(str(reading.base_url)) or None,
        request_url=_request_url(answer, said),
        request=request,
        response=read.response,
        time_to_first_token=None if read.first_token is None else read.first_token - call.started,
        http_status=_status(call, said),
        request_id=said.get("request_id") or (answer.request_id if answer is not None else None),
        retries=said.get("retries", answer.retries if answer is not None else None),
        input_state=reading.body,
        output_state=read.output,
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
    request = Request(model=_model(reading.body))
    if reading.format is not None:
        with guarded("read a request", background=True):
            request = reading.format.request(reading.body)
    return replace(request, stream=reading.stream)


def _model(body: Mapping[str, Any]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) else None


def _answered(call: Call) -> _Read:
    answer, wire_format = call.answer, call.reading.format
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
    chunks = [chunk for chunk in answer.chunks() if isinstance(chunk.value, dict)]
    if wire_format is None:
        return _Read(output=chunks[-1].value if chunks else None)
    fold = wire_format.fold()
    first = next((chunk for chunk in chunks if wire_format.is_content(chunk.value)), chunks[0] if chunks else None)
    for chunk in chunks:
        fold.add(chunk.value)
    complete = fold.complete or answer.said_done()
    return _Read(
        response=replace(wire_format.response(fold.body()), complete=complete),
        first_token=first.arrived if first is not None else None,
    )


def _status(call: Call, said: Mapping[str, Any]) -> int:
    """The provider's HTTP status; 0 when there was no answer at all."""
    if call.answer is not None:
        return call.answer.status
    if call.error is None and call.result is not None:
        return 200  # the SDK returned a result, which it does for nothing else
    status = said.get("http_status")
    return status if isinstance(status, int) else 0


def _request_url(answer: Answer | None, said: Mapping[str, Any]) -> str | None:
    address = answer.url if answer is not None else said.get("url")
    return safe_url(address) if address else None
