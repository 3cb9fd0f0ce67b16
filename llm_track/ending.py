"""What the end of a program means for work that must be whole before it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from llm_track._guard import guarded, raised_by


def uninterrupted(work: Callable[[], None]) -> None:
    """Do something in a thread that the interpreter waits for before it runs exit hooks, and wait for it here.

    The posthog client registers its hook before it is whole.  A program that ended at that moment would have that hook
    fail.  What may take long, such as an import, has no place here: nothing would end the wait.
    """
    raised: list[Exception | None] = []
    thread = threading.Thread(target=lambda: raised.append(raised_by(work)), name="llm_track client", daemon=False)
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends: no thread starts any more
        work()
        return
    thread.join()
    for error in filter(None, raised):
        raise error


def started(thread: threading.Thread) -> bool:
    """Start a thread; false where none starts any more, as the interpreter ends."""
    try:
        thread.start()
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        return False
    return True


def before_os_exit(work: Callable[[], object]) -> None:
    """Have something done before `os._exit` ends the process, from now on; the last work that was given counts.

    That function runs no exit hook.  It is replaced only where a program asked for a spool: what its calls have
    recorded is to be in it.
    """
    global _work
    _work = work
    if os._exit is not _exit:
        os._exit = _exit


_work: Callable[[], object] | None = None
_really_exit = os._exit
_LAST = guarded("write the last events into the spool")


def _exit(status: int) -> Any:
    with _LAST:
        if _work is not None:
            _work()
    _really_exit(status)
