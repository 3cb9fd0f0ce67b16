"""The requests to providers that a layer over other SDKs made for one call: retries, fallbacks, and the last one."""

from __future__ import annotations

from typing import Any

from llm_track._guard import attempt
from llm_track.calls import Call
from llm_track.failures import said_by
from llm_track.records import Attempt, Served


def number(call: Call, served: Served) -> int:
    """Return how many requests to providers a call took, as far as they were seen or the layer counted them."""
    seen = sum(1 + (_retries(attempt) or 0) for attempt in _innermost(call))
    return max(seen, 1 + (served.retries or 0) + (served.fallbacks or 0))


def failed(call: Call) -> list[Attempt]:
    """Return the requests that failed and were followed by another one."""
    return [_attempt(each) for each in _innermost(call)[:-1] if each.error is not None]


def answering(call: Call) -> Call | None:
    """Return the request whose HTTP response the call's answer was made of, if it was seen.

    A stream is the one that was asked for last; an answer may have been put together of several, and then is of none.
    """
    answered = [each for each in _innermost(call) if each.answer is not None and not each.answer.is_error]
    return answered[-1] if answered and (call.pulled is not None or len(answered) == 1) else None


def last_answered(call: Call) -> Call | None:
    """Return the last request whose HTTP response was seen."""
    return next((each for each in reversed(_innermost(call)) if each.answer is not None), None)


def ends_when_read(call: Call) -> bool:
    """Have a call end with the file that it fetched, if the program has yet to read that; tell whether it has."""
    if call.reading.batch is None or call.is_attempt:
        return False
    unread = [each for each in _innermost(call) if each.answer is not None and not each.has_ended]
    for each in unread[-1:]:
        call.ends_with(each)
    return bool(unread)


def told(call: Call) -> dict[str, Any]:
    """Return what the last HTTP response says of itself, or the exception of the last request that was seen to fail."""
    innermost = _innermost(call)
    failed_last = innermost[-1] if call.error is not None and innermost else None
    if failed_last is not None and failed_last.provider.sees_wire and failed_last.answer is None:
        return {"http_status": 0} | said_by(failed_last)
    last = last_answered(call)
    if last is None or last.answer is None:
        return {}
    said = {
        "http_status": last.answer.status,
        "request_id": last.answer.request_id,
        "url": str(last.answer.url),
        "retries": last.answer.retries,
    }
    return {key: value for key, value in said.items() if value is not None}


def _innermost(call: Call) -> list[Call]:
    """The attempts that reached for a provider themselves: those within which no other one was made.

    A stream may reach for its provider only when it is pulled: not within the attempt that gave it, but after it.
    """
    found = [leaf for each in list(call.attempts) for leaf in _innermost(each) or [each]]
    seen = [each.provider.sees_wire for each in found]
    return [
        each
        for place, each in enumerate(found)
        if each.error is not None or not (each.provider.layers and any(seen[place:]))
    ]


def _retries(attempt: Call) -> int | None:
    if attempt.answer is not None:
        return attempt.answer.retries
    retries = said_by(attempt).get("retries")
    return retries if isinstance(retries, int) else None


def _attempt(call: Call) -> Attempt:
    model, status = call.reading.body.get("model"), said_by(call).get("http_status")
    asking = call.parent if call.reading.served is None and isinstance(call.parent, Call) else call
    served = Served()
    if asking.reading.served is not None:
        served = attempt(asking.reading.served, None, call.error, otherwise=served)
    return Attempt(
        model=served.model or (model if isinstance(model, str) else None),
        provider=served.provider or call.reading.provider,
        error_type=type(call.error).__name__,
        http_status=status if isinstance(status, int) else None,
        latency=call.latency,
    )
