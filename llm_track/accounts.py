"""What became of the events of this process."""

from __future__ import annotations

from llm_track import worker
from llm_track._guard import faults
from llm_track.tallies import Tally


def stats() -> dict[str, int]:
    """Return what became of the events of this process, by name, and how many faults were swallowed.

    ``admitted`` and ``adopted``, which other processes left in the spool, are in sum ``delivered``, ``waiting``,
    ``quarantined`` and what was lost: ``dropped_outbox_full``, ``dropped_spool_full`` and ``lost_in_broken_spool``.
    Through a client of the program's own they are ``admitted`` when it has them; nobody tells what becomes of them.
    What is absent is 0.

    >>> llm_track.stats()  # doctest: +SKIP
    {'admitted': 812, 'waiting': 12, 'delivered': 800, 'oldest_undelivered_seconds': 1, 'queued': 0, 'open_steps': 3}
    """
    counted, here = Tally(), worker.current()
    for each in (here.tally, *(sink.tally for sink in here.sinks())):
        counted.take_over(each)
    numbers = {"admitted": 0, **counted.numbers()}
    numbers.pop("waiting_adopted", None)
    return numbers | worker.moment() | {f"fault: {kind}": number for kind, number in list(faults.items())}
