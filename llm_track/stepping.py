"""Running generators, coroutines and async generators step by step, each step inside a span.

The span is the current node only while the body runs, never while its consumer does; so nothing leaks into the
consumer, and it does not matter which thread, task or context takes the next step.
"""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from llm_track.placing import Steps, step
from llm_track.settling import OpenStep
from llm_track.steps import end

Opener = Callable[[], OpenStep | None]
"""Opens the span when the body takes its first step; ``None`` when nothing is to be tracked."""
Closer = Callable[[OpenStep, Any], None]
"""Tells the span what the body gave."""

MOST_ITEMS = 10_000
"""How many items of a generator its span keeps as output."""


def _keep(items: list[Any], item: Any) -> None:
    if len(items) < MOST_ITEMS:
        items.append(item)


def run_generator(inner: Generator[Any, Any, Any], opened: Opener, gave: Closer) -> Generator[Any, Any, Any]:
    """Return a generator that is ``inner`` inside a span."""
    node = opened()
    if node is None:
        return (yield from inner)
    items: list[Any] = []
    value, thrown = None, None
    while True:
        try:
            item = step(inner, node, value, thrown)
        except StopIteration as stop:
            gave(node, items)
            end(node, None)
            return stop.value
        except BaseException as error:
            gave(node, items)
            end(node, error)
            raise
        finally:
            thrown = None
        _keep(items, item)
        try:
            value = yield item
        except BaseException as error:  # noqa: BLE001  it goes on, into the body, at the next step
            thrown, value = error, None


@types.coroutine
def run_iterable_coroutine(inner: Any, opened: Opener, gave: Closer) -> Generator[Any, Any, Any]:
    """The same for a generator that is meant to be awaited, by `types.coroutine`."""
    return (yield from run_generator(inner, opened, gave))


async def run_coroutine(inner: Any, opened: Opener, gave: Closer) -> Any:
    """Return what a coroutine returns, having run it inside a span."""
    node = opened()
    if node is None:
        return await inner.take()
    try:
        result = await Steps(inner.take().__await__(), node)
    except BaseException as error:
        end(node, error)
        raise
    gave(node, result)
    end(node, None)
    return result


async def run_async_generator(
    inner: AsyncGenerator[Any, Any], opened: Opener, gave: Closer
) -> AsyncGenerator[Any, Any]:
    """Return an async generator that is ``inner`` inside a span."""
    node = opened()
    items: list[Any] = []
    coming = _first_step(inner)
    while True:
        try:
            item = await (coming if node is None else Steps(coming, node))
        except StopAsyncIteration:
            _ended(node, items, gave, None)
            return
        except BaseException as error:
            _ended(node, items, gave, error)
            raise
        _keep(items, item)
        try:
            coming = inner.asend((yield item))
        except BaseException as error:  # noqa: BLE001  it goes on, into the body, at the next step
            coming = inner.athrow(error)


def _ended(node: OpenStep | None, items: list[Any], gave: Closer, error: BaseException | None) -> None:
    if node is not None:
        gave(node, items)
        end(node, error)


def _first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Begin an async generator unknown to the event loop: the one around it is known, and closes it."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=lambda generator: None)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
