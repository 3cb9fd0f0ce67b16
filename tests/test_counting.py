"""Which counts of a layer over other SDKs are the provider's."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.counting import counted
from llm_track.records import Usage
from llm_track.wire import Answer

SAID = Usage(input_tokens=11, output_tokens=7, total_tokens=18, raw={"prompt_tokens": 11})
COUNTS = [each.name for each in fields(Usage) if each.name.endswith("_tokens")]


def answer(body: Any, **headers: str) -> Answer:
    """Return an answer with a body of JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, {"content-type": "application/json", **named}, "", content=json.dumps(body).encode(), ended=True)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2}}, SAID),
        ({"meta": {"billed_units": {"input_units": 11, "output_units": 7}}}, SAID),
        ({"usage": {"inputTokens": 4, "cacheReadTokens": 5, "cacheWriteTokens": 2, "outputTokens": 7}}, SAID),
        ({"eval_count": 7}, Usage(output_tokens=7)),
        ({"embedding": [11, 7, 18]}, Usage()),
        ({"text": 'she said "tokens": 11'}, Usage()),
    ],
    ids=["gemini", "cohere", "converse", "one missing", "vector", "words"],
)
def test_counts_that_stand_in_the_answer(body: Any, left: Usage) -> None:
    """A count is left if the answer says it under a name of a count, or if it is the sum of such ones."""
    assert counted(SAID, None, answer(body)) == (left, left == SAID)


def test_counts_in_headers() -> None:
    """Amazon tells some models' counts in headers only."""
    seen = answer({"outputs": []}, x_amzn_bedrock_input_token_count="11", x_amzn_bedrock_output_token_count="7")
    assert counted(SAID, None, seen) == (SAID, True)


def test_thoughts_have_to_be_told_of_as_such() -> None:
    """A number that stands in the answer is no count of thoughts unless it is named so: LiteLLM estimates those."""
    said = Usage(input_tokens=11, output_tokens=7, reasoning_tokens=7)
    seen = answer({"usage": {"inputTokens": 11, "outputTokens": 7}})
    assert counted(said, None, seen) == (Usage(input_tokens=11, output_tokens=7), False)
    named = answer({"usage": {"inputTokens": 11, "outputTokens": 7, "reasoning_tokens": 7}})
    assert counted(said, None, named) == (said, True)


def test_a_known_format_is_believed() -> None:
    """What a format reads off an answer is the truth; where it finds nothing, names in the answer are looked at."""
    read = Usage(input_tokens=3, output_tokens=0)
    assert counted(SAID, read, answer({"input_tokens": 11})) == (read, False)
    assert counted(SAID, Usage(), answer({"prompt_tokens": 11})) == (Usage(input_tokens=11), False)
    assert counted(replace(SAID, cost=0.1), Usage(), answer({"text": "no count"})) == (Usage(), False)


@pytest.mark.parametrize(
    "read",
    [
        Usage(input_tokens=11, output_tokens=7),
        Usage(input_tokens=5, cache_read_tokens=4, cache_write_tokens=2, output_tokens=7),
        Usage(input_tokens=11, output_tokens=5, reasoning_tokens=2),
    ],
    ids=["same", "cache apart", "thoughts apart"],
)
def test_a_layer_that_counts_as_the_provider_does(read: Usage) -> None:
    """A layer may put together what the provider counts apart: what it made of that, such as a cost, is right."""
    assert counted(SAID, read, answer({})) == (read, True)
    assert counted(replace(SAID, output_tokens=1), read, answer({})) == (read, False)


def test_counts_of_a_list() -> None:
    """Where each entry of a list is counted, the sum of all is a count of the answer."""
    body = {"predictions": [{"embeddings": {"statistics": {"token_count": count}}} for count in (1, 2, 3, 4, 5, 6)]}
    said = Usage(input_tokens=21)
    assert counted(said, None, answer(body)) == (said, True)


def test_unseen_answers_are_taken_as_they_are() -> None:
    """Where no answer was seen, the layer's word is all there is, without the zeros that it writes for nothing."""
    assert counted(SAID, None, None) == (SAID, True)
    assert counted(Usage(input_tokens=0, output_tokens=0, raw={}), None, None) == (Usage(), True)


@given(
    st.builds(Usage, **{name: st.none() | st.integers(0, 10**9) for name in COUNTS}),
    st.binary(max_size=400)
    | st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps),
)
def test_nothing_is_added(said: Usage, body: Any) -> None:
    """Whatever an answer is, the counts that are left are counts that were handed out."""
    content = body.encode() if isinstance(body, str) else body
    left, _ = counted(said, None, Answer(200, {}, "", content=content, ended=True))
    assert all(getattr(left, name) in (None, getattr(said, name)) for name in COUNTS)
