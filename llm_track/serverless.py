"""Handlers of serverless functions: the process may be frozen as soon as one returns, with whatever is on its way."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from llm_track import worker
from llm_track._guard import attempt, guarded
from llm_track.config import settings

F = TypeVar("F", bound=Callable[..., Any])

_SPARE = 0.5
"""Seconds of a function's time that are left to it."""
_DELIVER = guarded("deliver events before a handler returns")


@overload
def flush_after(handler: F, /) -> F: ...
@overload
def flush_after(*, timeout: float | None = None) -> Callable[[F], F]: ...
def flush_after(handler: Any = None, /, *, timeout: float | None = None) -> Any:
    """Deliver what a handler has recorded before it returns or raises: AWS Lambda, Cloud Functions and their like.

    Args:
        handler: a function, a coroutine function, or one that returns something to await or a generator; an event loop
            is not blocked meanwhile.
        timeout: seconds to wait at most; default ``exit_seconds`` of `configure`.  Where an argument tells how much
            time is left, as the context of AWS Lambda does, half a second of it is left to the handler.

    >>> @llm_track.flush_after
    ... def handler(event, context):
    ...     return {"statusCode": 200}
    """
    if handler is None:
        return lambda decorated: _flushing(decorated, timeout)
    return _flushing(handler, timeout)


def _flushing(handler: Any, timeout: float | None) -> Any:
    """Return a handler that delivers before it returns, or before what it returned is done."""

    async def delivering(answer: Any, given: tuple[Any, ...]) -> Any:
        try:
            return await answer
        finally:
            with _DELIVER:
                await _aside(_seconds(given, timeout))

    def draining(answer: Any, given: tuple[Any, ...]) -> Any:
        try:
            return (yield from answer)
        finally:
            with _DELIVER:
                worker.flush(_seconds(given, timeout))

    @wraps(handler)
    async def waiting(*args: Any, **kwargs: Any) -> Any:
        return await delivering(handler(*args, **kwargs), (*args, *kwargs.values()))

    @wraps(handler)
    def handling(*args: Any, **kwargs: Any) -> Any:
        given, answer = (*args, *kwargs.values()), None
        later: Any = None
        try:
            answer = handler(*args, **kwargs)
            is_generator = inspect.isgenerator(answer)
            later = draining if is_generator else delivering if inspect.isawaitable(answer) else None
        finally:
            if later is None:
                with _DELIVER:
                    worker.flush(_seconds(given, timeout))
        return answer if later is None else later(answer, given)

    return waiting if inspect.iscoroutinefunction(handler) else handling


def _seconds(args: tuple[Any, ...], timeout: float | None) -> float:
    """Return how long may be waited."""
    most = settings().exit_seconds if timeout is None else timeout
    tells = (attempt(getattr, each, "get_remaining_time_in_millis", None, otherwise=None) for each in args)
    left = [attempt(lambda tell=tell: float(tell()) / 1000, otherwise=None) for tell in tells if callable(tell)]
    return max(min([most, *(each - _SPARE for each in left if each is not None)]), 0.0)


async def _aside(seconds: float) -> None:
    """Wait on another thread, whichever loop runs."""
    trio = sys.modules.get("trio")
    if trio is not None and attempt(trio.lowlevel.in_trio_run, otherwise=False):
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(worker.flush, seconds)
    else:
        await asyncio.to_thread(worker.flush, seconds)
