"""The errors that a user of llm_track can meet."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """A setting that llm_track does not know or cannot use; the message says what to write instead."""


class BudgetExceeded(Exception):  # noqa: N818  it says what happened, in the name that programs catch
    """A call was not made, because the calls inside a span with a budget have cost that much.

    Attributes:
        spent_usd: what they have cost so far, in US dollars, as far as it is known.
        budget_usd: what they may cost.
        span: the name of the span.
    """

    def __init__(self, spent_usd: float, budget_usd: float, span: str) -> None:
        super().__init__(spent_usd, budget_usd, span)
        self.spent_usd, self.budget_usd, self.span = spent_usd, budget_usd, span

    def __str__(self) -> str:
        return (
            f"The calls inside the span {self.span!r} have cost {self.spent_usd:.6g} of its budget of "
            f"{self.budget_usd:.6g} US dollars; this call was not made."
        )


class RedactionTimeoutError(TimeoutError):
    """Redacting one event took longer than it may: the event is sent without content."""
