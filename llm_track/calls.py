"""One call of a model: the innermost step of its context while its SDK runs.

Whatever the SDK itself calls then belongs to it.  Settling is cheap: it notes the time and the outcome and hands the
call to the worker, which reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_track.providers import Provider, Reading
from llm_track.settling import OpenStep
from llm_track.wire import Answer


class Call(OpenStep):
    """One request to a provider, from its start to its one ending."""

    __slots__ = ("answer", "provider", "reading", "result", "witnessed")

    def __init__(self, provider: Provider, reading: Reading, settled: Callable[[Call], None]) -> None:
        super().__init__("generation", None, settled)
        self.provider = provider
        self.reading = reading
        self.witnessed: Mapping[str, Any] | None = None
        """What the SDK told of the HTTP response, until it is known whether the program has yet to read it."""
        self.answer: Answer | None = None
        self.result: Any = None

    @property
    def owns_calls(self) -> bool:  # type: ignore[override]  # a constant in every other kind of node
        """Whether the SDK asks models through other SDKs."""
        return self.provider.layers

    def forget(self) -> None:
        """Let go of the request and the answer."""
        super().forget()
        self.answer = self.result = self.witnessed = None
        self.reading.body, self.reading.replacement, self.reading.asked, self.reading.secrets = {}, None, None, None

    def finish(self, result: Any = None) -> None:
        """End the call with an answer; ``result`` is kept only if no HTTP response was seen."""
        self.result = result
        self.settle("completed")

    def stop(self) -> None:
        """End the call because the program reads no further: it closed or dropped the stream, or never read it."""
        answer = self.answer
        if answer is None:
            self.settle("cancelled")
        elif answer.ended:
            self.settle("completed")
        else:
            self.settle("closed_early" if answer.pieces else "never_read")
