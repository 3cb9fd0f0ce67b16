"""`llm_span`: who asked, and which steps the calls of a block belong to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from llm_track import context, tasks
from llm_track._guard import guarded
from llm_track.bodies import Held
from llm_track.config import settings
from llm_track.records import SpanKind
from llm_track.snapshot import jsonable, snapshot
from llm_track.steps import SpanStep, end, inherit
from llm_track.tracking import Tracking, decorate

P = ParamSpec("P")
T = TypeVar("T")

_OPEN = guarded("open a span")
_CLOSE = guarded("close a span")
_SET = guarded("set the output of a span")


class LLMSpan:
    """What `llm_span` returns: a context manager, synchronous or not, and a decorator."""

    def __init__(self, name: str | None, kind: SpanKind, given: dict[str, Any]) -> None:
        self._name = name
        self._kind: SpanKind = kind
        self._given = given
        self._steps: list[SpanStep] = []
        """The steps that are open: one, unless the same object is used at several places at a time."""
        self._latest: SpanStep | None = None
        self._bodies: dict[SpanStep, tuple[Held, Any]] = {}
        """For a block in a generator: its frame, and what follows the tasks that it starts."""

    def _step(self) -> SpanStep | None:
        """The step that this context opened last; if it opened none, the one that was opened last anywhere."""
        here = (node for node in context.entered() if node in self._steps)
        found = next(here, None)
        return found if isinstance(found, SpanStep) else self._steps[-1] if self._steps else None

    @property
    def id(self) -> str | None:
        """The id of the span, ``$ai_span_id`` of its event; ``None`` before it is opened."""
        step = self._step() or self._latest
        return step.id if step is not None else None

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that the span belongs to; ``None`` before it is opened."""
        step = self._step() or self._latest
        return step.trace_id if step is not None else None

    def set(self, *, input: Any = None, output: Any = None, metadata: Mapping[str, Any] | None = None) -> None:
        """Add what is known by now: the step's input, its output, and metadata for this step alone.

        Args:
            input, output: any value; what has no JSON form is named by its type.
            metadata: properties of this step's event; names that begin with ``$ai_`` are ignored.
        """
        with _SET:
            step = self._step()
            if step is not None:
                step.input = step.input if input is None else snapshot(input)
                step.output = step.output if output is None else snapshot(output)
                step.own_metadata |= snapshot(dict(metadata or {}))

    def _open(self, frame: FrameType) -> LLMSpan:
        with _OPEN:
            if settings().enabled:
                outer = context.current()
                identity = inherit(outer.identity if outer is not None else context.NOBODY, **self._given)
                step = SpanStep(self._name or "span", self._kind, identity)
                held = step.enter(frame)
                if held is not None:
                    self._bodies[step] = held, tasks.follow()
                self._steps.append(step)
                self._latest = step
        return self

    def __enter__(self) -> LLMSpan:
        return self._open(sys._getframe(1))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _CLOSE:
            step = self._step()
            if step is not None:
                self._steps.remove(step)
                step.leave()
                end(step, error)
                tasks.unfollow(self._bodies.pop(step, (None, None))[1])

    async def __aenter__(self) -> LLMSpan:
        return self._open(sys._getframe(1))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Open a new span of this kind around every call of a function."""
        return decorate(
            function,
            Tracking(name=self._name, kind=self._kind, given=self._given, captures_input=False, captures_output=False),
        )


def llm_span(
    name: str | None = None,
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    groups: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    no_log: bool = False,
    kind: SpanKind = "span",
) -> LLMSpan:
    """Name a step of the program, and who it is done for; the LLM calls inside belong to it.

    The outermost span of a block of work is its trace.  Works with ``with``, ``async with`` and as a decorator.

    Args:
        name: what the step is called in the trace.
        user_id: who asks: PostHog's distinct id; inherited by everything inside.
        session_id: the conversation that the trace belongs to; inherited.
        groups: PostHog groups, ``{"company": "acme"}``; inherited and added to.
        metadata: properties of every event inside; names that begin with ``$ai_`` are ignored.
        no_log: ``True`` sends no event for the span and everything inside it.
        kind: ``"span"``, ``"tool"`` or ``"agent"``.

    >>> with llm_span("checkout", user_id="u_1") as span:
    ...     span.set(output="done")
    """
    given = {"user_id": user_id, "session_id": session_id, "groups": groups, "metadata": metadata, "no_log": no_log}
    return LLMSpan(name if name is None or isinstance(name, str) else str(jsonable(name)), kind, given)


def current_trace_id() -> str | None:
    """Return the id of the trace that runs now, or ``None`` outside of every span."""
    node = context.current()
    return node.trace_id if node is not None else None
