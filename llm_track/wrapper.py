"""The one wrapper around every hooked method of every SDK, synchronous or not.

What a call turned out to be is decided on its *result*: something to await, something yet to be read, or an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from llm_track import context, worker
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.config import settings
from llm_track.hooks import Unstarted, named
from llm_track.providers import Invocation, Provider, Target
from llm_track.streams import watch
from llm_track.wire import Answer

_READ = guarded("read what a call asks for")
_OBSERVE = guarded("observe an answer")
_WITNESS = guarded("see an HTTP response")

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]


def call_wrapper(provider: Provider, target: Target) -> Wrapper:
    """Return the wrapper that makes one event of each call of a target."""

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = None
        with _READ:
            call = _start(provider, target, instance, args, kwargs)
        if call is None:
            return wrapped(*args, **kwargs)
        if call.reading.replacement is not None:
            args, kwargs = call.reading.replacement
        before = context.place(call)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            context.place(before)
        if isawaitable(result):
            return named(_drive(call, Unstarted(result)), result)
        _observe(call, result)
        return result

    return wrapper


def _start(
    provider: Provider, target: Target, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call | None:
    """Begin a call, unless an outer one owns it or nobody wants to know."""
    if not settings().enabled or context.owner() is not None:
        return None
    reading = target.read(Invocation(instance, args, kwargs))
    return None if reading is None else Call(provider, reading, worker.put)


async def _drive(call: Call, unstarted: Unstarted) -> Any:
    """Await the SDK with the call as the current node."""
    before = context.place(call)
    try:
        result = await unstarted.take()
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        context.place(before)
    _observe(call, result)
    return result


def _observe(call: Call, result: Any) -> None:
    """Settle a call whose answer is here; watch one whose answer is yet to be read."""
    observed = False
    with _OBSERVE:
        observed = _settled_or_watched(call, result)
    if not observed:
        call.finish(result)


def _settled_or_watched(call: Call, result: Any) -> bool:
    if call.witnessed is None:
        return False
    response, retries = call.provider.answer(call.witnessed)
    call.witnessed = None
    answer = Answer(
        status=response.status_code, headers=response.headers, url=str(response.request.url), retries=retries
    )
    call.answer = answer
    if response.is_stream_consumed or response.is_closed:
        answer.content, answer.ended = response.content, True
        call.finish()
    else:
        answer.decode = _decoder(response)
        watch(call, result, response, answer)
    return True


def _decoder(response: Any) -> Callable[[bytes], bytes] | None:
    """Return what undoes the content encoding of a body that was kept as it came: the HTTP library's own decoder."""
    if response.headers.get("content-encoding", "identity") == "identity":
        return None
    kind, headers = type(response), {"content-encoding": response.headers["content-encoding"]}
    return lambda body: bytes(kind(200, headers=headers, content=body).content)


def witness_wrapper(provider: Provider) -> Wrapper:
    """Return the wrapper of the method that an SDK calls with the HTTP response: it tells the call in progress."""

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _WITNESS:
            call = context.current()
            if type(call) is Call and call.provider is provider:
                call.witnessed = kwargs
        return wrapped(*args, **kwargs)

    return wrapper
