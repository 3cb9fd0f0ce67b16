"""`with` blocks that live in a generator: which of them the code that runs now is inside.

Such a block stays open while its generator is paused at a ``yield``, and the consumer's code runs in the same context,
or in a copy of it: without care its calls would look as if they were made inside the block.  And the next step may run
in a context that never heard of the block, as each step of a streamed HTTP response does.  The stack tells the truth
in both cases: code runs inside a block if the block's frame is among its callers.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

open_blocks: dict[int, dict[Body, Any]] = {}
"""What the blocks that have not ended stand for, by the `id` of their frame, the innermost last."""

_boundaries: set[CodeType] = set()


class Held:
    """The frame of a generator, to be held by something that lives in that frame, and by nothing else.

    In Python 3.10 a frame holds its variables: whoever else held it would keep an abandoned generator from being
    collected, and so from ever ending its block.
    """

    __slots__ = ("__weakref__", "frame")

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame


class Body:
    """A block in a generator."""

    __slots__ = ("_held", "_key", "_runner")

    def __init__(self, held: Held, meaning: Any) -> None:
        self._runner = _runner()
        self._held = weakref.ref(held)
        self._key = id(held.frame)
        open_blocks[self._key] = {**_blocks(held.frame), self: meaning}

    def frame(self) -> FrameType | None:
        """Return the frame that the block lives in, or ``None`` when its generator is gone."""
        held = self._held()
        return held.frame if held is not None else None

    def close(self) -> None:
        """Note that the block has ended."""
        left = open_blocks.pop(self._key, {})
        left.pop(self, None)
        if left:
            open_blocks[self._key] = left

    def started(self) -> bool:
        """Tell whether code in a copy of the block's context, but not called by the block, was started by it.

        Whoever stepped the generator into the block is its consumer, unless the block is on its stack.  Elsewhere it
        depends on what the generator does: one that runs, or that waits for something, has started what runs meanwhile;
        while one is paused its consumer has.  A generator that does not run has no caller.
        """
        frame = self.frame()
        if frame is None or _runner() == self._runner:
            return False
        return frame.f_back is not None or _waits(frame)


def lives_in(frame: FrameType) -> Held | None:
    """Return the frame that a block opened by ``frame`` lives in, to be held by the block's own object.

    What a context manager opens for somebody, an ``ExitStack`` or one of the program's own, lives where it is used.

    Returns:
        ``None`` unless it is the frame of a generator that yields to a consumer.  The consumer of a pytest fixture is
        meant to be inside; what awaits is none.
    """
    lives: FrameType | None = frame
    while lives is not None and (_is_entering(lives) or _module(_driver(lives)) == _CONTEXTLIB):
        lives = lives.f_back
    if lives is None or not lives.f_code.co_flags & _GENERATOR_FLAGS:
        return None
    if lives.f_code.co_flags & _ITERABLE_COROUTINE or lives.f_code.co_name == "__await__":
        return None
    return None if _module(lives.f_back).startswith("_pytest.") else Held(lives)


def innermost() -> tuple[Body, Any] | None:
    """Return the nearest block around the code that runs now, and what it stands for.

    The search ends at a function that says where it stands by itself, see `boundary`.
    """
    for frame in _callers():
        if frame.f_code in _boundaries:
            return None
        if id(frame) in open_blocks:
            blocks = _blocks(frame)
            if blocks:
                return list(blocks.items())[-1]
    return None


def boundary(code: CodeType) -> None:
    """Note a function that takes the steps of a generator or coroutine inside a node that it puts in place itself."""
    _boundaries.add(code)


def runs_a_loop(body: Body) -> bool:
    """Tell whether the code that runs now is a task of an event loop that the block runs: it may be anybody's."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return False
    task = asyncio.current_task()
    root = getattr(task.get_coro(), "cr_frame", None) if task is not None else None
    for frame in _callers():
        if frame is root:
            return True
        if frame is body.frame():
            return False
    return False


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _blocks(frame: FrameType) -> dict[Body, Any]:
    """The open blocks of a frame; an `id` may be that of a frame long gone."""
    return {body: meaning for body, meaning in open_blocks.get(id(frame), {}).items() if body.frame() is frame}


def _is_entering(frame: FrameType) -> bool:
    return frame.f_code.co_name in ("__enter__", "__aenter__") or _module(frame) == _CONTEXTLIB


def _driver(frame: FrameType) -> FrameType | None:
    """Who takes the steps of a generator, past the generators that only pass them on."""
    driver = frame.f_back
    if frame.f_code.co_flags & _GENERATOR_FLAGS:
        while driver is not None and driver.f_code.co_flags & _GENERATOR_FLAGS:
            driver = driver.f_back
    return driver


def _module(frame: FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _waits(frame: FrameType) -> bool:
    """Tell whether an async generator stands at an ``await``, not at a ``yield``: by the instruction it resumes at."""
    if not frame.f_code.co_flags & _ASYNC_GENERATOR:
        return False
    from opcode import opname  # only for spans inside async generators

    code = frame.f_code.co_code
    for at in (frame.f_lasti, frame.f_lasti + 2):  # Python 3.13 notes the next instruction, earlier ones the last
        name, argument = opname[code[at]], code[at + 1]
        if name == "RESUME":
            return argument & 3 >= 2
        if name == "YIELD_FROM":  # Python 3.10
            return True
    return False


_ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x100, 0x200  # CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR of `inspect`
_GENERATOR_FLAGS = 0x20 | _ASYNC_GENERATOR
_CONTEXTLIB = "contextlib"


def _runner() -> tuple[int, Any]:
    """The thread and, where there is one, the task; neither asyncio nor trio is imported for it."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return get_ident(), asyncio.current_task()
    if trio is not None and hasattr(trio, "lowlevel") and trio.lowlevel.in_trio_task():
        return get_ident(), trio.lowlevel.current_task()
    return get_ident(), None
