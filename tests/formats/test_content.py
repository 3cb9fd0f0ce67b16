"""What each part of a message's content is drawn as, whichever provider wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_track.formats import chat_completions, messages, responses

LINK = "https://x.test/cat.png"
DATA_URI = "data:image/png;base64,iVBORw0KGgo="
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def content_of(*parts: Any) -> Any:
    """The content that one user message of these parts is drawn with."""
    asked: Any = chat_completions.request({"messages": [{"role": "user", "content": list(parts)}]}).input
    (message,) = asked
    assert message["role"] == "user"
    return message["content"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "text", "text": "a cat"}, "a cat"),
        ({"type": "input_text", "text": "a cat"}, "a cat"),
        ({"type": "output_text", "text": "a cat", "annotations": []}, "a cat"),
        ({"type": "refusal", "refusal": "no cats"}, "no cats"),
        ("a bare string", "a bare string"),
        ({"type": "input_image", "file_id": "file-1"}, "[image file-1]"),
        ({"type": "image", "source": {"type": "file", "file_id": "file-1"}}, "[image file-1]"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "[file file-1]"),
        ({"type": "input_file", "file_url": "https://x.test/a.pdf"}, "[file https://x.test/a.pdf]"),
        ({"type": "input_file", "filename": "a.pdf", "file_id": "file-1"}, "[file a.pdf]"),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a poem"}}, "a poem"),
        ({"type": "document", "source": {"type": "content", "content": "a poem"}}, "a poem"),
        ({"type": "document", "source": {"type": "url", "url": "https://x.test/a"}}, "[document https://x.test/a]"),
        ({"type": "document", "source": {"type": "file", "file_id": "file-1"}}, "[document file-1]"),
        ({"type": "web_search_result", "title": "Cats", "url": LINK, "encrypted_content": "Zm9v"}, f"Cats\n{LINK}"),
        ({"type": "search_result", "source": "s", "content": [{"type": "text", "text": "a cat"}]}, "s\na cat"),
    ],
)
def test_a_part_that_is_words_is_drawn_as_words(part: Any, words: str) -> None:
    """Texts are drawn as they are; what is only referred to is named in brackets."""
    assert content_of(part) == words


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "image_url", "image_url": {"url": LINK, "detail": "low"}}, {"type": "image", "image": LINK}),
        ({"type": "image_url", "image_url": {"url": DATA_URI}}, {"type": "image", "image": DATA_URI}),
        ({"type": "image_url", "image_url": LINK}, {"type": "image", "image": LINK}),
        ({"type": "input_image", "image_url": LINK}, {"type": "image", "image": LINK}),
        ({"type": "image", "image": LINK}, {"type": "image", "image": LINK}),
        ({"type": "image", "source": {"type": "url", "url": LINK}}, {"type": "image", "image": LINK}),
        ({"type": "image", "source": PNG}, {"type": "image", "source": PNG}),
        ({"type": "document", "source": PDF, "title": "a"}, {"type": "document", "source": PDF}),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
            {"type": "audio", "data": "UklGRg==", "mime_type": "audio/mp3"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg=="}},
            {"type": "audio", "data": "UklGRg==", "mime_type": "audio/wav"},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        ),
        (
            {"type": "input_file", "file_data": "JVBERi0="},
            {"type": "file", "file": {"filename": "file", "file_data": "JVBERi0="}},
        ),
        (
            {"type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}},
            {"type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}},
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "thinking", "thinking": "hm"}),
        (
            {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
            {"type": "thinking", "thinking": "hm"},
        ),
        ({"type": "redacted_thinking", "data": "Zm9v"}, {"type": "thinking", "thinking": "[redacted thinking]"}),
        (
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "cache_control": {"type": "ephemeral"}},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ),
        (
            {"type": "tool_use"},
            {"type": "tool_use", "id": "", "name": "unknown", "input": None},
        ),
        (
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}},
            {"type": "web_search_call", "id": "s1", "name": "web_search", "action": {"query": "cats"}},
        ),
        (
            {"type": "server_tool_use", "id": "s1", "name": "code_execution", "input": {"code": "1"}},
            {"type": "code_interpreter_call", "id": "s1", "name": "code_execution", "action": {"code": "1"}},
        ),
        (
            {"type": "mcp_tool_use", "id": "s1", "name": "echo", "server_name": "x", "input": {}},
            {"type": "mcp_call", "id": "s1", "name": "echo", "action": {}},
        ),
        (
            {"type": "server_tool_use"},
            {"type": "mcp_call", "id": "", "name": "unknown", "action": None},
        ),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": "42", "is_error": True},
            {"type": "tool_result", "tool_use_id": "t1", "content": "42", "is_error": True},
        ),
        ({"type": "tool_result"}, {"type": "tool_result", "tool_use_id": "", "content": ""}),
        (
            {"type": "code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": "1\n"}},
            {"type": "tool_result", "tool_use_id": "s1", "content": '{"stdout":"1\\n"}'},
        ),
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s1",
                "content": [{"type": "web_search_result", "title": "Cats", "url": LINK, "encrypted_content": "Zm9v"}],
            },
            {"type": "tool_result", "tool_use_id": "s1", "content": f"Cats\n{LINK}"},
        ),
    ],
)
def test_a_part_that_is_more_than_words_is_drawn_as_its_block(part: Any, block: Any) -> None:
    """Media, reasoning and tools become the blocks that PostHog draws them from."""
    assert content_of(part) == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "https://x.test/cat.mp4"}},
        {"type": "text", "text": 7},
        {"type": "refusal", "refusal": None},
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}},
        {"type": "image_url", "image_url": [LINK]},
        {"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo="}},
        {"type": "input_audio", "input_audio": "UklGRg=="},
        {"type": "file", "file": {}},
        {"type": "document", "source": {"type": "text"}},
        {"type": "document", "source": "a poem"},
        {"type": "thinking", "thinking": None},
        {"type": "web_search_result"},
        {"type": ["text"], "text": "a cat"},
        {"text": "a cat"},
        7,
        ["a", "list"],
        None,
    ],
)
def test_a_part_of_an_unknown_shape_is_drawn_as_its_json(part: Any) -> None:
    """Nothing that was said is lost: what is not understood is drawn as the JSON that it is."""
    assert json.loads(content_of(part)) == part


@pytest.mark.parametrize(
    ("content", "drawn"), [({"any": "object"}, '{"any":"object"}'), (None, None), ("", ""), ([], None)]
)
def test_content_need_not_be_a_list(content: Any, drawn: Any) -> None:
    """Content that is a string stays one, no content is null, and an object is drawn as its JSON."""
    body = {"messages": [{"role": "user", "content": content}]}
    assert chat_completions.request(body).input == [{"role": "user", "content": drawn}]
    assert messages.request(body).input == [{"role": "user", "content": drawn}]
    assert responses.request({"input": body["messages"]}).input == [{"role": "user", "content": drawn}]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "text", "text": "a cat"}, "a cat"),
        ({"type": "image", "source": PNG}, "data:image/png;base64,iVBORw0KGgo="),
        ({"type": "document", "source": PDF}, "data:application/pdf;base64,JVBERi0="),
        ({"type": "image", "source": {"type": "url", "url": LINK}}, LINK),
        ({"type": "input_image", "image_url": DATA_URI}, DATA_URI),
        ({"type": "input_audio", "input_audio": {"data": "UklGRg=="}}, "data:audio/wav;base64,UklGRg=="),
        ({"type": "thinking", "thinking": "hm"}, '{"type":"thinking","thinking":"hm"}'),
        ({"type": "tool_reference", "tool_name": "f"}, '{"type":"tool_reference","tool_name":"f"}'),
    ],
)
def test_media_inside_an_answer_of_a_tool_is_a_data_uri(part: Any, words: str) -> None:
    """Where only a string is drawn, embedded media have the form by which processors know and strip them."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "look:"}, part]}
    assert content_of(result) == [{"type": "tool_result", "tool_use_id": "t1", "content": f"look:\n{words}"}]


THOUGHT = {"type": "thinking", "thinking": "hm"}
TOOL_USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
FUNCTION = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}}
PICTURE = {"type": "image", "image": LINK}
EMBEDDED = {"type": "image", "source": PNG}


def said(words: str) -> dict[str, str]:
    """A part, and a block, of text."""
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("parts", "contents"),
    [
        ([said("a"), THOUGHT, said("b"), TOOL_USE], [[said("a"), THOUGHT, said("b"), TOOL_USE]]),
        ([THOUGHT, FUNCTION], [[THOUGHT], [FUNCTION]]),
        ([PICTURE, TOOL_RESULT], [[PICTURE], [TOOL_RESULT]]),
        ([TOOL_RESULT, said("see"), PICTURE, said("it")], [[TOOL_RESULT, said("see")], [PICTURE, said("it")]]),
        ([EMBEDDED, TOOL_RESULT], [[EMBEDDED, TOOL_RESULT]]),
        ([EMBEDDED, PICTURE, said("a")], [[EMBEDDED, PICTURE, said("a")]]),
        ([THOUGHT, said("")], [[THOUGHT]]),
        ([said("a"), said("")], ["a"]),
        ([said("")], [""]),
        ([said("a"), said("b")], [[said("a"), said("b")]]),
    ],
)
def test_parts_that_are_not_drawn_together_are_cut_into_messages(parts: list[Any], contents: list[Any]) -> None:
    """One message holds one family of blocks; texts and embedded pictures go with either; empty texts go away."""
    drawn = messages.request({"messages": [{"role": "user", "content": parts}]}).input
    assert drawn == [{"role": "user", "content": content} for content in contents]


def test_nesting_as_deep_as_a_snapshot_allows_is_read() -> None:
    """Documents inside documents are read down to a depth that no request has."""
    part: Any = "the end"
    for _ in range(64):
        part = {"type": "document", "source": {"type": "content", "content": [part]}}
    assert content_of(part) == "the end"
