"""A span's budget and the forms in which programs ask: raw answers, helpers, one client alone, tasks and threads."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

import llm_track
from llm_track import BudgetExceeded, budgets, llm_span
from tests.providers.offline import client, http_of
from tests.test_budgets import FIFTH, HI, Provider

ASKED: dict[str, Any] = {"model": "gpt-5", "messages": HI}


@pytest.fixture(autouse=True)
def _patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hook, and leave no hook behind; no span has had a budget yet."""
    monkeypatch.setattr(budgets, "in_use", False)
    llm_track.autopatch("openai")
    llm_track.configure(prices=FIFTH)
    yield
    llm_track.unpatch()


def raw(made: Any) -> None:
    made.chat.completions.with_raw_response.create(**ASKED).parse()


def as_it_comes(made: Any) -> None:
    with made.chat.completions.with_streaming_response.create(**ASKED) as response:
        response.read()


def helped(made: Any) -> None:
    with (getattr(made.chat.completions, "stream", None) or made.beta.chat.completions.stream)(**ASKED) as stream:
        list(stream)


def parsed(made: Any) -> None:
    (getattr(made.chat.completions, "parse", None) or made.beta.chat.completions.parse)(**ASKED)


def copied(made: Any) -> None:
    made.with_options(timeout=9).chat.completions.create(**ASKED)


@pytest.mark.parametrize("ask", [raw, as_it_comes, helped, parsed, copied])
def test_every_form_counts_once_and_is_refused(ask: Callable[[Any], None]) -> None:
    """However an answer is asked for, it counts once, and is not asked for once the budget is spent."""
    provider = Provider()
    with llm_span(budget_usd=0.3) as span:
        for times in (1, 2):
            ask(provider.sync)
            assert span.spent_usd == pytest.approx(0.2 * times)
        with pytest.raises(BudgetExceeded):
            ask(provider.sync)
        assert span.unpriced_calls == 0
    assert provider.asked == 2


def test_raw_answers_that_are_awaited() -> None:
    """The asynchronous forms are refused where they are awaited or entered."""
    provider = Provider()

    async def main() -> None:
        completions = provider.asynchronous().chat.completions
        async with llm_span(budget_usd=0.3) as span:
            await completions.with_raw_response.create(**ASKED)
            async with completions.with_streaming_response.create(**ASKED) as response:
                await response.read()
            assert span.spent_usd == pytest.approx(0.4)
            with pytest.raises(BudgetExceeded):
                await completions.with_raw_response.create(**ASKED)
            with pytest.raises(BudgetExceeded):
                async with completions.with_streaming_response.create(**ASKED):
                    pass

    asyncio.run(main())
    assert provider.asked == 2


@pytest.mark.parametrize("patched_too", [False, True])
def test_one_client_alone(patched_too: bool) -> None:
    """What an instrumented client asks counts once, whether or not its SDK is hooked, too; other clients do not."""
    if not patched_too:
        llm_track.unpatch()
    provider, other = Provider(), Provider()
    llm_track.instrument(provider.sync)
    with llm_span(budget_usd=0.2) as span:
        if not patched_too:
            other.ask()
        assert span.spent_usd == 0
        provider.ask()
        assert span.spent_usd == pytest.approx(0.2)
        with pytest.raises(BudgetExceeded):
            provider.ask()
    assert provider.asked == 1


def test_tasks_and_threads_at_once() -> None:
    """Whatever ends at the same time, on the event loop and beside it, is counted in every budget around it."""
    provider = Provider()

    def ask_often() -> None:
        sync = Provider()
        for _ in range(20):
            sync.ask()

    async def main() -> None:
        made = provider.asynchronous()
        with llm_span("outer", budget_usd=1000) as outer:
            async with llm_span("inner", budget_usd=1000) as inner:
                threads = (asyncio.to_thread(ask_often) for _ in range(4))
                tasks = (made.chat.completions.create(**ASKED) for _ in range(20))
                await asyncio.gather(*threads, *tasks)
            assert inner.spent_usd == outer.spent_usd == pytest.approx(100 * 0.2)

    asyncio.run(main())


def test_many_threads_lose_no_call_of_unknown_cost() -> None:
    """Calls without a price that end at the same time are all counted as such."""
    llm_track.configure()
    provider = Provider()
    with llm_span(budget_usd=1) as span, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(provider.ask, "no-such-model") for _ in range(100)]:
            done.result()
        assert span.unpriced_calls == 100


def test_one_span_object_at_many_places() -> None:
    """Opened again, inside itself, by many threads or around a function, a span has a new budget each time."""
    provider, again = Provider(), llm_span("again", budget_usd=0.3)

    def once(_: int = 0) -> float | None:
        with again:
            provider.ask()
            return again.spent_usd

    assert [once(), once()] == pytest.approx([0.2, 0.2])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(once, range(20))) == pytest.approx([0.2] * 20)
    with again:
        once()
        with pytest.raises(BudgetExceeded):
            again(lambda: [provider.ask() for _ in range(3)])()
        with pytest.raises(BudgetExceeded):  # what is inside counts in both
            provider.ask()


def test_attempts_of_the_sdk_are_one_call() -> None:
    """A request that the SDK sends again counts once, when it is answered."""
    provider, refusals = Provider(), [500, 500]

    def answer(request: Any) -> Any:
        if refusals:
            return http_of(openai).Response(
                refusals.pop(), json={"error": {"message": "no"}}, headers={"retry-after-ms": "1"}
            )
        return provider.answer(request)

    made = client(openai, "OpenAI", answer).with_options(max_retries=2)
    with llm_span(budget_usd=1) as span:
        made.chat.completions.create(**ASKED)
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(0.2), 0)
    assert not refusals


@pytest.mark.parametrize(("error", "unknown"), [("ReadTimeout", 1), ("ConnectError", 0)])
def test_an_answer_that_does_not_come(error: str, unknown: int) -> None:
    """Who does not wait for an answer may have to pay for it; a provider that was not reached is not paid."""

    def answer(request: Any) -> Any:
        raise getattr(http_of(openai), error)("no", request=request)

    made = client(openai, "OpenAI", answer)
    with llm_span(budget_usd=1) as span:
        with pytest.raises(openai.APIConnectionError):
            made.chat.completions.create(**ASKED)
        assert (span.spent_usd, span.unpriced_calls) == (0, unknown)


def test_a_call_that_is_cancelled() -> None:
    """A task that is cancelled while it waits is a call of unknown cost; one that never began is none."""

    async def answer(request: Any) -> Any:
        begun.set()
        await asyncio.sleep(60)

    async def main() -> None:
        made = client(openai, "AsyncOpenAI", answer)
        async with llm_span(budget_usd=1) as span:
            for waits in (False, True):
                task = asyncio.create_task(made.chat.completions.create(**ASKED))
                if waits:
                    await begun.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert (span.spent_usd, span.unpriced_calls) == (0, int(waits))

    begun = asyncio.Event()
    asyncio.run(main())


def test_streams_that_nobody_reads() -> None:
    """A stream that is dropped, or never read, is a call whose cost is unknown, once."""
    provider = Provider()
    with llm_span(budget_usd=1) as span:
        for number in (1, 2):
            stream = provider.ask(stream=True)
            if number == 2:
                next(stream)
            del stream
            gc.collect()
            assert (span.spent_usd, span.unpriced_calls) == (0, number)


def test_a_span_that_goes_on_elsewhere() -> None:
    """A trace that is continued has no budget but that of its own spans, nor does another process."""
    provider = Provider()
    with llm_span("here", budget_usd=0.2):
        provider.ask()
        headers = llm_track.inject({})
        with llm_track.extract(headers), pytest.raises(BudgetExceeded):
            provider.ask()  # it is inside the span all the same
    with llm_track.extract(headers):
        provider.ask()
        with llm_span("there", budget_usd=0.2) as span:
            provider.ask()
            with pytest.raises(BudgetExceeded, match="'there'"):
                provider.ask()
            assert span.spent_usd == pytest.approx(0.2)
    program = (
        "import sys, llm_track\n"
        "from tests.test_budgets import FIFTH, Provider\n"
        "llm_track.autopatch('openai')\n"
        "llm_track.configure(prices=FIFTH, enabled=True)\n"
        f"with llm_track.extract({dict(headers)!r}), llm_track.llm_span('there', budget_usd=0.3) as span:\n"
        "    Provider().ask()\n"
        "    print(round(span.spent_usd, 6), span.unpriced_calls)\n"
    )
    root = Path(__file__).resolve().parents[1]
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout.split() == ["0.2", "0"]
