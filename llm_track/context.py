"""Where the program stands: a stack of nodes in one `ContextVar`.

Each node is immutable and knows its parent, so that a context which was copied (a task, a thread) keeps its own place
whatever happens elsewhere.  Nothing here uses `ContextVar.reset`: its token must return to the very context it came
from, which a generator closed by the garbage collector does not do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import ContextVar
from types import FrameType

from llm_track import bodies
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

    __slots__ = (
        "_before",
        "_body",
        "_is_over",
        "has_ended",
        "id",
        "identity",
        "kind",
        "parent",
        "trace_id",
    )

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
        self._before: Node | None = parent
        self._body: bodies.Body | None = None
        self._is_over = False

    @property
    def parent_id(self) -> str | None:
        """The id of the enclosing step, or ``None`` at the root of a trace."""
        return self.parent.id if self.parent is not None else None

    def belongs_to(self, frame: FrameType) -> bodies.Held | None:
        """Note the frame whose ``with`` block this node lives in; what is returned lives as long as the block."""
        held = bodies.opened_in(frame)
        if held is not None:
            self._body = bodies.Body(held, self)
        return held

    def enter(self) -> None:
        """Make this node the current one."""
        self._before = place(self)

    def leave(self) -> None:
        """Return to the node before, if this node is still the current one of this context.

        If it is not, it was entered in another thread, or a generator's block is still open inside.  Then it stays in a
        context and in its copies, as a generator's own does in whatever its consumer started meanwhile: it is
        overlooked there from now on.
        """
        self._is_over = self._body is not None or _current.get() is not self
        if self._body is not None:
            self._body.close()
        if _current.get() is self:
            _current.set(self._before)

    def visible(self) -> bool:
        """Tell whether code that runs now runs inside this node.

        A task that was started while a model call ran keeps that call in its context for ever; once the call has ended,
        what the task does is its own.  A span is different: work that it started stays its work, see `leave` for the
        exceptions.
        """
        if self._is_over or (self.has_ended and self.kind == "generation"):
            return False
        return self._body is None or not self._body.paused()

    def is_inside(self, other: Node) -> bool:
        """Tell whether this node is another one or belongs to it."""
        node: Node | None = self
        while node is not None and node is not other:
            node = node.parent
        return node is other

    def encloses(self) -> Iterator[Node]:
        """Yield the nodes that were entered in this context, from this one outwards."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node._before


def current() -> Node | None:
    """Return the innermost open node around the code that runs now."""
    node = _current.get()
    while node is not None and not node.visible():
        node = node._before
    around: Node | None = bodies.innermost()
    return node if around is None or (node is not None and node.is_inside(around)) else around


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
