"""The one wrapper around every hooked method of every SDK, synchronous or not.

What a call turned out to be is decided on its *result*: something to await, something yet to be read, or an answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from inspect import isawaitable, iscoroutinefunction
from time import perf_counter
from types import GeneratorType
from typing import Any

from llm_track import answers, attempts, budgets, context, worker
from llm_track._guard import attempt, guarded
from llm_track.calls import Call
from llm_track.config import settings
from llm_track.hooks import Unstarted, named
from llm_track.iterators import is_stream, pursue
from llm_track.providers import Invocation, Provider, Reading, Target
from llm_track.streams import follow, watch
from llm_track.wire import Answer
from llm_track.wire.encoding import decoder, is_unpacked
from llm_track.wire.pulled import Pulled

_READ = guarded("read what a call asks for")
_OBSERVE = guarded("observe an answer")
_WITNESS = guarded("see an HTTP response")
_MADE = guarded("see how a client is made")

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]


def call_wrapper(provider: Provider, target: Target, wanted: Callable[[Any], bool]) -> Wrapper:
    """Return the wrapper that makes one event of each call of a target whose client is wanted."""

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = None
        with _READ:
            if wanted(instance):
                call = _start(provider, target, instance, args, kwargs)
        if call is None:
            return wrapped(*args, **kwargs)
        if budgets.in_use and not iscoroutinefunction(wrapped):
            budgets.admit(call)
        before, unstarted = context.place(call), Unstarted()
        try:
            result = _ask(call, wrapped, args, kwargs)
        except BaseException as error:
            _failed(call, error)
            raise
        finally:
            context.swap(before)
        if _is_awaitable(result):
            return named(_drive(call, unstarted.hold(result), lambda: wrapped(*args, **kwargs)), result)
        return _observe(call, result)

    return wrapper


def _is_awaitable(result: Any) -> bool:
    """Tell whether the answer has to be awaited; as `inspect` does, but for classes registered as such by hand."""
    kind = type(result)
    return hasattr(kind, "__await__") or (kind is GeneratorType and isawaitable(result))


def _ask(call: Call, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the SDK with the request that asks for usage, if there is one; without it or refused, as the program did."""
    if call.reading.replacement is not None:
        other_args, other_kwargs = call.reading.replacement
        try:
            return wrapped(*other_args, **other_kwargs)
        except BaseException as error:
            if not _withdrawn(call, error):
                raise
    return wrapped(*args, **kwargs)


def _withdrawn(call: Call, error: BaseException) -> bool:
    """Tell whether it was the replaced request that failed; then it is forgotten."""
    reading = call.reading
    with _READ:
        if reading.replacement is not None and reading.withdraws is not None and reading.withdraws(reading, error):
            reading.replacement = reading.hides = None
            call.witnessed = None
            return True
    return False


def _start(
    provider: Provider, target: Target, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call | None:
    """Begin a call, unless nobody wants to know; one that an outer call owns is an attempt of that call."""
    if not settings().enabled:
        return None
    around = context.current()
    owner = context.owner(around)
    if owner is not None and not isinstance(owner, Call):
        return None
    owner = None if owner is not None and _is_aside(owner) else owner
    if owner is None and target.transport is not None:
        return None
    reading = _read(target, owner is not None and owner.provider is provider, Invocation(instance, args, kwargs))
    if owner is not None and reading is not None and owner.reading.kind == "endpoint" != reading.kind:
        owner, reading = None, target.read(Invocation(instance, args, kwargs))  # a model that an endpoint asks
    if reading is None or _is_same_call(around, provider, reading):
        return None
    if owner is None:
        return Call(provider, reading, around, worker.put)
    _note_failed(around, provider)
    attempt = _attempt(provider, reading, around)
    owner.attempts.append(attempt)
    return attempt


def _read(target: Target, inner: bool, invocation: Invocation) -> Reading | None:
    return (target.read_inner if inner and target.read_inner is not None else target.read)(invocation)


def _is_aside(owner: Call) -> bool:
    """Tell whether the code that runs now was called by the SDK for the program: a callback, a guardrail.

    The stack says so: between here and where the SDK was called, or where its thread or task began, there is the frame
    of a module that calls nothing else.
    """
    modules = owner.provider.aside
    frame = sys._getframe(2) if modules else None
    while frame is not None and frame.f_code not in _CALLING:
        if _is_one_of(modules, frame.f_globals.get("__name__")):
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=4096)
def _is_one_of(modules: tuple[str, ...], name: Any) -> bool:
    return isinstance(name, str) and name.startswith(modules)


def _attempt(provider: Provider, reading: Reading, around: context.Node | None) -> Call:
    return Call(provider, reading, around, lambda call: None, is_attempt=True)


def _note_failed(around: context.Node | None, provider: Provider) -> None:
    """Note a request that failed inside an attempt, of which the SDK itself makes another one while it handles that."""
    error = sys.exc_info()[1]
    if not hasattr(error, "status_code") or not isinstance(around, Call) or around.provider is not provider:
        return  # no error of an API: LiteLLM handles others on its way, such as that no event loop runs
    assert error is not None
    if around.is_attempt and not around.attempts and error is not around.handled:
        failed = _attempt(provider, around.reading, around)
        failed.started = around.started
        failed.fail(error)
        around.attempts.append(failed)


def _is_same_call(around: context.Node | None, provider: Provider, reading: Reading) -> bool:
    """Tell whether the call in progress is this very call: two hooks lie on top of each other."""
    return isinstance(around, Call) and around.provider is provider and around.reading.asks(reading.asked)


async def _drive(call: Call, unstarted: Unstarted, again: Callable[[], Any]) -> Any:
    """Await the SDK with the call as the current node."""
    if budgets.in_use:
        budgets.admit(call)
    before = context.place(call)
    try:
        result = await _answered(call, unstarted, again)
    except BaseException as error:
        _failed(call, error)
        raise
    finally:
        context.restore(call, before)  # a task that nobody finishes is closed by the garbage collector, anywhere
    return _observe(call, result)


async def _answered(call: Call, unstarted: Unstarted, again: Callable[[], Any]) -> Any:
    try:
        return await unstarted.take()
    except BaseException as error:
        if not _withdrawn(call, error):
            raise
    return await again()


def _observe(call: Call, result: Any) -> Any:
    """Settle a call whose answer is here; watch one whose answer is yet to be read.  Return what the program gets."""
    observed = False
    with _OBSERVE:
        observed = _settled_or_watched(call, result) or attempts.ends_when_read(call)
    with _OBSERVE:
        if not observed and not call.provider.sees_wire and is_stream(result):
            result, observed = _pursued(call, result), True
    if not call.is_attempt:
        answers.note(call, result)
    if not observed:
        call.finish(result)
    return result


def _pursued(call: Call, stream: Any) -> Any:
    """Pursue a stream whose bytes are not seen; one that an attempt gave ends with the call it is an attempt of."""
    if call.is_attempt:
        call.pulled = Pulled(about=call.provider.about(stream))
        call.finish()
        return stream
    return pursue(call, stream)


def _settled_or_watched(call: Call, result: Any) -> bool:
    if call.provider.gives_response(result):
        call.witnessed = {"response": result}
    answered = _answer(call)
    if answered is None:
        return False
    response, answer = answered
    call.answer = answer
    if call.provider.repeats(response):
        call.discard()
    elif answer.ended or response.is_closed:
        call.finish()
        if call.reading.hides is not None:
            follow(call, result, None)
    elif call.provider.listen is None and not hasattr(response, "stream"):  # unseen, but for what the program pulls
        return False
    else:
        answer.decode = decoder(response)
        watch(call, result, response, answer)
    return True


def _failed(call: Call, error: BaseException) -> None:
    """Settle a call that raised, with the answer if it had come: the SDK may refuse to parse what was paid for."""
    with _OBSERVE:
        answered = _answer(call)
        if answered is not None and answered[1].ended:
            call.answer = answered[1]
    call.fail(error)


def _answer(call: Call) -> tuple[Any, Answer] | None:
    """Return the HTTP response that was witnessed, and what it says; its body only if it has been read."""
    if call.witnessed is None:
        return None
    response, retries = call.provider.answer(call.witnessed)
    call.witnessed = None
    answer = Answer(response.status_code, response.headers, response.request.url, retries)
    if response.is_stream_consumed or response.is_closed:
        answer.content = attempt(lambda: response.content, otherwise=None)  # closed unread, it has none
        answer.ended, answer.times = answer.content is not None, [perf_counter()]
        answer.unpacked = attempt(is_unpacked, response, otherwise=True)
    return response, answer


_CALLING = frozenset({_ask.__code__, _drive.__code__})
"""The code of the frames between which and the SDK's request lies nothing but the SDK."""


def has_seen(error: BaseException) -> bool:
    """Tell whether an exception came out of a call that is tracked, which then tells of it."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in _CALLING:
            return True
        trace = trace.tb_next
    return False


def witness_wrapper(provider: Provider, notes: Callable[[Any, Invocation], None] | None = None) -> Wrapper:
    """Return the wrapper of a method that an SDK calls amid a call, with the HTTP response: it tells the call of it."""

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _WITNESS:
            call = context.current()
            if isinstance(call, Call) and call.provider is provider:
                if notes is None:
                    call.witnessed = kwargs
                else:
                    notes(call, Invocation(instance, args, kwargs))
        return wrapped(*args, **kwargs)

    return wrapper


def made_wrapper(made: Callable[[Invocation], None]) -> Wrapper:
    """Return the wrapper of a constructor, which tells with what an object was made."""

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        with _MADE:
            made(Invocation(instance, args, kwargs))
        return result

    return wrapper
