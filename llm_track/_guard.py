"""The one place that catches everything, so that a fault of llm_track never becomes a fault of the program.

>>> with guarded("read the request"):
...     ...

Each kind of fault is logged once and counted always.  Under pytest it is raised, so that nobody develops against a
bug that production would hide.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakSet

from llm_track.errors import ConfigurationError

T = TypeVar("T")

logger = logging.getLogger("llm_track")

faults: Counter[str] = Counter()
"""How often each kind of fault was swallowed; part of `llm_track.stats()`."""

raised_in_background: list[BaseException] = []
"""Faults of the worker's thread under pytest, for `llm_track.testing` to raise where a test can see them."""


_own: WeakSet[threading.Thread] = WeakSet()
"""Not a `threading.local`: all greenlets would share what was made before gevent replaced that."""


def own_thread() -> None:
    """Note that this thread is llm_track's own: nobody interrupts it, so whatever is raised there is a fault."""
    _own.add(threading.current_thread())


def under_pytest() -> bool:
    """Tell whether a test is running."""
    return "PYTEST_CURRENT_TEST" in os.environ


class guarded:  # noqa: N801  a context manager that reads as a word: "with guarded(...)"
    """Swallow and report any `Exception` of the block; say what was being done as a verb phrase.

    With ``background=True`` a fault is kept for `llm_track.testing` instead of raised: a thread has nobody to raise to.
    On llm_track's own thread a processor's ``SystemExit`` is a fault like any other: it must not end the thread.
    An instance holds no state and may be shared and nested.
    """

    __slots__ = ("background", "doing")

    def __init__(self, doing: str, *, background: bool = False) -> None:
        self.doing = doing
        self.background = background

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not (isinstance(error, Exception) or threading.current_thread() in _own):
            return False
        if under_pytest():
            if self.background:
                raised_in_background.append(error)
            return self.background
        _report(self.doing, error)
        return True


def attempt(function: Callable[..., T], *args: Any, otherwise: T) -> T:
    """Return what a function returns that runs code of the program; if that code raises, return ``otherwise``.

    Not a fault of llm_track, so neither logged nor counted nor raised under pytest.
    """
    try:
        return function(*args)
    except Exception:  # noqa: BLE001  foreign code may raise anything; this file is the one place that may say so
        return otherwise


def raised_by(function: Callable[..., object], *args: Any) -> Exception | None:
    """Return what a function raises that is not llm_track's, or ``None``, for a caller that tells the developer."""
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001  foreign code may raise anything
        return error
    return None


_said: set[str] = set()


def say_once(text: str) -> None:
    """Log a warning for the developer, once per process."""
    if text not in _said:
        _said.add(text)
        logger.warning(text)


def _report(doing: str, error: BaseException) -> None:
    kind = f"{doing}: {type(error).__name__}"
    faults[kind] += 1
    if faults[kind] == 1:
        logger.warning(
            "llm_track could not %s (%s %s). The program's calls are unaffected; an event may lack details. "
            "This is logged once and counted in llm_track.stats().",
            doing,
            type(error).__name__,
            error if isinstance(error, ConfigurationError) else f"at {_where(error)}",
        )
        logger.debug("llm_track could not %s", doing, exc_info=error)


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "an unknown line"
