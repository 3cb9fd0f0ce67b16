"""An answer that an SDK hands out one object at a time, where its bytes are not seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_track.wire import Answer, Chunk, sse


@dataclass(slots=True)
class Pulled:
    """The objects that the program pulled out of a stream so far."""

    pieces: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each piece was handed out, in `time.perf_counter` seconds."""
    ended: bool = False
    """Whether the stream said that there is no more."""
    begun: bool = False
    """Whether the program has begun to read."""
    about: Any = None
    """What the provider keeps of the stream object, which itself must be free to go."""

    def chunks(self, pieces: list[Any], to_json: Callable[[Any], Any]) -> Iterator[Chunk]:
        """Yield the JSON values of the pieces, or of the pieces that the SDK kept, with the times of their arrival.

        Pieces of text without an end of line are lines, as an HTTP library cuts them: each is an event by itself.
        """
        if pieces and all(isinstance(piece, (bytes, str)) for piece in pieces):
            raw = [piece if isinstance(piece, bytes) else piece.encode() for piece in pieces]
            if any(_END_OF_LINE.search(piece) for piece in raw):
                yield from _events(raw, self.times)
                return
            for index, line in enumerate(raw):
                yield from _events([line], self._time(index))
            return
        for index, piece in enumerate(pieces):
            yield Chunk(to_json(piece), next(iter(self._time(index)), None))

    def _time(self, index: int) -> list[float]:
        """When a piece was handed out, if any was: the SDK may keep more pieces than the program got."""
        at = min(index, len(self.times) - 1)
        return self.times[at : at + 1] if at >= 0 else []


def _events(pieces: list[bytes], times: list[float]) -> Iterator[Chunk]:
    return Answer(200, {"content-type": sse.MEDIA_TYPE}, "", pieces=pieces, times=times).chunks()


_END_OF_LINE = re.compile(rb"[\r\n]")
