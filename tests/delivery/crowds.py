"""Programs in which many processes, threads or tasks make events."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from uuid import uuid4

import llm_track
from tests.delivery.producing import PATIENCE, ask, flush, make, pause, say, taken, tell


def children(number: int, *, method: str, count: int) -> None:
    """Have processes of `multiprocessing` make events."""
    context = multiprocessing.get_context(method)
    make(number)
    processes = [context.Process(target=make, args=(number,)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def pool(number: int, *, method: str) -> None:
    """Have the workers of a pool make events."""
    make(number)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        list(executor.map(make, [1] * number))


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return child


def forks(number: int) -> None:
    """Fork a child that flushes and leaves."""

    def work() -> None:
        make(number)
        flush()
        tell()

    make(number)
    os.waitpid(_fork(work), 0)


def prefork(number: int, *, count: int, ending: str) -> None:
    """Fork servers while events of the parent wait, as PostHog is away; they make their own, and end."""

    def work() -> None:
        make(number)
        if ending == "kill":
            pause(number)
            os.kill(os.getpid(), signal.SIGKILL)
        flush()
        tell()

    make(number)
    taken(number)
    servers = [_fork(work) for _ in range(count)]
    if ending != "kill":
        ask("heal")
    for server in servers:
        os.waitpid(server, 0)
    if ending == "kill":
        ask("heal")
    flush()


def threads(number: int, *, count: int) -> None:
    """Make events on many threads at once."""
    running = [threading.Thread(target=make, args=(number,)) for _ in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def tasks(*, count: int) -> None:
    """Make an event in each of many tasks."""

    async def task(prefix: str, number: int) -> None:
        with llm_track.llm_span(f"{prefix} {number}"):
            await asyncio.sleep(0)

    async def together() -> None:
        prefix = f"task {uuid4().hex}"
        await asyncio.gather(*(task(prefix, number) for number in range(count)))
        say(made=[prefix, count])

    asyncio.run(together())


def _lingers(number: int, ready: Any) -> None:
    make(number)
    pause(number)
    ready.wait(PATIENCE)
    time.sleep(PATIENCE)


def terminates(number: int, *, method: str, count: int) -> None:
    """Terminate children that have made events which nobody took."""
    context = multiprocessing.get_context(method)
    ready = context.Barrier(count + 1)
    processes = [context.Process(target=_lingers, args=(number, ready)) for _ in range(count)]
    for process in processes:
        process.start()
    ready.wait(PATIENCE)
    for process in processes:
        process.terminate()
        process.join()


def forks_amid_threads(number: int, *, count: int) -> None:
    """Fork children, which make events and flush, while threads make events and the first of them are sent."""

    def work() -> None:
        make(number)
        flush()
        tell()

    running = [threading.Thread(target=make, args=(number,), kwargs={"pause": 0.02}) for _ in range(count)]
    for thread in running:
        thread.start()
    forked = []
    for _ in range(count):
        forked.append(_fork(work))
        time.sleep(0.1)  # each at another moment of what threads do for the first time
    for child in forked:
        os.waitpid(child, 0)
    for thread in running:
        thread.join()
