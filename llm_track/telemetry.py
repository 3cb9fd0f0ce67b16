"""The OpenTelemetry span that is active around the code that runs now, if that library is used at all.

Where a program sends the spans of others through us (`llm_track.integrations.otel`), the open ones are known here, so
that steps of both kinds find their place, and a model call that both saw is told once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from llm_track._guard import attempt

_MODULE = "opentelemetry.trace"


def active() -> Any:
    """Return the context of the active span, with its ``trace_id``, ``span_id`` and ``trace_flags``; else ``None``."""
    trace = sys.modules.get(_MODULE)
    return None if trace is None else attempt(_context, trace, otherwise=None)


def _context(trace: Any) -> Any:
    found = trace.get_current_span().get_span_context()
    return found if found.is_valid else None


def trace_id(around: Seen | None) -> str | None:
    """Return the id of the active span's trace: 32 hexadecimal digits, as every tool of OpenTelemetry shows it.

    Args:
        around: the active span, if it is one of those that are seen: it may lie in a trace of ours.
    """
    if around is not None:
        return around.trace_id
    found = active()
    return None if found is None else f"{found.trace_id:032x}"


def traceparent() -> str | None:
    """Return the active span as the W3C's header."""
    found = active()
    return None if found is None else f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"


State: TypeAlias = Literal["call", "step", "maybe"] | None
"""What a span stands for: a model call, another step, one of both that does not say so yet; ``None``: neither."""


class Seen:
    """A span of OpenTelemetry that the program sends through us, from its start on."""

    __slots__ = ("above", "has_call", "id", "is_around", "node", "source", "state", "trace_id", "waiting")

    def __init__(
        self, span_id: str, trace_id: str, source: str, node: Any, above: Seen | None, state: Callable[[], State]
    ) -> None:
        self.id = span_id
        self.trace_id = trace_id
        self.source = source
        """The name of the tracer that made it."""
        self.node = node
        """The step of ours that it was started in."""
        self.above = above
        """The span that it was started in."""
        self.state = state
        self.has_call = False
        """Whether a model call of ours was made in it, with nothing between."""
        self.is_around = False
        """Whether another span of a model call, which is told, lies in it, with nothing between."""
        self.waiting: list[Any] = []
        """What is told as soon as it is known what this span is."""

    def is_told(self) -> bool:
        """Tell whether there is an event of it, as far as is known by now."""
        state = self.state()
        if state == "call":
            return not (self.has_call or self.is_around or self._is_part())
        return state == "step" or (state == "maybe" and not self.has_call)

    def _is_part(self) -> bool:
        """Tell whether it was begun inside of a model call of ours, with no told step between: it is the same call."""
        above, node = self.above, self.node
        while above is not None and lies_in(above, node):
            if above.is_told():
                return False
            above = above.above
        reading = getattr(node, "reading", None)
        return node is not None and node.kind == "generation" and (reading is None or reading.kind != "endpoint")

    def end(self, state: State) -> bool:
        """Decide whether there is an event of it, and tell the spans around."""
        self.state = lambda: state
        told = self.is_told()
        if (self.is_around and not told) or (told and state == "call"):
            surround(self.above, self.node)
        if self.has_call and not told:
            hold_call(self.above, self.node)
        self.state = lambda: "step" if told else None
        return told

    def undecided(self) -> Seen | None:
        """Return the span around of which it has to be known first what it is, if there is one."""
        above = self.above
        while above is not None and lies_in(above, self.node):
            if above.state() == "maybe":
                return above
            if above.is_told():
                return None
            above = above.above
        return None


open_spans: dict[int, Seen] = {}
"""The spans that have not ended, by their id."""


def seen() -> Seen | None:
    """Return the active span if it is sent through us."""
    if not open_spans:
        return None
    found = active()
    return None if found is None else open_spans.get(found.span_id)


def lies_in(span: Seen | None, node: Any) -> bool:
    """Tell whether a span was started in a step of ours, or in one inside it; else the step is the nearer one."""
    return span is not None and (node is None or (span.node is not None and span.node.is_inside(node)))


def nearest(node: Any, span: Seen | None) -> str | None:
    """Return the id of the nearest of the steps around: ours, and the spans of others that are told."""
    while span is not None and lies_in(span, node):
        if span.is_told():
            return span.id
        span = span.above
    return None if node is None else node.id or None


def hold_call(span: Seen | None, node: Any) -> None:
    """Note that a model call of ours was made in a span: unless a step lies between, it is the call of that span.

    One that does not say yet what it is, is taken for the call, and those of its kind around it for steps.
    """
    is_inmost = True
    while span is not None and lies_in(span, node):
        state = span.state()
        if state == "step" or (state == "maybe" and not is_inmost):
            return
        span.has_call = True
        is_inmost = is_inmost and state != "maybe"
        span = span.above


def surround(span: Seen | None, node: Any) -> None:
    """Note that a span of a model call is told, of which those around it that are one, too, are the same call."""
    while span is not None and lies_in(span, node):
        state = span.state()
        if state == "step":
            return
        span.is_around = True
        if state == "maybe":
            return
        span = span.above


is_used = False
"""Whether spans of others have ever been sent through us: until then nobody else tells of calls."""
