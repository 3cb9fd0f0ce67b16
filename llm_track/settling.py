"""A step of a trace that ends exactly once, whatever ends it and in whichever thread."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from time import perf_counter, time
from typing import Any, Protocol

from llm_track import leaving
from llm_track.context import Node
from llm_track.records import Identity, Outcome, Place, Record, SpanKind
from llm_track.surroundings import Surroundings, around

open_steps: dict[int, OpenStep] = {}
"""Steps that have not ended.  Leaving this table is what makes an ending the only one: `dict.pop` is atomic."""


class OpenStep(Node):
    """A node with a beginning and one ending; ``settled`` is told of the ending."""

    __slots__ = ("_settled", "context", "ended", "ended_at", "error", "outcome", "started", "surroundings", "told")

    untold = "polls"
    """What an ending is counted as that nothing is told of."""

    def __init__(
        self, kind: SpanKind, parent: Node | None, identity: Identity | None, settled: Callable[[Any], object]
    ) -> None:
        super().__init__(kind, parent, identity)
        copied = copy_context()
        self.context: Context | None = copied
        self.surroundings = around(copied)
        self.error: BaseException | None = None
        self.outcome: Outcome = "completed"
        self.ended = 0.0
        self.ended_at = 0.0
        self.told: Place | None = None
        """Where the worker told of it."""
        self._settled = settled
        open_steps[id(self)] = self
        leaving.owe()
        self.started = perf_counter()

    @property
    def latency(self) -> float:
        """Seconds from the start to the end."""
        return max(self.ended - self.started, 0.0)

    def settle(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End the step; every further ending is ignored."""
        now = perf_counter()
        if open_steps.pop(id(self), None) is not self:
            return
        self.has_ended = True
        self.ended = now
        self.ended_at = time()
        self.outcome = outcome
        self.error = error
        if self.surroundings is not None and self.context is not None:
            self.surroundings = around(self.context, self.surroundings)
        self._settled(self)

    def fail(self, error: BaseException) -> None:
        """End the step with the exception that the program sees."""
        self.settle("cancelled" if is_cancellation(error) else "failed", error)

    def stop(self) -> None:
        """End the step because nobody will ever end it."""
        self.settle("cancelled")

    def discard(self) -> None:
        """End the step without a word: what it stands for was never begun."""
        if open_steps.pop(id(self), None) is self:
            self.has_ended = True

    def forget(self) -> None:
        """Let go of what the event was made of.

        A context that was copied while the step was open keeps the step for as long as it lives, such as a connection
        in a pool does; it must not keep the program's data with it.
        """
        self.context = self.error = self.surroundings = None


def is_cancellation(error: BaseException) -> bool:
    """Tell whether an exception means that the program gave up, rather than that something failed.

    Decided by name: asyncio, trio and concurrent.futures have a class each, and none needs to be imported for it.
    """
    return isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) or type(error).__name__ in (
        "CancelledError",
        "Cancelled",
    )


class Finished(Protocol):
    """A span that has ended, or what is said of one: it knows its context and how to describe itself."""

    context: Context | None
    surroundings: Surroundings | None
    told: Place | None

    @property
    def untold(self) -> str:
        """What it is counted as where nothing is told of it."""
        ...

    def record(self) -> Record | None:
        """Return what happened, if there is something to tell."""
        ...

    def forget(self) -> None:
        """Let go of what the event was made of."""
        ...
