"""Where the program stands: a stack of nodes in one `ContextVar`.

Each node is immutable and knows its parent, so that a context which was copied (a task, a thread) keeps its own place
whatever happens elsewhere.  Nothing here uses `ContextVar.reset`: its token must return to the very context it came
from, which a generator closed by the garbage collector does not do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from threading import get_ident
from types import FrameType
from typing import Any

from llm_track.records import Identity, SpanKind

_current: ContextVar[Node | None] = ContextVar("llm_track_node", default=None)
NOBODY = Identity()


def new_id() -> str:
    """Return a random UUID (version 4) as text."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class Node:
    """One open step of a trace: a span, a tool, an agent, or a model call while its SDK runs."""

    __slots__ = ("_before", "_generator", "has_ended", "id", "identity", "kind", "parent", "trace_id")

    owns_calls = False
    """Whether model calls made inside are part of this one."""

    def __init__(self, kind: SpanKind, identity: Identity | None = None) -> None:
        parent = current()
        self.kind: SpanKind = kind
        self.id = new_id()
        self.parent: Node | None = parent
        self.trace_id: str = parent.trace_id if parent is not None else new_id()
        self.identity: Identity = identity or (parent.identity if parent is not None else NOBODY)
        self.has_ended = False
        self._before: Node | None = None
        self._generator: _GeneratorBody | None = None

    @property
    def parent_id(self) -> str | None:
        """The id of the enclosing step, or ``None`` at the root of a trace."""
        return self.parent.id if self.parent is not None else None

    def belongs_to(self, frame: FrameType) -> None:
        """Note the frame whose ``with`` block this node lives in."""
        self._generator = _GeneratorBody(frame) if _is_generator_body(frame) else None

    def enter(self) -> None:
        """Make this node the current one."""
        self._before = place(self)

    def leave(self) -> None:
        """Return to the node before, if this node is still the current one of this context."""
        if self._generator is not None:
            self._generator.frame = None
        if _current.get() is self:
            _current.set(self._before)

    def visible(self) -> bool:
        """Tell whether code that runs now runs inside this node.

        A task that was started while a model call ran keeps that call in its context for ever; once the call has ended,
        what the task does is its own.  A span is different: work that it started stays its work.
        """
        if self.has_ended and self.kind == "generation":
            return False
        return self._generator is None or not self._generator.paused()

    def encloses(self) -> Iterator[Node]:
        """Yield the nodes that were entered in this context, from this one outwards."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node._before or node.parent


def current() -> Node | None:
    """Return the innermost open node of this context."""
    node = _current.get()
    while node is not None and not node.visible():
        node = node.parent
    return node


def entered() -> Iterator[Node]:
    """Yield the nodes of this context, the innermost first, whether or not they enclose the code that runs now."""
    node = _current.get()
    return node.encloses() if node is not None else iter(())


def place(node: Node | None) -> Node | None:
    """Set the current node and return the one before, to be set again when the work is done."""
    before = _current.get()
    _current.set(node)
    return before


def restore(node: Node, before: Node | None) -> None:
    """Set the node before again, unless this runs in another context than the one where ``node`` was set."""
    if _current.get() is node:
        _current.set(before)


def owner() -> Node | None:
    """Return the model call that a call made now is part of, or ``None``.

    A model call belongs to the nearest enclosing one that asks models through other clients, unless a span or a tool
    lies between: a client library on top of another is one generation, a tool that asks a model is its own.  A client
    that talks to its provider itself owns nothing: what runs inside its calls is a validator, a hook or a middleware of
    the program.
    """
    node = current()
    while node is not None and node.kind == "generation":
        if node.owns_calls:
            return node
        node = node.parent
    return None


class _GeneratorBody:
    """A ``with`` block inside a generator.

    The block stays open while the generator is paused at a ``yield``, and the consumer's code runs in the same context,
    or in a copy of it: without care its calls would look as if they were made inside the block.  A generator that does
    not run has no caller, which tells the two apart.  One that waits is different from one that is paused: then what
    runs in other tasks or threads was started inside the block.
    """

    __slots__ = ("frame", "runner")

    def __init__(self, frame: FrameType) -> None:
        self.frame: FrameType | None = frame
        """``None`` when the block has ended."""
        self.runner = _runner()

    def paused(self) -> bool:
        """Tell whether the code that runs now is outside of the block."""
        frame = self.frame
        if frame is None:
            return _runner() == self.runner
        if frame.f_back is not None:
            return False
        return not _waits(frame) or _runner() == self.runner


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
_DRIVERS = ("contextlib", "_pytest.")


def _is_generator_body(frame: FrameType) -> bool:
    """A ``@contextmanager`` and a pytest fixture are generators whose consumer is meant to be inside the block."""
    if not frame.f_code.co_flags & _GENERATOR_FLAGS:
        return False
    driver = frame.f_back.f_globals.get("__name__", "") if frame.f_back is not None else ""
    return not str(driver).startswith(_DRIVERS)


def _runner() -> tuple[int, Any]:
    """The thread and, where there is one, the task; neither asyncio nor trio is imported for it."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return get_ident(), asyncio.current_task()
    if trio is not None and trio.lowlevel.in_trio_task():
        return get_ident(), trio.lowlevel.current_task()
    return get_ident(), None
