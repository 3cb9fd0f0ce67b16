"""Running something one step at a time, each step with a node in place.

Whatever is thrown in, a `GeneratorExit` included, is thrown on into the body, outside of any handler, so that the body
raises as it would alone.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from llm_track import bodies, context


def step(inner: Any, node: context.Node, value: Any, thrown: BaseException | None) -> Any:
    """Take one step of a generator."""
    before = context.place(node)
    try:
        return inner.send(value) if thrown is None else inner.throw(thrown)
    finally:
        thrown = None  # else the exception would hold this frame, and this frame the exception
        context.swap(before)


class Steps:
    """Something to await, one step at a time inside a node and the spans that it opened in it."""

    __slots__ = ("_inner", "_node")

    def __init__(self, inner: Any, node: context.Node) -> None:
        self._inner = inner
        self._node = node

    def __await__(self) -> Generator[Any, Any, Any]:
        """Take the steps here, not through `step`: each call would be one more line in the program's tracebacks."""
        inner, value, thrown = self._inner, None, None
        inside: context.Entry | None = context.on_top(self._node)
        while True:
            before = context.swap(inside)
            try:
                item = inner.send(value) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                return stop.value
            finally:
                thrown = None
                inside = context.swap(before)
            try:
                value = yield item
            except BaseException as error:  # noqa: BLE001  it goes on, into the body, at the next step
                thrown, value = error, None


bodies.boundary(step.__code__)
bodies.boundary(Steps.__await__.__code__)
