"""Following a bare generator of an SDK's from its first chunk to its end.

One is replaced by a generator around it, an asynchronous one by a proxy: two that lie around each other would both be
closed by the event loop, at the same time, and get into each other's way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from copy import copy, deepcopy
from functools import partial
from time import perf_counter
from types import GeneratorType
from typing import Any

import wrapt

from llm_track import context
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.wire.pulled import Pulled

_FOLLOW = guarded("follow a generator")


def pursue(call: Call, inner: Any) -> Any:
    """Settle the call when a generator ends, breaks, is closed or dropped; return what the program gets."""
    call.pulled = Pulled()
    if isinstance(inner, GeneratorType):
        return _pass_on(inner, call, _LastReference(call))
    pulling = _Pulling(inner)
    pulling._self_call, pulling._self_last_reference = call, _LastReference(call)
    return pulling


def _asked(call: Call) -> Pulled:
    """Note that the program has begun to read; some SDKs send the request only now."""
    assert call.pulled is not None
    if not call.pulled.begun and _has_yet_to_ask(call):
        call.started = perf_counter()
    call.pulled.begun = True
    return call.pulled


def _has_yet_to_ask(call: Call) -> bool:
    """Tell whether the SDK asks only when it is read; what it asks may have been noted by now."""
    return call.provider.asks_when_read and call.reading.written is None


def _keep(piece: Any, pulled: Pulled, call: Call) -> None:
    """Keep a piece; after the last one an SDK may leave the rest to the garbage collector, or to an event loop."""
    pulled.pieces.append(piece)
    pulled.times.append(perf_counter())
    if call.provider.ends(piece):
        pulled.ended = True
        call.finish()


class _LastReference:
    """Lives as long as the generator around the SDK's own."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call

    def __del__(self) -> None:
        with _FOLLOW:
            pulled = self.call.pulled
            if _has_yet_to_ask(self.call) and pulled is not None and not pulled.begun:
                self.call.discard()
            else:
                self.call.stop()


def _pass_on(inner: Any, call: Call, last_reference: _LastReference) -> Iterator[Any]:
    pulled, step, thrown = _asked(call), inner.__next__, None
    try:
        while True:
            before = context.place(call)  # the SDK may ask its provider only now
            try:
                piece = step()
            except StopIteration:
                break
            finally:
                context.swap(before)
            _keep(piece, pulled, call)
            thrown = None
            try:
                step = partial(inner.send, (yield piece))
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # the program's: it goes on into the SDK's generator
                thrown, step = error, partial(inner.throw, error)
        _exhausted(call, pulled, thrown)
    except GeneratorExit:
        call.stop()
        inner.close()
        raise
    except BaseException as error:
        _raised(call, error, thrown)
        raise
    finally:
        del step, thrown  # an exception holds this frame


class _Pulling(wrapt.ObjectProxy[Any]):
    """An asynchronous generator.  Its class stays that of the original, closed as if nobody stood around it."""

    _self_call: Call
    _self_last_reference: _LastReference

    def __aiter__(self) -> Any:
        return self

    def __anext__(self) -> Any:
        return _step(self, self.__wrapped__.__anext__())

    def asend(self, value: Any) -> Any:
        return _step(self, self.__wrapped__.asend(value))

    def athrow(self, *thrown: Any) -> Any:
        return _step(self, self.__wrapped__.athrow(*thrown), *thrown)

    async def aclose(self) -> None:
        if self._self_call.pulled is None or self._self_call.pulled.begun:
            self._self_call.stop()
        await self.__wrapped__.aclose()

    def __copy__(self) -> Any:
        return copy(self.__wrapped__)

    def __deepcopy__(self, memo: Any) -> Any:
        return deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


async def _step(pulling: _Pulling, step: Awaitable[Any], *thrown: Any) -> Any:
    """Await the next piece; it holds the proxy for as long as that takes."""
    call = pulling._self_call
    if call.has_ended:
        return await step
    pulled, before = _asked(call), context.place(call)
    try:
        piece = await step
    except StopAsyncIteration:
        _exhausted(call, pulled, *thrown)
        raise
    except GeneratorExit:
        call.stop()
        raise
    except BaseException as error:
        _raised(call, error, *thrown)
        raise
    finally:
        context.restore(call, before)
    _keep(piece, pulled, call)
    return piece


def _exhausted(call: Call, pulled: Pulled, *thrown: Any) -> None:
    """End a call whose generator gives no more, be it because the program threw something into it."""
    if any(each is not None for each in thrown):
        call.stop()
        return
    pulled.ended = True
    call.finish()


def _raised(call: Call, error: BaseException, *thrown: Any) -> None:
    """End a call whose generator raised; what the program threw into it itself only says that it reads no further."""
    if any(error is each or type(error) is each for each in thrown):
        call.stop()
    else:
        call.fail(error)
