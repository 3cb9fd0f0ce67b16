"""Streams of events of Amazon's SDKs without the SDKs: where they end, and what they raise."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from llm_track.providers import _aws
from llm_track.providers._aws_body import listen

from .standins import Body, Broken, Ear, Raw, Response


class Events(Body):
    """A stream of events of botocore."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._event_generator = self._raw()

    def _raw(self) -> Iterator[bytes]:
        yield from self._raw_stream.stream(5)

    def _parse_event(self, event: bytes) -> str:
        if event == b"snail":
            raise OSError("refused")
        return event.decode()

    def __iter__(self) -> Iterator[str]:
        for event in self._event_generator:
            yield self._parse_event(event)


class AsyncEvents(Body):
    """A stream of events of aiobotocore."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._event_generator = self._raw()

    async def _raw(self) -> AsyncIterator[bytes]:
        async for piece in self._raw_stream.content.iter_chunks():
            yield piece

    async def _parse_event(self, event: bytes) -> str:
        if event == b"refused":
            raise OSError("refused")
        return event.decode()

    async def __aiter__(self) -> AsyncIterator[str]:
        async for event in self._event_generator:
            yield await self._parse_event(event)


def follow(body: Any) -> Ear:
    ear = Ear()
    listen(_aws.Answered(200, {}, body, {}), ear)
    return ear


def test_events_are_followed() -> None:
    """A stream of events ends with its iterator, with an exception of parsing, or with its last reference."""
    stream: Any = Events(Raw(b"slow "))
    ear = follow(stream)
    assert (list(stream), ear.heard) == (["slow "], ["end"])
    stream = Events(Raw(b"slow snails"))
    ear = follow(stream)
    with pytest.raises(OSError, match="refused"):
        list(stream)
    assert (ear.pieces, ear.heard) == ([b"slow ", b"snail"], ["refused"])
    stream = Events(Raw(b"slow snails"))
    ear, gone = follow(stream), weakref.ref(stream)
    next(iter(stream))
    del stream
    gc.collect()  # botocore's streams hold themselves
    assert (gone(), ear.heard) == (None, ["stop"])
    stream = Events(Broken(b""))
    ear = follow(stream)
    with pytest.raises(OSError, match="gone"):
        list(stream)
    assert set(ear.heard) == {"gone"}


def test_events_are_followed_without_threads() -> None:
    """The same for an asynchronous stream."""

    async def ask() -> None:
        stream: Any = AsyncEvents(Response(b"slow ", b"snails"))
        ear = follow(stream)
        assert ([each async for each in stream], ear.heard) == (["slow ", "snails"], ["end"])
        for word in (b"refused", b"gone"):
            stream = AsyncEvents(Response(b"slow ", word))
            ear = follow(stream)
            with pytest.raises(OSError, match=word.decode()):
                [each async for each in stream]
            assert set(ear.heard) == {word.decode()}
        stream = AsyncEvents(Response(b"slow ", b"snails"))
        ear = follow(stream)
        await anext(stream._event_generator)
        await stream._event_generator.aclose()
        assert ear.heard == ["stop"]

    asyncio.run(ask())
