"""Events that are too long for PostHog, made to fit."""

from __future__ import annotations

import base64
import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_track.records import Event
from llm_track.sizing import LARGEST_EVENT, cut_middle, fit, size

CONTENT_KEYS = [
    "$ai_input",
    "$ai_output_choices",
    "$ai_tools",
    "$ai_input_state",
    "$ai_output_state",
    "llm_stack_trace",
]
PICTURE = base64.b64encode(random.Random(1).randbytes(3_000_000)).decode()


def an_event(given_properties: dict[str, Any]) -> Event:
    return Event(name="$ai_generation", uuid="u", trace_id="t-1", distinct_id=None, properties=given_properties)


CUT = re.compile(r"(?s)(.*) \[\.\.\. (\d+) characters cut \.\.\.\] (.*)")
TEXTS = st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=8), st.sampled_from([1, 50, 30_000, 400_000])
)
VALUES = st.recursive(
    TEXTS | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*CONTENT_KEYS, "$ai_error", "$ai_span_name", "own", "llm_error_code"]), VALUES))
@settings(max_examples=40, deadline=None)
def test_every_event_is_made_to_fit(given_properties):
    """However long its texts, whatever fields hold them, an event fits afterwards, and one that fitted is untouched."""
    event = an_event(given_properties)
    after = fit(event)
    assert size(after) <= LARGEST_EVENT
    json.loads(json.dumps(after.properties, allow_nan=False))
    if size(event) <= LARGEST_EVENT:
        assert after is event


@pytest.mark.parametrize("length", [950_000, 5_000_000])
@pytest.mark.parametrize("character", ["a", "字", "\U0001f600"])
def test_the_mark_says_how_much_was_cut(length, character):
    """Start and end of a long text stay, and the number in the mark is exactly what is missing between them."""
    text = "begin" + character * length + "end"
    cut = fit(an_event({"$ai_input": [{"role": "user", "content": text}]})).properties["$ai_input"][0]["content"]
    head, missing, tail = CUT.fullmatch(cut).groups()
    assert head.startswith("begin")
    assert tail.endswith("end")
    assert len(head) + int(missing) + len(tail) == len(text)


def test_only_long_texts_are_cut():
    """The short texts beside a long one stay as they are."""
    event = an_event({"$ai_input": ["short", "x" * 2_000_000], "$ai_model": "gpt-4o"})
    after = fit(event).properties
    assert after["$ai_input"][0] == "short"
    assert after["$ai_model"] == "gpt-4o"


def test_fifty_megabytes_are_cut_to_fit():
    """A text of 50 MB fits into an event, with a mark in its middle."""
    event = an_event({"$ai_input": [{"role": "user", "content": "word " * 10_000_000}]})
    after = fit(event)
    assert size(after) <= LARGEST_EVENT
    assert CUT.fullmatch(after.properties["$ai_input"][0]["content"])


def says(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_the_oldest_messages_are_cut_first():
    """Of a conversation that is too long the oldest messages lose their middles, and the latest stay as they are."""
    asked = [says(f"{number}: " + "word " * 10_000) for number in range(40)]
    answer = [says("answer " * 10_000, "assistant")]
    after = fit(an_event({"$ai_input": asked, "$ai_output_choices": answer})).properties
    is_whole = [kept == given for kept, given in zip(after["$ai_input"], asked, strict=True)]
    assert is_whole == sorted(is_whole)
    assert 8 < sum(is_whole) < 20
    assert [message["content"][:3] for message in after["$ai_input"]] == [message["content"][:3] for message in asked]
    assert after["$ai_output_choices"] == answer
    assert LARGEST_EVENT - 20_000 < size(an_event(after)) <= LARGEST_EVENT


def test_no_more_is_cut_than_has_to_be():
    """A text that is a little too long loses little."""
    text = "word " * (LARGEST_EVENT // 5 + 200)
    cut = fit(an_event({"$ai_input": [says(text)]})).properties["$ai_input"][0]["content"]
    assert len(cut) > len(text) - 2_000


@pytest.mark.parametrize("text", [40, 4_000])
def test_the_oldest_of_very_many_messages_are_left_out(text):
    """Where cutting is not enough the oldest messages go; one says how many, and the latest are whole or nearly so."""
    asked = [says(f"{number} " + "w" * text) for number in range(40_000)]
    after = fit(an_event({"$ai_input": asked})).properties["$ai_input"]
    gone = int(re.fullmatch(r"\[\.\.\. (\d+) older messages cut \.\.\.\]", after[0]["content"])[1])
    assert len(after) - 1 + gone == 40_000
    assert [message["content"].split()[0] for message in after[1:]] == [str(number) for number in range(gone, 40_000)]
    assert size(an_event({"$ai_input": after})) > LARGEST_EVENT * 0.9


def test_what_a_tool_was_given_stays_json():
    """Arguments of a tool are JSON in a text: what is cut is a text inside it."""
    arguments = json.dumps({"path": "a.txt", "content": "line\n" * 500_000})
    call = {"type": "function", "id": "c1", "function": {"name": "write", "arguments": arguments}}
    after = fit(an_event({"$ai_output_choices": [says([call], "assistant")]}))
    kept = json.loads(after.properties["$ai_output_choices"][0]["content"][0]["function"]["arguments"])
    assert kept["path"] == "a.txt"
    assert CUT.fullmatch(kept["content"])
    assert size(after) <= LARGEST_EVENT


def test_base64_is_whole_or_not_there():
    """Embedded media that are too long are replaced by their mark wherever they stand, and never cut in two."""
    around = {"own": {"unknown": PICTURE}, "$ai_input": [says(f"data:image/png;base64,{PICTURE}")]}
    after = fit(an_event(around)).properties
    assert re.fullmatch(r"\[base64 data 3000000 bytes sha256 [0-9a-f]{64} redacted\]", after["own"]["unknown"])
    assert "[base64 image/png 3000000 bytes" in after["$ai_input"][0]["content"]


@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(300, 2_000), st.integers(0, 4_000))
@settings(max_examples=100, deadline=None)
def test_base64_inside_a_text_is_never_cut_in_two(before, after, long, most):
    """Where a cut would go through base64 inside a text, all of that base64 goes."""
    data = PICTURE[:long]
    text = "before " * before + "\n" + data + "\n" + " after" * after
    cut = cut_middle(text, most)
    pieces = [data[start : start + 40] for start in range(long - 40)]
    assert data in cut or not any(piece in cut for piece in pieces)
    if found := CUT.fullmatch(cut):
        assert len(found[1]) + int(found[2]) + len(found[3]) == len(text)


@pytest.mark.parametrize("value", [["w" * 40] * 60_000, list(range(150_000)), {f"key {n}": n for n in range(50_000)}])
def test_long_lists_and_mappings_are_cut_visibly(value):
    """An event of very many short values keeps some of each, says how many are gone, and keeps its counts."""
    event = an_event({"$ai_input": value, "$ai_input_tokens": 5, "$ai_trace_id": "t-1", "own": value})
    after = fit(event)
    assert size(after) <= LARGEST_EVENT
    assert after.properties["$ai_input_tokens"] == 5
    for key in ("$ai_input", "own"):
        said = re.search(r"\[\.\.\. (\d+) (entries|fields) cut \.\.\.\]", json.dumps(after.properties[key]))
        assert len(after.properties[key]) - 1 + int(said[1]) == len(value)


def test_very_many_properties_of_the_program():
    """Ten megabytes of the program's own properties leave the first of them, and the event says how many went."""
    own = {f"own {number}": number for number in range(400_000)}
    after = fit(an_event({"$ai_model": "m", **own})).properties
    assert after["$ai_model"] == "m"
    assert after["own 0"] == 0
    assert after["llm_cut"] == f"{400_000 - (len(after) - 2)} properties"


def test_what_cannot_be_cut_is_withheld_visibly():
    """An event whose content cannot be made to fit loses it, says so, and keeps its counts."""
    deep: Any = ["w" * 200] * 10
    for _ in range(4):
        deep = [deep] * 10
    event = an_event({"$ai_input": deep, "$ai_input_tokens": 5, "$ai_trace_id": "t-1"})
    after = fit(event)
    assert size(after) <= LARGEST_EVENT
    assert after.properties["$ai_input_tokens"] == 5
    assert "too long" in after.properties["llm_withheld"]
