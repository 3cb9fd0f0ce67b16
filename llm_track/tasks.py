"""An asyncio task that starts while a generator's block is open belongs to who started it: the body or its consumer.

Both run in one context, which a new task copies, so the context cannot tell them apart; the moment of creation can.
While such a block is open its event loop gets a task factory, the official place to hear of that moment, which puts the
exact node into the context that the new task copies.  It goes when the last block ends, and makes the tasks that would
have been made without it.
"""

from __future__ import annotations

import sys
from typing import Any

from llm_track import context


def follow() -> _Factory | None:
    """Follow the tasks of the running loop, if one runs in this thread; to be given to `unfollow`."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio is not None else None
    if loop is None:
        return None
    factory = loop.get_task_factory()
    if not isinstance(factory, _Factory):
        factory = _Factory(loop, factory)
        loop.set_task_factory(factory)
    factory.blocks += 1
    return factory


def unfollow(factory: _Factory | None) -> None:
    """Stop following when no other block is open; a factory that the program set meanwhile stays."""
    if factory is None:
        return
    factory.blocks -= 1
    if factory.blocks == 0 and factory.loop.get_task_factory() is factory:
        factory.loop.set_task_factory(factory.programs_own)


class _Factory:
    """Makes the tasks of one event loop, as the program's own factory or asyncio does."""

    def __init__(self, loop: Any, programs_own: Any) -> None:
        self.loop = loop
        self.programs_own = programs_own
        self.blocks = 0

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


def _task(loop: Any, coroutine: Any, **options: Any) -> Any:
    return sys.modules["asyncio"].Task(coroutine, loop=loop, **options)
