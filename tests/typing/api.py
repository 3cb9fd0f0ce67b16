"""The public interface as type checkers see it.  Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from typing_extensions import assert_type

import llm_track
from llm_track.records import Event
from llm_track.testing import Events, capture_events


@llm_track.track_llm
def bare(question: str, *, times: int = 1) -> list[str]:
    return [question] * times


@llm_track.track_llm(kind="tool", name="later", user_id="u")
async def later(question: str) -> int:
    return len(question)


@llm_track.track_llm
def numbers(stop: int) -> Generator[int, str, bool]:
    yield stop
    return True


@llm_track.track_llm()
async def numbers_later(stop: int) -> AsyncGenerator[int, str]:
    yield stop


@llm_track.track_llm(budget_usd=0.5)
@llm_track.llm_span("job", user_id="u")
def job(a: int) -> str:
    return str(a)


assert_type(bare("x", times=2), list[str])
coroutine: Coroutine[Any, Any, int] = later("x")
assert_type(numbers(1), Generator[int, str, bool])
assert_type(numbers_later(1), AsyncGenerator[int, str])
assert_type(job(1), str)

bare(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the signature is kept: a wrong call is an error
bare("x", wrong=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  and so is an unknown name

with llm_track.llm_span("checkout", user_id="u", groups={"company": "acme"}, metadata={"n": 1}) as span:
    assert_type(span.id, str | None)
    span.set(output={"any": "value"}, metadata={"n": 2})

try:
    with llm_track.llm_span("research", budget_usd=0.5) as span:
        assert_type(span.spent_usd, float | None)
        assert_type(span.unpriced_calls, int | None)
except llm_track.BudgetExceeded as error:
    assert_type((error.spent_usd, error.budget_usd, error.span), tuple[float, float, str])


async def in_async_code() -> None:
    async with llm_track.llm_span("checkout") as span:
        span.set(output=1)


assert_type(llm_track.autopatch("openai"), dict[str, str])
assert_type(llm_track.current_trace_id(), str | None)
assert_type(llm_track.flush(1.0), bool)
assert_type(llm_track.stats(), dict[str, int])


def drop(event: Event) -> Event | None:
    return None


processor: Callable[[Event], Event | None] = drop
llm_track.configure(content="metadata", processors=[processor], sample_rate=0.5)
llm_track.configure(prices={"gpt-5*": {"input": 1.25, "output": 10, "tiers": [{"above": 200_000, "input": 2.5}]}})
llm_track.configure(prices="prices.json")

with capture_events() as events:
    assert_type(events, Events)
    assert_type(events[0].properties, dict[str, Any])

assert_type(llm_track.feedback(span, "good", user_id="u", metadata={"stars": 5}), bool)
assert_type(llm_track.metric("trace", "accuracy", 0.9), bool)
assert_type(llm_track.evaluation(span, "polite", result=True, score=1, reasoning="so"), bool)
assert_type(llm_track.feedback_token(span, expires_in=3600), str | None)
llm_track.feedback(span, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  words are a text
assert_type(llm_track.inject({"accept": "text"}), dict[str, str])
with llm_track.extract({"traceparent": "00-"}, trusted=False):
    pass
