"""What waits for one project, in order, and how that project takes it."""

from __future__ import annotations

import random
from collections import deque

from llm_track import clock
from llm_track._guard import logger
from llm_track.masking import safe_url
from llm_track.sinks.parcels import Parcel, Project
from llm_track.sinks.sending import BATCH, BATCH_BYTES
from llm_track.sinks.spool import Spool

LINGER = 1.0
"""Seconds that an event waits for others to go with."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds without an attempt after a failure; each further one doubles them."""
_LONGEST_RETRY_AFTER = 300.0
_SAID_AFTER = 60.0
"""Seconds after which an outage is worth a line in the log."""
KEPT = 2_000
"""So many events of a line are in memory where all of them are in a spool ..."""
KEPT_BYTES = 8 * 2**20
"""... of so many bytes."""


class Pace:
    """How many events a second are sent at most, of all projects together."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next_at = 0.0

    @property
    def at_once(self) -> int:
        """How many go in one request at most."""
        return max(min(BATCH, int(self._rate)), 1)

    def went(self, number: int) -> None:
        """Note that some are being sent."""
        self._next_at = clock.monotonic() + number / self._rate

    def seconds_to_go(self) -> float:
        """Return how long nothing is to be sent."""
        return max(self._next_at - clock.monotonic(), 0.0)


class Line:
    """One project's events in memory.  Its lock is the outbox's."""

    def __init__(self, project: Project, spool: Spool | None, pace: Pace | None = None) -> None:
        self.project = project
        self.spool = spool
        self.pace = pace
        self._others: deque[Parcel] = deque()
        self._errors: deque[Parcel] = deque()
        self.bytes = 0
        """How much memory they take."""
        self.moving = 0
        """How many are being sent."""
        self.large = 0
        """How many of those that wait or are being sent need the way of large events."""
        self.carriers = 0
        self.deliveries = 0
        """How often events were taken: a host that takes nothing says nothing about a single event."""
        self.is_failing = False
        self.is_refused = False
        """Whether the project's key is not taken: it makes no sense to wait for that at the end of a program."""
        self._is_probing = False
        self._pause = 0.0
        self._not_before = 0.0
        self._failing_since = 0.0
        self._oldest_moving = 0.0
        self._has_said = False
        self._is_told = False
        """Whether PostHog said when to come back."""

    def __len__(self) -> int:
        return len(self._others) + len(self._errors)

    @property
    def has_room(self) -> bool:
        """Whether an event that is in the spool may be in memory, too."""
        return len(self) < KEPT and self.bytes < KEPT_BYTES

    def push(self, parcel: Parcel) -> None:
        """Add an event."""
        (self._errors if parcel.is_error else self._others).append(parcel)
        self.bytes += parcel.weight

    def put_back(self, parcels: list[Parcel], *, at_end: bool = False) -> None:
        """Take events back that could not be sent: to the front, or now and then to the end, so that one at which a
        host stumbles does not hold up all others."""
        for parcel in parcels if at_end else reversed(parcels):
            parcel.tries += 1
            queue = self._errors if parcel.is_error else self._others
            (queue.append if at_end or parcel.tries % 4 == 0 else queue.appendleft)(parcel)
            self.bytes += parcel.weight

    def take(self) -> list[Parcel]:
        """Remove the events of the next request; they count as moving."""
        batch: list[Parcel] = []
        size = 0
        most = BATCH if self.pace is None else self.pace.at_once
        while self and len(batch) < most:
            queue = self._next()
            if batch and (queue[0].is_large != batch[0].is_large or size + queue[0].size > BATCH_BYTES):
                break
            batch.append(queue.popleft())
            size += batch[-1].size
            self.bytes -= batch[-1].weight
        self._oldest_moving = min(self._oldest_moving, batch[0].since) if self.moving else batch[0].since
        self.moving += len(batch)
        self._is_probing = self.is_failing
        if self.pace is not None:
            self.pace.went(len(batch))
        return batch

    def _next(self) -> deque[Parcel]:
        if not self._others or (self._errors and self._errors[0].since < self._others[0].since):
            return self._errors
        return self._others

    def evict(self) -> Parcel | None:
        """Remove the event that goes first where there is no room: the oldest that tells of no error."""
        for queue in (self._others, self._errors):
            for index, parcel in enumerate(queue):
                if parcel.file is None:
                    del queue[index]
                    self.bytes -= parcel.weight
                    return parcel
        return None

    def seconds_to_go(self, *, in_a_hurry: bool) -> float | None:
        """Return in how many seconds something is to be sent; ``None``: only once something happens."""
        if not self or self._is_probing:
            return None
        seconds = max(self._not_before - clock.monotonic(), self.pace.seconds_to_go() if self.pace is not None else 0.0)
        if seconds > 0:
            return seconds
        if in_a_hurry or self.is_failing or len(self) >= BATCH or self.bytes >= BATCH_BYTES // 4:
            return 0.0
        left = self._next()[0].since + LINGER - clock.now()
        return left if 0.0 < left <= LINGER else 0.0  # clocks are set back: what is of later than now waits for nobody

    def hurry(self) -> None:
        """Try at once, whatever failed before, unless PostHog itself said when to come back."""
        if not self.is_refused and not self._is_told:
            self._pause, self._not_before = 0.0, 0.0

    def succeeded(self) -> None:
        """Note that something was delivered."""
        if self._has_said:
            logger.warning("PostHog at %s takes events again.", self.address)
        self.is_failing = self.is_refused = self._is_probing = self._has_said = self._is_told = False
        self._pause = self._not_before = 0.0

    def failed(self, error: Exception, *, is_refused: bool = False) -> None:
        """Note that nothing can be delivered now, and when to try again."""
        now = clock.monotonic()
        if not self.is_failing:
            self._failing_since = now
        self.is_failing, self.is_refused, self._is_probing = True, is_refused, False
        asked = getattr(error, "retry_after", None)
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        seconds = self._pause * random.uniform(0.8, 1.2)
        self._is_told = isinstance(asked, (int, float)) and asked > 0
        if self._is_told:
            seconds = min(float(asked or 0.0), _LONGEST_RETRY_AFTER)
        self._not_before = now + seconds
        self._say(error, now)

    def _say(self, error: Exception, now: float) -> None:
        if self._has_said or not (self.is_refused or now - self._failing_since > _SAID_AFTER):
            return
        self._has_said = True
        if self.is_refused:
            logger.warning(
                "PostHog at %s refuses the project key (%s): events wait, and are sent when it is taken. Check "
                "POSTHOG_API_KEY and POSTHOG_API_URL: keys belong to a region.",
                self.address,
                getattr(error, "status", type(error).__name__),
            )
        else:
            logger.warning(
                "PostHog at %s has taken no events for %d s (%s): they wait, and are sent when it does. Calls are "
                "unaffected; see llm_track.stats().",
                self.address,
                now - self._failing_since,
                describe(error),
            )

    @property
    def address(self) -> str:
        """Where the project is, without anything secret."""
        return safe_url(self.project.host or "https://us.i.posthog.com")

    def oldest(self) -> float | None:
        """Return since when the oldest event waits, in seconds since 1970."""
        since = [queue[0].since for queue in (self._others, self._errors) if queue]
        return min(since + ([self._oldest_moving] if self.moving else []), default=None)


def describe(error: Exception) -> str:
    """Return a few words for what went wrong; an answer's status, not its text."""
    status = getattr(error, "status", None)
    return f"HTTP {status}" if status is not None else type(error).__name__
