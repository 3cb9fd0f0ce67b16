"""What tokens cost, by the price list of genai-prices."""

from __future__ import annotations

import socket
import sys
import threading
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from genai_prices.types import ModelPrice, PriceVariant, StartDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from llm_track import processors, properties
from llm_track.pricing import cost
from llm_track.records import Identity, ModelCall, Request, Response, Usage

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def priced(model: str, provider: str, **counts: Any) -> dict[str, Any] | None:
    """Return the cost of an event with these counts, named without their `$ai_`."""
    return cost(
        {"$ai_model": model, "$ai_provider": provider, **{f"$ai_{name}": value for name, value in counts.items()}}
    )


def expected(model: str, provider: str, **counts: int) -> dict[str, Any]:
    price = calc_price(Counted(**counts), model, provider_id=provider)
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
    ],
    ids=[
        "model", "provider", "no model", "no usage", "no input", "no output", "impossible counts",
        "cache without input", "searches", "another tier",
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


@pytest.mark.parametrize(
    ("model", "provider", "said", "dollars"),
    [
        ("gpt-5", "openai", {"service_tier": "priority"}, 1000 * 2.5e-6 + 100 * 20e-6),
        ("gpt-5", "openai", {"service_tier": "flex"}, 1000 * 0.625e-6 + 100 * 5e-6),
        ("gpt-5", "openai", {"service_tier": "flex", "cache_read_input_tokens": 400},
         600 * 0.625e-6 + 400 * 0.0625e-6 + 100 * 5e-6),
        ("gpt-5", "openai", {"service_tier": "scale"}, None),
        ("gpt-5", "azure", {"service_tier": "priority"}, None),
        ("gpt-4o-2024-05-13", "openai", {"service_tier": "priority"}, 1000 * 8.75e-6 + 100 * 26.25e-6),
        ("claude-sonnet-4-5", "anthropic", {"service_tier": "priority"}, None),
        ("claude-sonnet-4-5", "anthropic", {"usage": {"speed": "fast"}}, None),
        ("claude-opus-4-8", "anthropic", {"usage": {"inference_geo": "us"}}, 1.1 * (1000 * 5e-6 + 100 * 25e-6)),
        ("claude-sonnet-4-5", "anthropic", {"usage": {"inference_geo": "us"}}, 0.0045),
        ("claude-opus-4-8", "anthropic", {"usage": {"inference_geo": "eu"}}, None),
        ("claude-sonnet-4-5", "anthropic", {"usage": {"inference_geo": "global", "speed": "standard"}}, 0.0045),
        ("llama-3.3-70b-versatile", "groq", {"service_tier": "on_demand"}, 1000 * 0.59e-6 + 100 * 0.79e-6),
        ("claude-sonnet-4-5", "anthropic", {"web_search_count": 2}, 0.0045 + 0.02),
        ("claude-3-haiku-20240307", "no-such-provider", {"web_search_count": 2}, None),
        ("gemini-2.5-flash", "gemini", {"web_search_count": 1}, None),
        ("claude-sonnet-4-5", "anthropic",
         {"cache_creation_input_tokens": 500, "cache_creation_1h_input_tokens": 300, "cache_reporting_exclusive": True},
         0.0045 + 200 * 3.75e-6 + 300 * 6e-6),
        ("gpt-4o", "openai", {"cache_creation_input_tokens": 5, "cache_creation_1h_input_tokens": 5}, None),
        ("gpt-5.4", "openai", {"input_tokens": 300_000}, 300_000 * 5e-6 + 100 * 22.5e-6),
        ("gpt-5.4", "openai", {"input_tokens": 300_000, "service_tier": "flex"}, 300_000 * 2.5e-6 + 100 * 11.25e-6),
        ("gpt-5.4", "openai", {"input_tokens": 300_000, "service_tier": "priority"}, None),
        ("sonar", "perplexity", {}, None),
    ],
    ids=[
        "priority", "flex", "flex from a cache", "a tier without a price", "of another provider", "priority, dated",
        "a tier of Anthropic's", "never fast", "one country", "a model before there were places",
        "a place without a price", "nothing special", "Groq", "searches",
        "searches elsewhere", "searches of which some are free", "an hour of cache", "no price of an hour",
        "long", "long and flex", "long and no price for that", "a fee that depends",
    ],
)  # fmt: skip
def test_what_else_a_call_is_billed_for(model: str, provider: str, said: dict[str, Any], dollars: float | None) -> None:
    """Tiers, the fast mode, searches, an hour of cache and long prompts cost what the list says, or have no cost."""
    found = priced(model, provider, **({"input_tokens": 1000, "output_tokens": 100} | said))
    assert (None if found is None else found["$ai_total_cost_usd"]) == (
        None if dollars is None else pytest.approx(dollars)
    )


def test_claudes_fast_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Anthropic says it answered fast costs what the list says of that."""
    model = calc_price(Counted(input_tokens=1, output_tokens=1), "claude-opus-4-1", provider_id="anthropic").model
    fast = PriceVariant({"speed": "fast"}, ModelPrice(input_mtok=Decimal(30), output_mtok=Decimal(150)))
    monkeypatch.setattr(model, "price_variants", [fast])
    said = {"input_tokens": 1000, "output_tokens": 100, "usage": {"speed": "fast"}}
    found = priced("claude-opus-4-1", "anthropic", **said)
    assert found is not None
    assert found["$ai_total_cost_usd"] == pytest.approx(0.045)
    assert priced("claude-opus-4-1", "anthropic", **said, service_tier="priority") is None


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pricing opens no connection and starts no thread, also where the list is loaded for it: it is never updated."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    priced("gpt-4o", "openai", input_tokens=1, output_tokens=1)  # what is loaded by now comes back after the test
    for name in [name for name in sys.modules if name.partition(".")[0] == "genai_prices"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    started, here, start = [], threading.current_thread(), threading.Thread.start

    def seen(thread: threading.Thread) -> None:  # other tests' threads come and go meanwhile
        started.extend([thread] if threading.current_thread() is here else [])
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", seen)
    assert priced("gpt-4o", "openai", input_tokens=1000, output_tokens=100) is not None
    assert started == []
    from genai_prices import data_snapshot, update_prices

    assert data_snapshot.get_snapshot().from_auto_update is False
    assert update_prices._shared_updater.ref_count == 0


def batched(model: str, provider: str, *, embedding: bool = False, **counts: Any) -> float | None:
    """Return what the result of a batch costs in all."""
    counted = {f"$ai_{name}": value for name, value in counts.items()}
    found = cost({"$ai_model": model, "$ai_provider": provider, **counted}, embedding=embedding, batched=True)
    return None if found is None else float(found["$ai_total_cost_usd"])


@pytest.mark.parametrize(
    ("model", "provider"),
    [("gpt-4o-mini-2024-07-18", "openai"), ("claude-sonnet-4-5-20250929", "anthropic"), ("gemini-2.5-flash", "gemini")],
)
def test_a_listed_price_of_batches(model, provider):
    """The price of batches that the list has is taken."""
    counts = {"input_tokens": 1000, "output_tokens": 100}
    ids = {"gemini": "google"}
    listed = calc_price(
        Usage(**counts), model, provider_id=ids.get(provider, provider), price_context={"processing": "batch"}
    )
    whole = priced(model, provider, **counts)
    assert whole is not None
    assert batched(model, provider, **counts) == pytest.approx(float(listed.total_price))
    assert batched(model, provider, **counts) == pytest.approx(whole["$ai_total_cost_usd"] / 2)


@pytest.mark.parametrize(
    ("model", "provider", "embedding"),
    [
        ("text-embedding-3-small", "openai", True),
        ("claude-3-5-sonnet-20241022", "anthropic", False),
        ("gpt-4o", "azure", False),
        ("gemini-embedding-001", "gemini", True),
    ],
)
def test_half_the_price_where_the_provider_says_so(model, provider, embedding):
    """A model of which the list has no price of batches costs half, by the documentation of its provider."""
    counts = {"input_tokens": 1000} if embedding else {"input_tokens": 1000, "output_tokens": 100}
    whole = cost(
        {"$ai_model": model, "$ai_provider": provider, **{f"$ai_{name}": count for name, count in counts.items()}},
        embedding=embedding,
    )
    assert whole is not None
    assert batched(model, provider, embedding=embedding, **counts) == pytest.approx(whole["$ai_total_cost_usd"] / 2)


@pytest.mark.parametrize(
    ("model", "provider", "counts"),
    [
        ("no-such-model", "openai", {}),
        ("mistral-large", "mistral", {}),
        ("claude-3-5-sonnet-20241022", "anthropic", {"cache_read_input_tokens": 5, "cache_reporting_exclusive": True}),
        ("gpt-4o", "openai", {"web_search_count": 1}),
        ("gpt-4o", "openai", {"service_tier": "priority"}),
        ("gpt-4.1", "openai", {"cache_read_input_tokens": 5}),
        ("llama-3.3-70b-versatile", "groq", {}),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", {}),
    ],
    ids=["model", "no rule", "a cache", "searches", "another tier", "a cache the list leaves out", "Groq", "Together"],
)
def test_a_price_of_batches_that_nobody_tells(model, provider, counts):
    """What neither the list nor a rule prices has no cost, rather than that of an ordinary call."""
    assert batched(model, provider, input_tokens=1000, output_tokens=100, **counts) is None


@pytest.mark.parametrize(
    ("model", "provider", "dollars"),
    [
        ("gemini-2.5-flash", "gemini", 600 * 0.15e-6 + 400 * 0.03e-6 + 100 * 1.25e-6),
        ("gemini-2.5-flash", "google-vertex", 600 * 0.15e-6 + 400 * 0.03e-6 + 100 * 1.25e-6),
        ("openai/gpt-oss-120b", "groq", 600 * 0.075e-6 + 400 * 0.075e-6 + 100 * 0.3e-6),
        ("gpt-5", "openai", 600 * 0.625e-6 + 400 * 0.0625e-6 + 100 * 5e-6),
        ("mistral-medium-3-5", "mistral", 600 * 0.75e-6 + 400 * 0.075e-6 + 100 * 3.75e-6),
    ],
    ids=["Gemini", "Vertex", "Groq", "OpenAI", "Mistral"],
)
def test_what_a_cache_saves_in_a_batch(model: str, provider: str, dollars: float) -> None:
    """What was read from a cache costs as much as in any other call at Google and Groq, and half of it elsewhere."""
    counts = {"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 400}
    assert batched(model, provider, **counts) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("provider", "said", "dollars"),
    [
        ("gemini", {}, (1000 * 1.25e-6 + 100 * 10e-6) / 2),
        ("google-vertex", {}, (1000 * 1.25e-6 + 100 * 10e-6) / 2),
        ("google-vertex", {"input_tokens": 300_000}, (300_000 * 2.5e-6 + 100 * 15e-6) / 2),
        ("gemini", {"cache_read_input_tokens": 10}, None),
        ("gemini", {"audio_input_tokens": 10}, None),
        ("gemini", {"service_tier": "priority"}, None),
        ("google-vertex", {"service_tier": "provisioned_throughput"}, None),
        ("openrouter", {}, None),
    ],
)
def test_flex_at_google(provider: str, said: dict[str, Any], dollars: float | None) -> None:
    """Google's ``flex`` is half the price; what it takes of caches and of sound then depends on the model."""
    counts = {"input_tokens": 1000, "output_tokens": 100, "service_tier": "flex"}
    found = priced("gemini-2.5-pro", provider, **(counts | said))
    assert (None if found is None else found["$ai_total_cost_usd"]) == (
        None if dollars is None else pytest.approx(dollars)
    )


def test_a_price_of_batches_that_is_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price of batches from a later day on is none yet: the ordinary price, which the list gives, is not told."""
    price = calc_price(Counted(input_tokens=1, output_tokens=1), "gpt-4o-mini", provider_id="openai")
    (variant,) = [each for each in price.model.price_variants or () if each.when == {"processing": "batch"}]
    counts = {"input_tokens": 1000, "output_tokens": 100}
    assert batched("gpt-4o-mini", "openai", **counts) == pytest.approx(0.000105)
    later = StartDateConstraint(start_date=date.today() + timedelta(days=2))
    monkeypatch.setattr(price.model, "price_variants", [replace(variant, constraint=later)])
    assert batched("gpt-4o-mini", "openai", **counts) == pytest.approx(0.000105)  # OpenAI says half
    assert batched("gpt-4o-mini", "openai", cache_read_input_tokens=5, **counts) is None


def test_the_tier_of_batches_and_an_hour_of_cache():
    """Anthropic names batches as a tier, and a batch that is cached for an hour costs half of what that costs."""
    counts = {"input_tokens": 400, "output_tokens": 10, "cache_creation_input_tokens": 500, "service_tier": "batch"}
    counts |= {"cache_creation_1h_input_tokens": 300, "cache_reporting_exclusive": True, "cache_read_input_tokens": 100}
    assert batched("claude-sonnet-4-5-20250929", "anthropic", **counts) == pytest.approx(0.00189 + 0.000075)


@pytest.mark.parametrize(
    ("model", "provider", "said", "dollars"),
    [
        ("gpt-image-1", "openai", {}, 60 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6),
        ("gpt-4o", "openai", {}, 100 * 2.5e-6 + 1000 * 10e-6),
        ("gpt-4o-transcribe", "openai", {"image_input_tokens": None, "audio_input_tokens": 90},
         10 * 2.5e-6 + 90 * 6e-6 + 1000 * 10e-6),
        ("gpt-image-1", "openai", {"cache_read_input_tokens": 50}, None),
        ("gemini-2.5-pro", "gemini", {"service_tier": "flex"}, (100 * 1.25e-6 + 1000 * 10e-6) / 2),
        ("gpt-image-1", "openai", {"service_tier": "priority"}, None),
    ],
    ids=["pictures", "no dearer", "sound", "perhaps out of a cache", "half, no dearer", "another tier"],
)  # fmt: skip
def test_pictures_that_are_given_cost_what_the_list_says_of_them(
    model: str, provider: str, said: dict[str, Any], dollars: float | None
) -> None:
    """Pictures and sound in a prompt have their own price where the list has one, and else that of words."""
    counts = {"input_tokens": 100, "output_tokens": 1000, "image_input_tokens": 40}
    found = priced(model, provider, **(counts | said))
    assert (None if found is None else found["$ai_total_cost_usd"]) == (
        None if dollars is None else pytest.approx(dollars)
    )


@pytest.mark.parametrize("pictures", [0, 40])
def test_half_of_a_picture_that_nobody_tells(monkeypatch: pytest.MonkeyPatch, pictures: int) -> None:
    """Where pictures have a price of their own, a rule of half of everything is not applied to them."""
    model = calc_price(Counted(input_tokens=1, output_tokens=1), "gpt-image-1", provider_id="openai").model
    monkeypatch.setattr(model, "price_variants", None)
    counts = {"input_tokens": 100, "output_tokens": 10, "image_input_tokens": pictures}
    assert (batched("gpt-image-1", "openai", **counts) is None) is bool(pictures)


def test_pictures_cost_more_than_words():
    """The tokens of a picture that was drawn cost what the list says of pictures, also in a batch."""
    counts = {"input_tokens": 1000, "output_tokens": 1120, "image_output_tokens": 1120}
    model = "gemini-3-pro-image-preview"
    listed = {"input_tokens": 1000, "output_tokens": 1120, "output_image_tokens": 1120}
    assert priced(model, "gemini", **counts) == expected(model, "google", **listed)
    in_a_batch = calc_price(Counted(**listed), model, provider_id="google", price_context={"processing": "batch"})
    assert batched(model, "gemini", **counts) == pytest.approx(float(in_a_batch.total_price))
    assert float(in_a_batch.total_price) == pytest.approx(0.001 + 1120 * 60e-6)


def test_the_hour_of_a_call_is_that_of_its_price():
    """What costs less at some hours costs what it did when the call was answered, whenever that is looked up."""
    model = "deepseek-chat"
    made = ModelCall(
        kind="generation", name="chat", provider="deepseek", request=Request(model=model),
        response=Response(model=model, usage=Usage(input_tokens=1000, output_tokens=100)), span_id="s", trace_id="t",
        parent_id=None, identity=Identity(), ended_at=NOON, latency=1.0, http_status=200,
    )  # fmt: skip
    charge = partial(processors.add_cost, prices=None)
    at_noon, at_night = (
        charge(properties.event(replace(made, ended_at=at))) for at in (NOON, NOON + timedelta(hours=8))
    )
    paid, saved = (each.properties["$ai_total_cost_usd"] for each in (at_noon, at_night))
    assert paid == pytest.approx(1000 * 0.27e-6 + 100 * 1.1e-6)
    assert saved == pytest.approx(paid / 2)
