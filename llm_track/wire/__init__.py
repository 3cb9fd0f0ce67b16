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
from llm_track.wire import eventstream, lines, sse

LONGEST_DECODED = 64 * 1024 * 1024
"""Bytes to which a body is unpacked.  No model says as much; a compressed body of a megabyte can."""


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
    url: Any
    """Where it came from, as the HTTP library has it: written as text on the worker."""
    retries: int | None = None
    content: bytes | None = None
    """The whole body.  ``None`` while, or when, it was read in pieces."""
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each piece arrived, in `time.perf_counter` seconds."""
    ended: bool = False
    """Whether the last piece arrived."""
    decode: Callable[[list[bytes]], tuple[list[bytes], bool]] | None = None
    """Undoes a ``content-encoding``: each piece as it came -> what it added to the body, also of a body cut short; and
    whether that was all of it."""
    unpacked: bool = True
    """Whether a compressed body was unpacked to its end, as far as it was read."""
    passed: int = 0
    """How many bytes were read that were not kept."""

    @property
    def is_error(self) -> bool:
        """Whether the status says that the request was refused or failed."""
        return self.status >= 400

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
        return self.content if self.content is not None else b"".join(self._decoded())

    def size(self) -> int:
        """Return the length of the body as far as it was read, decoded, in bytes."""
        return self.passed + sum(map(len, self._decoded()))

    @property
    def is_file(self) -> bool:
        """Whether the body is a file as it came, such as a film, of which there is nothing to say but its length."""
        plain = not self.is_error and "content-encoding" not in self.headers
        return plain and not self.is_stream() and "json" not in self.content_type

    def pass_by(self, piece: bytes) -> None:
        """Note what was read of a file, which may be longer than what the program has memory for."""
        if self.pieces:
            self.passed += len(piece)
        else:
            self.pieces.append(piece)

    def summary(self) -> dict[str, Any]:
        """Return what there is to say of a body that is a file: of which type it is, and how long."""
        return {"content_type": self.content_type, "bytes": self.size()}

    def count_lines(self) -> int:
        """Return how many ends of lines the body has as far as it was read."""
        return sum(piece.count(b"\n") for piece in self._decoded())

    @property
    def is_cut(self) -> bool:
        """Whether the body has an end that is not known, of which the HTTP library says nothing: it was compressed and
        cut short, or too long to be unpacked, or it ends amid a line of JSON."""
        self._decoded()
        return not self.unpacked or not _is_json(self._last_line() or b"0")

    def in_lines(self) -> Iterator[bytes]:
        """Yield the lines of the body, of which it makes no second copy.

        Empty lines count; a last line without an end counts only if the body has ended.
        """
        begun: list[bytes] = []
        for piece in self._decoded():
            start = 0
            while (end := piece.find(b"\n", start)) >= 0:
                yield b"".join([*begun, piece[start:end]])
                begun, start = [], end + 1
            begun.append(piece[start:])
        if self.ended and (last := b"".join(begun)):
            yield last

    def _last_line(self) -> bytes:
        """The last line, if it has no end."""
        found: list[bytes] = []
        for piece in reversed(self._decoded()):
            start = piece.rfind(b"\n") + 1
            found.append(piece[start:])
            if start:
                break
        return b"".join(reversed(found)).strip()

    def _decoded(self) -> list[bytes]:
        """The pieces of the body as far as they were read, decoded."""
        if self.content is not None:
            return [self.content]
        if self.decode is not None:
            nothing: tuple[list[bytes], bool] = ([], False)
            self.pieces, self.unpacked = attempt(self.decode, self.pieces, otherwise=nothing)
            self.decode = None
        return self.pieces

    def is_stream(self) -> bool:
        """Tell whether the body is a sequence of events."""
        return self.content_type.startswith((sse.MEDIA_TYPE, eventstream.MEDIA_TYPE, *lines.MEDIA_TYPES))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the JSON values of a streamed body; what is no JSON is left out."""
        body, ends = self.body(), self._ends()
        for text, end in self._reader(body)(body):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                continue
            yield Chunk(value, self._arrival(ends, end))

    def _reader(self, body: bytes) -> Callable[[bytes], Iterator[tuple[bytes, int]]]:
        """Cohere's client for Amazon unwraps the messages before anyone reads them; none begins with that byte."""
        if self.content_type.startswith(eventstream.MEDIA_TYPE):
            return lines.events if body.startswith(b"{") else eventstream.events
        return lines.events if self.content_type.startswith(lines.MEDIA_TYPES) else sse.events

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


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return a provider's own id of a request, under any of the names it has."""
    return next((found for name in _REQUEST_IDS if (found := headers.get(name))), None)


_DONE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]\s*\Z")
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")
