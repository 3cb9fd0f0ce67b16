"""OpenAI Responses: items, answers, usage and streams, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_track.formats import responses
from llm_track.records import Response, Usage


def drawn(item: Any) -> Any:
    """What one item of an output is drawn as."""
    return responses.response({"output": [item]}).output


def folded(*events: dict[str, Any]) -> dict[str, Any]:
    """The body of a stream."""
    fold = responses.fold()
    for event in events:
        fold.add(event)
    return fold.body()


def test_a_request_is_read_field_by_field() -> None:
    """Instructions are the first message, a text is what the user said, the rest has fields or is a parameter."""
    request = responses.request(
        {
            "model": "m",
            "instructions": "be brief",
            "input": "hi",
            "tools": [{"type": "web_search"}],
            "stream": True,
            "reasoning": {"effort": "low"},
            "user": "u",
            "metadata": {},
        }
    )
    assert request.model == "m"
    assert request.input == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert request.tools == [{"type": "web_search"}]
    assert request.stream
    assert request.parameters == {"reasoning": {"effort": "low"}}


def test_instructions_may_be_items() -> None:
    """Instructions that are a list of items are drawn like any items."""
    items = [{"type": "message", "role": "developer", "content": "be brief"}]
    assert responses.request({"instructions": items}).input == [{"role": "developer", "content": "be brief"}]


CALL_OUTPUT = {"type": "function_call_output", "call_id": "c1"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
            {"role": "assistant", "content": "hi"},
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "assistant", "content": "no"},
        ),
        (
            {"type": "reasoning", "id": "rs", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "Zm9v"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a\nb"}]},
        ),
        (
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        ),
        ({"type": "reasoning", "summary": []}, {"type": "reasoning", "summary": []}),
        (
            {
                "type": "function_call",
                "id": "fc",
                "call_id": "c1",
                "name": "f",
                "arguments": "{}",
                "status": "completed",
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        ),
        (
            {"type": "custom_tool_call", "id": "ct", "name": "sql", "input": "select 1"},
            {"type": "function_call", "call_id": "ct", "name": "sql", "arguments": "select 1"},
        ),
        (
            {"type": "function_call"},
            {"type": "function_call", "call_id": "", "name": "unknown", "arguments": "null"},
        ),
        (CALL_OUTPUT | {"output": "42"}, CALL_OUTPUT | {"output": "42"}),
        (
            CALL_OUTPUT | {"output": [{"type": "input_text", "text": "4"}, {"type": "input_text", "text": "2"}]},
            CALL_OUTPUT | {"output": "4\n2"},
        ),
        (
            {"type": "local_shell_call_output", "call_id": "c1", "output": {"stdout": "1"}},
            CALL_OUTPUT | {"output": '{"stdout":"1"}'},
        ),
        (
            {
                "type": "web_search_call",
                "id": "ws",
                "status": "completed",
                "action": {"type": "search"},
                "results": None,
            },
            {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}},
        ),
        ({"type": "mcp_call", "id": "mcp", "output": "42"}, {"type": "mcp_call", "id": "mcp", "output": "42"}),
        ({"type": "image_generation_call", "id": "ig", "result": None}, {"type": "image_generation_call", "id": "ig"}),
    ],
)
def test_an_item_is_drawn(item: Any, expected: Any) -> None:
    """Each kind of item becomes the one message that PostHog draws it from."""
    assert drawn(item) == [expected]


@pytest.mark.parametrize(("named", "media_type"), [({}, "image/png"), ({"output_format": "webp"}, "image/webp")])
def test_a_picture_that_the_model_made_is_drawn(named: dict[str, str], media_type: str) -> None:
    """A generated picture follows the call that made it."""
    call = {"type": "image_generation_call", "id": "ig", "status": "completed", **named}
    picture = {"type": "image", "source": PNG | {"media_type": media_type}}
    assert drawn(call | {"result": "iVBORw0KGgo="}) == [call, {"role": "assistant", "content": [picture]}]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "local_shell_call", "id": "ls", "call_id": "c1", "action": {"command": ["ls"]}},
        {"type": "mcp_list_tools", "id": "mcp", "tools": []},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "web_search_call", "id": 7},
        {"type": {"unhashable": []}},
        {"type": "message", "content": "without a role"},
    ],
)
def test_an_item_of_an_unknown_kind_is_drawn_as_its_json(item: Any) -> None:
    """Nothing is lost: what is not understood is drawn as the JSON that it is."""
    (message,) = drawn(item)
    assert message["role"] == "assistant"
    assert json.loads(message["content"]) == item


def test_what_only_the_provider_can_read_is_left_out() -> None:
    """Encrypted content is long, and says nothing."""
    (message,) = drawn({"type": "compaction", "id": "cmp", "encrypted_content": "Zm9v"})
    assert message["content"] == '{"type":"compaction","id":"cmp"}'


def test_what_is_no_item_is_left_out() -> None:
    """A list of items may hold nothing but objects."""
    assert responses.request({"input": ["hi", None, {"role": "user", "content": "ho"}]}).input == [
        {"role": "user", "content": "ho"}
    ]


def test_a_response_is_read_field_by_field() -> None:
    """A finished run stops because it is completed."""
    body: dict[str, Any] = {"id": "r", "model": "m", "status": "completed", "service_tier": "flex", "output": []}
    assert responses.response(body) == Response(
        output=[], model="m", id="r", stop_reason="completed", service_tier="flex"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"status": "failed", "error": {"code": "server_error", "message": "it broke"}},
            {"stop_reason": "failed", "error": "it broke", "error_type": "server_error"},
        ),
        ({"status": "failed", "error": None}, {"stop_reason": "failed", "error": "the response failed"}),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            {"stop_reason": "max_output_tokens"},
        ),
        ({"status": "queued", "background": True}, {"background": True, "pending": True}),
        ({"status": "in_progress"}, {"pending": True}),
        ({"status": "completed", "background": True}, {"stop_reason": "completed", "background": True}),
        ({"error": {"code": "model_not_found", "message": "no"}}, {"error": "no", "error_type": "model_not_found"}),
        ({}, {}),
    ],
)
def test_how_a_run_ended(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """A run may fail, be cut short, or not be done yet: then it has no reason to have stopped."""
    assert responses.response(body) == Response(output=[], **expected)


def test_usage_of_every_kind() -> None:
    """Cached tokens are part of the input, reasoning is part of the output."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 8},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 150,
    }
    assert responses.response({"usage": usage}).usage == Usage(
        input_tokens=100,
        output_tokens=50,
        total_tokens=150,
        cache_read_tokens=0,
        cache_write_tokens=8,
        cache_included_in_input=True,
        reasoning_tokens=30,
        raw=usage,
    )


@pytest.mark.parametrize(
    ("actions", "searches"),
    [
        ([], None),
        ([{"type": "search"}, {"type": "open_page"}, {"type": "search"}], 2),
        ([{"type": "find_in_page"}], 0),
        ([None], 1),
    ],
)
def test_only_searches_are_billed(actions: list[Any], searches: int | None) -> None:
    """A search counts; opening a page that it found, or looking through it, does not."""
    items = [{"type": "web_search_call", "id": "ws", "action": action} for action in actions]
    assert responses.response({"output": items}).usage.web_searches == searches


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"type": "response.created", "response": {}}, False),
        ({"type": "response.output_item.added", "item": {"type": "message"}}, False),
        ({"type": "response.output_item.added", "item": {"type": "reasoning"}}, False),
        ({"type": "response.output_item.added", "item": {"type": "function_call"}}, True),
        ({"type": "response.output_text.delta", "delta": "h"}, True),
        ({"type": "response.output_text.done", "text": "h"}, False),
        ({"type": None}, False),
    ],
)
def test_the_first_token_is_told_from_a_greeting(event: dict[str, Any], content: bool) -> None:
    """Deltas are content, and items that begin with something in them."""
    assert responses.is_content(event) is content


def test_a_stream_that_is_left_early_has_its_items_so_far() -> None:
    """Without the last event, the items are built from what did arrive."""
    message = {"type": "message", "id": "m", "role": "assistant", "content": []}
    body = folded(
        {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": message},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "h"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "i"},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a'},
    )
    assert body["output"] == [
        message | {"content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "arguments": '{"a'},
    ]
    assert responses.response(body).stop_reason is None


@pytest.mark.parametrize(
    ("event", "item"),
    [
        ({"type": "response.refusal.delta"}, {"content": [{"type": "refusal", "refusal": "x"}]}),
        ({"type": "response.reasoning_text.delta"}, {"content": [{"type": "reasoning_text", "text": "x"}]}),
        ({"type": "response.reasoning_summary_text.delta"}, {"summary": [{"type": "summary_text", "text": "x"}]}),
        ({"type": "response.custom_tool_call_input.delta"}, {"input": "x"}),
        ({"type": "response.mcp_call_arguments.delta"}, {"arguments": "x"}),
        ({"type": "response.code_interpreter_call_code.delta"}, {"code": "x"}),
        (
            {"type": "response.content_part.added", "part": {"type": "output_text"}},
            {"content": [{"type": "output_text"}]},
        ),
        ({"type": "response.reasoning_summary_part.done", "part": {"text": "x"}}, {"summary": [{"text": "x"}]}),
    ],
)
def test_every_delta_has_its_place(event: dict[str, Any], item: dict[str, Any]) -> None:
    """Whatever is streamed is found in the item, even when the event that begins the item was lost."""
    assert folded(event | {"output_index": 0, "delta": "x"}) == {"output": [item]}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "it broke"},
        {"type": "error", "error": {"code": "server_error", "message": "it broke"}},
        {"error": {"code": "server_error", "message": "it broke"}},
    ],
)
def test_an_error_breaks_a_stream_off(event: dict[str, Any]) -> None:
    """An error in the middle of a stream is an error of the answer, in each form that servers give it."""
    response = responses.response(folded({"type": "response.created", "response": {"id": "r"}}, event))
    assert (response.id, response.error, response.error_type) == ("r", "it broke", "server_error")


def test_a_server_that_does_not_stream() -> None:
    """A body that comes instead of events is taken as it is, and is complete."""
    fold = responses.fold()
    fold.add({"id": "r", "output": []})
    assert (fold.body(), fold.complete) == ({"id": "r", "output": []}, True)


def test_an_event_of_an_unknown_kind_changes_nothing() -> None:
    """Events that frame others, and those that are not known yet, are passed over."""
    assert folded({"type": "response.output_text.done", "text": "hi"}, {"type": "response.new.event"}) == {}
