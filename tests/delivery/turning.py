"""Programs on event loops, which turn while events are made and PostHog gives no answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import llm_track
from tests.delivery.producing import ask, flush, make, say

TURNS = 100
"""So many times a loop turns, at least, while nothing is answered."""
_EACH = 0.01


class Clock:
    """Looks at the time at each turn, and says how long the longest took."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._longest = 0.0

    def look(self) -> None:
        """Note a turn."""
        now = time.monotonic()
        self._longest, self._last = max(self._longest, now - self._last), now

    async def turn(self, sleep: Callable[[float], Awaitable[Any]]) -> None:
        """Note many, of a loop that sleeps so."""
        for _ in range(TURNS):
            await sleep(_EACH)
            self.look()

    def tell(self) -> None:
        """Say what was longest."""
        say(turn=self._longest)


def greenlets(number: int, *, count: int) -> None:
    """Make events in greenlets, while others start programs: gevent forks for that, in Python."""
    import gevent

    clock = Clock()
    working = [gevent.spawn(make, number, pause=0.002) for _ in range(count)]
    working += [gevent.spawn(subprocess.run, [sys.executable, "-c", ""], check=True) for _ in range(3)]
    while not all(each.ready() for each in working):
        gevent.sleep(_EACH)
        clock.look()
    flusher = gevent.spawn(flush)
    for _ in range(TURNS):
        gevent.sleep(_EACH)
        clock.look()
    ask("heal")
    gevent.joinall([*working, flusher], raise_error=True)
    clock.tell()


async def _make(number: int, sleep: Callable[[float], Awaitable[Any]]) -> None:
    prefix = f"task {uuid4().hex}"
    for each in range(number):
        async with llm_track.llm_span(f"{prefix} {each}"):
            await sleep(0)
    say(made=[prefix, number])


def uvloop_tasks(number: int, *, count: int) -> None:
    """Make events in tasks of asyncio, on uvloop."""
    import uvloop

    async def heal(clock: Clock) -> None:
        await clock.turn(asyncio.sleep)
        await asyncio.to_thread(ask, "heal")

    async def together() -> None:
        clock = Clock()
        await asyncio.gather(*(_make(number, asyncio.sleep) for _ in range(count)), clock.turn(asyncio.sleep))
        await asyncio.gather(asyncio.to_thread(flush), heal(clock))
        clock.tell()

    uvloop.run(together())


def trio_tasks(number: int, *, count: int) -> None:
    """Make events in tasks of trio."""
    import trio

    async def together() -> None:
        clock = Clock()
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(_make, number, trio.sleep)
            nursery.start_soon(clock.turn, trio.sleep)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, flush)
            await clock.turn(trio.sleep)
            await trio.to_thread.run_sync(partial(ask, "heal"))
        clock.tell()

    trio.run(together)
