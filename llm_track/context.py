"""Where the program stands: a stack of nodes in one `ContextVar`, and the generators on the stack of calls.

Entries of the stack are immutable and know the entry below, so that a context which was copied (a task, a thread) keeps
its own place whatever happens elsewhere.  Nothing here uses `ContextVar.reset`: its token must return to the very
context it came from, which a generator closed by the garbage collector does not do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType
from typing import Optional, TypeAlias

from llm_track import bodies, telemetry
from llm_track.policies import agreed, narrower
from llm_track.records import Identity, Policy, SpanKind

Entry: TypeAlias = tuple["Node", bodies.Body | None, Optional["Entry"]]
"""A node, the generator's block that it is open for, if it is one's, and the entry below."""

_current: ContextVar[Entry | None] = ContextVar("llm_track_entry", default=None)
NOBODY = Identity()


_ids: list[str] = []
"""The next ids: to draw and to write many at once takes fewer steps than to do so for each."""
_IDS_AT_ONCE = 256
_RANDOM = int.from_bytes((b"\xff" * 6 + b"\x0f\xff\x3f" + b"\xff" * 7) * _IDS_AT_ONCE, "big")
_VERSION = int.from_bytes((b"\0" * 6 + b"\x40\0\x80" + b"\0" * 7) * _IDS_AT_ONCE, "big")
"""The bits of so many UUIDs that are random, and those that say that they are: RFC 9562, version 4."""
_PARTS = re.compile("(.{8})(.{4})(.{4})(.{4})(.{12})")


def new_id() -> str:
    """Return a random UUID (version 4) as text."""
    try:
        return _ids.pop()
    except IndexError:
        drawn = int.from_bytes(os.urandom(16 * _IDS_AT_ONCE), "big") & _RANDOM | _VERSION
        first, *others = _PARTS.sub(r"\1-\2-\3-\4-\5 ", drawn.to_bytes(16 * _IDS_AT_ONCE, "big").hex()).split()
        _ids.extend(others)
        return first


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)  # else parent and child would give the same ids


class Node:
    """One open step of a trace: a span, a tool, an agent, or a model call while its SDK runs."""

    __slots__ = ("_body", "_is_over", "content", "has_ended", "id", "identity", "kind", "parent", "seen", "trace_id")

    owns_calls = False
    """Whether model calls made inside are part of this one."""

    def __init__(self, kind: SpanKind, parent: Node | None, identity: Identity | None = None) -> None:
        self.seen = telemetry.seen()
        """The span of another tracer around, where such spans are sent through us."""
        self.kind: SpanKind = kind
        self.id = new_id()
        self.parent: Node | None = parent
        self.trace_id: str = (parent is not None and parent.trace_id) or telemetry.trace_id(self.seen) or new_id()
        self.identity: Identity = identity or (NOBODY if parent is None else parent.identity)
        self.content: Policy | None = narrower(self.identity.content, agreed())
        """What may leave of its own event, if less than the settings say."""
        self.has_ended = False
        self._body: bodies.Body | None = None
        self._is_over = False

    @property
    def parent_id(self) -> str | None:
        """The id of the enclosing step, or ``None`` at the root of a trace and where another process did not say it."""
        return telemetry.nearest(self.parent, self.seen)

    def belonging(self) -> Identity:
        """Return who and what its own event belongs to, and what of that may leave."""
        return self.identity if self.content is self.identity.content else replace(self.identity, content=self.content)

    def enter(self, frame: FrameType) -> bodies.Held | None:
        """Make this node the current one for a block that ``frame`` opens; the result lives as long as the block."""
        held = bodies.lives_in(frame)
        if held is not None:
            self._body = bodies.Body(held, self)
        _current.set((self, self._body, _open(_current.get())))
        return held

    def leave(self) -> None:
        """Take this node out of the stack of this context.

        Where it is not on that stack, it was entered in another thread or context: then it stays there and in copies of
        it, as a generator's own stays in whatever its consumer started meanwhile, and is overlooked from now on.
        """
        entry = _current.get()
        if self._body is not None:
            self._body.close()
            self._is_over = True
        if entry is not None and entry[0] is self:
            _current.set(_open(entry[2]))
        elif any(node is self for node in _nodes(entry)):
            _current.set(_without(entry, self))
        else:
            self._is_over = True

    def visible(self) -> bool:
        """Tell whether code that was started inside this node still belongs to it.

        A task that was started while a model call ran keeps that call in its context for ever; once the call has ended,
        what the task does is its own.  A span is different: work that it started stays its work.
        """
        return not (self._is_over or (self.has_ended and self.kind == "generation"))

    def around(self) -> Iterator[Node]:
        """Yield this node and those that it belongs to."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def is_inside(self, other: Node) -> bool:
        """Tell whether this node is another one or belongs to it."""
        return any(node is other for node in self.around())


def current() -> Node | None:
    """Return the innermost open node around the code that runs now."""
    node = _of_context(_current.get())
    if not bodies.open_blocks:
        return node if node is not None or not telemetry.open_spans else _of_their_context()
    found = bodies.innermost()
    if found is None:
        return node
    body, around = found
    if node is not None and (node.is_inside(around) or not (around.is_inside(node) or not bodies.runs_a_loop(body))):
        return node
    return around if isinstance(around, Node) else None


def entered() -> Iterator[Node]:
    """Yield the nodes of this context, the innermost first, whether or not they enclose the code that runs now."""
    found = bodies.innermost() if bodies.open_blocks else None
    if found is not None:
        yield found[1]
    yield from _nodes(_current.get())


def on_top(node: Node) -> Entry:
    """Return the stack of this context with a node on top."""
    return node, None, _open(_current.get())


def alone(node: Node | None) -> Entry | None:
    """Return a stack of nothing but a node and those around it."""
    entry: Entry | None = None
    for each in reversed([] if node is None else list(node.around())):
        entry = (each, None, entry)
    return entry


def swap(entry: Entry | None) -> Entry | None:
    """Set the stack of this context and return the one before, to be set again when the work is done."""
    before = _current.get()
    _current.set(entry)
    return before


def be_silent() -> None:
    """Have no event sent of what this thread does: it works on events, and would work on these, too, without end."""
    place(Node("span", current(), Identity(no_log=True)))


def place(node: Node) -> Entry | None:
    """Put a node on top of the stack and return the stack before, to be set again with `swap`."""
    return swap(on_top(node))


def restore(node: Node, before: Entry | None) -> None:
    """Set the stack before again, unless this runs in another context than the one where ``node`` was placed."""
    entry = _current.get()
    if entry is not None and entry[0] is node:
        _current.set(before)


def owner(node: Node | None) -> Node | None:
    """Return the model call that a call made inside a node, the innermost one, is part of, or ``None``.

    A model call belongs to the nearest enclosing one that asks models through other clients, unless a span or a tool
    lies between: a client library on top of another is one generation, a tool that asks a model is its own.  A client
    that talks to its provider itself owns nothing: what runs inside its calls is a validator, a hook or a middleware of
    the program.
    """
    while node is not None and node.kind == "generation":
        if node.owns_calls:
            return node
        node = node.parent
    return None


def _of_their_context() -> Node | None:
    """Where a thread or task was given the context of another tracer, and not ours: the step of that context."""
    seen = telemetry.seen()
    node = None if seen is None else seen.node
    return node if isinstance(node, Node) and node.visible() else None


def _of_context(entry: Entry | None) -> Node | None:
    while entry is not None:
        node, body, before = entry
        if node.visible() and (body is None or body.started()):
            return node
        entry = before
    return None


def _nodes(entry: Entry | None) -> Iterator[Node]:
    while entry is not None:
        yield entry[0]
        entry = entry[2]


def _open(entry: Entry | None) -> Entry | None:
    """A stack without what is over on top of it, and among the generators' blocks there."""
    if entry is None or not (entry[0]._is_over or entry[1] is not None):
        return entry
    left = []
    while entry is not None and (entry[0]._is_over or entry[1] is not None):
        if not entry[0]._is_over:
            left.append(entry)
        entry = entry[2]
    return _stacked(left, entry)


def _without(entry: Entry | None, gone: Node) -> Entry | None:
    left = []
    while entry is not None and entry[0] is not gone:
        left.append(entry)
        entry = entry[2]
    return _stacked([each for each in left if not each[0]._is_over], _open(entry[2]) if entry is not None else None)


def _stacked(entries: list[Entry], below: Entry | None) -> Entry | None:
    for node, body, _ in reversed(entries):
        below = (node, body, below)
    return below
