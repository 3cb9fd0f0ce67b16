"""Writing a test once for an SDK's synchronous and asynchronous client.

A form is a coroutine function that asks its mode to call, iterate, enter and close.  The synchronous mode never waits,
so that such a coroutine ends with its first step, without an event loop.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import llm_track


class SyncMode:
    """Plain calls."""

    name = "sync"
    prefix = ""

    def run(self, form: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine that never waits."""
        try:
            form.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a synchronous form waited")

    def close(self) -> None:
        """End nothing: there is no loop."""

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns."""
        return function(*args, **kwargs)

    async def items(self, stream: Any) -> list[Any]:
        """Read a stream to its end."""
        return list(stream)

    async def first(self, stream: Any) -> Any:
        """Read one item of a stream and stop, as a ``break`` does."""
        for item in stream:
            return item
        raise AssertionError("an empty stream")

    @asynccontextmanager
    async def within(self, manager: Any) -> AsyncIterator[Any]:
        """Enter an SDK's context manager."""
        with manager as entered:
            yield entered

    async def together(self, forms: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run forms at the same time, in a thread each."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.run, forms))

    async def collect_garbage(self) -> None:
        """Have dropped objects die now; a thread of the SDK's may hold one for a moment."""
        for _ in range(200):
            gc.collect()
            if not llm_track.stats()["open_steps"]:
                return
            time.sleep(0.005)


class AsyncMode:
    """Awaited calls, on one event loop for all tests."""

    name = "async"
    prefix = "Async"

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, form: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop."""
        return self.loop.run_until_complete(form)

    def close(self) -> None:
        """End the loop."""
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns, awaited where it has to be."""
        result = function(*args, **kwargs)
        return await result if isawaitable(result) else result

    async def items(self, stream: Any) -> list[Any]:
        """Read a stream to its end."""
        return [item async for item in stream]

    async def first(self, stream: Any) -> Any:
        """Read one item of a stream and stop, as a ``break`` does."""
        async for item in stream:
            return item
        raise AssertionError("an empty stream")

    @asynccontextmanager
    async def within(self, manager: Any) -> AsyncIterator[Any]:
        """Enter an SDK's asynchronous context manager."""
        async with manager as entered:
            yield entered

    async def together(self, forms: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run forms at the same time, in a task each."""
        await asyncio.gather(*forms)

    async def collect_garbage(self) -> None:
        """Have dropped objects die now; the loop closes their generators in steps, and each frees the next."""
        for _ in range(20):
            gc.collect()
            if not llm_track.stats()["open_steps"]:
                return
            await asyncio.sleep(0.005)


Mode = SyncMode | AsyncMode
