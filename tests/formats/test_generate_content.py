"""Gemini: every recorded answer is read whole, and what is special about its counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llm_track.formats import embed_content, generate_content
from llm_track.properties.costs import output_beside_thoughts
from llm_track.records import Usage

CASSETTES = Path(__file__).parents[3] / "shared" / "cassettes"


def _recorded() -> list[Any]:
    found = []
    for path in sorted(CASSETTES.glob("*/*.json")):
        for number, item in enumerate(json.loads(path.read_text())["interactions"]):
            if item["endpoint"] in ("generateContent", "streamGenerateContent"):
                found.append(pytest.param(item, id=f"{path.stem} {number}"))
    return found


RECORDED = _recorded()


def _answers(item: Any) -> list[Any]:
    """The answer, or the chunks of it."""
    said = item["response"]["body"]
    if "stream" not in item["endpoint"]:
        return [json.loads(said)]
    lines = said.replace("\r\n", "\n").split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def _parts(answers: list[Any]) -> list[Any]:
    return [
        part
        for answer in answers
        for candidate in answer.get("candidates", ())
        for part in (candidate.get("content") or {}).get("parts") or ()
    ]


def _texts(messages: Any) -> str:
    """The words of messages, but for thoughts and tools."""
    said = ""
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        said += "".join(block["text"] for block in blocks if block["type"] == "text")
    return said


def _tools(messages: Any) -> list[str]:
    called = []
    for message in messages:
        blocks = message["content"] if isinstance(message["content"], list) else []
        called += [block["name"] for block in blocks if block["type"] == "tool_use"]
        called += [call["function"]["name"] for call in message.get("tool_calls", ())]
        called += [block["function"]["name"] for block in blocks if block["type"] == "function"]
    return called


@pytest.mark.parametrize("item", RECORDED)
def test_a_recorded_answer(item: Any) -> None:
    """Texts, tools, counts, model, id and reason of a recorded answer are those of the wire, streamed or not."""
    answers = _answers(item)
    fold = generate_content.fold()
    for answer in answers:
        fold.add(answer)
    read = generate_content.response(fold.body() if "stream" in item["endpoint"] else answers[0])
    parts, last = _parts(answers), answers[-1]
    assert _texts(read.output) == "".join(part.get("text", "") for part in parts if not part.get("thought"))
    assert _tools(read.output) == [part["functionCall"]["name"] for part in parts if "functionCall" in part]
    names = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")
    usage = read.usage
    found = (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.total_tokens)
    assert found == tuple(last.get("usageMetadata", {}).get(name) for name in names)
    assert read.model == last["modelVersion"].removeprefix("models/")
    assert read.id == last.get("responseId")
    assert read.stop_reason == next((each["finishReason"] for each in last.get("candidates", ())), None)
    assert read.error is None


def _asked(body: Any) -> tuple[list[Any], list[Any]]:
    """The parts of the system instruction and of the contents."""
    system = body.get("systemInstruction") or body.get("system_instruction") or {}
    contents = [content for content in body["contents"] if isinstance(content, dict)]
    found = [content.get("parts", []) for content in [system, *contents]]
    lists = [parts if isinstance(parts, list) else [parts] for parts in found]
    return lists[0], [part for parts in lists[1:] for part in parts]


@pytest.mark.parametrize("item", RECORDED)
def test_a_recorded_request(item: Any) -> None:
    """Texts and tool calls of a recorded request are drawn, the system instruction first; its settings are there."""
    body = item["request"]["body"]
    read = generate_content.request(body)
    system, asked = _asked(body)
    assert _texts([one for one in read.input if one["role"] != "tool"]) == "".join(
        part.get("text", "") for part in [*system, *asked]
    )
    calls = [part.get("functionCall") or part.get("function_call") for part in asked]
    assert _tools(read.input) == [call["name"] for call in calls if call]
    results = sum("functionResponse" in part or "function_response" in part for part in asked)
    assert sum(one["role"] == "tool" for one in read.input) == results
    assert (read.input[0]["role"] == "system") is bool(system)
    settings = body.get("generationConfig") or body.get("generation_config") or {}
    assert ("temperature" in settings) == ("temperature" in read.parameters)


def test_the_recordings_are_many() -> None:
    """The tests above have recordings to test, in CI at least."""
    assert len(RECORDED) > 50 or os.environ.get("CI") != "true"


@pytest.mark.parametrize(
    ("model", "usage", "told"),
    [
        ("gemini-2.5-pro", Usage(output_tokens=200, reasoning_tokens=800, reasoning_included_in_output=False), 200),
        ("google/gemini-2.5-pro", Usage(output_tokens=1000, reasoning_tokens=800), 200),
        ("gemini-2.0-flash", Usage(output_tokens=200, reasoning_tokens=8, reasoning_included_in_output=False), 208),
        ("gpt-5", Usage(output_tokens=1000, reasoning_tokens=800), 1000),
        ("gemini-2.5-pro", Usage(reasoning_included_in_output=False), None),
        ("gemini-2.0-flash", Usage(reasoning_tokens=8, reasoning_included_in_output=False), 8),
    ],
)
def test_thoughts_are_paid_once(model: str, usage: Usage, told: int | None) -> None:
    """PostHog adds thoughts to the output of some models: those get the output without them, all others with them."""
    assert output_beside_thoughts(usage, model) == told


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 2)])
def test_searches(model: str, searches: int) -> None:
    """From Gemini 3 on each query of a search is billed, before it each answer that searched."""
    found = {"index": 0, "groundingMetadata": {"webSearchQueries": ["snails", "slow snails"]}}
    assert generate_content.response({"modelVersion": model, "candidates": [found]}).usage.web_searches == searches


def test_tools_of_google_and_media() -> None:
    """What Google's tools returned is input, and sounds and pictures are counted apart."""
    used = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}, {"modality": "IMAGE", "tokenCount": 3}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}],
    }
    read = generate_content.response({"usageMetadata": used}).usage
    assert read.input_tokens == 15
    assert (read.audio_input_tokens, read.image_input_tokens, read.image_output_tokens) == (4, 3, 2)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"embeddings": [{"values": [0.5]}]}, None),
        ({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 4}}, 4),
        ({"predictions": [{"embeddings": {"statistics": {"token_count": 3.0}}}] * 2}, 6),
    ],
    ids=["developer API", "developer API with counts", "vertex"],
)
def test_embeddings(body: Any, tokens: int | None) -> None:
    """Vertex counts each text, the developer API all or none."""
    assert embed_content.response(body).usage.input_tokens == tokens


@pytest.mark.parametrize(
    "body",
    [
        {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "X"}]},
        {"model": "m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "X"},
        {"model": "m", "instances": [{"content": "a\nb", "taskType": "X"}]},
    ],
    ids=["batch", "single", "vertex"],
)
def test_what_is_embedded(body: Any) -> None:
    """Texts, model and settings of a request, in each of its three shapes."""
    read = embed_content.request(body)
    assert (read.model, read.input, read.parameters) == ("m", ["a\nb"], {"taskType": "X"})


@pytest.mark.parametrize("read", [generate_content, embed_content], ids=["an answer", "an embedding"])
@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({"trafficType": "ON_DEMAND"}, "on_demand"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, None),
        ({"serviceTier": "standard"}, "standard"),
        ({"serviceTier": "SERVICE_TIER_PRIORITY"}, "priority"),
        ({"serviceTier": "unspecified", "trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"serviceTier": 3, "trafficType": None}, None),
        ({}, None),
    ],
)
def test_how_a_call_was_served(read: Any, said: dict[str, Any], tier: str | None) -> None:
    """Vertex's kind of traffic and the tier of the developer API are one thing: the tier of the answer."""
    assert read.response({"usageMetadata": {"promptTokenCount": 1, **said}}).service_tier == tier


def test_a_tier_beside_the_counts() -> None:
    """What stands beside the counts is the tier where they do not say it."""
    used = {"promptTokenCount": 1, "trafficType": "ON_DEMAND_FLEX"}
    assert generate_content.response({"usageMetadata": used, "serviceTier": "standard"}).service_tier == "flex"
    assert generate_content.response({"usageMetadata": {}, "serviceTier": "priority"}).service_tier == "priority"
