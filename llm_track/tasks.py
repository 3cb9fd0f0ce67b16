"""A task that starts while a generator's block is open belongs to who started it: the body or its consumer.

Both run in one context, which a new task copies, so the context cannot tell them apart; the moment of creation can.
While such a block is open its event loop is asked to tell of that moment, in the official way: by a task factory of
asyncio or an instrument of trio.  The exact node is put into the context of the new task.
"""

from __future__ import annotations

import sys
from typing import Any

from llm_track import context
from llm_track._guard import guarded

_FOLLOW = guarded("follow the tasks of trio")


def follow() -> _Factory | _Instrument | None:
    """Follow the tasks of the loop that runs in this thread, if one does; to be given to `unfollow`."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    follower: _Factory | _Instrument | None = None
    if asyncio is not None and (loop := asyncio._get_running_loop()) is not None:
        factory = loop.get_task_factory()
        follower = factory if isinstance(factory, _Factory) else _Factory(loop, factory)
    elif trio is not None and hasattr(trio, "lowlevel") and trio.lowlevel.in_trio_task():
        follower = _Instrument(trio.lowlevel)
    if follower is not None:
        follower.begin()
    return follower


def unfollow(follower: _Factory | _Instrument | None) -> None:
    """Stop following when no other block is open."""
    if follower is not None:
        follower.end()


class _Factory:
    """Makes the tasks of one event loop, as the program's own factory or asyncio does."""

    def __init__(self, loop: Any, programs_own: Any) -> None:
        self.loop = loop
        self.programs_own = programs_own
        self.blocks = 0

    def begin(self) -> None:
        self.blocks += 1
        if self.blocks == 1:
            self.loop.set_task_factory(self)

    def end(self) -> None:
        """A factory that the program set meanwhile stays."""
        self.blocks -= 1
        if self.blocks == 0 and self.loop.get_task_factory() is self:
            self.loop.set_task_factory(self.programs_own)

    def __call__(self, loop: Any, coroutine: Any, **options: Any) -> Any:
        make = self.programs_own or _task
        if options.get("context") is not None:  # the program says itself what the task is to know
            return make(loop, coroutine, **options)
        node = context.current()
        before = context.swap(context.alone(node))
        try:
            return make(loop, coroutine, **options)
        finally:
            context.swap(before)


class _Instrument:
    """Hears of the tasks of one trio run, on behalf of one block."""

    def __init__(self, lowlevel: Any) -> None:
        self.lowlevel = lowlevel

    def begin(self) -> None:
        self.lowlevel.add_instrument(self)

    def end(self) -> None:
        """Where a block ends outside of its run, in the garbage collector, the instrument stays, and does no harm."""
        if self.lowlevel.in_trio_task():
            self.lowlevel.remove_instrument(self)

    def task_spawned(self, task: Any) -> None:
        """Called by trio, within the call that starts the task."""
        with _FOLLOW:
            task.context.run(context.swap, context.alone(context.current()))


def _task(loop: Any, coroutine: Any, **options: Any) -> Any:
    return sys.modules["asyncio"].Task(coroutine, loop=loop, **options)
