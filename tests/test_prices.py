"""The prices that a program gives: how they are written, which of them applies, and what a call costs by them."""

from __future__ import annotations

import json
import logging
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from llm_track import ConfigurationError, _guard, configure, pricing
from llm_track.config import settings
from llm_track.prices import Prices, prices

TOKENS: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}


def cost(table: Any, provider: str = "openai", model: str = "gpt-5", **said: Any) -> float | None:
    """Return what an event costs in all, by the prices of a program."""
    batched, embedding = said.pop("batched", False), said.pop("embedding", False)
    of = {"$ai_provider": provider, "$ai_model": model, "llm_outcome": "completed"}
    of |= {name if name.startswith("llm_") else f"$ai_{name}": value for name, value in said.items()}
    found = pricing.given_cost(of, prices(table), batched=batched, embedding=embedding)
    return None if found is None else float(found["$ai_total_cost_usd"])


def test_a_price_is_per_million_tokens_and_is_sent_by_parts():
    """Input and output have their own parts, and PostHog is told to keep their sum."""
    of = {"$ai_provider": "openai", "$ai_model": "gpt-5", "$ai_input_tokens": 1000, "$ai_output_tokens": 100}
    assert pricing.given_cost(of, prices({"gpt-5": {"input": 1.25, "output": 10}})) == {
        "$ai_input_cost_usd": pytest.approx(0.00125),
        "$ai_output_cost_usd": pytest.approx(0.001),
        "$ai_total_cost_usd": pytest.approx(0.00225),
        "$ai_cost_passthrough": True,
    }


@pytest.mark.parametrize(
    ("names", "provider", "models", "taken"),
    [
        (["gpt-5", "gpt-*"], "openai", ["gpt-5"], "gpt-5"),
        (["*", "gpt-*", "gpt-5*"], "openai", ["gpt-5-mini"], "gpt-5*"),
        (["*", "gpt-*"], "openai", ["o3"], "*"),
        (["gpt-5", "azure/gpt-5"], "azure", ["gpt-5"], "azure/gpt-5"),
        (["gpt-5", "azure/gpt-5"], "openai", ["gpt-5"], "gpt-5"),
        (["azure/*", "gpt-5*"], "azure", ["gpt-5-mini"], "azure/*"),
        (["gpt-4o"], "openai", ["gpt-4o-2024-08-06"], "gpt-4o"),
        (["claude-sonnet-4-5"], "anthropic", ["claude-sonnet-4-5-20250929"], "claude-sonnet-4-5"),
        (["claude-sonnet-4"], "google-vertex", ["claude-sonnet-4@20250514"], "claude-sonnet-4"),
        (["grok-4"], "xai", ["grok-4-0709"], "grok-4"),
        (["gpt-4o", "gpt-4o-2024-08-06"], "openai", ["gpt-4o-2024-08-06"], "gpt-4o-2024-08-06"),
        (["gpt-4o"], "openai", ["gpt-4o-mini"], None),
        (["azure/ours", "gpt-4o*"], "azure", ["gpt-4o-2024-08-06", "ours"], "azure/ours"),
        (["gpt-4o", "ours"], "azure", ["gpt-4o-2024-08-06", "ours"], "gpt-4o"),
        (["openai/gpt-*"], "openrouter", ["openai/gpt-5"], "openai/gpt-*"),
        (["GPT-5"], "openai", ["Gpt-5"], "GPT-5"),
        (["gpt.5"], "openai", ["gpt-5"], None),
        (["gpt-5"], "openai", [], None),
    ],
)
def test_the_nearest_price_is_taken(names: list[str], provider: str, models: list[str], taken: str | None) -> None:
    """A name, also of a dated version, comes before patterns, of which the longest counts, and a provider's first."""
    table = prices({name: {"input": place, "output": 0} for place, name in enumerate(names)})
    found = table.find(provider, *models)
    assert (None if found is None else names[int(found.rates["input"])]) == taken


@hypothesis.given(st.text("ab*", max_size=9), st.text("ab\n", max_size=9))
@hypothesis.example("*" + "a*" * 20 + "b", "a" * 100)
def test_a_star_stands_for_any_letters(pattern: str, model: str) -> None:
    """A pattern fits as a shell's does, and whatever the model is called that is soon known."""
    found = prices({f"*{pattern}": {"input": 1, "output": 1}}).find("", f"a{model}")
    assert (found is not None) == fnmatchcase(f"a{model}", f"*{pattern}")


def test_the_name_that_was_asked_for_counts_too():
    """A deployment of Azure's has a price by its own name; not where another model stepped in for it, as elsewhere."""
    table = {"ours": {"input": 1, "output": 2}}
    asked = {"provider": "azure", "model": "gpt-4o-2024-08-06", "llm_requested_model": "ours", **TOKENS}
    assert cost(table, **asked) == pytest.approx(3)
    assert cost(table, **(asked | {"provider": "openai"})) is None
    assert cost(table, **asked, llm_failed_attempts=[{"model": "ours"}]) is None


CLAUDE = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75, "cache_write_1h": 6, "web_search": 0.01}


@pytest.mark.parametrize(
    ("table", "said", "dollars"),
    [
        ({"input": 2, "output": 4}, {"cache_read_input_tokens": 400_000, "cache_reporting_exclusive": False}, 6),
        ({"input": 2, "output": 4, "cache_read": 1}, {"cache_read_input_tokens": 500_000}, 1 + 0.5 + 4),
        (
            CLAUDE,
            {
                "cache_read_input_tokens": 500_000,
                "cache_creation_input_tokens": 300_000,
                "cache_creation_1h_input_tokens": 100_000,
                "cache_reporting_exclusive": True,
            },
            3 + 15 + 0.15 + 0.2 * 3.75 + 0.1 * 6,
        ),
        (
            {"input": 2, "output": 4, "cache_write": 3},
            {"cache_creation_input_tokens": 300_000, "cache_creation_1h_input_tokens": 300_000},
            0.7 * 2 + 0.3 * 3 + 4,
        ),
        ({"input": 2, "output": 4, "audio_input": 40}, {"audio_input_tokens": 100_000}, 0.9 * 2 + 0.1 * 40 + 4),
        ({"input": 2, "output": 4, "image_output": 60}, {"image_output_tokens": 500_000}, 2 + 0.5 * 4 + 0.5 * 60),
        ({"input": 2, "output": 4}, {"audio_output_tokens": 500_000}, 6),
        (CLAUDE, {"web_search_count": 3}, 18 + 0.03),
        ({"input": 2, "output": 4, "per_request": 0.5}, {}, 6.5),
        ({"per_request": 0.5}, {}, 0.5),
        ({"input": 0, "output": 0}, {}, 0),
        ({"input": 2, "output": 4, "batch": 0.5, "per_request": 1}, {"batched": True}, 3 + 1),
        ({"input": 2, "output": 4, "priority": 2}, {"service_tier": "priority"}, 12),
        ({"input": 2, "output": 4, "flex": {"input": 1.5}}, {"service_tier": "flex"}, 5.5),
        ({"input": 2, "output": 4, "fast": 2}, {"usage": {"speed": "fast"}}, 12),
        ({"input": 2, "output": 4, "priority": 2}, {"service_tier": "default"}, 6),
        ({"input": 2, "output": 4, "tiers": [{"above": 999_999, "input": 3}]}, {}, 7),
        ({"input": 2, "output": 4, "tiers": [{"above": 1_000_000, "input": 3}]}, {}, 6),
        ({"input": 2, "output": 4, "tiers": [{"above": 9, "input": 8}, {"above": 5, "input": 3}]}, {}, 12),
        ({"input": 2, "output": 4, "batch": 0.5, "tiers": [{"above": 9, "input": 8}]}, {"batched": True}, 6),
        (
            {"input": 2, "output": 4, "tiers": [{"above": 9, "input": 8}],
             "batch": {"input": 1, "output": 2, "tiers": [{"above": 9, "input": 5}]}},
            {"batched": True},
            7,
        ),
    ],
    ids=[
        "cached as any", "cached", "Claude", "an hour without a price", "sound", "pictures", "sound as any", "searches",
        "a fee", "only a fee", "free", "batch", "priority", "flex", "fast", "standard", "above", "not above",
        "two tiers", "a long batch", "a long batch of its own",
    ],
)  # fmt: skip
def test_what_a_call_costs(table: dict[str, Any], said: dict[str, Any], dollars: float) -> None:
    """Each kind of token costs its own rate, or that of what it is part of; tiers, services and fees are added."""
    assert cost({"gpt-5": table}, **(TOKENS | said)) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("table", "said", "missing"),
    [
        ({"input": 2, "output": 4}, {"web_search_count": 1}, "web_search"),
        ({"input": 2, "output": 4}, {"batched": True}, "batch"),
        ({"input": 2, "output": 4}, {"service_tier": "priority"}, "priority"),
        ({"input": 2}, {}, "output"),
        ({"per_request": 0.1, "input": 2}, {}, "output"),
        ({"input": 2, "output": 4, "tiers": [{"above": 9, "input": 8}], "batch": {"input": 1}}, {"batched": True},
         "tiers"),
        ({"input": 2, "output": 4, "audio_input": 9}, {"audio_input_tokens": 1, "cache_read_input_tokens": 1}, "cache"),
        ({"input": 2, "output": 4, "cache_read": 1}, {"cache_read_input_tokens": 2_000_000}, "contradict"),
    ],
)  # fmt: skip
def test_what_a_price_does_not_tell_is_not_guessed(
    table: dict[str, Any], said: dict[str, Any], missing: str, monkeypatch: Any, caplog: Any
) -> None:
    """A call that needs a rate which was not given has no cost by the table, and one log line says which."""
    monkeypatch.setattr(_guard, "_said", set())
    with caplog.at_level(logging.WARNING, "llm_track"):
        assert [cost({"gpt-5": table}, **(TOKENS | said)) for _ in range(2)] == [None, None]
    (line,) = caplog.messages
    assert missing in line
    assert "openai/gpt-5" in line


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"output_tokens": 5},
        {"input_tokens": 5},
        {**TOKENS, "service_tier": "scale"},
        {**TOKENS, "batched": True, "service_tier": "flex"},
        {**TOKENS, "model": "o3"},
    ],
    ids=["no counts", "no input", "no output", "a tier without a name", "two services", "another model"],
)
def test_what_cannot_be_priced_has_no_cost(said: dict[str, Any]) -> None:
    """Counts that are missing are not taken for zero, and tiers that nobody knows not for the standard one."""
    assert cost({"gpt-5": {"input": 2, "output": 4, "batch": 1, "flex": 1}}, **said) is None


def test_an_embedding_has_no_output():
    """A model that only reads is priced by its input."""
    assert cost({"gpt-5": {"input": 2}}, input_tokens=1_000_000, embedding=True) == pytest.approx(2)


def test_a_fee_needs_an_answer():
    """A fee for each request applies to a call without counts that was answered, and to no other."""
    assert cost({"gpt-5": {"per_request": 0.1}}) == pytest.approx(0.1)
    assert cost({"gpt-5": {"per_request": 0.1}}, llm_outcome="failed") is None
    assert cost({"gpt-5": {"per_request": 0.1}}, is_error=True) is None


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (5, "a dict"),
        ([("gpt-5", {"input": 1})], "a dict"),
        ({"gpt-5": 5}, "prices['gpt-5']"),
        ({5: {"input": 1}}, "that of a model"),
        ({" ": {"input": 1}}, "that of a model"),
        ({"gpt-5": {"inptu": 1}}, "Did you mean 'input'?"),
        ({"gpt-5": {"zzz": 1}}, "It may have input, output"),
        ({"gpt-5": {5: 1}}, "knows no 5"),
        ({"gpt-5": {"output": 1}}, "'input'"),
        ({"gpt-5": {}}, "'input'"),
        ({"gpt-5": {"input": "1.25"}}, "number"),
        ({"gpt-5": {"input": True}}, "number"),
        ({"gpt-5": {"input": -1}}, "number"),
        ({"gpt-5": {"input": float("nan")}}, "number"),
        ({"gpt-5": {"input": 10**400}}, "number"),
        ({"gpt-5": {"input": 1, "batch": None}}, "['batch']"),
        ({"gpt-5": {"input": 1, "batch": {"batch": 1}}}, "['batch']"),
        ({"gpt-5": {"input": 1, "tiers": {"above": 5}}}, "list"),
        ({"gpt-5": {"input": 1, "tiers": [5]}}, "above"),
        ({"gpt-5": {"input": 1, "tiers": [{"input": 5}]}}, "above"),
        ({"gpt-5": {"input": 1, "tiers": [{"above": "200000", "input": 5}]}}, "200000"),
        ({"gpt-5": {"input": 1, "tiers": [{"above": -1, "input": 5}]}}, "200000"),
        ({"gpt-5": {"input": 1, "web_search": "x"}}, "['web_search']"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error_that_says_what_to_write(given: Any, advice: str) -> None:
    """`configure` refuses it, and names the place."""
    with pytest.raises(ConfigurationError) as raised:
        configure(prices=given)
    assert "prices" in str(raised.value)
    assert advice in str(raised.value)


def test_a_table_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a JSON file stands for what it holds, as an argument and in the environment."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"gpt-5": {"input": 7}}))
    monkeypatch.setenv("LLM_TRACK_PRICES", str(path))
    for given in (path, str(path), None):
        configure(prices=given)
        table = settings().prices
        assert isinstance(table, Prices)
        found = table.find("openai", "gpt-5")
        assert found is not None
        assert found.rates["input"] == 7
    for wrong in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            configure(prices=wrong)
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        configure(prices=path)
