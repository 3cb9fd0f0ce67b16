"""The end of the process, however it comes: what is left is delivered in bounded time, and what stays is told."""

from __future__ import annotations

import atexit
import threading

from llm_track import clock, config, ending, last_words, leaving, signals, worker
from llm_track._guard import guarded
from llm_track.settling import open_steps

_OS_EXIT_SECONDS = 5.0
"""How long `os._exit` is held up at most until what was recorded is in the spool."""

_has_ended = False
_given_up = 0
"""How many events were left when the end had been held up for long enough."""
_late_seconds = 0.0
"""How long what is recorded after the end may still be delivered, all in all."""


def shutdown() -> None:
    """Settle what is still open and deliver what is left, in ``exit_seconds`` at most, and say how much stays.

    Calls made later are still tracked.
    """
    try:
        _deliver()
    finally:  # also where somebody is tired of waiting, and interrupts it
        _say()


def _deliver() -> None:
    with guarded("deliver the last events"):
        for step in list(open_steps.values()):
            step.stop()
        worker.deliver_last(config.settings().exit_seconds)


def _say() -> None:
    with guarded("say what could not be delivered"):
        last_words.say(worker.current().waiting(), worker.current().sinks())


def _at_exit() -> None:
    """Do so when the process ends; once more only if there is something new, as nobody waits twice for the old."""
    global _has_ended, _given_up, _late_seconds
    with guarded("deliver the last events"):
        if _has_ended and not open_steps and worker.current().waiting() == _given_up:
            return
        _has_ended = True
        worker.end()
        shutdown()
        _given_up = worker.current().waiting()
        for each in worker.current().sinks():
            each.leave()
        _late_seconds = config.settings().exit_seconds
        worker.once_ended(_deliver_late)


def _deliver_late() -> None:
    """Deliver what is recorded after that, by exit hooks that were there before llm_track's and run after it."""
    global _late_seconds, _given_up
    if threading.get_ident() != threading.main_thread().ident:  # that has left the list of threads by then
        return  # it is stopped at any moment now
    began = clock.monotonic()
    left = worker.deliver_last(_late_seconds)
    _late_seconds = max(_late_seconds - (clock.monotonic() - began), 0.0)
    if left > _given_up:
        _say()
    _given_up = left


def _prepare() -> None:
    """Prepare for ends that run no exit hook, as far as the settings say so."""
    chosen = config.settings()
    if chosen.spool is not None:
        ending.before_os_exit(lambda: worker.make_events(_OS_EXIT_SECONDS))
    if chosen.flush_on_sigterm:
        signals.deliver_on_sigterm(_deliver, _say, lambda: chosen.exit_seconds + worker.EXIT_SECONDS)


worker.when_started(_prepare)
config.on_configured(_prepare)
atexit.register(_at_exit)
leaving.deliver_by(_at_exit)
