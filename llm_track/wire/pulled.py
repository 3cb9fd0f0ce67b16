"""An answer that an SDK hands out one object at a time, where its bytes are not seen."""

from __future__ import annotations

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
    about: Any = None
    """What the provider keeps of the stream object, which itself must be free to go."""

    def chunks(self, pieces: list[Any], to_json: Callable[[Any], Any]) -> Iterator[Chunk]:
        """Yield the JSON values of the pieces, or of the pieces that the SDK kept, with the times of their arrival."""
        if pieces and all(isinstance(piece, (bytes, str)) for piece in pieces):
            raw = [piece if isinstance(piece, bytes) else piece.encode() for piece in pieces]
            yield from Answer(200, {"content-type": sse.MEDIA_TYPE}, "", pieces=raw, times=self.times).chunks()
            return
        for index, piece in enumerate(pieces):
            yield Chunk(to_json(piece), self.times[min(index, len(self.times) - 1)] if self.times else None)
