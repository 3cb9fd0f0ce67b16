"""`with` blocks that live in a generator: which of them the code that runs now is inside.

Such a block stays open while its generator is paused at a ``yield``, and the consumer's code runs in the same context,
or in a copy of it: without care its calls would look as if they were made inside the block.  And the next step may run
in a context that never heard of the block, as each step of a streamed HTTP response does.  The stack tells the truth
in both cases: code runs inside a block if the block's frame is among its callers.
"""

from __future__ import annotations

import sys
import weakref
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

_open: dict[int, dict[Body, Any]] = {}
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
        _open[self._key] = {**_blocks(held.frame), self: meaning}

    def frame(self) -> FrameType | None:
        """Return the frame that the block lives in, or ``None`` when its generator is gone."""
        held = self._held()
        return held.frame if held is not None else None

    def close(self) -> None:
        """Note that the block has ended."""
        left = _open.pop(self._key, {})
        left.pop(self, None)
        if left:
            _open[self._key] = left

    def paused(self) -> bool:
        """Tell whether the code that runs now is outside of the block.

        A generator that does not run has no caller.  One that waits is different from one that is paused: then what
        runs in other tasks or threads was started inside the block.
        """
        frame = self.frame()
        if frame is None:
            return True
        if frame.f_back is not None:
            return False
        return not _waits(frame) or _runner() == self._runner


def opened_in(frame: FrameType) -> Held | None:
    """Return the frame that a block opened in ``frame`` lives in, to be held by the block's own object.

    Returns:
        ``None`` unless it is a generator's.  What a context manager opens for somebody, an ``ExitStack`` or the
        program's own, lives where that one is used; a pytest fixture's consumer is meant to be inside.
    """
    lives: FrameType | None = frame
    while lives is not None and (_is_entering(lives) or _module(lives.f_back) == _CONTEXTLIB):
        lives = lives.f_back
    if lives is None or not lives.f_code.co_flags & _GENERATOR_FLAGS:
        return None
    return None if _module(lives.f_back).startswith("_pytest.") else Held(lives)


def _is_entering(frame: FrameType) -> bool:
    return frame.f_code.co_name in ("__enter__", "__aenter__") or _module(frame) == _CONTEXTLIB


def _module(frame: FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def innermost() -> Any:
    """Return what the nearest block around the code that runs now stands for, or ``None``.

    The search ends at a function that says where it stands by itself, see `boundary`.
    """
    frame: FrameType | None = sys._getframe(1) if _open else None
    while frame is not None and frame.f_code not in _boundaries:
        if id(frame) in _open:
            blocks = _blocks(frame)
            if blocks:
                return list(blocks.values())[-1]
        frame = frame.f_back
    return None


def boundary(code: CodeType) -> None:
    """Note a function that takes the steps of a generator or coroutine inside a node that it puts in place itself."""
    _boundaries.add(code)


def _blocks(frame: FrameType) -> dict[Body, Any]:
    """The open blocks of a frame; an `id` may be that of a frame long gone."""
    return {body: meaning for body, meaning in _open.get(id(frame), {}).items() if body.frame() is frame}


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


_ASYNC_GENERATOR = 0x200  # CO_ASYNC_GENERATOR of the inspect module
_GENERATOR_FLAGS = 0x20 | _ASYNC_GENERATOR
_CONTEXTLIB = "contextlib"


def _runner() -> tuple[int, Any]:
    """Return the thread and, where there is one, the task; neither asyncio nor trio is imported for it."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return get_ident(), asyncio.current_task()
    if trio is not None and trio.lowlevel.in_trio_task():
        return get_ident(), trio.lowlevel.current_task()
    return get_ident(), None
