"""The threads that bring what waits to PostHog, each with a client of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from llm_track import clock, context
from llm_track._guard import guarded, logger, own_thread
from llm_track.records import Event
from llm_track.sinks import ai_lane
from llm_track.sinks.ai_lane import AILane
from llm_track.sinks.lines import Line, describe
from llm_track.sinks.outbox import Outbox
from llm_track.sinks.parcels import Message, Parcel, Project, pack, unpack
from llm_track.sinks.refusals import meaning
from llm_track.sinks.sending import Sender
from llm_track.sizing import LARGEST_EVENT, fit

MOST = 8
"""So many carriers serve one project ..."""
MOST_IN_ALL = 10
"""... and so many all of them: the client keeps so many connections to a host.  One of them is kept for the project
that is configured: the hosts of others may hang."""
_EACH = 150
"""Another one is called for so many events that wait."""
_AFTER_FAULT = 1.0
"""Seconds without an attempt after a fault of llm_track."""
_SMALLEST = 8 * 1024
"""Bytes to which an event is cut before it is given up."""
_IN_VAIN = 3
"""So many events are tried alone with a host that takes none, before all of them wait."""

Packed = list[tuple[Parcel, Message]]


class Carriers:
    """Serve the lines of an outbox."""

    def __init__(
        self, outbox: Outbox, lane: AILane, quarantine: Callable[[Parcel, str], None], configured: Project | None = None
    ) -> None:
        self._outbox = outbox
        self._configured = configured
        self._lane = lane
        self._quarantine = quarantine
        """Takes an event that PostHog refuses, and why."""
        self._starting = threading.Lock()
        self._in_all = 0

    def call(self, line: Line, *, is_first: bool = False) -> bool:
        """See to it that there are enough carriers for what waits; false if none can be started."""
        if not (is_first or len(line) or line.spool is not None):
            return True
        most = MOST_IN_ALL - (self._configured not in (None, line.project))
        wanted = 1 if line.is_failing or line.pace is not None else 1 + min(len(line) // _EACH, MOST - 1)
        with self._starting:
            while line.carriers < wanted and self._in_all < most:
                thread = threading.Thread(target=self._carry, args=(line,), name="llm_track carrier", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends
                    break
                line.carriers += 1
                self._in_all += 1
            return line.carriers > 0 or self._in_all >= most

    def _carry(self, line: Line) -> None:
        own_thread()
        context.be_silent()
        sender = Sender(line.project)
        with guarded("make a posthog client", background=True):
            sender.prepare()  # now: at the end of the program no thread of it would start
        batch: list[Parcel] | None = []
        while batch is not None or self._stays(line):
            is_well = False
            with guarded("deliver events", background=True):
                if batch:
                    self._deliver(line, sender, batch)
                else:
                    self._look_around(line)
                is_well = True
            if not is_well:
                time.sleep(_AFTER_FAULT)
            batch = self._outbox.take(line)
        sender.close()

    def _stays(self, line: Line) -> bool:
        """Tell whether a carrier with nothing to do is to go on; the last one of a spool looks after it."""
        with self._starting:
            if line.carriers == 1 and self._is_needed(line):
                return True
            line.carriers -= 1
            self._in_all -= 1
        for each in self._outbox.unserved():
            if each is not line:
                self.call(each)
        return False

    def _is_needed(self, line: Line) -> bool:
        """Tell whether a line is to keep its last carrier: one that looks after the spool, or that has events."""
        if self._outbox.is_closed:
            return False
        if line.spool is not None and line.spool.is_configured:
            return True
        has_some = len(line) or (line.spool is not None and line.spool.unread())
        return bool(has_some) and not (line.is_failing and self._outbox.unserved())

    def _look_around(self, line: Line) -> None:
        if line.spool is not None:
            line.spool.look_around()
            self._outbox.load(line)
            self.call(line)

    def carry_here(self, line: Line, until: float) -> None:
        """Deliver on the calling thread, where no thread starts any more, for as long as it makes sense."""
        sender = Sender(line.project)
        while (left := until - clock.monotonic()) > 0 and (batch := self._outbox.take_now(line)):
            sender.seconds = left
            self._deliver(line, sender, batch)

    def _deliver(self, line: Line, sender: Sender, batch: list[Parcel]) -> None:
        """Send a batch; whatever happens, each of its events is settled or waits again."""
        left = _Left(batch)
        try:
            readable = self._unpacked(line, left)
            self._send(line, sender, readable, left)
            self._judge(line, left)
        finally:
            if left.parcels:
                at_end = bool(left.alone)  # others first: maybe the host takes them
                self._outbox.put_back(line, left.parcels, left.error, is_refused=left.is_refused, at_end=at_end)

    def _unpacked(self, line: Line, left: _Left) -> Packed:
        found: Packed = []
        for parcel in list(left.parcels):
            message: Message = {}
            with suppress(ValueError):
                message = unpack(parcel.packed)
            if message.get("uuid") == parcel.uuid:  # by which the client says what became of it
                found.append((parcel, message))
            else:
                self._give_up(line, parcel, "it cannot be read", left)
        return found

    def _send(self, line: Line, sender: Sender, batch: Packed, left: _Left) -> None:
        if not batch:
            return
        failed = sender.send(batch)
        delivered = left.take([each for each, _ in batch if each.uuid not in failed])
        left.takes_others = left.takes_others or bool(delivered)
        self._outbox.settle(line, delivered, "delivered")
        refused: dict[str, Packed] = {}
        for parcel, message in batch:
            if (error := failed.get(parcel.uuid)) is not None:
                said = self._meaning(sender, parcel, error)
                refused.setdefault(said, []).append((parcel, message))
                left.note(error, is_refused=said == "key")
        for said in ("too large", "unreadable"):
            self._see_to(line, sender, refused.get(said, []), said, left)

    def _meaning(self, sender: Sender, parcel: Parcel, error: Exception) -> str:
        if parcel.is_large and getattr(error, "status", None) in ai_lane.ABSENT:
            self._lane.close(sender.host)
            return "too large"
        return meaning(error)

    def _see_to(self, line: Line, sender: Sender, refused: Packed, said: str, left: _Left) -> None:
        """Send what was refused in parts; the one that is refused alone is made smaller, or put aside."""
        if len(refused) > 1:
            if left.takes_others or len(left.alone) < _IN_VAIN:
                half = len(refused) // 2
                self._send(line, sender, refused[:half], left)
                self._send(line, sender, refused[half:], left)
            return
        for parcel, message in refused:
            smaller = _smaller(parcel, message) if said == "too large" else None
            if smaller is None:
                left.alone.append((parcel, describe(left.error)))
                continue
            self._outbox.replace(line, parcel, smaller[0])
            left.swap(parcel, smaller[0])
            if parcel.is_large:
                self._outbox.tally.add("cut_after_refusal")
            self._send(line, sender, [smaller], left)

    def _judge(self, line: Line, left: _Left) -> None:
        """Put events aside that are refused alone, if others are taken; until one is, maybe no PostHog answers."""
        for parcel, why in left.alone:
            if left.takes_others or (parcel.refused_at is not None and line.deliveries > parcel.refused_at):
                self._give_up(line, parcel, why, left)
            elif parcel.refused_at is None:
                parcel.refused_at = line.deliveries

    def _give_up(self, line: Line, parcel: Parcel, why: str, left: _Left) -> None:
        self._quarantine(parcel, why)
        self._outbox.settle(line, left.take([parcel]), "quarantined")
        if self._outbox.tally["quarantined"] == 1:
            logger.warning(
                "PostHog does not take an event (%s): it is put aside, and so are others like it. llm_track.stats() "
                "counts them.",
                why,
            )


class _Left:
    """The events of a batch of which nobody knows yet what became of them."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = list(parcels)
        self.error: Exception = RuntimeError("llm_track failed")
        self.is_refused = False
        self.takes_others = False
        """Whether the host has taken any of them."""
        self.alone: list[tuple[Parcel, str]] = []
        """Those that were refused alone, and why."""

    def note(self, error: Exception, *, is_refused: bool) -> None:
        self.error, self.is_refused = error, is_refused

    def take(self, parcels: list[Parcel]) -> list[Parcel]:
        gone = set(map(id, parcels))
        self.parcels = [each for each in self.parcels if id(each) not in gone]
        return parcels

    def swap(self, old: Parcel, new: Parcel) -> None:
        self.parcels = [new if each is old else each for each in self.parcels]


def _smaller(parcel: Parcel, message: Message) -> tuple[Parcel, Message] | None:
    """Return an event cut to what the ordinary way takes, else to half; ``None`` if it is as small as it gets."""
    most = LARGEST_EVENT if parcel.is_large else parcel.size // 2
    if most < _SMALLEST:
        return None
    said: dict[str, Any] = message["properties"]
    event = Event(name=message["event"], uuid=parcel.uuid, trace_id="", distinct_id="", properties=said)
    event = replace(event, groups=message["groups"] or {})
    cut = fit(event, most)
    shorter = {**message, "properties": cut.properties, "groups": dict(cut.groups) or None}
    packed = pack(shorter, is_error=parcel.is_error)
    return (packed, shorter) if packed.size < parcel.size else None
