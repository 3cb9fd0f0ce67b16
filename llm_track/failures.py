"""How a call ended, and why: from exceptions, from errors inside answers, and from answers that stop too soon."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from llm_track._guard import attempt, guarded
from llm_track.calls import Call
from llm_track.masking import is_secret, mask_known
from llm_track.records import Failure, Outcome, Response
from llm_track.settling import is_cancellation


def failure_of(error: BaseException, said: Mapping[str, Any] | None = None, secrets: Iterable[str] = ()) -> Failure:
    """Describe an exception.

    Args:
        error: what was raised.
        said: what the SDK's exception tells of the provider's answer.
        secrets: credentials of the request: where the exception quotes one, it is masked, and sent as text only.
    """
    said = said or {}
    if _is_silent(error):
        return Failure(message=type(error).__name__, type=type(error).__name__, code=None)
    message = attempt(str, error, otherwise="") or type(error).__name__
    stack_trace = attempt(_stack_trace, error, otherwise=None)
    masked, masked_trace = mask_known(message, secrets), mask_known(stack_trace or "", secrets) or None
    return Failure(
        message=masked,
        type=type(error).__name__,
        code=None if said.get("code") is None else mask_known(str(said["code"]), secrets),
        stack_trace=masked_trace,
        exception=error if (masked, masked_trace) == (message, stack_trace) else None,
    )


_silent: WeakSet[BaseException] = WeakSet()
"""Exceptions of calls whose texts must not leave, that go on to the steps around those calls."""


def silence(error: BaseException) -> None:
    """Have no text of an exception leave, wherever it is recorded; built-in exceptions cannot be remembered."""
    attempt(_silent.add, error, otherwise=None)


def _is_silent(error: BaseException | None) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if attempt(_silent.__contains__, error, otherwise=False):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def said_by(call: Call) -> dict[str, Any]:
    """Return what the exception of a call says of the provider's answer; nothing if there was none."""
    if call.error is not None:
        with guarded("read an exception", background=True):
            return {key: value for key, value in call.provider.failure(call.error).items() if value is not None}
    return {}


def ending(call: Call, response: Response | None, said: Mapping[str, Any]) -> tuple[Outcome, Failure | None]:
    """Return how a call ended: what the program saw, corrected by what the answer says of itself."""
    if call.error is not None:
        return _raised(call, response), failure_of(call.error, said, _secrets(call))
    if call.outcome == "cancelled":
        return "cancelled", Failure(message="the program ended before the answer arrived", type="Cancelled")
    if response is not None and response.error is not None:
        kind = response.error_type or "error"
        message = mask_known(response.error, _secrets(call))
        return "failed", Failure(message=message, type=kind, code=response.error_type)
    if call.answer is not None and call.answer.ended and response is None and call.reading.format is not None:
        return "broken", Failure(message="the answer is no JSON that the API documents", type="UnreadableAnswer")
    streamed = call.pulled is not None or (call.answer is not None and call.answer.is_stream())
    if response is None or not streamed:
        return call.outcome, None
    if call.outcome == "completed" and not response.complete:
        return "broken", Failure(message="the stream ended before the provider was done", type="IncompleteStream")
    return ("completed" if response.complete else call.outcome), None


def _secrets(call: Call) -> list[str]:
    """Return the credentials of a call, of the attempts made for it, and of the environment, the longest first."""
    found = {
        value for name, value in os.environ.items() if len(value) >= _SHORTEST_OF_ENVIRONMENT and is_secret(name, value)
    }
    return sorted(found.union(*_carried(call)), key=len, reverse=True)


_SHORTEST_OF_ENVIRONMENT = 12
"""Characters: shorter values of variables may be words that a text may hold."""


def _carried(call: Call) -> Iterator[list[str]]:
    if call.reading.secrets is not None:
        yield attempt(list, call.reading.secrets(), otherwise=[])
    for each in call.attempts:
        yield from _carried(each)


def _raised(call: Call, response: Response | None) -> Outcome:
    """An exception amid a stream means that it is broken, unless the provider itself sent the error."""
    if call.error is not None and is_cancellation(call.error):
        return "cancelled"
    begun = call.answer is not None and (call.answer.is_stream() or not call.answer.ended)
    begun = begun or (call.pulled is not None and bool(call.pulled.pieces))
    told = response is not None and response.error is not None
    return "broken" if begun and not told else "failed"


def _stack_trace(error: BaseException) -> str | None:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
