"""Anthropic Messages: requests, answers, usage and streams, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import messages
from llm_track.records import Response, Usage

START = {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {"input_tokens": 9}}}


def folded(*events: dict[str, Any]) -> dict[str, Any]:
    """The body of a stream."""
    fold = messages.fold()
    for event in (START, *events):
        fold.add(event)
    return fold.body()


def begun(**block: Any) -> dict[str, Any]:
    """The event that begins the first block."""
    return {"type": "content_block_start", "index": 0, "content_block": block}


def grown(**delta: Any) -> dict[str, Any]:
    """An event that adds to the first block."""
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def test_a_request_is_read_field_by_field() -> None:
    """The system prompt is the first message; model, tools and the stream flag have fields; the rest is parameters."""
    request = messages.request(
        {
            "model": "claude",
            "system": "be brief",
            "messages": [{"role": "user", "content": "hi"}, {"content": "no role"}],
            "tools": [{"name": "f"}],
            "stream": True,
            "max_tokens": 5,
            "metadata": {"user_id": "u"},
        }
    )
    assert request.model == "claude"
    assert request.input == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "no role"},
    ]
    assert request.tools == [{"name": "f"}]
    assert request.stream
    assert request.parameters == {"max_tokens": 5}


def test_a_system_prompt_in_blocks() -> None:
    """A system prompt may be a list of texts; an empty one is none."""
    blocks = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    assert messages.request({"system": blocks}).input == [{"role": "system", "content": "be brief"}]
    assert messages.request({"system": []}).input == []


def test_a_response_is_read_field_by_field() -> None:
    """An answer is one message; the reason to stop is the provider's word."""
    body = {
        "id": "msg",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "usage": {"service_tier": "standard"},
    }
    assert messages.response(body) == Response(
        output=[{"role": "assistant", "content": "hi"}],
        usage=Usage(raw={"service_tier": "standard"}),
        model="claude",
        id="msg",
        stop_reason="end_turn",
        service_tier="standard",
    )


def test_an_error_inside_an_answer() -> None:
    """A body that is an error has no output."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    assert messages.response(body) == Response(output=[], error="busy", error_type="overloaded_error")


def test_an_empty_body() -> None:
    """A body without anything is an answer without anything."""
    assert messages.response({}) == Response(output=[])


def test_usage_of_every_kind() -> None:
    """Cache tokens stand beside the input tokens, thinking inside the output tokens, searches by their number."""
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens_details": {"thinking_tokens": 15},
        "server_tool_use": {"web_search_requests": 2},
    }
    assert messages.response({"usage": usage}).usage == Usage(
        input_tokens=10,
        output_tokens=20,
        cache_read_tokens=0,
        cache_write_tokens=300,
        cache_write_5m_tokens=100,
        cache_write_1h_tokens=200,
        cache_included_in_input=False,
        reasoning_tokens=15,
        web_searches=2,
        raw=usage,
    )


@pytest.mark.parametrize(
    ("usage", "included"),
    [
        ({}, None),
        ({"input_tokens": 1}, None),
        ({"cache_read_input_tokens": 0}, False),
        ({"cache_creation_input_tokens": 1}, False),
    ],
)
def test_whether_the_cache_is_counted_is_said_when_it_is_reported(usage: Any, included: bool | None) -> None:
    """Without cache counts there is nothing to say about them."""
    assert messages.response({"usage": usage}).usage.cache_included_in_input is included


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (START, False),
        ({"type": "ping"}, False),
        (begun(type="text", text=""), False),
        (begun(type="thinking", thinking=""), False),
        (begun(type="tool_use", name="f"), True),
        (begun(type="redacted_thinking", data="Zm9v"), True),
        (grown(type="text_delta", text="h"), True),
        ({"type": "content_block_stop", "index": 0}, False),
        ({"type": "message_stop"}, False),
    ],
)
def test_the_first_token_is_told_from_a_greeting(event: dict[str, Any], content: bool) -> None:
    """Deltas are content, and blocks that begin with something in them."""
    assert messages.is_content(event) is content


def test_counts_of_a_stream_are_cumulative() -> None:
    """A later count replaces an earlier one; a null replaces nothing."""
    first = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5, "input_tokens": None}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    body = folded(first, last)
    assert body["usage"] == {"input_tokens": 9, "output_tokens": 7}
    assert body["stop_reason"] == "end_turn"


def test_arguments_that_were_cut_stay_text() -> None:
    """A stream that stops inside the arguments of a tool call leaves what there is of them."""
    start = begun(type="tool_use", id="t", name="f", input={})
    assert folded(start, grown(type="input_json_delta", partial_json='{"a":'))["content"][0]["input"] == '{"a":'


def test_a_call_without_arguments() -> None:
    """A tool that takes nothing is called with an empty object."""
    start = begun(type="tool_use", id="t", name="f", input={})
    assert folded(start, grown(type="input_json_delta", partial_json=""))["content"][0] == start["content_block"]


def test_a_kind_of_delta_that_is_not_known_yet() -> None:
    """Texts of a new kind of delta grow under their own names."""
    body = folded(begun(type="compaction"), *(grown(type="compaction_delta", content=piece) for piece in "ab"))
    assert body["content"] == [{"type": "compaction", "content": "ab"}]


def test_citations_are_collected() -> None:
    """Each delta brings one citation of the text."""
    cited = [{"type": "citations_delta", "citation": {"cited_text": words}} for words in "ab"]
    body = folded(begun(type="text", text="", citations=[]), *(grown(**delta) for delta in cited))
    assert body["content"][0]["citations"] == [{"cited_text": "a"}, {"cited_text": "b"}]


def test_the_end_of_a_stream() -> None:
    """A message is complete when the provider says so, not when its text is."""
    fold = messages.fold()
    for event in (START, {"type": "ping"}, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}):
        fold.add(event)
    assert not fold.complete
    fold.add({"type": "message_stop"})
    assert fold.complete


def test_what_the_last_counts_bring_along() -> None:
    """Fields beside the counts of the end of a stream belong to the message."""
    edits: dict[str, Any] = {"applied_edits": []}
    body = folded({"type": "message_delta", "delta": {"container": {"id": "c"}}, "context_management": edits})
    assert (body["container"], body["context_management"]) == ({"id": "c"}, edits)


def test_an_error_breaks_a_stream_off() -> None:
    """An error in the middle of a stream is an error of the answer, beside what was said before it."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    response = messages.response(folded(begun(type="text", text="h"), error))
    assert (response.error, response.output) == ("busy", [{"role": "assistant", "content": "h"}])


def test_an_error_stays_as_it_was_sent() -> None:
    """What comes after an error does not change the event that told it."""
    error = {"type": "error", "error": {"message": "busy"}}
    body = folded(error, {"type": "message_delta", "error": {"message": "still busy"}})
    assert (body["error"], error["error"]) == ({"message": "still busy"}, {"message": "busy"})


def test_deltas_without_their_beginning() -> None:
    """A delta of a block that never began, or without an index, is still kept."""
    fold = messages.fold()
    fold.add({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "h"}})
    fold.add({"type": "content_block_delta", "index": None, "delta": {"type": "text_delta", "text": "i"}})
    assert fold.body() == {"content": [{"text": "hi"}]}
