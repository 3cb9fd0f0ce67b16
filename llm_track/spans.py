"""`llm_span`: who asked, and which steps the calls of a block belong to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from llm_track import budgets, context, tasks
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

    def __init__(self, name: str | None, kind: SpanKind, given: dict[str, Any], budget: float | None = None) -> None:
        self._name = name
        self._kind: SpanKind = kind
        self._given = given
        self._budget = budget
        self._steps: list[SpanStep] = []
        """The steps that are open: one, unless the same object is used at several places at a time."""
        self._latest: SpanStep | None = None
        self._bodies: dict[SpanStep, tuple[Held, Any]] = {}
        """For a block in a generator: its frame, and what follows the tasks that it starts."""

    def _step(self) -> SpanStep | None:
        """The step that this context opened last; if it opened none, the one that was opened last anywhere."""
        if len(self._steps) == 1:
            return self._steps[0]
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

    @property
    def spent_usd(self) -> float | None:
        """What the calls inside have cost so far, in US dollars, as far as it is known; ``None`` without a budget."""
        budget = self._of_budget()
        return budget.spent if budget is not None else None

    @property
    def unpriced_calls(self) -> int | None:
        """How many calls inside have cost what nobody knows, and count in no budget; ``None`` without a budget.

        Those of models without a price are among them, streams left before their counts came, calls that the program
        gave up waiting for, speech, films, agents of a provider, tuning, and batches when they are submitted.
        """
        budget = self._of_budget()
        return budget.unpriced if budget is not None else None

    def _of_budget(self) -> budgets.Budget | None:
        step = self._step() or self._latest
        return step.budget if step is not None else None

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
                step = SpanStep(self._name or "span", self._kind, outer, identity)
                step.budget = budgets.opened(self._budget, step.name)
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
            Tracking(
                name=self._name,
                kind=self._kind,
                given=self._given,
                captures_input=False,
                captures_output=False,
                budget=self._budget,
            ),
        )


def llm_span(
    name: str | None = None,
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    groups: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    no_log: bool = False,
    content: bool | str | Iterable[str] | None = None,
    flags: Any = None,
    prompt: Any = None,
    kind: SpanKind = "span",
    budget_usd: float | None = None,
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
        content: what may leave of everything inside, as the setting ``content`` of `llm_track.configure`; it can hold
            back what that setting and the spans around allow, and never allows more.
        flags: what ``posthog.evaluate_flags(...)`` returned, or a dict of flags and their values: every event inside
            says which they were (``$feature/...``), so that an experiment on prompts or models reads out in PostHog.
            They leave whatever ``content`` holds back: a dict must have nothing personal in it.
        prompt: the prompt of PostHog that the generations inside are made from: what ``Prompts.get(...,
            with_metadata=True)`` returned, or its name, or a pair of name and version.
        kind: ``"span"``, ``"tool"`` or ``"agent"``.
        budget_usd: what the calls inside may cost, in US dollars.  Once they have cost that much, the next call raises
            `BudgetExceeded` and is not made.  A call counts when it has ended, so that what is under way at the same
            time may exceed it; one whose cost nobody knows does not count, but for ``span.unpriced_calls``.  Pictures
            and recordings count by their tokens; the results of a batch where they are first fetched, a moment later.
            A budget is that of this process: others that go on with the trace have none of it.  What is not tracked is
            seen by nobody: realtime and Live APIs, storage, tools that a provider bills apart.

    Raises:
        ConfigurationError: ``budget_usd`` is no amount of money.

    >>> with llm_span("checkout", user_id="u_1") as span:
    ...     span.set(output="done")
    """
    given: dict[str, Any] = {"user_id": user_id, "session_id": session_id, "groups": groups, "metadata": metadata}
    given |= {"no_log": no_log, "content": content, "flags": flags, "prompt": prompt}
    name = name if name is None or isinstance(name, str) else str(jsonable(name))
    return LLMSpan(name, kind, given, budgets.limit(budget_usd))


def step_of(span: LLMSpan) -> SpanStep | None:
    """Return the step that a span is in this context, or was last; ``None`` before it is opened."""
    return span._step() or span._latest


def current_trace_id() -> str | None:
    """Return the id of the trace that runs now, or ``None`` outside of every span."""
    node = context.current()
    return (node.trace_id or None) if node is not None else None
