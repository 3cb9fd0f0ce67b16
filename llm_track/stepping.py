"""Running generators, coroutines and async generators step by step, each step inside a span.

The span is the current node only while the body runs, never while its consumer does; so nothing leaks into the
consumer, and it does not matter which thread, task or context takes the next step.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from llm_track import context
from llm_track.settling import OpenStep
from llm_track.steps import end


def step_through(inner: Any, node: OpenStep, items: list[Any] | None = None) -> Generator[Any, Any, Any]:
    """Drive a generator, or what a coroutine awaits, with the node in place during each step; keep what it yields."""
    value: Any = None
    thrown: BaseException | None = None
    while True:
        before = context.place(node)
        try:
            item = inner.send(value) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            return stop.value
        finally:
            context.place(before)
            thrown = None
        if items is not None and len(items) < MOST_ITEMS:
            items.append(item)
        try:
            value = yield item
        except GeneratorExit:
            before = context.place(node)
            try:
                inner.close()
            finally:
                context.place(before)
            raise
        except BaseException as error:  # noqa: BLE001  it goes on, into the body, at the next step
            thrown, value = error, None


class _Steps:
    """Something to await, one step at a time inside a span."""

    __slots__ = ("_inner", "_node")

    def __init__(self, inner: Any, node: OpenStep) -> None:
        self._inner = inner
        self._node = node

    def __await__(self) -> Generator[Any, Any, Any]:
        return step_through(self._inner, self._node)


Opener = Callable[[], OpenStep | None]
"""Opens the span when the body takes its first step; ``None`` when nothing is to be tracked."""
Closer = Callable[[OpenStep, Any], None]
"""Tells the span what the body gave."""


def run_generator(inner: Generator[Any, Any, Any], opened: Opener, gave: Closer) -> Generator[Any, Any, Any]:
    """Return a generator that is ``inner`` inside a span."""
    node = opened()
    if node is None:
        return (yield from inner)
    items: list[Any] = []
    try:
        result = yield from step_through(inner, node, items)
    except BaseException as error:
        gave(node, items)
        end(node, error)
        raise
    gave(node, items)
    end(node, None)
    return result


MOST_ITEMS = 10_000
"""How many items of a generator its span keeps as output."""


async def run_coroutine(inner: Any, opened: Opener, gave: Closer) -> Any:
    """Return what a coroutine returns, having run it inside a span."""
    node = opened()
    if node is None:
        return await inner.take()
    try:
        result = await _Steps(inner.take().__await__(), node)
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
    step: Any = inner.asend(None)
    try:
        while True:
            try:
                item = await (step if node is None else _Steps(step, node))
            except StopAsyncIteration:
                break
            if len(items) < MOST_ITEMS:
                items.append(item)
            try:
                step = inner.asend((yield item))
            except GeneratorExit:
                closing: Any = inner.aclose()
                await (closing if node is None else _Steps(closing, node))
                raise
            except BaseException as error:  # noqa: BLE001  it goes on, into the body, at the next step
                step = inner.athrow(error)
    except BaseException as error:
        if node is not None:
            gave(node, items)
            end(node, error)
        raise
    if node is not None:
        gave(node, items)
        end(node, None)
