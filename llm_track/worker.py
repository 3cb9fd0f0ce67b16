"""The one background thread: it turns settled calls and spans into events and hands them to the sink.

The caller's thread pays for one `put`.  Formats, processors and the posthog client run here, inside the context of the
call they describe.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
from collections import Counter
from contextvars import Context
from time import monotonic
from typing import Any

from llm_track import processors, properties, reader, sampling
from llm_track._guard import faults, guarded, logger, own_thread
from llm_track.calls import Call
from llm_track.config import Settings, settings
from llm_track.records import Event, Record
from llm_track.settling import Finished, open_steps
from llm_track.sinks import Sink

LONGEST_QUEUE = 100_000
ANSWER_SECONDS = 2.5
"""How long the end of the program is held up while nothing of what is left is taken."""
EXIT_SECONDS = 10.0
"""How long it is held up at most, while events are taken."""


class _Worker:
    """The queue, its thread and its sink; made anew in a forked child."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sink: Sink | None = None
        self.sink_settings: Settings | None = None
        self.override: Sink | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._prepared = threading.Event()
        self._markers = 0
        """How many of the entries of the queue are no events but mark how far it was worked off."""
        self._handling = False

    @property
    def queue(self) -> queue.SimpleQueue[Any]:
        """The queue, made at first use: by then gevent, if it is used, has replaced queues and threads alike."""
        made: queue.SimpleQueue[Any] | None = self.__dict__.get("_queue")
        return made if made is not None else self.__dict__.setdefault("_queue", queue.SimpleQueue())

    def put(self, work: Any) -> None:
        if self.queue.qsize() >= LONGEST_QUEUE:
            self.counts["dropped_queue_full"] += 1
            if self.counts["dropped_queue_full"] == 1:
                logger.warning(
                    "llm_track drops events: %d are waiting. Calls are unaffected; see llm_track.stats().",
                    LONGEST_QUEUE,
                )
            return
        self.queue.put(work)
        if self._thread is None:
            self.start()

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
                    _deliver_before_a_child_leaves()
        finally:
            self._starting.release()

    def _run(self) -> None:
        own_thread()
        with _busy, guarded("prepare the delivery of events", background=True):
            self._sink()  # builds the client now, while the program still runs: it starts threads of its own
        self._prepared.set()
        while True:
            self._handle(self.queue.get())

    def _handle(self, work: Any) -> None:
        if isinstance(work, threading.Event):
            self._markers -= 1
            work.set()
            return
        done, self._handling = False, True
        with _busy, guarded("turn a call into an event", background=True):
            self._deliver(work)
            done = True
        if not done:
            self.counts["dropped_fault"] += 1
        work.forget()
        self._handling = False

    def _deliver(self, work: Any) -> None:
        chosen = settings()
        record: Record | None = reader.model_call(work) if isinstance(work, Call) else work.record()
        if record is None:
            self.counts["polls"] += 1
            return
        event = self._event(record, chosen)
        if event is None:
            return
        sink = self._sink()
        if sink is None:
            self.counts["dropped_no_key"] += 1
        elif (work.context or Context()).run(sink.emit, event):
            self.counts["admitted"] += 1
        else:
            self.counts["dropped_refused_by_client"] += 1

    def _event(self, record: Record, chosen: Settings) -> Event | None:
        event = properties.event(record)
        if event.no_log:
            self.counts["no_log"] += 1
            return None
        if not sampling.keep(event, chosen.sample_rate):
            self.counts["sampled_out"] += 1
            return None
        kept = processors.run([*processors.built_in(chosen), *chosen.processors], event)
        if kept is None:
            self.counts["dropped_by_processor"] += 1
        return kept

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
        from llm_track.sinks import posthog

        self.sink, self.sink_settings = posthog.build(chosen, self.counts), chosen
        atexit.unregister(at_exit)  # exit hooks run last in, first out: ours must run before the client's
        atexit.register(at_exit)

    def waiting(self) -> int:
        """Return how many events have yet to be delivered."""
        left = self.queue.qsize() - self._markers + self._handling
        return left + (self.sink.waiting() if self.sink is not None else 0)

    def flush(self, timeout: float, *, last: bool = False) -> bool:
        """Wait until everything put so far has been handed to the sink, then flush the sink."""
        until = monotonic() + timeout
        if not self.drain(timeout):
            return False
        if self.sink is not None:
            with guarded("flush the posthog client", background=True):
                self.sink.flush(max(until - monotonic(), 0.0), last=last)
        return True

    def deliver_last(self) -> int:
        """Deliver for as long as events are taken, and not for ever; return how many are left."""
        until, before = monotonic() + EXIT_SECONDS, self.waiting()
        if self._thread is not None and self._thread.is_alive():
            self._prepared.wait(EXIT_SECONDS)  # a busy machine may still be importing the client
        while True:
            self.flush(min(ANSWER_SECONDS, max(until - monotonic(), 0.0)), last=True)
            left = self.waiting()
            if not left or left >= before or monotonic() >= until:
                return left
            before = left

    def drain(self, timeout: float) -> bool:
        """Wait until everything put so far has been handed to the sink."""
        if self._thread is None or not self._thread.is_alive():
            self._drain_here(monotonic() + timeout)
            return True
        passed = threading.Event()
        self._markers += 1
        self.queue.put(passed)
        return passed.wait(timeout)

    def _drain_here(self, until: float) -> None:
        """Where no thread runs (a fork, an interpreter that ends) the queue is worked off on the calling thread."""
        while monotonic() < until:
            try:
                work = self.queue.get_nowait()
            except queue.Empty:
                return
            self._handle(work)


_worker = _Worker()
_busy = threading.RLock()
"""Held by the worker while it works.  A fork waits for it: amid an import, or amid the client's first look at the
machine, it would leave the child with locks that nobody opens."""
_held_for_fork = False
_exiting = False
"""From Python 3.12 on no thread starts once the interpreter ends: what is left is worked off where it is flushed."""


def put(work: Call | Finished) -> None:
    """Hand over a settled call or span; never blocks and never raises."""
    with _PUT:
        _worker.put(work)


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
    return counted | {f"fault: {kind}": number for kind, number in faults.items()}


def send_to(sink: Sink | None) -> Sink | None:
    """Send all events to this sink instead of PostHog; return the one before.  For `llm_track.testing`."""
    before, _worker.override = _worker.override, sink
    return before


def at_exit() -> None:
    """Settle what is still open and deliver what is left, in bounded time."""
    global _exiting
    _exiting = True
    shutdown()


def _deliver_before_a_child_leaves() -> None:
    """A child of `multiprocessing` leaves without running exit hooks, but it runs the finalizers of that module."""
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        multiprocessing.Finalize(None, shutdown, exitpriority=0)


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
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
