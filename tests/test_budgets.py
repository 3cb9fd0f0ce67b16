"""A span's budget: what counts in it, and when a call is not made for its sake."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest

import llm_track
from llm_track import BudgetExceeded, ConfigurationError, _guard, budgets, llm_span, pricing, track_llm
from llm_track import providers as hooks
from llm_track.formats import chat_completions
from llm_track.providers import Reading, Target
from llm_track.testing import capture_events
from llm_track.wrapper import call_wrapper
from tests.providers.offline import client, http_of

FIFTH = {"*": {"input": 50_000, "output": 0}}
"""Prices by which a call of four tokens costs 0.2 US dollars."""
HI: list[Any] = [{"role": "user", "content": "hi"}]


with_responses = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="this openai has no Responses")


@pytest.fixture(autouse=True)
def _patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hook, and leave no hook behind; no span has had a budget yet, and nothing was said."""
    monkeypatch.setattr(budgets, "in_use", False)
    monkeypatch.setattr(_guard, "_said", set())
    llm_track.autopatch("openai", "anthropic")
    llm_track.configure(prices=FIFTH)
    yield
    llm_track.unpatch()


class Provider:
    """Answers a chat as the model that was asked, and counts how often it was."""

    def __init__(self, **usage: Any) -> None:
        self.asked = 0
        self.is_async = False
        self.usage = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, **usage}
        self.sync = client(openai, "OpenAI", self.answer)

    def answer(self, request: Any) -> Any:
        self.asked += 1
        asked = json.loads(request.content or b"{}")
        if not asked.get("messages"):
            return http_of(openai).Response(200, json={"object": "list", "data": []})
        if asked["model"] == "wrong":
            return http_of(openai).Response(404, json={"error": {"message": "no such model"}})
        shared = {"id": "c", "created": 1, "model": asked["model"]}
        said = {"role": "assistant", "content": "Yes."}
        if not asked.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            body = {**shared, "object": "chat.completion", "choices": [choice], "usage": self.usage}
            return http_of(openai).Response(200, json=body)
        chunks = [{"choices": [{"index": 0, "delta": said, "finish_reason": None}]},
                  {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                  {"choices": [], "usage": self.usage}]  # fmt: skip
        lines = [json.dumps({**shared, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
        pieces = [f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"]]
        body = later(pieces) if self.is_async else iter(pieces)
        return http_of(openai).Response(200, content=body, headers={"content-type": "text/event-stream"})

    def asynchronous(self) -> Any:
        self.is_async = True
        return client(openai, "AsyncOpenAI", self.answer)

    def ask(self, model: str = "gpt-5", **given: Any) -> Any:
        return self.sync.chat.completions.create(model=model, messages=HI, **given)


async def later(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def names(events: Any) -> list[str]:
    return [event.name for event in events]


@pytest.mark.parametrize("guards_swallow", [False, True])
def test_the_call_after_the_budget_is_spent_is_not_made(guards_swallow: bool, request: Any) -> None:
    """Three calls for 0.2 dollars spend 0.5; the fourth raises, asks nobody and has no event; the span has failed."""
    if guards_swallow:
        request.getfixturevalue("without_pytest")
    provider, spent = Provider(), []
    with capture_events() as events:
        with pytest.raises(BudgetExceeded) as raised, llm_span("research", budget_usd=0.5) as span:
            spent.append(span.spent_usd)
            for _ in range(9):
                assert provider.ask().choices[0].message.content == "Yes."
                spent.append(span.spent_usd)
    assert provider.asked == 3
    assert spent == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert (raised.value.spent_usd, raised.value.budget_usd) == pytest.approx((0.6, 0.5))
    assert str(raised.value) == (
        "The calls inside the span 'research' have cost 0.6 of its budget of 0.5 US dollars; this call was not made."
    )
    assert llm_track.stats()["open_steps"] == 0
    assert names(events) == ["$ai_generation"] * 3 + ["$ai_trace"]
    assert events[-1].properties["$ai_error_type"] == "BudgetExceeded"
    assert events[-1].properties["llm_outcome"] == "failed"
    assert span.spent_usd == pytest.approx(0.6)


def test_who_catches_it_goes_on():
    """It is an exception like any other: what follows the span is not held back, and it survives a pickle."""
    provider = Provider()
    with llm_span(budget_usd=0.2):
        provider.ask()
        with pytest.raises(BudgetExceeded) as raised:
            provider.ask()
    provider.ask()
    assert provider.asked == 2
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.span) == (str(raised.value), "span")


def test_a_budget_that_is_spent_to_the_cent_is_spent():
    """ "At least that" is enough; a budget of nothing lets no call pass."""
    provider = Provider()
    for amount, calls in ((0.4, 2), (0.41, 3), (0, 0)):
        provider.asked = 0
        with pytest.raises(BudgetExceeded), llm_span(budget_usd=amount):
            for _ in range(9):
                provider.ask()
        assert provider.asked == calls


def test_asynchronous_calls():
    """An asynchronous call is looked at when it is awaited, not when its coroutine is made."""
    provider = Provider()

    async def main() -> None:
        made = provider.asynchronous()
        async with llm_span(budget_usd=0.5) as span:
            waiting = [made.chat.completions.create(model="gpt-5", messages=HI) for _ in range(5)]
            for coroutine in waiting[:3]:
                assert (await coroutine).choices[0].message.content == "Yes."
            for coroutine in waiting[3:]:
                with pytest.raises(BudgetExceeded):
                    await coroutine
            assert span.spent_usd == pytest.approx(0.6)

    with capture_events() as events:
        asyncio.run(main())
        gc.collect()  # a coroutine that nobody awaited would warn
    assert provider.asked == 3
    assert names(events) == ["$ai_generation"] * 3 + ["$ai_trace"]


@pytest.mark.parametrize("is_declared", [True, False])
def test_methods_that_hand_out_coroutines(is_declared: bool) -> None:
    """A hooked coroutine function is looked at when it is awaited, any other one when it is called; both count once."""
    ran = []

    async def ask(number: int) -> Any:
        ran.append(number)
        return {"model": "gpt-5", "choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}

    def read(invocation: Any) -> Reading:
        return Reading(
            kind="generation", name="chat", provider="openai", body={"model": "gpt-5"}, format=chat_completions
        )

    target = Target("sdk", "ask", read)
    provider = hooks.Provider("sdk", "openai", (target,), to_json=lambda given: given, failure=lambda error: {})
    wrapper = call_wrapper(provider, target, lambda instance: True)

    def call(number: int) -> Any:
        return wrapper(ask if is_declared else lambda given: ask(given), None, (number,), {})

    async def main() -> None:
        with llm_span(budget_usd=0.3) as span:
            made = [call(number) for number in range(3)]
            await made[0]
            await made[1]
            assert span.spent_usd == pytest.approx(0.4)
            if is_declared:
                with pytest.raises(BudgetExceeded):
                    await made[2]
            else:
                await made[2]
                with pytest.raises(BudgetExceeded):
                    call(3)

    asyncio.run(main())
    del main
    gc.collect()
    assert ran == ([0, 1] if is_declared else [0, 1, 2])


def test_a_stream_counts_when_it_ends():
    """What a stream cost is known at its end: calls made while it is read do not know it yet."""
    provider = Provider()
    with llm_span(budget_usd=0.2) as span:
        stream = provider.ask(stream=True)
        next(stream)
        assert span.spent_usd == 0
        list(stream)
        assert span.spent_usd == pytest.approx(0.2)
        with pytest.raises(BudgetExceeded):
            provider.ask(stream=True)

    async def main() -> None:
        made = provider.asynchronous()
        async with llm_span(budget_usd=0.2) as span:
            async for _ in await made.chat.completions.create(model="gpt-5", messages=HI, stream=True):
                assert span.spent_usd == 0
            assert span.spent_usd == pytest.approx(0.2)
            with pytest.raises(BudgetExceeded):
                await made.chat.completions.create(model="gpt-5", messages=HI, stream=True)

    asyncio.run(main())
    assert provider.asked == 2


def test_a_stream_that_is_left_has_a_cost_that_nobody_knows():
    """Its counts come last: it counts as a call whose cost is unknown."""
    with llm_span(budget_usd=0.2) as span:
        stream = Provider().ask(stream=True)
        next(stream)
        stream.close()
        assert (span.spent_usd, span.unpriced_calls) == (0, 1)


def test_each_of_the_budgets_around_a_call_counts():
    """An inner call counts in the outer budget, too; whichever is spent refuses, and says so."""
    provider = Provider()
    with llm_span("outer", budget_usd=0.6) as outer:
        for _ in range(2):
            with pytest.raises(BudgetExceeded, match="'inner'"), llm_span("inner", budget_usd=0.2) as inner:
                provider.ask()
                with llm_span("between") as between:
                    provider.ask()
            assert (inner.spent_usd, between.spent_usd) == (pytest.approx(0.2), None)
        provider.ask()
        with pytest.raises(BudgetExceeded, match="'outer'"), llm_span("inner", budget_usd=9):
            provider.ask()
        assert outer.spent_usd == pytest.approx(0.6)


def test_threads_and_tasks_spend_from_the_budget_of_their_span():
    """Work that a span starts elsewhere counts in its budget and is refused by it; other work is not."""
    provider = Provider()
    with llm_span(budget_usd=0.5) as span:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(provider.ask).result()
        other = threading.Thread(target=provider.ask)
        other.start()
        other.join()
        assert span.spent_usd == pytest.approx(0.2)

        async def main() -> None:
            made = provider.asynchronous()
            task = asyncio.create_task(made.chat.completions.create(model="gpt-5", messages=HI))
            await task
            assert span.spent_usd == pytest.approx(0.4)

        asyncio.run(main())
        provider.ask()
        with ThreadPoolExecutor(1) as pool, pytest.raises(BudgetExceeded):
            pool.submit(provider.ask).result()
    assert provider.asked == 4


def test_many_threads_lose_nothing():
    """Calls that end at the same time are all counted."""
    provider = Provider()
    with llm_span(budget_usd=1000) as span, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(provider.ask) for _ in range(100)]:
            done.result()
        assert span.spent_usd == pytest.approx(20)


def test_a_budget_of_very_many_calls_is_looked_at_as_fast_as_any():
    """However many calls were made, at the same time or not, few numbers are added up before the next one."""
    spent = budgets.Budget(1000, "nightly")

    def call(number: int) -> int:
        spent.add(0.25)
        assert spent.spent > 0
        return len(spent._costs)

    with ThreadPoolExecutor(8) as pool:
        added_up = list(pool.map(call, range(20_000)))
    assert spent.spent == 5000
    assert max(added_up) <= 2 * budgets._MOST_COSTS  # a thread may stand still while others add theirs


def test_costs_that_no_number_can_hold_are_more_than_any_budget():
    """Calls whose sum is too large for a float have spent the budget."""
    spent = budgets.Budget(1, "wild")
    for _ in range(3):
        spent.add(1e308)
    assert spent.spent == float("inf")


def test_a_function_has_a_new_budget_at_every_call():
    """`track_llm` and `llm_span` as decorators: one call may spend as much as another, of every kind of function."""
    provider = Provider()

    @track_llm(budget_usd=0.2)
    def ask(times: int) -> None:
        for _ in range(times):
            provider.ask()

    @llm_span("job", budget_usd=0.2)
    async def ask_later(times: int) -> None:
        ask_now(times)

    @track_llm(budget_usd=0.2, kind="agent")
    def ask_now_and_then(times: int) -> Iterator[int]:
        for number in range(times):
            provider.ask()
            yield number

    ask_now = ask.__wrapped__  # type: ignore[attr-defined]  # the function as it was
    for _ in range(2):
        ask(1)
        asyncio.run(ask_later(1))
        assert list(ask_now_and_then(1)) == [0]
    assert provider.asked == 6
    with pytest.raises(BudgetExceeded, match="ask"):
        ask(2)
    with pytest.raises(BudgetExceeded, match="job"):
        asyncio.run(ask_later(2))
    with pytest.raises(BudgetExceeded, match="ask_now_and_then"):
        list(ask_now_and_then(2))
    assert provider.asked == 9


@pytest.mark.parametrize("cost", ["auto", "local", "off"])
@pytest.mark.parametrize(
    ("usage", "prices", "dollars"),
    [({}, None, 4 * 1.25e-6 + 3 * 10e-6), ({"cost": 0.25}, FIFTH, 0.25), ({}, FIFTH, 0.2)],
    ids=["the list's price", "what the provider says", "the program's price"],
)
def test_what_counts_is_what_the_event_would_say(usage: Any, prices: Any, dollars: float, cost: Any) -> None:
    """A cost that is reported, else the program's prices, else the list's, whatever the events are to say of it."""
    llm_track.configure(prices=prices, cost=cost)
    with llm_span(budget_usd=1) as span:
        Provider(**usage).ask()
        assert span.spent_usd == pytest.approx(dollars)


def test_a_cost_that_nobody_knows_counts_nowhere_and_is_said_once(caplog: Any) -> None:
    """A model without a price spends nothing; a log line names it, and the span tells how often that was."""
    llm_track.configure()
    provider = Provider()
    with caplog.at_level(logging.WARNING, "llm_track"), llm_span(budget_usd=1) as span:
        for _ in range(3):
            provider.ask("no-such-model")
        provider.ask("gpt-5")
        assert span.unpriced_calls == 3
    (line,) = [line for line in caplog.messages if "budget" in line]
    assert "openai/no-such-model" in line
    assert "prices={'openai/no-such-model'" in line


def test_a_count_that_nothing_can_hold_has_a_cost_that_nobody_knows():
    """A provider that tells an absurd number of tokens costs the event nothing of what it says, and no fault."""
    provider = Provider(prompt_tokens=10**400)
    with capture_events() as events, llm_span(budget_usd=1) as span:
        provider.ask()
        assert (span.spent_usd, span.unpriced_calls) == (0, 1)
    generation = next(event for event in events if event.name == "$ai_generation")
    assert "$ai_input_tokens" not in generation.properties
    assert generation.properties["$ai_input"] == HI


def test_a_call_that_was_refused_by_the_provider_costs_nothing():
    """A failed call has no counts: it spends nothing, and is not one of which the cost is unknown."""
    with llm_span(budget_usd=1) as span:
        with pytest.raises(openai.NotFoundError):
            Provider().ask("wrong")
        assert (span.spent_usd, span.unpriced_calls) == (0, 0)


def test_other_requests_are_neither_counted_nor_refused():
    """A list of models is no call of a model."""
    provider = Provider()
    with llm_span(budget_usd=0.2) as span:
        provider.ask()
        assert provider.sync.models.list().data == []
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(0.2), 0)


def test_without_a_budget_nothing_is_read_where_a_call_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls outside of a budget are left to the background, also once a budget was used elsewhere."""
    provider, read = Provider(), []
    monkeypatch.setattr(budgets._Counting, "_count", lambda self, call: read.append(call))
    with llm_span("without") as span:
        provider.ask()
        assert (span.spent_usd, span.unpriced_calls) == (None, None)
    assert llm_span(budget_usd=1).spent_usd is None  # it is not open yet
    with llm_span(budget_usd=1):
        provider.ask()
    assert len(read) == 1
    provider.ask()
    assert len(read) == 1


def test_switched_off_there_is_no_budget():
    """With `enabled=False` nothing is counted and nothing refused."""
    llm_track.configure(enabled=False, prices=FIFTH)
    provider = Provider()
    with llm_span(budget_usd=0) as span:
        provider.ask()
        assert span.spent_usd is None


@pytest.mark.parametrize("wrong", ["0.5", -1, float("nan"), True, [], 10**400])
def test_what_is_no_amount_of_money_is_an_error(wrong: Any) -> None:
    """A budget that cannot be understood is not ignored: who relies on it would rely on nothing."""
    for made in (llm_span, track_llm):
        with pytest.raises(ConfigurationError, match="budget_usd"):
            made(budget_usd=wrong)


@pytest.mark.parametrize("kind", ["plain", "asynchronous", "generator"])
def test_a_function_that_asks_a_model_by_itself(kind: str) -> None:
    """Its answer counts, and it does not run once the budget is spent."""
    ran = []
    answer = {"model": "gpt-5", "choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}
    made = track_llm(kind="generation", provider="ours", format=chat_completions)

    @made
    def plain(request: Any) -> Any:
        ran.append(request)
        return answer

    @made
    async def asynchronous(request: Any) -> Any:
        ran.append(request)
        return answer

    @made
    def generator(request: Any) -> Any:
        ran.append(request)
        yield {"object": "chat.completion.chunk", **answer}

    run = {"plain": plain, "asynchronous": lambda given: asyncio.run(asynchronous(given)),
           "generator": lambda given: list(generator(given))}[kind]  # fmt: skip
    with capture_events() as events:
        with llm_span(budget_usd=0.3) as span:
            run({"messages": []})
            assert span.spent_usd == pytest.approx(0.2)
            run({"messages": []})
            with pytest.raises(BudgetExceeded):
                run({"messages": []})
        gc.collect()
    assert len(ran) == 2
    assert names(events) == ["$ai_generation"] * 2 + ["$ai_trace"]


def test_a_fault_while_counting_is_no_fault_of_the_program(
    without_pytest: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """If a price cannot be found, the call returns and has its event; only that is logged."""
    monkeypatch.setattr(pricing, "known_cost", lambda *_, **__: 1 / 0)
    provider = Provider()
    with capture_events() as events, llm_span(budget_usd=0.2) as span:
        provider.ask()
        provider.ask()
        assert span.spent_usd == 0
    assert names(events) == ["$ai_generation"] * 2 + ["$ai_trace"]
    assert any("count what a call cost" in line for line in caplog.messages)


@with_responses
def test_a_background_run_counts_once_where_it_was_asked_for():
    """It costs when its answer is fetched, in the budget of who asked; fetching is never refused."""
    states = ["queued", "in_progress", "completed", "completed", "completed"]

    def answer(request: Any) -> Any:
        status = states.pop(0)
        body = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-5",
            "status": status,
            "output": [],
            "background": True,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        used = {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}  # fmt: skip
        return http_of(openai).Response(200, json=body | ({"usage": used} if status == "completed" else {}))

    made = client(openai, "OpenAI", answer)
    with llm_span(budget_usd=0.1) as span:
        made.responses.create(model="gpt-5", input="hi", background=True)
        made.responses.retrieve("resp_1")
        assert (span.spent_usd, span.unpriced_calls) == (0, 0)
        elsewhere = threading.Thread(target=made.responses.retrieve, args=("resp_1",))
        elsewhere.start()
        elsewhere.join()
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(0.2), 0)
        made.responses.retrieve("resp_1")
        with pytest.raises(BudgetExceeded):
            made.responses.create(model="gpt-5", input="hi", background=True)
    with llm_span("elsewhere", budget_usd=0.1) as other:
        made.responses.retrieve("resp_1")
        assert other.spent_usd == 0
    assert span.spent_usd == pytest.approx(0.2)


@with_responses
def test_background_runs_that_are_never_fetched_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for so many; the oldest goes first."""
    monkeypatch.setattr(budgets, "_MOST_RUNS", 2)
    monkeypatch.setattr(budgets, "_runs", type(budgets._runs)())
    numbers = iter(range(9))

    def answer(request: Any) -> Any:
        body = {"id": f"resp_{next(numbers)}", "object": "response", "created_at": 1, "model": "gpt-5",
                "status": "queued", "output": [], "background": True}  # fmt: skip
        return http_of(openai).Response(200, json=body)

    made = client(openai, "OpenAI", answer)
    with llm_span(budget_usd=1):
        for _ in range(3):
            made.responses.create(model="gpt-5", input="hi", background=True)
    assert list(budgets._runs) == ["openai:resp_1", "openai:resp_2"]


def test_another_sdk():
    """Anthropic's calls count by the same rules, its caches and searches included."""
    usage = {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 1000,
             "cache_creation_input_tokens": 0, "server_tool_use": {"web_search_requests": 1}}  # fmt: skip
    body = {"id": "m", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [],
            "stop_reason": "end_turn", "usage": usage}  # fmt: skip
    made = client(anthropic, "Anthropic", lambda request: http_of(anthropic).Response(200, json=body))
    llm_track.configure()
    with llm_span(budget_usd=1) as span:
        made.messages.create(model="claude-opus-4-8", max_tokens=9, messages=HI)
        assert span.spent_usd == pytest.approx(100 * 5e-6 + 10 * 25e-6 + 1000 * 0.5e-6 + 0.01)


def test_the_list_is_loaded_in_the_background():
    """The first budget has the price list loaded on the thread of the worker; without one nobody loads it."""
    program = (
        "import sys, threading, llm_track\n"
        "with llm_track.llm_span(): pass\n"
        "llm_track.flush()\n"
        "print('genai_prices' in sys.modules)\n"
        "from llm_track import pricing\n"
        "load, seen = pricing.load, []\n"
        "pricing.load = lambda: (load(), seen.append(threading.current_thread().name))\n"
        "for _ in range(2):\n"
        "    with llm_track.llm_span(budget_usd=1): pass\n"
        "llm_track.flush()\n"
        "print(seen, 'genai_prices.data' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["False", "['llm_track'] True"]
