"""xAI's messages: what is special to them, each case by itself."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import xai_chat, xai_image

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def drawn(*content: Any, **more: Any) -> Any:
    """Return how a message is drawn."""
    return xai_chat.request({"messages": [{"role": "ROLE_USER", "content": list(content), **more}]}).input


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "look"}, "look"),
        ({"image_url": {"image_url": PICTURE, "detail": "DETAIL_AUTO"}}, [{"type": "image", "image": PICTURE}]),
        ({"image_url": {"file_id": "f-1"}}, "[image f-1]"),
        ({"image_url": {"image_url": "iVBORw0KGgo="}}, '{"image_url":{"image_url":"iVBORw0KGgo="}}'),
        ({"file": {"file_id": "f-2"}}, "[file f-2]"),
        ({"file": {"url": "https://x.test/a.pdf", "filename": "a.pdf"}}, "[file a.pdf]"),
        ({"odd": 1}, '{"odd":1}'),
    ],
)
def test_a_part_is_drawn(part: Any, expected: Any) -> None:
    """Each kind of part is drawn, and one that is not known here becomes text."""
    assert drawn(part) == [{"role": "user", "content": expected}]


@pytest.mark.parametrize(
    ("file", "kind", "media"),
    [
        ({"data": "JVBERi0=", "mime_type": "application/pdf"}, "document", "application/pdf"),
        ({"data": "iVBORw0KGgo=", "mime_type": "image/png"}, "image", "image/png"),
        ({"data": "AAEC"}, "document", "application/octet-stream"),
    ],
)
def test_a_file_is_drawn(file: Any, kind: str, media: str) -> None:
    """A file that is sent whole is drawn as what it says it is."""
    (message,) = drawn({"file": file})
    (block,) = message["content"]
    assert (block["type"], block["source"]["media_type"], block["source"]["data"]) == (kind, media, file["data"])


def test_what_a_tool_returned() -> None:
    """A result is under the call that it answers: as the program says it, or as xAI's own outputs do."""
    (said,) = drawn({"text": "rain"}, role="ROLE_TOOL", tool_call_id="t-1")
    assert said == {"role": "tool", "content": "rain", "tool_call_id": "t-1"}
    (echoed,) = drawn({"text": "rain"}, role="ROLE_TOOL", tool_calls=[{}, {"id": "t-2"}])
    assert echoed["tool_call_id"] == "t-2"
    assert drawn({"text": "rain"}, role="ROLE_FUNCTION") == [{"role": "tool", "content": "rain"}]


def test_calls_of_the_program_and_of_xai() -> None:
    """What xAI runs itself is drawn beside the calls that the program is asked for, and not as one of those."""
    searched = {"id": "s", "type": "TOOL_CALL_TYPE_WEB_SEARCH_TOOL", "function": {"arguments": '{"query":"snails"}'}}
    odd = {"type": "TOOL_CALL_TYPE_MCP_TOOL", "function": {"name": "shop"}}
    asked = {"id": "t", "function": {"name": "weather", "arguments": "{}"}}
    message = {"role": "ROLE_ASSISTANT", "reasoning_content": "hm", "tool_calls": [searched, odd, asked]}
    (said,) = xai_chat.response({"outputs": [{"message": message}]}).output or ()
    assert [block["type"] for block in said["content"]] == ["thinking", "web_search_call", "mcp_call", "tool_use"]
    assert said["content"][1] == {
        "type": "web_search_call", "id": "s", "name": "web_search_tool", "action": {"query": "snails"}
    }  # fmt: skip


def test_tools_and_settings() -> None:
    """Tools are in the shape that others have, and an effort is its plain word."""
    tools: list[Any] = [{"function": {"name": "f", "parameters": '{"type":"object"}'}}, {"web_search": {"limit": 1}}, 5]
    read = xai_chat.request({"model": "m", "tools": tools, "reasoning_effort": "EFFORT_HIGH", "user": "u", "n": 1})
    assert read.tools == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "web_search", "limit": 1},
        5,
    ]
    assert read.parameters == {"n": 1, "reasoning_effort": "high"}
    assert xai_chat.request({}).tools is None


def test_the_last_output_ends_an_answer() -> None:
    """Where xAI ran tools, the reason is that of the last output; the tier is its plain word."""
    outputs = [{"finish_reason": "REASON_TOOL_CALLS"}, {"index": 1, "finish_reason": "REASON_STOP"}]
    read = xai_chat.response({"outputs": outputs, "service_tier": "SERVICE_TIER_PRIORITY"})
    assert (read.stop_reason, read.service_tier, read.output) == ("REASON_STOP", "priority", [])
    said = xai_chat.response({"outputs": [{"message": {"content": "slow"}}]})
    assert (said.output, said.stop_reason) == ([{"role": "assistant", "content": "slow"}], None)


@pytest.mark.parametrize(
    ("usage", "searches"),
    [
        ({"num_sources_used": 3, "server_side_tools_used": ["SERVER_SIDE_TOOL_WEB_SEARCH"]}, 3),
        ({"server_side_tools_used": ["SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_X_SEARCH"]}, 2),
        ({"server_side_tools_used": ["SERVER_SIDE_TOOL_MCP"]}, None),
        ({}, None),
    ],
)
def test_searches_are_counted(usage: Any, searches: int | None) -> None:
    """Searches are the sources that were billed, else how often the model searched."""
    assert xai_chat.response({"usage": usage}).usage.web_searches == searches


@pytest.mark.parametrize(
    ("ticks", "dollars"),
    [("25000000", 0.0025), (10**10, 1.0), ("-1", None), ("9" * 30, None), (True, None), (None, None)],
)
def test_a_cost_is_told_in_ticks(ticks: Any, dollars: float | None) -> None:
    """Ten billion ticks are a dollar; protobuf writes them as a text."""
    assert xai_image.response({"usage": {"cost_in_usd_ticks": ticks}}).usage.cost == dollars


def test_thoughts_are_counted_apart() -> None:
    """What xAI counts as completion has no thoughts in it; what was cached is part of the prompt."""
    usage = xai_chat.response(
        {"usage": {"completion_tokens": 1, "reasoning_tokens": 9, "cached_prompt_text_tokens": 2}}
    ).usage
    assert (usage.output_tokens, usage.reasoning_tokens, usage.reasoning_included_in_output) == (1, 9, False)
    assert (usage.cache_read_tokens, usage.cache_included_in_input) == (2, True)


def test_a_stream_of_several_outputs() -> None:
    """Texts, what is encrypted, calls and citations of each output come together; the reason may come alone."""
    fold = xai_chat.fold()
    for chunk in (
        {"id": "g", "citations": ["a"], "outputs": [{"delta": {"content": "slow ", "encrypted_content": "x"}}]},
        {"citations": ["b"], "outputs": [{"delta": {"content": "snails", "encrypted_content": "y"}}]},
        {"outputs": [{"index": 1, "delta": {"tool_calls": [{"id": "t"}]}}, {"finish_reason": "REASON_STOP"}]},
        {"outputs": [{"index": 1, "finish_reason": "REASON_TOOL_CALLS", "message": "odd"}]},
    ):
        assert not fold.complete
        fold.add(chunk)
    assert fold.complete
    assert fold.body() == {
        "id": "g",
        "citations": ["a", "b"],
        "outputs": [
            {"message": {"content": "slow snails", "encrypted_content": "xy"}, "finish_reason": "REASON_STOP"},
            {"index": 1, "message": {"tool_calls": [{"id": "t"}]}, "finish_reason": "REASON_TOOL_CALLS"},
        ],
    }
    assert xai_chat.fold().body() == {}


def test_pictures_are_given_and_drawn() -> None:
    """Pictures that are given are drawn after the words, and pictures that are made by address or whole."""
    body = {"prompt": "a snail", "model": "m", "image_url": PICTURE, "image_file_ids": ["f-1"], "aspect_ratio": "16:9"}
    read = xai_image.request(body)
    assert read.input == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a snail"},
                {"type": "image", "image": PICTURE},
                {"type": "text", "text": "[image f-1]"},
            ],
        }
    ]
    assert read.parameters == {"aspect_ratio": "16:9"}
    assert xai_image.request({}).input == []
    made = xai_image.response({"images": [{"url": "https://x.test/a.png"}, {}, {"base64": PICTURE}]}).output or ()
    assert [block["image"] for block in made[0]["content"]] == ["https://x.test/a.png", PICTURE]
    assert xai_image.response({}).output == []
    assert xai_image.is_content({"images": [{}]})
    fold = xai_image.fold()
    fold.add({"model": "m"})
    assert (fold.complete, fold.body()) == (True, {"model": "m"})
    assert xai_chat.is_content({"outputs": [{"delta": {"content": "a"}}]})
    assert not xai_chat.is_content({"outputs": [{"delta": {"role": "ROLE_ASSISTANT"}}]})
