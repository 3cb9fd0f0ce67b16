"""Answers that are not streamed: the one "chunk" is the body."""

from __future__ import annotations

from typing import Any

from llm_track.formats._json import JSON


class Whole:
    """A fold of one body."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}

    def add(self, chunk: JSON) -> None:
        """Take the body."""
        self._body |= chunk
        self.complete = True

    def body(self) -> dict[str, Any]:
        """Return the body, or an empty one before it came."""
        return dict(self._body)
