"""Stand-ins for what Amazon's SDKs read a body from, and a listener that notes what it hears."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

from llm_track.providers import _aws
from llm_track.providers._aws_body import listen

BODY = b"slow\nsnails\n"


class Ear:
    """A listener that notes what it hears."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.heard: list[str] = []

    def piece(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def end(self) -> None:
        self.heard.append("end")

    def broke(self, error: BaseException) -> None:
        self.heard.append(str(error))

    def stop(self) -> None:
        self.heard.append("stop")


class Body:
    """A body of botocore: it reads from what it holds."""

    def __init__(self, raw: Any) -> None:
        self._raw_stream = raw


class Raw(io.BytesIO):
    """Like urllib3's response."""

    length_remaining = None

    def stream(self, amount: int = 5) -> Iterator[bytes]:
        while piece := self.read(amount):
            yield piece

    @property
    def data(self) -> bytes:
        return self.getvalue()

    def json(self) -> Any:
        return self.getvalue().decode()


class Broken(Raw):
    """Breaks at once, in whatever way it is read."""

    def read(self, *_: Any, **__: Any) -> bytes:
        raise OSError("gone")


def heard(raw: Any) -> tuple[Any, Ear]:
    """Return what a body reads from once somebody listens, and who does."""
    ear, body = Ear(), Body(raw)
    listen(_aws.Answered(200, {}, body, {}), ear)
    return body._raw_stream, ear


class Content:
    """Like aiohttp's stream of bytes."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.left = pieces

    def at_eof(self) -> bool:
        return not self.left

    async def read(self, amount: int = -1) -> bytes:
        if self.left == [b"gone"]:
            raise OSError("gone")
        return self.left.pop(0) if self.left else b""

    async def readchunk(self) -> tuple[bytes, bool]:
        return await self.read(), True

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        while piece := (await self.readchunk())[0]:
            yield piece


class Response:
    """Like aiohttp's response."""

    def __init__(self, *pieces: bytes) -> None:
        self.content = Content(list(pieces))
        self.closed = False

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.content.iter_chunks()])

    async def text(self) -> str:
        return "text"

    async def json(self) -> str:
        return "json"

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True


class Httpx:
    """Like httpx's response."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if piece == b"gone":
                raise OSError("gone")
            yield piece

    async def aclose(self) -> None:
        """Close nothing."""
