"""What tokens cost, by the price list of genai-prices."""

from __future__ import annotations

from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from llm_track.pricing import cost


def priced(model: str, provider: str, **counts: Any) -> dict[str, Any] | None:
    """Return the cost of an event with these counts, named without their `$ai_`."""
    return cost(
        {"$ai_model": model, "$ai_provider": provider, **{f"$ai_{name}": value for name, value in counts.items()}}
    )


def expected(model: str, provider: str, **counts: int) -> dict[str, Any]:
    price = calc_price(Usage(**counts), model, provider_id=provider)
    return {
        "$ai_input_cost_usd": pytest.approx(float(price.input_price)),
        "$ai_output_cost_usd": pytest.approx(float(price.output_price)),
        "$ai_total_cost_usd": pytest.approx(float(price.total_price)),
        "$ai_cost_passthrough": True,
    }


def test_plain_tokens():
    """Input and output tokens cost what the list says, to the cent."""
    assert priced("gpt-4o", "openai", input_tokens=1000, output_tokens=100) == {
        "$ai_input_cost_usd": pytest.approx(0.0025),
        "$ai_output_cost_usd": pytest.approx(0.001),
        "$ai_total_cost_usd": pytest.approx(0.0035),
        "$ai_cost_passthrough": True,
    }


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_openai_counts_cached_tokens_inside_the_input(uncached, cached, output):
    """Cached tokens that are part of the input are priced once, at their own price."""
    counts = {"input_tokens": uncached + cached, "output_tokens": output}
    found = priced("gpt-4o", "openai", **counts, cache_read_input_tokens=cached, cache_reporting_exclusive=False)
    assert found == expected("gpt-4o", "openai", **counts, cache_read_tokens=cached)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_anthropic_counts_cached_tokens_outside_the_input(uncached, read, written, output):
    """Cache tokens beside the input are added to it before the list is asked, which counts them inside."""
    found = priced(
        "claude-sonnet-4-5",
        "anthropic",
        input_tokens=uncached,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        cache_reporting_exclusive=True,
    )
    total = uncached + read + written
    assert found == expected(
        "claude-sonnet-4-5", "anthropic",
        input_tokens=total, output_tokens=output, cache_read_tokens=read, cache_write_tokens=written,
    )  # fmt: skip


def test_anthropic_without_cache_counts():
    """Counts that Anthropic did not report add nothing."""
    found = priced("claude-sonnet-4-5", "anthropic", input_tokens=10, output_tokens=1, cache_reporting_exclusive=True)
    assert found == expected("claude-sonnet-4-5", "anthropic", input_tokens=10, output_tokens=1)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("amazon-bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("google-vertex", "claude-sonnet-4@20250514"),
        ("gemini", "gemini-2.5-pro"),
        ("xai", "grok-4"),
        ("azure", "gpt-4o"),
        ("groq", "llama-3.3-70b-versatile"),
    ],
)
def test_providers_that_the_list_spells_in_another_way(provider, model):
    """A provider in PostHog's spelling finds its prices."""
    found = priced(model, provider, input_tokens=1_000_000, output_tokens=1_000_000)
    assert found is not None
    assert found["$ai_total_cost_usd"] > 0.1


def test_an_embedding_costs_its_input():
    """A model that has no output is priced without one."""
    counted = {"$ai_model": "text-embedding-3-small", "$ai_provider": "openai", "$ai_input_tokens": 1_000_000}
    found = cost(counted, embedding=True)
    assert found is not None
    assert found["$ai_total_cost_usd"] == pytest.approx(0.02)
    assert cost(counted) is None


@pytest.mark.parametrize(
    ("model", "provider", "counts"),
    [
        ("no-such-model", "openai", {"input_tokens": 1, "output_tokens": 1}),
        ("gpt-4o", "no-such-provider", {"input_tokens": 1, "output_tokens": 1}),
        ("", "openai", {"input_tokens": 1, "output_tokens": 1}),
        ("gpt-4o", "openai", {}),
        ("gpt-4o", "openai", {"output_tokens": 1}),
        ("gpt-4o", "openai", {"input_tokens": 1}),
        ("gpt-4o", "openai", {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 5}),
        ("claude-sonnet-4-5", "anthropic", {"output_tokens": 1, "cache_read_input_tokens": 5}),
        ("gpt-4o", "openai", {"input_tokens": 1, "output_tokens": 1, "web_search_count": 2}),
        ("gpt-4o", "openai", {"input_tokens": 1, "output_tokens": 1, "service_tier": "flex"}),
        (
            "claude-sonnet-4-5",
            "anthropic",
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cache_creation_input_tokens": 9,
                "cache_creation_1h_input_tokens": 9,
                "cache_reporting_exclusive": True,
            },
        ),
    ],
    ids=[
        "model", "provider", "no model", "no usage", "no input", "no output", "impossible counts",
        "cache without input", "searches", "another tier", "one-hour cache",
    ],
)  # fmt: skip
def test_what_cannot_be_priced_right_is_not_priced(model, provider, counts):
    """An unknown model or usage, and what the list has no price for, gets no cost rather than a wrong one."""
    assert priced(model, provider, **counts) is None


def test_the_standard_tier_is_the_listed_price():
    """A tier that costs what the list says, and searches that did not happen, change nothing."""
    plain = priced("gpt-4o", "openai", input_tokens=10, output_tokens=1)
    assert (
        priced("gpt-4o", "openai", input_tokens=10, output_tokens=1, service_tier="default", web_search_count=0)
        == plain
    )
