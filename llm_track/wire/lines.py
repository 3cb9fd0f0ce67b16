"""Streams of one JSON object per line, as Ollama, Cohere's first version and others send them."""

from __future__ import annotations

from collections.abc import Iterator

MEDIA_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-lines", "application/stream+json")


def events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (line, its end in the body); a line that is cut short by the end of the body is left out."""
    start = 0
    while (end := body.find(b"\n", start)) >= 0:
        if line := body[start:end].strip():
            yield line, end + 1
        start = end + 1
