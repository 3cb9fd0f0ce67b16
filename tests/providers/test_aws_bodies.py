"""Bodies of Amazon's SDKs without the SDKs: stand-ins for what urllib3, aiohttp and httpx give them."""

from __future__ import annotations

import asyncio
import copy

import pytest

from .standins import BODY, Broken, Httpx, Raw, Response, heard

WAYS = {
    "all": lambda raw: raw.read(),
    "negative": lambda raw: raw.read(-1),
    "pieces": lambda raw: b"".join(iter(lambda: raw.read(5), b"")),
    "named": lambda raw: b"".join(iter(lambda: raw.read1(5), b"")),
    "lines": lambda raw: b"".join(raw.readlines()),
    "next": lambda raw: next(raw) + next(raw) + next(raw, b""),
    "iterated": lambda raw: b"".join(raw),
    "streamed": lambda raw: b"".join(raw.stream(5)),
    "data": lambda raw: raw.data,
    "json": lambda raw: raw.json().encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_read_is_heard(way: str) -> None:
    """Whatever method reads, all bytes are heard once, and the end is."""
    raw, ear = heard(Raw(BODY))
    assert isinstance(raw, Raw)
    assert WAYS[way](raw) == BODY
    assert (b"".join(ear.pieces), ear.heard[:1]) == (BODY, ["end"])


def test_a_buffer_that_is_filled() -> None:
    """Bytes that are written into the program's buffer are heard; an empty read of nothing is no end."""
    raw, ear = heard(Raw(BODY))
    assert raw.read(0) == b""
    assert raw.readinto(bytearray(5)) == 5
    assert (ear.pieces, ear.heard) == ([b"slow\n"], [])


def test_the_last_byte_is_the_end() -> None:
    """Where the length is known nobody has to read once more."""
    given = Raw(BODY)
    raw, ear = heard(given)
    given.length_remaining = 0  # type: ignore[assignment]  # urllib3 counts it down
    raw.read(len(BODY))
    assert ear.heard == ["end"]


@pytest.mark.parametrize("way", ["all", "streamed"])
def test_an_error_is_heard_and_raised(way: str) -> None:
    """An exception of reading is noted, and reaches the program."""
    raw, ear = heard(Broken(BODY))
    with pytest.raises(OSError, match="gone"):
        WAYS[way](raw)
    assert ear.heard == ["gone"]


def test_a_stream_that_is_left() -> None:
    """Leaving a stream says nothing by itself; closing what it reads from does, and what copies did before they do."""
    raw, ear = heard(Raw(BODY))
    assert next(raw.stream(5)) == b"slow\n"
    assert ear.heard == []
    raw.close()
    assert ear.heard == ["stop"]
    raw, _ = heard(Raw(BODY))
    for copied in (copy.copy(raw), copy.deepcopy(raw)):
        assert (type(copied), copied.read()) == (Raw, BODY)
    with pytest.raises(TypeError):
        heard(memoryview(b""))[0].__reduce_ex__(4)


def test_each_way_to_await_is_heard() -> None:
    """Whatever method is awaited, all bytes are heard once."""

    async def ask() -> None:
        for read in (lambda raw: raw.read(), lambda raw: raw.text(), lambda raw: raw.json()):
            raw, ear = heard(Response(b"slow ", b"snails"))
            async with raw as entered:
                await read(entered)
            assert (ear.pieces, ear.heard) == ([b"slow snails"], ["end", "stop"])
            assert raw.closed
        raw, ear = heard(Response(b"slow ", b"snails"))
        assert [piece async for piece in raw.content.iter_chunks()] == ear.pieces == [b"slow ", b"snails"]
        assert ear.heard[0] == "end"
        for read in (lambda raw: raw.read(), lambda raw: raw.content.read()):
            raw, ear = heard(Response(b"gone"))
            with pytest.raises(OSError, match="gone"):
                await read(raw)
            assert ear.heard == ["gone"]

    asyncio.run(ask())


def test_httpx_is_heard() -> None:
    """A body over httpx is heard, to its end, its break or its close."""

    async def ask() -> None:
        raw, ear = heard(Httpx(b"slow ", b"snails"))
        assert [piece async for piece in raw.aiter_raw()] == ear.pieces == [b"slow ", b"snails"]
        await raw.aclose()
        assert ear.heard == ["end", "stop"]
        raw, ear = heard(Httpx(b"slow ", b"gone"))
        with pytest.raises(OSError, match="gone"):
            [piece async for piece in raw.aiter_raw()]
        assert ear.heard == ["gone"]
        raw, ear = heard(Httpx(b"slow ", b"snails"))
        left = raw.aiter_raw()
        assert await anext(left) == b"slow "
        await left.aclose()
        assert ear.heard == []

    asyncio.run(ask())
