"""Server-sent events, as far as LLM APIs use them: the data of each event, and where it ended."""

from __future__ import annotations

import re
from collections.abc import Iterator

MEDIA_TYPE = "text/event-stream"

_END_OF_LINE = re.compile(rb"\r\n|\n|\r")
_END_OF_EVENT = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


def events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (data, end of the event in the body); comments and events without data are left out.

    Source: the HTML standard, "Server-sent events", parsing an event stream.
    """
    start = 0
    for found in _END_OF_EVENT.finditer(body):
        if data := _data(body[start : found.start()]):
            yield data, found.end()
        start = found.end()
    if data := _data(body[start:]):
        yield data, len(body)


def _data(event: bytes) -> bytes:
    lines = (line[5:] for line in _END_OF_LINE.split(event) if line.startswith(b"data:"))
    return b"\n".join(line[1:] if line.startswith(b" ") else line for line in lines)
