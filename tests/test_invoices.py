"""What a call cost: by our events, by PostHog's own sum, and by an invoice that is added up here by hand.

The answers are the providers' JSON.  Each goes through the format of its endpoint, becomes an event and passes the
processors.  The rates are those that the providers published in November 2026, in US dollars for a million tokens.

PostHog's sum is that of the reference material beside the repository (``../shared``).  Without it these tests are
skipped, except where the environment says ``CI=true``: there, missing material is a failure.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track import pricing, properties
from llm_track.config import Settings
from llm_track.formats import chat_completions, converse, generate_content, messages, responses
from llm_track.prices import TOKENS, prices
from llm_track.processors import built_in, run
from llm_track.records import Identity, ModelCall, Request, Response, Usage

SIMULATOR = Path(__file__).resolve().parents[2] / "shared" / "spec" / "cost_sim.py"
M = 1e-6


@dataclass(frozen=True)
class Bought:
    """One call, and its invoice."""

    name: str
    format: Any
    provider: str
    model: str
    answer: dict[str, Any]
    rates: dict[str, Any]
    """The price of the model, as a program gives it."""
    invoice: float
    posthog: dict[str, float] = field(default_factory=dict)
    """Where PostHog has other rates for such a call: long prompts."""
    is_batched: bool = False
    is_listed: bool = True
    """Whether ``genai-prices`` tells it, too."""
    is_special: bool = False
    """Whether PostHog would price it wrong, so that a cost is sent anyway, or its counts are kept from PostHog."""


@pytest.fixture(scope="module")
def posthog() -> Any:
    """PostHog's sum for an event, by the rates of a model."""
    if not SIMULATOR.exists():
        missing = f"missing: PostHog's calculation of costs at {SIMULATOR}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    spec = importlib.util.spec_from_file_location("cost_sim", SIMULATOR)
    assert spec is not None
    assert spec.loader is not None
    simulator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(simulator)
    return simulator.cost


def chat(model: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a chat completion."""
    message = {"role": "assistant", "content": "Yes."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage, **more}


def response(model: str, usage: dict[str, Any], *searches: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a response of OpenAI's."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}
    calls = [{"type": "web_search_call", "id": "ws", "status": "completed", "action": each} for each in searches]
    answer = {"id": "r1", "object": "response", "status": "completed", "model": model, "output": [*calls, said]}
    return answer | {"usage": usage, **more}


def message(model: str, usage: dict[str, Any]) -> dict[str, Any]:
    """Return a message of Anthropic's."""
    said = {"id": "m1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
    return said | {"model": model, "stop_reason": "end_turn", "usage": usage}


def candidate(model: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer of Gemini's."""
    said = {"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP", **more}
    return {"candidates": [said], "modelVersion": model, "responseId": "g1", "usageMetadata": usage}


def converse_answer(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer of Bedrock's."""
    said = {"role": "assistant", "content": [{"text": "Yes."}]}
    return {"output": {"message": said}, "stopReason": "end_turn", "usage": usage, **more}


GPT_4O = {"input": 2.5, "cache_read": 1.25, "output": 10, "web_search": 0.025, "batch": 0.5}
GPT_5 = {
    "input": 1.25, "cache_read": 0.125, "output": 10, "web_search": 0.01,
    "batch": 0.5, "flex": {"input": 0.625, "cache_read": 0.0625, "output": 5}, "priority": 2,
}  # fmt: skip
O4_MINI = {"input": 1.1, "cache_read": 0.275, "output": 4.4}
LONG_GPT = {"input": 2.5, "cache_read": 0.25, "output": 15,
            "tiers": [{"above": 272_000, "input": 5, "cache_read": 0.5, "output": 22.5}]}  # fmt: skip
TERRA = {"input": 2, "cache_read": 0.2, "cache_write": 2.5, "output": 12}
SONNET = {
    "input": 3, "cache_read": 0.3, "cache_write": 3.75, "cache_write_1h": 6, "output": 15, "web_search": 0.01,
    "batch": 0.5,
    "tiers": [{"above": 200_000, "input": 6, "cache_read": 0.6, "cache_write": 7.5, "cache_write_1h": 12,
               "output": 22.5}],
}  # fmt: skip
OPUS = {"input": 5, "cache_read": 0.5, "cache_write": 6.25, "cache_write_1h": 10, "output": 25, "web_search": 0.01}
BEDROCK = {"input": 3.3, "cache_read": 0.33, "cache_write": 4.125, "cache_write_1h": 6.6, "output": 16.5}
NOVA = {"input": 0.8, "cache_read": 0.2, "output": 3.2, "flex": 0.5}
GEMINI = {"input": 1.25, "cache_read": 0.125, "output": 10, "web_search": 0.035,
          "batch": {"input": 0.625, "cache_read": 0.125, "output": 5},
          "tiers": [{"above": 200_000, "input": 2.5, "cache_read": 0.25, "output": 15}]}  # fmt: skip
FLASH = {"input": 0.3, "cache_read": 0.03, "output": 2.5, "audio_input": 1}
DEEPSEEK = {"input": 0.27, "cache_read": 0.07, "output": 1.1}
GROK = {"input": 3, "cache_read": 0.75, "output": 15}

CALLS = [
    Bought(
        "OpenAI, cached", chat_completions, "openai", "gpt-4o",
        chat("gpt-4o-2024-08-06", {
            "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }, service_tier="default"),
        GPT_4O, 86 * 2.5 * M + 1920 * 1.25 * M + 300 * 10 * M,
    ),
    Bought(
        "OpenAI, reasoning", chat_completions, "openai", "o4-mini",
        chat("o4-mini-2025-04-16", {
            "prompt_tokens": 75, "completion_tokens": 1186, "total_tokens": 1261,
            "completion_tokens_details": {"reasoning_tokens": 1024},
        }),
        O4_MINI, 75 * 1.1 * M + 1186 * 4.4 * M,
    ),
    Bought(
        "OpenAI, batch", chat_completions, "openai", "gpt-5",
        chat("gpt-5-2025-08-07", {
            "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
            "prompt_tokens_details": {"cached_tokens": 400},
        }),
        GPT_5, (600 * 1.25 * M + 400 * 0.125 * M + 200 * 10 * M) / 2, is_batched=True, is_special=True,
    ),
    Bought(
        "OpenAI, flex", responses, "openai", "gpt-5",
        response("gpt-5-2025-08-07", {
            "input_tokens": 8000, "input_tokens_details": {"cached_tokens": 5120}, "output_tokens": 900,
            "output_tokens_details": {"reasoning_tokens": 640}, "total_tokens": 8900,
        }, service_tier="flex"),
        GPT_5, 2880 * 0.625 * M + 5120 * 0.0625 * M + 900 * 5 * M,
        is_special=True,
    ),
    Bought(
        "OpenAI, priority", responses, "openai", "gpt-5",
        response("gpt-5-2025-08-07", {
            "input_tokens": 8000, "input_tokens_details": {"cached_tokens": 5120}, "output_tokens": 900,
            "output_tokens_details": {"reasoning_tokens": 640}, "total_tokens": 8900,
        }, service_tier="priority"),
        GPT_5, 2880 * 2.5 * M + 5120 * 0.25 * M + 900 * 20 * M, is_special=True,
    ),
    Bought(
        "OpenAI, a long prompt", responses, "openai", "gpt-5.4",
        response("gpt-5.4-2026-03-05", {
            "input_tokens": 300_000, "input_tokens_details": {"cached_tokens": 100_000}, "output_tokens": 500,
            "output_tokens_details": {"reasoning_tokens": 300}, "total_tokens": 300_500,
        }, service_tier="default"),
        LONG_GPT, 200_000 * 5 * M + 100_000 * 0.5 * M + 500 * 22.5 * M,
        posthog={"input": 5, "cache_read": 0.5, "output": 22.5},
    ),
    Bought(
        "OpenAI, searches", responses, "openai", "gpt-5",
        response("gpt-5-2025-08-07", {
            "input_tokens": 12_345, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 700,
            "output_tokens_details": {"reasoning_tokens": 448}, "total_tokens": 13_045,
        }, {"type": "search", "query": "a"}, {"type": "open_page", "url": "https://a.test"},
           {"type": "search", "query": "b"}),
        GPT_5, 12_345 * 1.25 * M + 700 * 10 * M + 2 * 0.01, is_listed=False,
    ),
    Bought(
        "OpenAI, written to a cache", chat_completions, "openai", "gpt-5.6-terra",
        chat("gpt-5.6-terra", {
            "prompt_tokens": 5000, "completion_tokens": 100, "total_tokens": 5100,
            "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 2048},
        }),
        TERRA, 1928 * 2 * M + 1024 * 0.2 * M + 2048 * 2.5 * M + 100 * 12 * M,
    ),
    Bought(
        "Anthropic, cached for five minutes and for an hour", messages, "anthropic", "claude-sonnet-4-5",
        message("claude-sonnet-4-5-20250929", {
            "input_tokens": 50, "cache_read_input_tokens": 12_000, "cache_creation_input_tokens": 3000,
            "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
            "output_tokens": 400, "service_tier": "standard",
        }),
        SONNET, 50 * 3 * M + 12_000 * 0.3 * M + 1000 * 3.75 * M + 2000 * 6 * M + 400 * 15 * M,
    ),
    Bought(
        "Anthropic, thinking and searches", messages, "anthropic", "claude-sonnet-4-5",
        message("claude-sonnet-4-5-20250929", {
            "input_tokens": 6039, "output_tokens": 931, "output_tokens_details": {"thinking_tokens": 500},
            "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "service_tier": "standard",
            "server_tool_use": {"web_search_requests": 3}, "inference_geo": "not_available",
        }),
        SONNET, 6039 * 3 * M + 931 * 15 * M + 3 * 0.01,
    ),
    Bought(
        "Anthropic, batch", messages, "anthropic", "claude-sonnet-4-5",
        message("claude-sonnet-4-5-20250929", {
            "input_tokens": 100, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 1500,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1500},
            "output_tokens": 300, "service_tier": "batch",
        }),
        SONNET, (100 * 3 * M + 2000 * 0.3 * M + 1500 * 6 * M + 300 * 15 * M) / 2, is_batched=True, is_special=True,
    ),
    Bought(
        "Anthropic, a long prompt", messages, "anthropic", "claude-sonnet-4-5",
        message("claude-sonnet-4-5-20250929", {
            "input_tokens": 1000, "cache_read_input_tokens": 180_000, "cache_creation_input_tokens": 40_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 40_000, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 2000,
        }),
        SONNET, 1000 * 6 * M + 180_000 * 0.6 * M + 40_000 * 7.5 * M + 2000 * 22.5 * M,
        posthog={"input": 6, "cache_read": 0.6, "cache_write": 7.5, "cache_write_1h": 12, "output": 22.5},
    ),
    Bought(
        "Anthropic, kept to one country", messages, "anthropic", "claude-opus-4-8",
        message("claude-opus-4-8", {
            "input_tokens": 50, "cache_read_input_tokens": 12_000, "cache_creation_input_tokens": 3000,
            "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
            "output_tokens": 400, "service_tier": "standard", "inference_geo": "us",
            "server_tool_use": {"web_search_requests": 2},
        }),
        {kind: rate * (1 if kind == "web_search" else 1.1) for kind, rate in OPUS.items()},
        (50 * 5 * M + 12_000 * 0.5 * M + 1000 * 6.25 * M + 2000 * 10 * M + 400 * 25 * M) * 1.1 + 2 * 0.01,
        is_special=True,
    ),
    Bought(
        "Gemini, cached and thinking", generate_content, "gemini", "gemini-2.5-pro",
        candidate("gemini-2.5-pro", {
            "promptTokenCount": 5000, "cachedContentTokenCount": 4096, "candidatesTokenCount": 200,
            "thoughtsTokenCount": 800, "totalTokenCount": 6000,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5000}],
        }),
        GEMINI, 904 * 1.25 * M + 4096 * 0.125 * M + (200 + 800) * 10 * M,
    ),
    Bought(
        "Gemini, a long prompt", generate_content, "google-vertex", "gemini-2.5-pro",
        candidate("gemini-2.5-pro", {
            "promptTokenCount": 250_000, "candidatesTokenCount": 1000, "thoughtsTokenCount": 500,
            "totalTokenCount": 251_500,
        }),
        GEMINI, 250_000 * 2.5 * M + 1500 * 15 * M,
        posthog={"input": 2.5, "cache_read": 0.25, "output": 15},
    ),
    Bought(
        "Gemini, a search", generate_content, "gemini", "gemini-2.5-pro",
        candidate("gemini-2.5-pro", {
            "promptTokenCount": 40, "candidatesTokenCount": 300, "thoughtsTokenCount": 100, "totalTokenCount": 440,
        }, groundingMetadata={"webSearchQueries": ["a", "b"]}),
        GEMINI, 40 * 1.25 * M + 400 * 10 * M + 0.035, is_listed=False,
    ),
    Bought(
        "Gemini, batch", generate_content, "gemini", "gemini-2.5-pro",
        candidate("gemini-2.5-pro", {
            "promptTokenCount": 5000, "cachedContentTokenCount": 4096, "candidatesTokenCount": 200,
            "thoughtsTokenCount": 800, "totalTokenCount": 6000,
        }),
        GEMINI, 904 * 0.625 * M + 4096 * 0.125 * M + 1000 * 5 * M, is_batched=True, is_special=True,
    ),
    Bought(
        "Gemini, sound", generate_content, "gemini", "gemini-2.5-flash",
        candidate("gemini-2.5-flash", {
            "promptTokenCount": 1000, "candidatesTokenCount": 50, "totalTokenCount": 1050,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}, {"modality": "AUDIO", "tokenCount": 960}],
        }),
        FLASH, 40 * 0.3 * M + 960 * 1 * M + 50 * 2.5 * M,
    ),
    Bought(
        "Bedrock, Claude, cached", converse, "amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        converse_answer({
            "inputTokens": 30, "outputTokens": 250, "totalTokens": 6280,
            "cacheReadInputTokens": 4000, "cacheWriteInputTokens": 2000,
        }),
        BEDROCK, 30 * 3.3 * M + 4000 * 0.33 * M + 2000 * 4.125 * M + 250 * 16.5 * M,
    ),
    Bought(
        "Bedrock, Claude, cached for an hour", converse, "amazon-bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        converse_answer({
            "inputTokens": 30, "outputTokens": 250, "totalTokens": 2280, "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 2000, "cacheDetails": [{"ttl": "1h", "inputTokens": 2000}],
        }),
        BEDROCK, 30 * 3.3 * M + 2000 * 6.6 * M + 250 * 16.5 * M,
    ),
    Bought(
        "Bedrock, Nova, cached", converse, "amazon-bedrock", "amazon.nova-pro-v1:0",
        converse_answer({
            "inputTokens": 30, "outputTokens": 250, "totalTokens": 4280, "cacheReadInputTokens": 4000,
            "cacheWriteInputTokens": 0,
        }),
        NOVA, 30 * 0.8 * M + 4000 * 0.2 * M + 250 * 3.2 * M,
    ),
    Bought(
        "Bedrock, flex", converse, "amazon-bedrock", "amazon.nova-pro-v1:0",
        converse_answer({"inputTokens": 1000, "outputTokens": 250, "totalTokens": 1250}, serviceTier={"type": "flex"}),
        NOVA, (1000 * 0.8 * M + 250 * 3.2 * M) / 2, is_listed=False, is_special=True,
    ),
    Bought(
        "DeepSeek, cached", chat_completions, "deepseek", "deepseek-chat",
        chat("deepseek-chat", {
            "prompt_tokens": 900, "completion_tokens": 120, "total_tokens": 1020,
            "prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 260,
        }),
        DEEPSEEK, 260 * 0.27 * M + 640 * 0.07 * M + 120 * 1.1 * M,
    ),
    Bought(
        "xAI, reasoning beside the output", chat_completions, "xai", "grok-4",
        chat("grok-4-0709", {
            "prompt_tokens": 700, "completion_tokens": 60, "total_tokens": 1160,
            "prompt_tokens_details": {"cached_tokens": 512}, "completion_tokens_details": {"reasoning_tokens": 400},
        }),
        GROK, 188 * 3 * M + 512 * 0.75 * M + 460 * 15 * M,
    ),
    Bought(
        "Claude by OpenAI's language, cached inside the input", chat_completions, "openrouter",
        "anthropic/claude-sonnet-4.5",
        chat("anthropic/claude-sonnet-4.5", {
            "prompt_tokens": 10_000, "completion_tokens": 100, "total_tokens": 10_100,
            "prompt_tokens_details": {"cached_tokens": 9000},
        }),
        SONNET, 1000 * 3 * M + 9000 * 0.3 * M + 100 * 15 * M,
    ),
    Bought(
        "Gemini by OpenAI's language, thinking inside the output", chat_completions, "openrouter",
        "google/gemini-2.5-pro",
        chat("google/gemini-2.5-pro", {
            "prompt_tokens": 100, "completion_tokens": 1000, "total_tokens": 1100,
            "completion_tokens_details": {"reasoning_tokens": 800},
        }),
        GEMINI, 100 * 1.25 * M + 1000 * 10 * M,
    ),
]  # fmt: skip
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
"""DeepSeek takes less at some hours of the day."""
bought = pytest.mark.parametrize("call", CALLS, ids=[call.name for call in CALLS])


def event(call: Bought, settings: Settings) -> dict[str, Any]:
    """Return the properties of the event of a call."""
    made = properties.event(
        ModelCall(
            kind="generation", name="chat", provider=call.provider, request=Request(model=call.model),
            response=call.format.response(call.answer), span_id="s", trace_id="t", parent_id=None, identity=Identity(),
            ended_at=NOON, latency=1.0, http_status=200,
            batch="file-1" if call.is_batched else None,
        )
    )  # fmt: skip
    sent = run(built_in(settings), made)
    assert sent is not None
    return sent.properties


def row(rates: dict[str, Any]) -> dict[str, float]:
    """Return rates as PostHog has them: by its own names, for one token."""
    names = {"input": "prompt", "output": "completion", "audio_input": "audio", "image_input": "image"}
    tokens = {names.get(kind, kind): rate * M for kind, rate in rates.items() if isinstance(rate, (int, float))}
    for factor in ("batch", "flex", "priority"):
        tokens.pop(factor, None)
    return tokens | ({"web_search": rates["web_search"]} if "web_search" in rates else {})


def exactly(dollars: float) -> Any:
    return pytest.approx(dollars, rel=0, abs=1e-9)


@bought
@pytest.mark.parametrize("cost", ["auto", "local"])
def test_the_prices_of_a_program_give_its_invoice(call: Bought, cost: Any, posthog: Any) -> None:
    """With prices of the program, our cost, what PostHog keeps of it and the invoice are the same."""
    table = prices({call.model: call.rates, "*": {"input": 1000, "output": 1000}})
    sent = event(call, Settings(cost=cost, prices=table))
    kept = posthog(sent, row({"input": 1000, "output": 1000}))
    assert sent["$ai_total_cost_usd"] == exactly(call.invoice)
    assert (kept["source"], kept["total"]) == ("passthrough", exactly(call.invoice))
    assert sent["$ai_input_cost_usd"] + sent["$ai_output_cost_usd"] <= call.invoice + 1e-9


@bought
def test_posthogs_own_sum_is_the_invoice(call: Bought, posthog: Any) -> None:
    """Without such prices no cost is sent that PostHog finds itself: its sum of our counts is the invoice.

    Where its sum would be wrong, the cost is sent, and PostHog keeps it; where we do not know it either, there is none.
    """
    sent = event(call, Settings())
    found = posthog(sent, row(call.rates | call.posthog))
    if call.is_special and not call.is_listed:
        assert found["total"] is None
        return
    assert found["total"] == exactly(call.invoice)
    assert (found["source"], "$ai_total_cost_usd" in sent) == (
        ("passthrough", True) if call.is_special else ("list", False)
    )


COUNT = st.integers(0, 10**6)
RATE = st.integers(0, 10**6).map(lambda cents: cents / 1e4)
MODELS = {
    "claude-opus-4-8": ("anthropic", False), "us.anthropic.claude-opus-4-8": ("amazon-bedrock", False),
    "amazon.nova-pro-v1:0": ("amazon-bedrock", False), "gpt-5": ("openai", True), "gemini-2.5-pro": ("gemini", True),
    "google/gemini-3.1-flash": ("openrouter", True), "anthropic/claude-opus-4.8": ("openrouter", True),
}  # fmt: skip
"""Models, who bills for them, and whether caches are counted inside the input."""


@st.composite
def usages(draw: st.DrawFn, is_inside: bool) -> Usage:
    """Counts that do not contradict each other; media and caches, of which nobody tells the overlap, not at once."""
    plain, read, short, long = (draw(COUNT) for _ in range(4))
    media = draw(st.sampled_from([0, 1]))
    if media:
        read = short = long = 0
    audio, image = draw(COUNT) * media, draw(COUNT) * media
    said, thought, sounds, pictures = (draw(COUNT) for _ in range(4))
    is_apart = draw(st.booleans())
    return Usage(
        input_tokens=plain + audio + image + (read + short + long) * is_inside,
        cache_read_tokens=read, cache_write_tokens=short + long, cache_write_5m_tokens=short,
        cache_write_1h_tokens=long, cache_included_in_input=is_inside,
        audio_input_tokens=audio, image_input_tokens=image,
        output_tokens=said + sounds + pictures + thought * (not is_apart), audio_output_tokens=sounds,
        image_output_tokens=pictures, reasoning_tokens=thought, reasoning_included_in_output=not is_apart,
        web_searches=draw(st.integers(0, 9)),
    )  # fmt: skip


@given(st.data())
def test_our_sum_is_posthogs(posthog: Any, data: st.DataObject) -> None:
    """For any counts and any price that tells every kind of token, our cost is what PostHog sums up by that price."""
    model = data.draw(st.sampled_from(sorted(MODELS)))
    provider, is_inside = MODELS[model]
    rates = {kind: data.draw(RATE) for kind in (*TOKENS, "web_search", "per_request")}
    if "claude" not in model:  # PostHog has one price of writes for all other models
        rates["cache_write_1h"] = rates["cache_write"]
    usage = data.draw(usages(is_inside))
    made = properties.event(
        ModelCall(
            kind="generation", name="chat", provider=provider, request=Request(model=model),
            response=Response(model=model, usage=usage), span_id="s", trace_id="t", parent_id=None,
            identity=Identity(), ended_at=NOON, latency=1.0, http_status=200,
        )
    )  # fmt: skip
    ours = pricing.given_cost(made.properties, prices({model: rates}))
    assert ours is not None
    theirs = posthog(made.properties, row(rates) | {"request": rates["per_request"]})
    assert ours["$ai_total_cost_usd"] == pytest.approx(theirs["total"], rel=1e-12, abs=1e-9)


@bought
def test_the_list_gives_the_invoice_or_nothing(call: Bought, posthog: Any) -> None:
    """With cost "local" our cost and PostHog's are the invoice; what the list does not tell has no cost of ours."""
    sent = event(call, Settings(cost="local"))
    if not call.is_listed:
        assert "$ai_total_cost_usd" not in sent
        return
    assert sent["$ai_total_cost_usd"] == exactly(call.invoice)
    assert posthog(sent, {"prompt": 1.0, "completion": 1.0})["total"] == exactly(call.invoice)


@pytest.mark.parametrize("cost", ["auto", "local"])
@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0.0123}, 0.0123),
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0}, 0.0),
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0.001, "is_byok": True,
          "cost_details": {"upstream_inference_cost": 0.02}}, 0.021),
    ],
    ids=["a cost", "free", "a fee beside the provider's own cost"],
)  # fmt: skip
def test_what_the_provider_says_a_call_cost_is_its_cost(usage: Any, dollars: float, cost: Any, posthog: Any) -> None:
    """A reported cost, 0 too, comes before the prices of the program, the list's and PostHog's."""
    answer = chat("openai/gpt-4o", usage)
    call = Bought("OpenRouter", chat_completions, "openrouter", "openai/gpt-4o", answer, GPT_4O, dollars)
    sent = event(call, Settings(cost=cost, prices=prices({"*": {"input": 1000, "output": 1000}})))
    assert sent["$ai_total_cost_usd"] == exactly(dollars)
    assert posthog(sent, row(GPT_4O))["total"] == exactly(dollars)


@pytest.mark.parametrize(
    ("rates", "dollars"),
    [({"input": 0, "output": 0}, 0.0), ({"input": 0, "output": 2}, 8 * M), ({"per_request": 0.01}, 0.01),
     ({"input": 1, "output": 2, "per_request": 0.01}, 9 * M + 8 * M + 0.01)],
    ids=["free", "one side is free", "only a fee", "a fee"],
)  # fmt: skip
def test_posthog_keeps_a_price_of_nothing_and_fees(rates: Any, dollars: float, posthog: Any) -> None:
    """A part that is 0, of which PostHog would make its own, and a fee for each request are part of what it keeps."""
    answer = chat("llama3", {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
    call = Bought("Ollama", chat_completions, "ollama", "llama3", answer, rates, dollars)
    sent = event(call, Settings(prices=prices({"ollama/*": rates})))
    assert sent["$ai_total_cost_usd"] == exactly(dollars)
    assert posthog(sent, {"prompt": 1.0, "completion": 1.0})["total"] == exactly(dollars)


@pytest.mark.parametrize("cost", ["auto", "local"])
def test_a_model_that_nobody_knows_has_no_cost(cost: Any, posthog: Any) -> None:
    """Neither we nor PostHog give a cost to it, whatever the prices of other models."""
    answer = chat("our-own", {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
    call = Bought("a model of ours", chat_completions, "openai", "our-own", answer, GPT_4O, 0.0)
    sent = event(call, Settings(cost=cost, prices=prices({"gpt-*": GPT_4O})))
    assert not [name for name in sent if "cost" in name]
    assert posthog(sent, None)["total"] is None
