"""The one background thread: it turns settled calls and spans into events and hands them to the sink.

The caller's thread pays for one `put`.  Formats, processors and the posthog client run here, inside the context of the
call they describe.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections import Counter
from contextlib import suppress
from time import monotonic, process_time
from typing import Any

from llm_track import batches, context, ending, leaving, pipeline, reader
from llm_track._guard import faults, guarded, logger, own_thread
from llm_track.config import Settings, settings
from llm_track.records import Event, Place
from llm_track.sampling import Sampler
from llm_track.settling import open_steps
from llm_track.sinks import Sink

LONGEST_QUEUE = 100_000
ANSWER_SECONDS = 2.5
"""How long the end of the program waits while nothing of what is left is taken."""
BUSY_SECONDS = 0.1
"""Processor time in such a while that says that events are being made: waiting needs less."""
EXIT_SECONDS = 10.0
"""How long it is held up at most, while events are made or taken."""


class _Worker:
    """The queue, its thread and its sink; made anew in a forked child."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sink: Sink | None = None
        self.sink_settings: Settings | None = None
        self.override: Sink | None = None
        self.sampler = Sampler()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._prepared = threading.Event()
        self._markers: list[None] = []
        """One for each entry of the queue that is something to do.  A number that two threads change is soon wrong."""
        self._handling = False
        self._refused = 0
        """How many events came back from the client, refused for their size."""

    @property
    def queue(self) -> queue.SimpleQueue[Any]:
        """The queue, made at first use: by then gevent, if it is used, has replaced queues and threads alike."""
        made: queue.SimpleQueue[Any] | None = self.__dict__.get("_queue")
        return made if made is not None else self.__dict__.setdefault("_queue", queue.SimpleQueue())

    def put(self, work: Any) -> bool:
        if self.queue.qsize() >= LONGEST_QUEUE and not callable(work):
            self.counts["dropped_queue_full"] += 1
            if self.counts["dropped_queue_full"] == 1:
                said = "llm_track drops events: %d are waiting. Calls are unaffected; see llm_track.stats()."
                logger.warning(said, LONGEST_QUEUE)
            return False
        leaving.owe()
        self._markers += [None] * callable(work)
        self.queue.put(work)
        if self._thread is None:
            self.start()
        return True

    def start(self) -> None:
        """Start the thread.

        Never waits for the lock: while it is held, the garbage collector may run on this very thread and settle a
        stream that was dropped, which leads here again.  Whoever holds the lock starts the thread.
        """
        if not self._starting.acquire(blocking=False):
            return
        try:
            with guarded("start the worker"):
                if self._thread is None and not _exiting:
                    thread = threading.Thread(target=self._run, name="llm_track", daemon=True)
                    thread.start()
                    self._thread = thread
        finally:
            self._starting.release()

    def _run(self) -> None:
        own_thread()
        context.be_silent()
        with _busy, guarded("prepare the delivery of events", background=True):
            self._sink()  # builds the client now, while the program still runs: it starts threads of its own
        self._prepared.set()
        while True:
            self._handle(self.queue.get())

    def _handle(self, work: Any) -> None:
        if callable(work):
            self._markers.pop()
            with _busy, guarded("prepare what is needed later", background=True):
                work()
            return
        self._handling = True
        if isinstance(work, Event):
            with _busy, guarded("send an event again", background=True):
                self.counts[pipeline.emit_again(self._sink(), work)] += 1
        else:
            self._handle_records(work)
        self._handling = False

    def _handle_records(self, work: Any) -> None:
        records, more = batches.records(work, reader.model_call), True
        told: Place | None = None
        while more:  # one by one, with room between for a fork
            more = done = False
            with _busy, guarded("turn a call into an event", background=True):
                for record in records:
                    more = True
                    told = pipeline.deliver(record, work, self.sampler, self._sink, self.counts)
                    break
                done = True
            if not done:
                self.counts["dropped_fault"] += 1
        work.told = told
        work.forget()

    def _sink(self) -> Sink | None:
        if self.override is not None:
            return self.override
        chosen = settings()
        if self.sink_settings is not chosen:
            self._build(chosen)
        return self.sink

    def _build(self, chosen: Settings) -> None:
        if self.sink is not None:
            with guarded("flush the posthog client that was replaced", background=True):
                self.sink.flush(EXIT_SECONDS)
        ending.before_the_end(lambda: self._make(chosen))

    def _make(self, chosen: Settings) -> None:
        from llm_track.sinks import posthog

        self.sink, self.sink_settings = posthog.build(chosen, self.counts, self._again), chosen
        atexit.register(at_exit)  # once more: hooks run last in, first out, and ours must run before the client's

    def _again(self, refused: Event) -> None:
        self._refused += 1
        self.queue.put(refused)

    def waiting(self) -> int:
        """Return how many events have yet to be delivered."""
        left = self.queue.qsize() - len(self._markers) + self._handling + batches.waiting()
        return left + (self.sink.waiting() if self.sink is not None else 0)

    def flush(self, timeout: float, *, last: bool = False) -> bool:
        """Wait until everything put so far has been handed to the sink, then flush the sink."""
        until = monotonic() + timeout
        for _ in range(2):  # what a host refuses for its size comes back, and is sent once more
            refused = self._refused
            if not self.drain(max(until - monotonic(), 0.0)):
                return False
            if self.sink is not None:
                with guarded("flush the posthog client", background=True):
                    self.sink.flush(max(until - monotonic(), 0.0), last=last)
            if refused == self._refused:
                break
        return True

    def deliver_last(self) -> int:
        """Deliver for as long as events are made and taken, and not for ever; return how many are left."""
        until = monotonic() + EXIT_SECONDS
        if self._thread is not None and self._thread.is_alive():
            self._prepared.wait(EXIT_SECONDS)  # a busy machine may still be importing the client
        while True:
            before, computed = self._left(), process_time()
            self.flush(min(ANSWER_SECONDS, max(until - monotonic(), 0.0)), last=True)
            left, is_busy = self._left(), process_time() - computed > BUSY_SECONDS
            if not any(left) or monotonic() >= until or (left == before and not is_busy):
                return left[1]

    def _left(self) -> tuple[int, int]:  # how many calls and spans are no events yet, and how much is left in all
        return self.queue.qsize() - len(self._markers), self.waiting()

    def drain(self, timeout: float) -> bool:
        """Wait until everything put so far has been handed to the sink."""
        if self._thread is None or not self._thread.is_alive():
            self._drain_here(monotonic() + timeout)
            return True
        passed = threading.Event()
        self.put(passed.set)
        return passed.wait(timeout)

    def _drain_here(self, until: float) -> None:
        """Where no thread runs (a fork, an interpreter that ends) the queue is worked off on the calling thread."""
        with suppress(queue.Empty):
            while monotonic() < until:
                self._handle(self.queue.get_nowait())


_worker = _Worker()
_busy = threading.RLock()
"""Held by the worker while it works.  A fork waits for it: amid an import it would leave locks that nobody opens."""
_held_for_fork = False
_given_up = 0
"""How many events were left when the program's end had been held up for long enough."""
_exiting = False
"""From Python 3.12 on no thread starts once the interpreter ends: what is left is worked off where it is flushed."""


def put(work: Any) -> bool:
    """Hand over a settled call or span, or a function to be called there, without waiting; tell if there was room."""
    with _PUT:
        return _worker.put(work)
    return False


_PUT = guarded("queue an event")


def start() -> None:
    """Start the thread, so that the client is ready before the first event is."""
    _worker.start()


def flush(timeout: float | None = None) -> bool:
    """Deliver everything recorded so far.

    Args:
        timeout: seconds to wait at most; default 10.

    Returns:
        Whether all of it was handed to the posthog client in time.
    """
    return _worker.flush(10.0 if timeout is None else timeout)


def stats() -> dict[str, int]:
    """Return what became of the events of this process, by name, and how many faults were swallowed."""
    counted = {"admitted": 0, **_worker.counts, "queued": _worker.queue.qsize(), "open_steps": len(open_steps)}
    counted |= {"held_back": _worker.sampler.held} if _worker.sampler.held else {}
    return counted | {f"fault: {kind}": number for kind, number in list(faults.items())}


def send_to(sink: Sink | None) -> Sink | None:
    """Send all events to this sink instead of PostHog; return the one before.  For `llm_track.testing`."""
    before, _worker.override = _worker.override, sink
    return before


def at_exit() -> None:
    """Do so when the interpreter ends; once more only if there is something new, as nobody waits twice for the old."""
    global _exiting, _given_up
    with guarded("deliver the last events"):
        if not _exiting or open_steps or _worker.waiting() != _given_up:
            _exiting = True
            shutdown()
            _given_up = _worker.waiting()


def shutdown() -> None:
    """Settle what is still open and deliver what is left, in bounded time.  Calls made later are still tracked."""
    with guarded("deliver the last events"):
        for step in list(open_steps.values()):
            step.stop()
        if left := _worker.deliver_last():
            logger.warning(
                "llm_track could not deliver %d events before the program ended: PostHog, its client or a processor is "
                "slow or cannot be reached. llm_track.flush() with a longer timeout, called before the program ends, "
                "waits longer.",
                left,
            )


def _after_fork() -> None:
    """A child starts with nothing: what the parent had queued or open, the parent sends."""
    global _worker, _busy
    _busy = threading.RLock()
    before, _worker = _worker, _Worker()
    _worker.override = before.override
    _worker.sink, _worker.sink_settings = before.sink, before.sink_settings  # the client mends itself after a fork
    open_steps.clear()


def _before_fork() -> None:
    global _held_for_fork
    _held_for_fork = _busy.acquire(timeout=2 * ANSWER_SECONDS)


def _after_fork_in_parent() -> None:
    if _held_for_fork:
        _busy.release()


atexit.register(at_exit)
leaving.deliver_by(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
