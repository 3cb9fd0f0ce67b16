"""Programs that make events and end in every way there is."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time

import llm_track
from tests.delivery.producing import PATIENCE, ask, flush, make, noise, pause, taken, tell, until


def orderly(number: int) -> None:
    """Make events, and end."""
    make(number)


def exits(number: int) -> None:
    """End by `sys.exit`."""
    make(number)
    sys.exit(3)


def raises(number: int) -> None:
    """End by an exception that nobody catches."""
    make(number)
    raise ValueError("the end")


def leaves(number: int, *, how: str) -> None:
    """End by `os._exit`, which runs no exit hook, after a flush, or a pause, or at once."""
    make(number)
    if how == "flushes":
        flush()
    elif how == "pauses":
        pause(number)
    if how != "at once":
        tell()
    os._exit(0)


def killed(number: int, *, text: int = 0) -> None:
    """Be killed, without a flush."""
    make(number, text=noise(text) if text else None)
    pause(number)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_amid(number: int) -> None:
    """Be killed while events are sent, wherever that happens to be."""
    make(number, pause=0.01)
    until(lambda: llm_track.stats().get("admitted", 0) >= number)
    os.kill(os.getpid(), signal.SIGKILL)


def terminated(number: int, *, after_pause: bool) -> None:
    """Get SIGTERM, as from a supervisor that stops a service."""
    make(number)
    if after_pause:
        pause(number)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)  # the signal ends this process, now or when what is left is delivered


def catches(number: int) -> None:
    """Get SIGTERM with a handler of the program's own, which ends in good order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    make(number)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)


def outage(number: int, *, seconds: float) -> None:
    """Make events while PostHog is away, which comes back after some seconds; deliver all."""
    make(number)
    taken(number)
    time.sleep(seconds)
    ask("heal")
    flush()


def ends_in_outage(number: int, *, seconds: float) -> None:
    """End while PostHog is away, which comes back after some seconds."""
    make(number)
    taken(number)
    ask(f"heal in {seconds}")


def steady(*, seconds: float, rate: int) -> None:
    """Make so many events a second while PostHog is away all the time; it comes back, and all is delivered."""
    make(int(seconds * rate), pause=1 / rate)
    ask("heal")
    flush()


def fails_at_exit(number: int) -> None:
    """Deliver some events; then PostHog begins to fail, more are made, and the program ends."""
    make(number)
    flush()
    ask("fail")
    make(number)


def tries(number: int, *, flush_seconds: float = PATIENCE, each: int = 0, large: int = 0) -> None:
    """Make events of a size, and perhaps a large one, and flush."""
    make(number, text=noise(each) if each else None)
    if large:
        make(1, text=noise(large))
    flush(flush_seconds)


def poisons(number: int) -> None:
    """Make one bad event among good ones."""
    make(number)
    make(1, word="poison")
    make(number)
    flush()


def fills_spool(number: int, *, each: int) -> None:
    """Make more than the spool may hold."""
    make(number, text=noise(each))
    taken(number)


def on_full_disk(number: int, *, first: int, limit: int, flush_seconds: float = PATIENCE) -> None:
    """Make some events; then no file may grow beyond a limit, and more are made."""
    if first:
        make(first)
        pause(first)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    make(number)
    flush(flush_seconds)


def heir() -> None:
    """Make one event, and live until it is told to end: meanwhile it sends what the dead have left."""
    make(1)
    sys.stdin.read()


def large_and_killed(number: int, *, size: int) -> None:
    """Be killed when large events wait."""
    make(number, text=noise(size))
    pause(number)
    os.kill(os.getpid(), signal.SIGKILL)


def fills_outbox(number: int, *, each: int) -> None:
    """Make more than the memory may hold while PostHog is away, which comes back."""
    make(number, text=noise(each))
    taken(number)
    ask("heal")
    flush()


def fills_and_goes_on(number: int, *, each: int, more: int) -> None:
    """Make more than the spool may hold while PostHog is away, which comes back, and takes more."""
    make(number, text=noise(each))
    taken(number)
    ask("heal")
    flush()
    make(more, word="later")
    flush()


def loses_spool(number: int) -> None:
    """Have somebody remove the directory of the spool amid an outage."""
    make(number)
    pause(number)
    shutil.rmtree(os.environ.get("LLM_TRACK_SPOOL", ""), ignore_errors=True)
    make(number)
    taken(2 * number)
    ask("heal")
    flush()


def shuts_down(number: int) -> None:
    """Make more events after `llm_track.shutdown()`."""
    make(number)
    llm_track.shutdown()
    make(number)


def configures(number: int) -> None:
    """Set something else amid an outage."""
    make(number)
    taken(number)
    llm_track.configure(exceptions=True)
    make(number)
    taken(2 * number)
    ask("heal")
    flush()
