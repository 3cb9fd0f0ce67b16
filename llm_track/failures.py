"""How a call ended, and why: from exceptions, from errors inside answers, and from answers that stop too soon."""

from __future__ import annotations

import os
import traceback
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

from llm_track._guard import attempt, guarded
from llm_track.calls import Call
from llm_track.chains import came_from, parts_of, told_by
from llm_track.masking import is_secret, mask_known
from llm_track.policies import CONTENT, may_leave
from llm_track.records import Failure, Identity, Outcome, Response
from llm_track.settling import is_cancellation


def failure_of(error: BaseException, said: Mapping[str, Any] | None = None, secrets: Collection[str] = ()) -> Failure:
    """Describe an exception.

    Args:
        error: what was raised.
        said: what the SDK's exception tells of the provider's answer.
        secrets: credentials of the request: where the exception quotes one, it is masked, and sent as text only.
    """
    said = said or {}
    if _silent.any_of(came_from(error)):
        return Failure(message=type(error).__name__, type=type(error).__name__, code=None)
    message = attempt(str, error, otherwise="") or type(error).__name__
    untraced, reached = _untraced.any_of(came_from(error)), error.__traceback__
    seen: frozenset[int] = attempt(parts_of, error, reached, otherwise=frozenset())
    stack_trace = None if untraced else attempt(_stack_trace, error, reached, otherwise=None)
    masked, masked_trace = mask_known(message, secrets), mask_known(stack_trace or "", secrets) or None
    is_quoted = any(mask_known(text, secrets) != text for text in told_by(error)) if secrets else False
    is_sent = not (is_quoted or untraced) and (masked, masked_trace) == (message, stack_trace)
    return Failure(
        message=masked,
        type=type(error).__name__,
        code=None if said.get("code") is None else mask_known(str(said["code"]), secrets),
        stack_trace=masked_trace,
        exception=error if is_sent else None,
        traceback=reached if is_sent else None,
        seen=seen if is_sent else None,
    )


class _Errors:
    """Exceptions that are remembered while they are on their way through steps."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[int, BaseException] = WeakValueDictionary()
        """By their `id`, for some have no hash."""
        self._signs: deque[int] = deque(maxlen=2000)
        """Hashes of the latest of Python's own classes, to which nobody can refer weakly: of their words, for they may
        be raised again by another exception, and of where they come from, for their words may be changed."""

    def add(self, error: BaseException) -> None:
        if type(error).__weakrefoffset__:
            self._known[id(error)] = error
        else:
            self._signs.extend(_signs(error))

    def any_of(self, errors: Iterable[BaseException]) -> bool:
        return any(map(self._holds, errors))

    def _holds(self, error: BaseException) -> bool:
        if type(error).__weakrefoffset__:
            return self._known.get(id(error)) is error
        return bool(self._signs) and any(sign in self._signs for sign in _signs(error))


def _signs(error: BaseException) -> Iterator[int]:
    words = attempt(str, error, otherwise=None)
    if words is not None:
        yield hash((type(error), words))
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:  # where it was raised first: the same object, whatever it passes on its way
        yield hash((type(error), id(error), id(trace), trace.tb_lasti))


_silent, _untraced = _Errors(), _Errors()
"""Those of which no text, or no stack trace, may leave."""


def hold_back(error: BaseException, owner: Identity) -> None:
    """Have no more of an exception leave, wherever else it is recorded, than may of the call or step that raised it."""
    if owner.no_log or not may_leave("errors", owner.content):
        _silent.add(error)
    elif not all(may_leave(field, owner.content) for field in CONTENT):
        _untraced.add(error)


def said_by(call: Call) -> dict[str, Any]:
    """Return what the exception of a call says of the provider's answer; nothing if there was none."""
    if call.error is not None:
        with guarded("read an exception", background=True):
            return {key: value for key, value in call.provider.failure(call.error).items() if value is not None}
    return {}


def ending(call: Call, response: Response | None, said: Mapping[str, Any]) -> tuple[Outcome, Failure | None]:
    """Return how a call ended: what the program saw, corrected by what the answer says of itself."""
    if call.error is not None:
        failure = failure_of(call.error, said, _secrets(call))
        if is_cancellation(call.error):  # its words are those of an event loop or of a server
            failure = replace(failure, message="the program gave up before the answer was complete")
        return _raised(call, response), failure
    if call.outcome == "cancelled":
        return "cancelled", Failure(message="the program ended before the answer arrived", type="Cancelled")
    if response is not None and response.error is not None:
        kind = response.error_type or "error"
        message = mask_known(response.error, _secrets(call))
        return "failed", Failure(message=message, type=kind, code=response.error_type)
    if call.answer is not None and call.answer.is_error:  # some SDKs raise only later
        said_at_length = call.answer.body()[: 2 * _LONGEST].decode("utf-8", "replace")
        message = mask_known(said_at_length, _secrets(call))[:_LONGEST]  # cut before, half a credential might be left
        return "failed", Failure(message=message, type=f"HTTP {call.answer.status}", code=None)
    if call.answer is not None and call.answer.ended and response is None and call.reading.format is not None:
        return "broken", Failure(message="the answer is no JSON that the API documents", type="UnreadableAnswer")
    streamed = call.pulled is not None or (call.answer is not None and call.answer.is_stream())
    if response is None or not streamed:
        return call.outcome, None
    if call.outcome == "completed" and not response.complete:
        return "broken", Failure(message="the stream ended before the provider was done", type="IncompleteStream")
    return ("completed" if response.complete else call.outcome), None


_LONGEST = 10_000
"""Characters of an answer that is an error."""


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


def _stack_trace(error: BaseException, reached: TracebackType | None) -> str | None:
    return "".join(traceback.format_exception(type(error), error, reached))
