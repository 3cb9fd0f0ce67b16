"""The one background thread: it turns settled calls and spans into events and hands them to the sink.

The caller's thread pays for one `put`.  Formats, processors and the posthog client run here, inside the context of the
call they describe.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from time import process_time
from typing import TYPE_CHECKING, Any

from llm_track import batches, context, ending, forking, leaving, pipeline, reader
from llm_track._guard import guarded, logger, own_thread
from llm_track.clock import monotonic
from llm_track.config import Settings, settings
from llm_track.records import Place
from llm_track.sampling import Sampler
from llm_track.settling import open_steps
from llm_track.sinks import Sink
from llm_track.tallies import Tally

if TYPE_CHECKING:
    from llm_track.sinks.posthog import PostHogSink

LONGEST_QUEUE = 25_000
"""Calls and spans that wait to become events: some 1.7 KB each, beside what the program was asked and told."""
ANSWER_SECONDS = 2.5
"""How long the end of the program waits while nothing of what is left is taken."""
BUSY_SECONDS = 0.1
"""Processor time in such a while that says that events are being made: waiting needs less."""
EXIT_SECONDS = 10.0
"""How long it is held up at most while events are made of calls; for delivering them see `configure`."""


class _Worker:
    """The queue, its thread and its sink; made anew in a forked child."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.sink: PostHogSink | None = None
        self.former: list[PostHogSink] = []
        """Sinks of earlier settings that still have something to deliver."""
        self.sink_settings: Settings | None = None
        self.override: Sink | None = None
        self.sampler = Sampler()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._unmade: list[None] = []
        """One for each call and span that is no event yet.  A number that two threads change is soon wrong."""

    @property
    def queue(self) -> queue.SimpleQueue[Any]:
        """The queue, made at first use: by then gevent, if it is used, has replaced queues and threads alike."""
        made: queue.SimpleQueue[Any] | None = self.__dict__.get("_queue")
        return made if made is not None else self.__dict__.setdefault("_queue", queue.SimpleQueue())

    def put(self, work: Any) -> bool:
        waiting = self.queue
        if waiting.qsize() >= LONGEST_QUEUE and not callable(work):
            if self.tally.add("dropped_queue_full") == 1:
                said = "llm_track drops events: %d are waiting. Calls are unaffected; see llm_track.stats()."
                logger.warning(said, LONGEST_QUEUE)
            return False
        leaving.owe()
        if not callable(work):
            self._unmade.append(None)
        waiting.put(work)
        if self._thread is None:
            self.start()
        return True

    def start(self) -> None:
        """Start the thread.

        Whoever holds the lock does; nobody waits for it, as the garbage collector may lead here again on this thread.
        """
        if not self._starting.acquire(blocking=False):
            return
        try:
            with guarded("start the worker"):
                for prepare in _when_started:
                    prepare()
                if self._thread is None and not _exiting:
                    self._prepared = threading.Event()
                    thread = threading.Thread(target=self._run, name="llm_track", daemon=True)
                    self._thread = thread if ending.started(thread) else None
        finally:
            self._starting.release()

    def _run(self) -> None:
        own_thread()
        context.be_silent()
        with _busy, guarded("prepare the delivery of events", background=True):
            self._sink()  # builds the client now, while the program still runs: it starts threads of its own
        self._prepared.set()
        while True:
            work = self.queue.get()
            if _worker is self:  # not in a child: gevent's threads go on there
                self._handle(work)

    def _handle(self, work: Any) -> None:
        if callable(work):
            with _busy, guarded("prepare what is needed later", background=True):
                work()
            return
        self._handle_records(work)
        self._unmade.pop()

    def _handle_records(self, work: Any) -> None:
        records, more = batches.records(work, reader.model_call), True
        told: Place | None = None
        while more:  # one by one, with room between for a fork
            more = done = False
            with _busy, guarded("turn a call into an event", background=True):
                for record in records:
                    more = True
                    told = pipeline.deliver(record, work, self.sampler, self._sink, self.tally)
                    break
                done = True
            if not done:
                self.tally.add("dropped_fault")
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
        from llm_track.sinks import posthog

        before, self.sink = self.sink, posthog.build(chosen, self.sink)
        self.sink_settings = chosen
        if before is not None and (self.sink is None or self.sink.delivery is not before.delivery):
            self.former.append(before)
        for each in [each for each in self.former if not each.is_busy()]:
            self.former.remove(each)
            self.tally.take_over(each.tally)
            each.close()

    def sinks(self) -> list[PostHogSink]:
        """Return all sinks that may have something to deliver."""
        return [each for each in (self.sink, *self.former) if each is not None]

    def unmade(self) -> int:
        """Return how many calls and spans are no events yet."""
        return len(self._unmade) + batches.waiting()

    def waiting(self) -> int:
        """Return how many events have yet to be delivered."""
        return self.unmade() + sum(each.waiting() for each in self.sinks())

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far has been handed to the sink, then until that has delivered it."""
        until = monotonic() + timeout
        is_done = self.drain(timeout)
        if self.override is None:
            for each in self.sinks():
                is_delivered = False
                with guarded("deliver events", background=True):
                    is_delivered = each.flush(max(until - monotonic(), 0.0))
                is_done = is_done and is_delivered
        return is_done

    def deliver_last(self, seconds: float) -> None:
        """Make events of what was recorded, for as long as that goes on, and deliver them, for so long at most."""
        self._make_last()
        self.flush(seconds)

    def _make_last(self) -> None:
        until = monotonic() + EXIT_SECONDS
        if self._thread is not None and self._thread.is_alive():
            self._prepared.wait(EXIT_SECONDS)  # a busy machine may still be importing the client
        while True:
            before, computed = self.unmade(), process_time()
            if self.drain(min(ANSWER_SECONDS, max(until - monotonic(), 0.0))) or monotonic() >= until:
                return
            if self.unmade() == before and process_time() - computed <= BUSY_SECONDS:
                return

    def drain(self, timeout: float) -> bool:
        """Wait until everything put so far has been handed to the sink."""
        if self._thread is None or not self._thread.is_alive():
            self._drain_here(monotonic() + timeout)
            return True
        if timeout <= 0 or self._thread is threading.current_thread():  # a processor would wait for itself
            return self.unmade() <= 0
        passed = threading.Event()
        self.put(passed.set)
        return passed.wait(timeout)

    def _drain_here(self, until: float) -> None:
        """Where no thread runs (a fork, an interpreter that ends) the queue is worked off on the calling thread."""
        with suppress(queue.Empty):
            while monotonic() < until:
                self._handle(self.queue.get_nowait())


_worker = _Worker()
_when_started: list[Callable[[], None]] = []
_busy = forking.ordered(threading.RLock(), rank=0)
"""Held by the worker while it works.  A fork waits for it: amid an import it would leave locks that nobody opens."""
_exiting = False
"""Python 3.12 starts no thread once the interpreter ends: what is left is worked off where it is flushed."""


def put(work: Any) -> bool:
    """Hand over a settled call or span, or a function to be called there, without waiting; tell if there was room."""
    with _PUT:
        is_taken = _worker.put(work)
        if _deliver_late is not None and not callable(work):
            _deliver_late()
        return is_taken
    return False


_PUT = guarded("queue an event")
_deliver_late: Callable[[], None] | None = None


def once_ended(deliver: Callable[[], None]) -> None:
    """Have something called after everything that is put from now on: nobody else will deliver it."""
    global _deliver_late
    _deliver_late = deliver


def when_started(prepare: Callable[[], None]) -> None:
    """Have something called on the thread that starts the worker, before it does."""
    _when_started.append(prepare)


def start() -> None:
    """Start the thread, so that all is ready before the first event is."""
    _worker.start()


def flush(timeout: float | None = None) -> bool:
    """Deliver everything recorded so far.

    Args:
        timeout: seconds to wait at most; default 10.

    Returns:
        Whether PostHog has taken all of it; of a client of the program's own, whether it was handed all of it in time.
    """
    return _worker.flush(10.0 if timeout is None else timeout)


def make_events(timeout: float) -> bool:
    """Wait until everything recorded so far is an event, wherever that goes; tell whether it is."""
    return _worker.drain(timeout)


def deliver_last(seconds: float) -> int:
    """Make events of what was recorded, and deliver them in so many seconds; return how many are left."""
    if _worker.waiting() or _worker._thread is not None:
        _worker.deliver_last(seconds)
    return _worker.waiting()


def current() -> _Worker:
    """Return the worker of this process, to be asked what it has."""
    return _worker


def end() -> None:
    """Start no thread any more."""
    global _exiting
    _exiting = True


def send_to(sink: Sink | None) -> Sink | None:
    """Send all events to this sink instead of PostHog; return the one before.  For `llm_track.testing`."""
    before, _worker.override = _worker.override, sink
    return before


def _after_fork() -> None:
    """A child starts with nothing: what the parent had queued or open, the parent sends."""
    global _worker
    before, _worker = _worker, _Worker()
    _worker.override = before.override
    for each in before.sinks():
        each.inherited()
    open_steps.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
