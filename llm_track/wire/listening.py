"""What those are told who want to know how an answer is read."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Hears of the bytes of an answer while they are read.  Whoever reads holds it, and its own end is an ending."""

    def piece(self, piece: bytes) -> None:
        """Keep what was read."""
        ...

    def end(self) -> None:
        """Note that there is no more to read."""
        ...

    def broke(self, error: BaseException) -> None:
        """Note the exception that reading gave the program."""
        ...

    def stop(self) -> None:
        """Note that the program reads no further."""
        ...
