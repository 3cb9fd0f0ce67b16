"""SIGTERM, on which Python ends without running exit hooks, unless the program says otherwise."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from llm_track._guard import guarded, say_once

_ARM = guarded("deliver what is left on SIGTERM")


_is_ending = False


def deliver_on_sigterm(deliver: Callable[[], None], say: Callable[[], None], seconds: Callable[[], float]) -> None:
    """Have what is left delivered, and then something said, before SIGTERM ends the process, in bounded time.

    A program with a handler of its own ends by itself, and its exit hooks run: it is left alone.
    """
    with _ARM:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        if threading.current_thread() is not threading.main_thread():
            say_once(
                "llm_track cannot deliver on SIGTERM: only the main thread may ask for that. Call "
                "llm_track.configure(flush_on_sigterm=True) there."
            )
            return
        signal.signal(signal.SIGTERM, lambda number, frame: _deliver_and_end(deliver, say, seconds()))


def _deliver_and_end(deliver: Callable[[], None], say: Callable[[], None], seconds: float) -> None:
    """Deliver in a thread of its own: this one may hold any lock where it was interrupted.  Then end as before.

    What is said is said here: the log's lock may be held by this thread, which then waits for nobody.  The first
    process of a container, number 1, is not ended by the signal, with llm_track or without: it goes on.
    """
    global _is_ending
    if _is_ending:
        return
    _is_ending = True
    thread = threading.Thread(target=deliver, name="llm_track sigterm", daemon=True)
    with _ARM:
        thread.start()
        thread.join(seconds)
        say()
    own = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, own)
        _is_ending = False
