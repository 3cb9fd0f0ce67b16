"""What became of the events of this process."""

from __future__ import annotations

from llm_track import worker
from llm_track._guard import faults
from llm_track.clock import now
from llm_track.settling import open_steps
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
    return numbers | _moment() | {f"fault: {kind}": number for kind, number in list(faults.items())}


def _moment() -> dict[str, int]:
    """Return what is on its way right now."""
    here = worker.current()
    oldest = min((since for each in here.sinks() if (since := each.oldest()) is not None), default=None)
    numbers = {"oldest_undelivered_seconds": max(int(now() - oldest), 0)} if oldest is not None else {}
    numbers |= {"queued": here.queue.qsize(), "open_steps": len(open_steps)}
    return numbers | ({"held_back": here.sampler.held} if here.sampler.held else {})
