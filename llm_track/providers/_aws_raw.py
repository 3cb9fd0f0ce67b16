"""What Amazon's SDKs read a body from, with a listener that hears of it: the response of urllib3, aiohttp or httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy, deepcopy
from typing import Any

import wrapt

from llm_track.wire.listening import Listener


class _Heard(wrapt.ObjectProxy[Any]):
    _self_listener: Listener
    _self_ends: bool
    """Whether the end of the bytes is the end of it all: events have yet to be parsed."""

    def __init__(self, wrapped: Any, listener: Listener, ends: bool) -> None:
        super().__init__(wrapped)
        self._self_listener, self._self_ends = listener, ends

    def close(self) -> Any:
        try:
            return self.__wrapped__.close()
        finally:
            self._self_listener.stop()

    def __copy__(self) -> Any:
        return copy(self.__wrapped__)

    def __deepcopy__(self, memo: Any) -> Any:
        return deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)

    def _self_passed(self, piece: bytes, is_last: bool) -> None:
        if piece:
            self._self_listener.piece(piece)
        if is_last and self._self_ends:
            self._self_listener.end()


def _passing(name: str) -> Callable[..., Any]:
    """Return a method that hands on what the method of that name of the original reads."""

    def read(self: Raw, *args: Any, **kwargs: Any) -> Any:
        try:
            got = getattr(self.__wrapped__, name)(*args, **kwargs)
        except BaseException as error:
            self._self_listener.broke(error)
            raise
        piece = _piece(got, args)
        amount = args[0] if args else kwargs.get("amt")
        everything = name == "readlines" or (name == "read" and (amount is None or amount < 0))
        self._self_passed(piece, everything or self._self_is_read() or not (piece or amount == 0))
        return got

    return read


def _piece(got: Any, args: tuple[Any, ...]) -> bytes:
    """Return the bytes that a method returned, in whatever form."""
    if isinstance(got, int):  # so many were written into the buffer that was given
        return bytes(memoryview(args[0]).cast("B")[:got])
    return b"".join(got) if isinstance(got, list) else got


class Raw(_Heard):
    """An ``urllib3.HTTPResponse``."""

    read, read1, readline, readlines, readinto = map(_passing, ("read", "read1", "readline", "readlines", "readinto"))

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return self._self_each(self.__wrapped__.stream(*args, **kwargs))

    def __iter__(self) -> Iterator[bytes]:
        return self._self_each(iter(self.__wrapped__))

    @property
    def data(self) -> Any:
        """All of it, which urllib3 keeps."""
        got = self.__wrapped__.data
        self._self_passed(got, True)
        return got

    def json(self) -> Any:
        """The same, parsed."""
        return self.data and self.__wrapped__.json()

    def __next__(self) -> Any:
        if line := self.readline():
            return line
        raise StopIteration

    def _self_each(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for piece in pieces:
                self._self_passed(piece, False)
                yield piece
        except GeneratorExit:
            raise  # whoever pulls may have broken off for a reason, and tells it
        except BaseException as error:
            self._self_listener.broke(error)
            raise
        self._self_passed(b"", True)

    def _self_is_read(self) -> bool:
        return getattr(self.__wrapped__, "length_remaining", None) == 0


class HttpxRaw(_Heard):
    """An ``httpx.Response``, which aiobotocore uses if it is told to."""

    async def aiter_raw(self, *args: Any) -> AsyncIterator[bytes]:
        try:
            async for piece in self.__wrapped__.aiter_raw(*args):
                self._self_passed(piece, False)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            self._self_listener.broke(error)
            raise
        self._self_passed(b"", True)

    async def aclose(self) -> None:
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_listener.stop()


def _awaiting(name: str) -> Callable[..., Any]:
    async def read(self: _Content, *args: Any, **kwargs: Any) -> Any:
        try:
            got = await getattr(self.__wrapped__, name)(*args, **kwargs)
        except BaseException as error:
            self._self_listener.broke(error)
            raise
        self._self_passed(got[0] if isinstance(got, tuple) else got, self.__wrapped__.at_eof())
        return got

    return read


def _iterating(name: str) -> Callable[..., Any]:
    """The iterators of the original read by its own methods; of the proxy they read by the proxy's."""

    def iterate(self: _Content, *args: Any) -> Any:
        return getattr(type(self.__wrapped__), name)(self, *args)

    return iterate


class _Content(_Heard):
    """A ``StreamReader`` of aiohttp."""

    read, readany, readchunk, readline, readexactly, readuntil = map(
        _awaiting, ("read", "readany", "readchunk", "readline", "readexactly", "readuntil")
    )
    iter_chunks, iter_any, iter_chunked, __aiter__ = map(
        _iterating, ("iter_chunks", "iter_any", "iter_chunked", "__aiter__")
    )


class AsyncRaw(_Heard):
    """A ``ClientResponse`` of aiohttp, which has its bytes in another object, and keeps what it reads itself."""

    @property
    def content(self) -> Any:
        return _Content(self.__wrapped__.content, self._self_listener, self._self_ends)

    async def read(self) -> Any:
        try:
            got = await self.__wrapped__.read()
        except BaseException as error:
            self._self_listener.broke(error)
            raise
        self._self_passed(got, True)
        return got

    async def text(self, *args: Any, **kwargs: Any) -> Any:
        await self.read()
        return await self.__wrapped__.text(*args, **kwargs)

    async def json(self, *args: Any, **kwargs: Any) -> Any:
        await self.read()
        return await self.__wrapped__.json(*args, **kwargs)

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*raised)
        finally:
            self._self_listener.stop()
