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

with capture_events() as events:
    assert_type(events, Events)
    assert_type(events[0].properties, dict[str, Any])
