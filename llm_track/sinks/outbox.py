"""Where events wait until they are delivered, within bounds; decision 14 tells why they wait here and not in a client.

Nobody waits for room here: what is too much goes to the spool, and without one the oldest go, counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from llm_track import clock
from llm_track._guard import logger
from llm_track.sinks.lines import KEPT, Line, Pace
from llm_track.sinks.parcels import Parcel, Project
from llm_track.sinks.spool import Spool
from llm_track.tallies import Tally

MOST_EVENTS = 50_000
"""So many events wait in memory ..."""
MOST_BYTES = 16 * 2**20
"""... of so many bytes; all projects together."""
IDLE_SECONDS = 5.0
"""How long a carrier waits for something to do before it looks around, or leaves."""
_LOADED = 500
"""So many events are read from a spool at once ..."""
_LOADED_BYTES = 2 * 2**20
"""... of so many bytes."""


class Outbox:
    """The lines of all projects."""

    def __init__(self, tally: Tally, spool_of: Callable[[Project], Spool | None], *, rate: float | None = None) -> None:
        self.tally = tally
        self._pace = Pace(rate) if rate is not None else None
        self._spool_of = spool_of
        self._lines: dict[Project, Line] = {}
        self._changed = threading.Condition(threading.RLock())
        self._hurrying = 0
        self.is_closed = self._is_inherited = False

    def line(self, project: Project) -> Line:
        """Return the line of a project."""
        found = self._lines.get(project)
        if found is None:
            found = self._lines.setdefault(project, Line(project, self._spool_of(project), self._pace))
        return found

    def lines(self) -> list[Line]:
        """Return all lines."""
        return list(self._lines.values())

    def put(self, line: Line, parcel: Parcel) -> None:
        """Add an event; never waits for room."""
        stored = "memory" if line.spool is None else line.spool.store(parcel, has_room=line.has_room)
        if stored == "nowhere":
            return
        self.tally.add("waiting")
        with self._changed:
            if stored == "memory":
                line.large += parcel.is_large
                line.push(parcel)
                self._evict()
            if self._hurrying or len(line) in (0, 1) or len(line) % 100 == 0:  # who would wait for less
                self._changed.notify_all()

    def _evict(self) -> None:
        while self._is_full():
            line = max(self._lines.values(), key=lambda each: each.bytes)
            gone = line.evict()
            if gone is None:
                return
            self._gone([gone])
            line.large -= gone.is_large
            if self.tally.add("dropped_outbox_full") == 1:
                logger.warning(
                    "PostHog takes fewer events than are made, or none, and %d wait: the oldest go from now on, those "
                    "of errors last. Calls are unaffected; they are counted in llm_track.stats(). "
                    "llm_track.configure(spool=DIRECTORY) keeps them.",
                    sum(map(len, self._lines.values())),
                )

    def _is_full(self) -> bool:
        lines = self._lines.values()
        return sum(map(len, lines)) > MOST_EVENTS or sum(line.bytes for line in lines) > MOST_BYTES

    def take(self, line: Line) -> list[Parcel] | None:
        """Return the next events to send, waiting for them.

        ``[]``: there may be more in the spool, or it is time to look around; ``None``: there was nothing, or
        others are in need of a carrier.
        """
        until = clock.monotonic() + IDLE_SECONDS
        with self._changed:
            while self._is_inherited:  # gevent's threads go on in a child, and fail where they end
                self._changed.wait()
            while not self.is_closed:
                left = until - clock.monotonic()
                seconds = line.seconds_to_go(in_a_hurry=self._hurrying > 0)
                if seconds is not None and seconds <= 0:
                    return line.take()
                if self._is_low(line):
                    return []
                if (line.is_failing or not len(line)) and self.unserved():
                    return None
                if left <= 0:
                    return [] if len(line) else None
                self._changed.wait(left if seconds is None else min(left, seconds))
        return None

    def unserved(self) -> list[Line]:
        """Return the lines that nobody serves, the one that may be tried first at the front; once closed, none."""
        found = [line for line in self.lines() if len(line) and not line.carriers and not self.is_closed]
        return sorted(found, key=lambda line: line.seconds_to_go(in_a_hurry=True) or 0.0)

    def take_now(self, line: Line) -> list[Parcel]:
        """Return the next events to send, if it makes sense to send any."""
        self.load(line)
        with self._changed:
            return [] if not len(line) or line.is_failing else line.take()

    @staticmethod
    def _is_low(line: Line) -> bool:
        """Tell whether events are to be fetched from the spool."""
        is_low = not len(line) or (len(line) < KEPT // 4 and not line.is_failing)
        return is_low and line.spool is not None and line.spool.unread() > 0

    def load(self, line: Line) -> None:
        """Fetch from the spool what has room in memory."""
        if line.spool is None:
            return
        while line.spool.unread() and len(line) < KEPT - _LOADED and (found := line.spool.load(_LOADED, _LOADED_BYTES)):
            with self._changed:
                for parcel in found:
                    line.push(parcel)
                    line.large += parcel.is_large
                self._changed.notify_all()

    def put_back(
        self, line: Line, parcels: list[Parcel], error: Exception, *, is_refused: bool = False, at_end: bool = False
    ) -> None:
        """Take back events that could not be sent now."""
        self.tally.add("retried", len(parcels))
        with self._changed:
            line.moving -= len(parcels)
            line.put_back(parcels, at_end=at_end)
            line.failed(error, is_refused=is_refused)
            self._evict()
            self._changed.notify_all()

    def replace(self, line: Line, old: Parcel, new: Parcel) -> None:
        """Note that an event that is being sent was made smaller."""
        new.since, new.row, new.file = old.since, old.row, old.file
        new.is_adopted, new.tries = old.is_adopted, old.tries
        with self._changed:
            line.large += new.is_large - old.is_large

    def settle(self, line: Line, parcels: list[Parcel], became: str) -> None:
        """Note what became of events that were being sent."""
        if not parcels:
            return
        if line.spool is not None:
            line.spool.delete(parcels)
        with self._changed:
            line.moving -= len(parcels)
            line.large -= sum(parcel.is_large for parcel in parcels)
            line.deliveries += became == "delivered"
            line.succeeded()  # whatever it answers, the host answers
            self.tally.add(became, len(parcels))
            self._gone(parcels)
            self._changed.notify_all()

    def _gone(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            self.tally.add("waiting", -1)
            if parcel.is_adopted:
                self.tally.add("waiting_adopted", -1)

    def waiting(self) -> int:
        """Return how many events of this process have yet to be delivered."""
        return self.tally["waiting"] - self.tally["waiting_adopted"]

    def kept(self) -> int:
        """Return how many of them are in the spool."""
        return min(sum(line.spool.kept() for line in self.lines() if line.spool is not None), self.waiting())

    def oldest(self) -> float | None:
        """Return since when the oldest event waits, in seconds since 1970."""
        with self._changed:
            return min((since for line in self.lines() if (since := line.oldest()) is not None), default=None)

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Have everything sent at once, however little there is, for as long as the block runs."""
        with self._changed:
            self._hurrying += 1
            for line in self._lines.values():
                line.hurry()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._hurrying -= 1

    def wait(self, seconds: float) -> bool:
        """Wait until everything of this process is delivered; false where it is not, or makes no sense to wait for."""
        until = clock.monotonic() + seconds
        with self._changed:
            while self.waiting() > 0:
                left = until - clock.monotonic()
                if left <= 0 or self._is_in_vain():
                    return False
                self._changed.wait(min(left, 0.5))
        return True

    def _is_in_vain(self) -> bool:
        busy = [line for line in self._lines.values() if len(line) or line.moving]
        return bool(busy) and all(line.is_refused for line in busy)

    def leave(self) -> None:
        """Close the spool, as the process ends; what comes later waits in memory."""
        for line in self.lines():
            if line.spool is not None:
                line.spool.close()

    def close(self) -> None:
        """Let the carriers leave, and close the spool: nothing more comes."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
        self.leave()

    def inherit(self) -> None:
        """In a child: what is here is the parent's."""
        self._is_inherited = self.is_closed = True
        self._spool_of = lambda _: None
        for line in self.lines():
            if line.spool is not None:
                line.spool.inherit()
        self._lines = {}
