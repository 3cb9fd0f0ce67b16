"""Threads, pools and the contexts they run in."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextvars import ContextVar, copy_context
from typing import Any

from observe import SDK, llm_track, program, raises, settle, show

MINE: ContextVar[str] = ContextVar("mine", default="default")
SYNC = [SDK(name, asynchronous=False) for name in ("openai", "anthropic")]


def _work(number: int, *more: int, key: str = "none") -> Any:
    if number == 3:
        raise ValueError("three")
    return number, more, key, MINE.get()


@program
def pools() -> None:
    """A pool inside a span returns the same futures, results, errors and names, and sees its own context variables."""
    MINE.set("outer")
    with llm_track.llm_span("block"), ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        futures = [pool.submit(_work, number, 2, key="k") for number in range(5)]
        show("futures", [type(future) is Future for future in futures], [type(item.exception()) for item in futures])
        for future in futures:
            with raises("result"):
                show("result", future.result())
        show("mapped", list(pool.map(_work, [1, 2], [4, 5])), pool.submit(threading.current_thread).result().name)
        show("waited", len(wait(futures).done), len(list(as_completed(futures))))
        show("method", pool.submit("a-b".split, "-").result(), pool.submit(dict, function=1, node=2).result())
        show("cancel", pool.submit(_work, 1).cancel() in (True, False), MINE.get())
        for arguments in ((), (None,), ("text",)):
            with raises(f"submit{arguments}"):
                pool.submit(*arguments).result()
        with raises("by name"):
            pool.submit(fn=_work)
    with raises("closed"):
        pool.submit(_work, 1)


@program
def variables_in_pools() -> None:
    """What work in a pool sets in its context stays in the pool's thread, as it did."""

    def sets(text: str) -> str:
        before = MINE.get()
        MINE.set(text)
        return before

    with ThreadPoolExecutor(1) as pool, llm_track.llm_span("block"):
        MINE.set("outer")
        show("before", [pool.submit(sets, text).result() for text in "abc"], MINE.get())
        show("copied", pool.submit(copy_context().run, sets, "d").result(), pool.submit(MINE.get).result())
    with ThreadPoolExecutor(1, initializer=MINE.set, initargs=("initial",)) as pool, llm_track.llm_span("block"):
        show("initial", pool.submit(MINE.get).result())


@program
def calls_in_pools() -> None:
    """Calls, streams and failures made in a pool inside a span come back the same."""
    for sdk in SYNC:
        with llm_track.llm_span("block"), ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda mode, sdk=sdk: sdk.ask(sdk.client(mode)), ["ok"] * 3))
            show("equal", answers[0] == answers[1] == answers[2], answers[0])
            with raises("failed"):
                pool.submit(sdk.ask, sdk.client("e400")).result()
            stream = pool.submit(sdk.ask, sdk.client(), stream=True).result()
            show("chunks", list(stream))


class Counting(ThreadPoolExecutor):
    """A pool of the program's own."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        print("submit", getattr(fn, "__name__", fn), args, kwargs)
        return super().submit(fn, *args, **kwargs)


@program
def pools_of_the_program() -> None:
    """A subclass of the pool is given what the program submits."""
    with Counting(1) as pool, llm_track.llm_span("block"):
        show("result", pool.submit(_work, 1, key="k").result(), list(pool.map(_work, [1, 2])))


@program
async def loops_and_threads() -> None:
    """to_thread and run_in_executor return the same, with the same context variables."""
    MINE.set("outer")
    loop = asyncio.get_running_loop()
    with llm_track.llm_span("block"):
        show("to_thread", await asyncio.to_thread(_work, 1, 2, key="k"), await loop.run_in_executor(None, _work, 1))
        with raises("error"):
            await asyncio.to_thread(_work, 3)
        with raises("executor error"):
            await loop.run_in_executor(None, _work, 3)
        for sdk in SYNC:
            show("call", await asyncio.to_thread(sdk.ask, sdk.client()))


@program
def plain_threads() -> None:
    """Threads of the program, with a copied context or without, run spans and calls as they did."""

    def work(sdk: SDK) -> None:
        with llm_track.llm_span("inner"):
            show("call", MINE.get(), threading.current_thread().name, sdk.ask(sdk.client()))

    MINE.set("outer")
    with llm_track.llm_span("outer"):
        for sdk in SYNC:
            for arguments in ({"target": work, "args": (sdk,)}, {"target": copy_context().run, "args": (work, sdk)}):
                thread = threading.Thread(name="mine", **arguments)
                thread.start()
                thread.join()


@program(processes=2)
def fork() -> None:
    """A fork inside a span, with a stream half read, goes on in both processes."""
    sdk = SYNC[0]
    stream = sdk.ask(sdk.client(), stream=True)
    with llm_track.llm_span("block"):
        show("first", next(stream))
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            show("in the child", sdk.ask(sdk.client()))
            settle()
            os._exit(0)
        show("ended", os.waitpid(child, 0)[1])
        show("rest", list(stream))
