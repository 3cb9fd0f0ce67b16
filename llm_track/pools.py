"""The workers of a `multiprocessing.Pool` are let deliver what they have recorded before the pool kills them.

Each is lent the end of a pipe of its pool, on which it says that it has something to deliver before the first task of
which that is true is done, and that it has delivered when it leaves.  Nobody waits for one that says nothing.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from llm_track.leaving import LENT, OWES


class _Debts:
    """What the workers of one pool have said."""

    def __init__(self) -> None:
        self._reader, self.writer = sys.modules["multiprocessing.connection"].Pipe(duplex=False)
        self._owing: set[int] = set()

    def read(self) -> set[int]:
        """Return the ids of the processes that have something to deliver."""
        while self._reader.poll():
            said = self._reader.recv_bytes()
            (self._owing.add if said[:1] == OWES else self._owing.discard)(int(said[1:]))
        return self._owing

    def wait(self, processes: list[Any], seconds: float) -> None:
        """Wait until processes have delivered or are gone."""
        until = monotonic() + seconds
        alive = {each.sentinel: each.pid for each in processes}
        while (owing := self.read().intersection(alive.values())) and (left := until - monotonic()) > 0:
            watched = [self._reader, *(sentinel for sentinel, pid in alive.items() if pid in owing)]
            for ready in sys.modules["multiprocessing.connection"].wait(watched, left):
                alive.pop(ready, None)


_debts: WeakKeyDictionary[Any, _Debts] = WeakKeyDictionary()
"""By the queue from which the workers of a pool take their tasks."""


def lend(worker: Any) -> None:
    """Give a worker that is about to be started what it says it with."""
    debts = _debts.setdefault(worker._args[0], _Debts())
    debts.read()  # else it is full some day, where workers leave after a few tasks
    vars(worker)[LENT] = debts.writer


def take_back(worker: Any) -> None:
    """Take it away again: the child has it by now."""
    vars(worker).pop(LENT, None)


def let_deliver(pool: Any, seconds: float) -> None:
    """Close a pool whose workers have something to deliver, and wait for those, so many seconds at most."""
    debts = _debts.get(pool._inqueue)
    processes = list(pool._pool)
    if debts is not None and debts.read().intersection(each.pid for each in processes):
        pool.close()
        debts.wait(processes, seconds)
