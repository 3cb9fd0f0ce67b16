"""One call of a model: the innermost step of its context while its SDK runs.

Whatever the SDK itself calls then belongs to it.  Settling is cheap: it notes the time and the outcome and hands the
call to the worker, which reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from llm_track import telemetry
from llm_track.context import Node
from llm_track.providers import Provider, Reading
from llm_track.records import ModelCall
from llm_track.settling import OpenStep
from llm_track.wire import Answer
from llm_track.wire.pulled import Pulled


class Call(OpenStep):
    """One request to a provider, from its start to its one ending."""

    __slots__ = (
        "answer", "attempts", "brought", "handled", "is_attempt", "provider", "pulled", "reading", "result",
        "witnessed",
    )  # fmt: skip

    def __init__(
        self,
        provider: Provider,
        reading: Reading,
        parent: Node | None,
        settled: Callable[[Call], object],
        *,
        is_attempt: bool = False,
    ) -> None:
        super().__init__("generation", parent, None, settled)
        self.is_attempt = is_attempt
        """Whether it is made for another call, which tells of it."""
        self.handled = sys.exc_info()[1] if is_attempt else None
        """The exception that was being handled when an attempt began, which is not its own."""
        self.provider = provider
        self.reading = reading
        self.witnessed: Mapping[str, Any] | None = None
        """What the SDK told of the HTTP response, until it is known whether the program has yet to read it."""
        self.answer: Answer | None = None
        self.pulled: Pulled | None = None
        """What the program pulls out of a stream whose bytes are not seen."""
        self.result: Any = None
        self.attempts: list[Call] = []
        """The calls that were made for this one: by the SDK, through itself and through other SDKs."""
        self.brought: Callable[[ModelCall], None] | None = None
        """Is told, on the worker, of each result of a batch that the call brought first."""
        if reading.kind != "endpoint":
            telemetry.hold_call(self.seen, self.parent)

    @property
    def owns_calls(self) -> bool:  # type: ignore[override]  # a constant in every other kind of node
        """Whether the SDK asks models through other SDKs."""
        return self.provider.layers

    def forget(self) -> None:
        """Let go of the request and the answer."""
        super().forget()
        self.answer = self.pulled = self.result = self.witnessed = None
        self.attempts = []
        self.handled = self.brought = None
        self.reading.forget()

    def finish(self, result: Any = None) -> None:
        """End the call with an answer; ``result`` is kept only if no HTTP response was seen."""
        self.result = result
        self.settle("completed")

    def ends_with(self, attempt: Call) -> None:
        """End the call when an attempt ends whose answer it hands on, and as that ends."""
        self.answer = attempt.answer
        attempt._settled = lambda ended: self.settle(ended.outcome, ended.error)

    def stop(self) -> None:
        """End the call because the program reads no further: it closed or dropped the stream, or never read it."""
        answer = self.pulled or self.answer
        if answer is None:
            self.settle("cancelled")
        elif answer.ended:
            self.settle("completed")
        else:
            self.settle("closed_early" if answer.pieces else "never_read")
