"""Functions of the program that may never return, run so that nothing waits for one longer than it may.

Python cannot stop a function.  It is run in a thread of its own, which is left behind where it takes too long; with too
many left behind no more is begun.  A function that holds the interpreter meanwhile, as a regular expression does, holds
up everything until it is done: nothing written in Python can help that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from llm_track import context
from llm_track._guard import own_thread
from llm_track.errors import RedactionTimeoutError

T = TypeVar("T")
_MOST_LEFT_BEHIND = 4


class _Task(Generic[T]):
    """One run of a function: its result or its exception, once it is done."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.done = threading.Event()
        self.results: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.results.append(self._function())
        except BaseException as error:  # noqa: BLE001  handed on to who waits for it, in another thread
            self.error = error
        self.done.set()


class Runner:
    """Runs functions one after the other in a thread, which is replaced when one takes too long."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task[Any] | None] | None = None
        self._process = 0
        self._left_behind: list[_Task[Any]] = []

    def run(self, function: Callable[[], T], seconds: float) -> T:
        """Return what a function returns, or raise what it raises.

        Raises:
            RedactionTimeoutError: when it takes longer, or when too many did that have not returned since.
        """
        self._left_behind = [task for task in self._left_behind if not task.done.is_set()]
        if len(self._left_behind) >= _MOST_LEFT_BEHIND:
            raise RedactionTimeoutError(f"{_MOST_LEFT_BEHIND} redactions have not returned; no other is begun")
        task = _Task(function)
        tasks = self._queue()
        if tasks is None:
            task.run()
        else:
            tasks.put(task)
            if not task.done.wait(seconds):
                self._left_behind.append(task)
                self._tasks = None
                tasks.put(None)  # its thread ends if the function ever returns
                raise RedactionTimeoutError(f"it took more than {seconds:g} s")
        if task.error is not None:
            raise task.error
        return task.results[0]

    def _queue(self) -> SimpleQueue[_Task[Any] | None] | None:
        """Return the queue of a thread that runs; ``None`` once the interpreter ends and no thread starts any more."""
        if self._process != os.getpid():
            self._process, self._tasks, self._left_behind = os.getpid(), None, []
        if self._tasks is None:
            tasks: SimpleQueue[_Task[Any] | None] = SimpleQueue()
            try:
                threading.Thread(target=_work, args=(tasks,), name="llm_track redaction", daemon=True).start()
            except RuntimeError:
                return None
            self._tasks = tasks
        return self._tasks


def _work(tasks: SimpleQueue[_Task[Any] | None]) -> None:
    own_thread()
    context.be_silent()
    while (task := tasks.get()) is not None:
        task.run()
        del task  # or the last event would be kept until the next one
