"""Watching an answer that the program has yet to read, without standing in its way.

The program keeps the SDK's own objects.  Two things inside them are replaced: the byte stream of the HTTP response, to
keep the bytes as they are read and to hear of its end, and, where there is one, the iterator that the SDK's stream
object pulls from, to hear of the exceptions that the SDK raises while it parses.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy
from time import perf_counter
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import wrapt

from llm_track import answers
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.wire import Answer

_WATCH = guarded("watch a stream")


def watch(call: Call, result: Any, response: Any, answer: Answer) -> None:
    """Settle the call when the unread response has been read, closed, broken or dropped."""
    call.answer = answer
    if call.provider.listen is not None:
        call.provider.listen(response, _Listener(call, answer))
        if not call.is_attempt:
            answers.note(call, response.body)  # a program may hand it on without the dict around it
        return
    tap = _Tap(response.stream)
    tap._self_answer = answer
    tap._self_keep = answer.pieces.append if _is_wanted(call, answer) else answer.pass_by
    tap._self_call = call
    tap._self_last_reference = _Dropped(call)
    inner = follow(call, result, tap._self_last_reference)
    tap._self_inner = weakref.ref(inner) if isinstance(inner, _GENERATORS) else lambda: inner
    response.stream = tap


def _is_wanted(call: Call, answer: Answer) -> bool:
    """Tell whether somebody will read what came, which else need not be kept."""
    reading = call.reading
    return not answer.is_file or reading.format is not None or reading.batch is not None or call.is_attempt


def follow(call: Call, result: Any, last_reference: _Dropped | None) -> Any:
    """Replace the iterator inside the SDK's stream object, if it is one; return the one that was there."""
    attribute = call.provider.iterator
    inner = getattr(result, attribute, None) if attribute is not None else None
    if inner is not None and attribute is not None:
        following = _follow_async if hasattr(inner, "__anext__") else _follow
        setattr(result, attribute, following(inner, call, call.reading.hides, last_reference))
    return inner


class _Dropped:
    """Lives as long as something of the answer can still be read; its end is the end of the call."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call

    def __del__(self) -> None:
        with _WATCH:
            self.call.stop()


class _Listener:
    """Tells a call how its answer is read.  Whoever reads holds it, and nobody else."""

    __slots__ = ("_answer", "_call", "_last_reference")

    def __init__(self, call: Call, answer: Answer) -> None:
        self._call, self._answer, self._last_reference = call, answer, _Dropped(call)

    def piece(self, piece: bytes) -> None:
        """Keep what was read; what is read once more out of a buffer is not new."""
        if not self._answer.ended:
            self._answer.pieces.append(piece)
            self._answer.times.append(perf_counter())

    def end(self) -> None:
        """Note that there is no more to read."""
        self._answer.ended = True
        with _WATCH:
            self._call.finish()

    def broke(self, error: BaseException) -> None:
        """Note the exception that reading gave the program."""
        with _WATCH:
            self._call.fail(error)

    def stop(self) -> None:
        """Note that the program reads no further."""
        with _WATCH:
            self._call.stop()


_GENERATORS = (GeneratorType, AsyncGeneratorType)


class _Tap(wrapt.ObjectProxy[Any]):
    """The byte stream of an HTTP response, remembered as it passes.  Its class stays that of the original."""

    _self_answer: Answer
    _self_keep: Callable[[bytes], None]
    _self_call: Call
    _self_last_reference: _Dropped | None
    _self_inner: Callable[[], Any]
    """Leads to the SDK's iterator without keeping it: it closes the response when the program lets go of it."""

    def __iter__(self) -> Iterator[bytes]:
        answer = self._self_answer
        keep, stamp = self._self_keep, answer.times.append
        try:
            for piece in self.__wrapped__:
                keep(piece)
                stamp(perf_counter())
                yield piece
        except BaseException as error:
            self._self_broke(error)
            raise
        answer.ended = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._self_answer
        keep, stamp = self._self_keep, answer.times.append
        try:
            async for piece in self.__wrapped__:
                keep(piece)
                stamp(perf_counter())
                yield piece
        except BaseException as error:
            self._self_broke(error)
            raise
        answer.ended = True

    def close(self) -> None:
        try:
            self.__wrapped__.close()
        finally:
            self._self_closed()

    def __copy__(self) -> Any:
        return copy(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    async def aclose(self) -> None:
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_closed()

    def _self_broke(self, error: BaseException) -> None:
        """Note an exception of the connection; one that passes through the SDK's iterator is noted there."""
        if not isinstance(error, GeneratorExit) and not _is_running(self._self_inner()):
            self._self_call.fail(error)

    def _self_closed(self) -> None:
        """The SDK closes the response itself, while its own iterator runs: then that iterator's end tells more."""
        with _WATCH:
            if not _is_running(self._self_inner()):
                self._self_call.stop()


def _is_running(inner: Any) -> bool:
    return getattr(inner, "gi_running", False) or getattr(inner, "ag_running", False)


def _follow(
    inner: Any, call: Call, hides: Callable[[Any], bool] | None, last_reference: _Dropped | None
) -> Iterator[Any]:
    """Pass on what the SDK's iterator yields, and settle the call with its ending."""
    try:
        if hides is None:
            yield from inner
        else:
            for chunk in inner:
                if not hides(chunk):
                    yield chunk
    except GeneratorExit:
        call.stop()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    call.finish()


class _Pulling(wrapt.ObjectProxy[Any]):
    """The same for an asynchronous iterator.  A generator around it would be closed by the event loop beside it."""

    _self_call: Call
    _self_hides: Callable[[Any], bool] | None
    _self_last_reference: _Dropped | None

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        hides = self._self_hides
        try:
            while True:
                chunk = await self.__wrapped__.__anext__()
                if hides is None or not hides(chunk):
                    return chunk
        except StopAsyncIteration:
            self._self_call.finish()
            raise
        except GeneratorExit:
            self._self_call.stop()
            raise
        except BaseException as error:
            self._self_call.fail(error)
            raise

    async def aclose(self) -> None:
        self._self_call.stop()
        await self.__wrapped__.aclose()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


def _follow_async(
    inner: Any, call: Call, hides: Callable[[Any], bool] | None, last_reference: _Dropped | None
) -> _Pulling:
    pulling = _Pulling(inner)
    pulling._self_call, pulling._self_hides, pulling._self_last_reference = call, hides, last_reference
    return pulling
