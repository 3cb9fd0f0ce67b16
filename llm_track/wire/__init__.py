"""The HTTP answer of one call, as its bytes.

The bytes are what the provider said: they cannot be changed by the program, need no copying, and are the same for
every form in which an SDK hands an answer out (parsed, raw, streamed, read piece by piece).  The worker reads them.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from llm_track._guard import attempt
from llm_track.wire import eventstream, sse


@dataclass(frozen=True, slots=True)
class Chunk:
    """One JSON value of an answer, and when its last byte arrived (`time.perf_counter`), if that is known."""

    value: Any
    arrived: float | None = None


@dataclass(slots=True)
class Answer:
    """What came over the wire: status, headers and body, the body whole or as the pieces that were read so far."""

    status: int
    headers: Mapping[str, str]
    url: str
    retries: int | None = None
    content: bytes | None = None
    """The whole body.  ``None`` while, or when, it was read in pieces."""
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each piece arrived, in `time.perf_counter` seconds."""
    ended: bool = False
    """Whether the last piece arrived."""
    decode: Callable[[list[bytes]], list[bytes]] | None = None
    """Undoes a ``content-encoding``: each piece as it came -> what it added to the body, also of a body cut short."""

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case."""
        return self.headers.get("content-type", "").lower()

    @property
    def request_id(self) -> str | None:
        """The provider's own id of the request."""
        return request_id(self.headers)

    def body(self) -> bytes:
        """Return the body as far as it was read, decoded."""
        if self.content is not None:
            return self.content
        if self.decode is not None:
            self.pieces, self.decode = attempt(self.decode, self.pieces, otherwise=[]), None
        return b"".join(self.pieces)

    def is_stream(self) -> bool:
        """Tell whether the body is a sequence of events."""
        return self.content_type.startswith((sse.MEDIA_TYPE, eventstream.MEDIA_TYPE))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the JSON values of a streamed body; what is no JSON is left out."""
        reader = eventstream if self.content_type.startswith(eventstream.MEDIA_TYPE) else sse
        body, ends = self.body(), self._ends()
        for text, end in reader.events(body):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                continue
            yield Chunk(value, self._arrival(ends, end))

    def said_done(self) -> bool:
        """Tell whether a stream of server-sent events ended with its ``[DONE]`` mark."""
        return _DONE.search(self.body()[-200:]) is not None

    def json(self) -> Any:
        """Return the body as JSON, or ``None`` if it is none."""
        try:
            return json.loads(self.body())
        except (ValueError, RecursionError):
            return None

    def _ends(self) -> list[int]:
        """Where in the body each piece ended."""
        return list(accumulate(map(len, self.pieces))) if self.times else []

    def _arrival(self, ends: list[int], end: int) -> float | None:
        if not ends:
            return self.times[0] if self.times else None
        return self.times[min(bisect_left(ends, end), len(self.times) - 1)]


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return a provider's own id of a request, under any of the names it has."""
    return next((found for name in _REQUEST_IDS if (found := headers.get(name))), None)


_DONE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]\s*\Z")
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")
