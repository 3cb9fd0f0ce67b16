"""Programs that make events and end in every way there is.

What they tell, one line of JSON each, is read by `running`: the names of the events that were made, what `stats` says,
and what the receiver shall do next, which they wait for.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import resource
import signal
import string
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from uuid import uuid4

import llm_track

PATIENCE = 60.0
"""Seconds for whatever must come true."""


def say(**said: object) -> None:
    """Write one line, in one piece: processes share the pipe."""
    sys.stdout.write(json.dumps({"pid": os.getpid(), **said}) + "\n")
    sys.stdout.flush()


def tell() -> None:
    """Say what became of the events of this process."""
    say(stats=llm_track.stats())


def ask(what: str) -> None:
    """Have the receiver do something, and wait until it is done."""
    say(ask=what)
    sys.stdin.readline()


def flush(seconds: float = PATIENCE) -> None:
    """Deliver, and say whether all was delivered."""
    say(flushed=llm_track.flush(seconds))


def make(number: int, *, pause: float = 0.0, word: str = "event", text: str | None = None) -> None:
    """Make events that can be told from all others."""
    prefix = f"{word} {uuid4().hex}"
    for each in range(number):
        with llm_track.llm_span(f"{prefix} {each}") as span:
            if text is not None:
                span.set(output=text)
        time.sleep(pause)
    say(made=[prefix, number])


def until(condition: Callable[[], object]) -> None:
    """Wait for something that must come true."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def taken(number: int) -> None:
    """Wait until so many events of this process are in its outbox, without delivering them."""
    until(lambda: llm_track.stats().get("admitted", 0) >= number)


def pause(number: int) -> None:
    """Let a second pass, in which so many events come to lie where a crash does not reach them."""
    time.sleep(1.0)
    taken(number)


def noise(size: int) -> str:
    """Return words that cannot be compressed by much."""
    letters = random.choices(string.ascii_letters, k=size)
    letters[7::8] = " " * len(letters[7::8])
    return "".join(letters)


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


def heir() -> None:
    """Make one event, and live until it is told to end: meanwhile it sends what the dead have left."""
    make(1)
    sys.stdin.read()
