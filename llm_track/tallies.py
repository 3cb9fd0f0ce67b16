"""What became of events, counted by name by many threads at once."""

from __future__ import annotations

import threading


class Tally:
    """Numbers by name.  A number that two threads change without a lock is soon wrong."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._lock = threading.RLock()  # the garbage collector may settle a step on the thread that counts

    def add(self, name: str, number: int = 1) -> int:
        """Count some more of a kind; return how many there are now."""
        with self._lock:
            total = self._numbers[name] = self._numbers.get(name, 0) + number
        return total

    def __getitem__(self, name: str) -> int:
        return self._numbers.get(name, 0)

    def take_over(self, other: Tally) -> None:
        """Add what another one has counted."""
        for name, number in other.numbers().items():
            self.add(name, number)

    def numbers(self) -> dict[str, int]:
        """Return all of them as they are now."""
        with self._lock:
            return dict(self._numbers)
