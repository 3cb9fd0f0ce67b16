"""A span's budget and LiteLLM: what LiteLLM says that a call cost counts, and no refused call reaches it."""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import llm_track
from llm_track import BudgetExceeded, llm_span
from llm_track.testing import Events

from .litellm_calls import FORMS, WORDS, run
from .server import INPUT, OUTPUT, Provider

PRICES = {"input_cost_per_token": 1e-3, "cache_read_input_token_cost": 1e-3, "output_cost_per_token": 2e-3}
COST = INPUT * 1e-3 + OUTPUT * 2e-3


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True])
def test_litellms_own_cost_counts(mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events) -> None:
    """A call counts once, with the prices that it names; the one after the last that can be paid is not made."""
    asked = FORMS["completion"].given(provider, WORDS, **PRICES)
    asked |= {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    with llm_span(budget_usd=2 * COST) as span:
        for times in (1, 2):
            run(litellm, FORMS["completion"].named(mode), asked)
            assert span.spent_usd == pytest.approx(times * COST)
        with pytest.raises(BudgetExceeded):
            run(litellm, FORMS["completion"].named(mode), asked)
    assert len(provider.requests) == 2
    assert [event.name for event in events.settle()] == ["$ai_generation"] * 2 + ["$ai_trace"]


def test_an_answer_made_up_for_a_test_costs_nothing(litellm: Any, provider: Provider, events: Events) -> None:
    """``mock_response`` asks nobody, and a call that the provider refuses is not paid: neither is unknown."""
    llm_track.configure(prices={})
    with llm_span(budget_usd=1) as span:
        run(litellm, "completion", FORMS["completion"].given(provider, WORDS, mock_response="no"))
        with pytest.raises(litellm.exceptions.InternalServerError):
            run(litellm, "completion", FORMS["completion"].given(provider, "answer 500", num_retries=1))
        assert (span.spent_usd, span.unpriced_calls) == (0, 0)


def routing(litellm: Any, provider: Provider) -> Any:
    """Return a router that tries again and falls back, with prices for what answers in the end."""
    beside = {"api_key": "k", "max_retries": 0, **PRICES}
    deployments = [
        {"model_name": name, "litellm_params": {"model": model, "api_base": provider.v1, **beside}}
        for name, model in (("asked", "openai/fails-500"), ("other", "openai/gpt-4o-mini"))
    ]
    return litellm.Router(model_list=deployments, num_retries=1, retry_after=0, fallbacks=[{"asked": ["other"]}])


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_router_that_falls_back_counts_once_and_is_not_tried_again_once_refused(
    mode: str, streamed: bool, litellm: Any, provider: Provider, events: Events
) -> None:
    """Retries and fallbacks are one call, of which only the answer is paid; refused, the router asks nobody at all."""
    asked: dict[str, Any] = {"model": "asked", "messages": [{"role": "user", "content": WORDS}]}
    asked |= {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    router, name = routing(litellm, provider), FORMS["completion"].named(mode)
    with llm_span(budget_usd=COST) as span:
        run(router, name, asked)
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(COST), 0)
        made = len(provider.requests)
        with pytest.raises(BudgetExceeded):
            run(router, name, asked)
        assert len(provider.requests) == made
    assert made > 1
    assert [event.name for event in events.settle()] == ["$ai_generation", "$ai_trace"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_litellm_does_not_try_again_what_a_budget_refused(
    mode: str, litellm: Any, provider: Provider, events: Events
) -> None:
    """Its own retries and fallbacks do not take a refusal for a fault of the provider."""
    asked = FORMS["completion"].given(provider, WORDS, num_retries=3, fallbacks=["openai/gpt-4o"])
    with llm_span(budget_usd=0) as span:
        with pytest.raises(BudgetExceeded):
            run(litellm, FORMS["completion"].named(mode), asked)
        assert (span.spent_usd, span.unpriced_calls) == (0, 0)
    assert not provider.requests


def test_calls_at_once(litellm: Any, provider: Provider, events: Events) -> None:
    """Tasks and threads that ask at once lose nothing and count nothing twice."""
    asked = FORMS["completion"].given(provider, WORDS, **PRICES)

    async def gather() -> None:
        await asyncio.gather(*(litellm.acompletion(**asked) for _ in range(10)))

    with llm_span(budget_usd=1000) as span:
        asyncio.run(gather())
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(litellm.completion, **asked) for _ in range(10)]:
                done.result()
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(20 * COST), 0)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_stream_that_is_left(mode: str, litellm: Any, provider: Provider, events: Events) -> None:
    """It has no counts yet: it is one call whose cost is unknown, and spends nothing."""
    asked = FORMS["completion"].given(provider, "linger", stream=True, **PRICES)

    async def leave() -> None:
        stream = await litellm.acompletion(**asked)
        async for _ in stream:
            break
        await stream.aclose()

    with llm_span(budget_usd=1) as span:
        if mode == "async":
            asyncio.run(leave())
        else:
            stream = litellm.completion(**asked)
            next(iter(stream))
            del stream
        for _ in range(40):
            gc.collect()
            if span.unpriced_calls:
                break
            time.sleep(0.05)
        assert (span.spent_usd, span.unpriced_calls) == (0, 1)


def test_an_answer_out_of_a_cache_costs_nothing(litellm: Any, provider: Provider, events: Events) -> None:
    """It is neither paid nor of unknown cost."""
    litellm.cache = litellm.Cache(type="local")
    asked = FORMS["completion"].given(provider, WORDS, caching=True, **PRICES)
    with llm_span(budget_usd=1) as span:
        for _ in range(3):
            run(litellm, "completion", asked)
        assert (span.spent_usd, span.unpriced_calls) == (pytest.approx(COST), 0)
    assert len(provider.requests) == 1
