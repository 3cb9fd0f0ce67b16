"""What the end of the interpreter means for work that must be whole before it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from llm_track._guard import raised_by


def before_the_end(work: Callable[[], None]) -> None:
    """Do something in a thread that the interpreter waits for before it runs exit hooks, and wait for it here.

    The posthog client registers its hook before it is whole.  A program that ended at that moment would have that hook
    fail, and hooks that are registered while hooks are run never run themselves.
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
