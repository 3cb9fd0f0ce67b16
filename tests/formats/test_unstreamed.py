"""Images, audio and rerank, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import audio, images, rerank
from llm_track.records import Usage


@pytest.mark.parametrize(
    ("body", "drawn"),
    [
        ({"prompt": "a cat"}, [{"role": "user", "content": "a cat"}]),
        ({"image": "cat.png"}, [{"role": "user", "content": "[image cat.png]"}]),
        ({"image": ["a.png", "b.png"]}, [{"role": "user", "content": '[image ["a.png","b.png"]]'}]),
        ({}, []),
    ],
)
def test_what_is_to_be_drawn(body: dict[str, Any], drawn: Any) -> None:
    """A prompt is a message; pictures that are given are named."""
    assert images.request({"model": "m", "size": "auto", **body}).parameters == {"size": "auto"}
    assert _flat(images.request(body).input) == _flat(drawn)


def _flat(messages: Any) -> list[str]:
    return [
        message["content"] if isinstance(message["content"], str) else message["content"][0]["text"]
        for message in messages
    ]


@pytest.mark.parametrize(
    ("picture", "shown"),
    [
        ({"url": "https://example.com/a.png"}, {"type": "image", "image": "https://example.com/a.png"}),
        ({"url": "a.png"}, "[image a.png]"),
        ({"b64_json": "aGk="}, {"type": "base64", "media_type": "image/png", "data": "aGk="}),
    ],
)
def test_a_picture_is_shown(picture: dict[str, Any], shown: Any) -> None:
    """A picture is drawn by its address or its bytes; an address that cannot be drawn is text."""
    assert repr(shown) in repr(images.response({"data": [picture]}).output)


def test_a_prompt_that_was_rewritten_is_shown() -> None:
    """The words that a model made of the prompt stand after the picture that it drew for them."""
    picture = {"url": "https://example.com/a.png", "revised_prompt": "two slow snails"}
    assert images.response({"data": [picture]}).output == [
        {
            "role": "assistant",
            "content": [{"type": "image", "image": picture["url"]}, {"type": "text", "text": "two slow snails"}],
        }
    ]


def test_an_answer_without_pictures() -> None:
    """A picture that is neither an address nor bytes is none."""
    assert images.response({"data": [{}], "error": {"message": "no", "code": "x"}}).output == []


@pytest.mark.parametrize(
    ("chunk", "expected"), [({"data": [{"url": "u"}]}, True), ({"b64_json": "aGk="}, True), ({"created": 1}, False)]
)
def test_the_first_picture(chunk: dict[str, Any], expected: bool) -> None:
    """A chunk with a picture is content."""
    assert images.is_content(chunk) is expected


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"input": "hello"}, "hello"),
        ({"input": ["a", 1]}, '["a",1]'),
        ({"file": "a.mp3"}, "[audio a.mp3]"),
        ({"file": ["a.mp3", 3]}, '[audio ["a.mp3",3]]'),
    ],
)
def test_what_is_heard_or_said(body: dict[str, Any], asked: str) -> None:
    """A text to be spoken is the input; a recording is named."""
    assert audio.request({"model": "m", "voice": "alloy", **body}).input == [{"role": "user", "content": asked}]


@pytest.mark.parametrize(
    ("body", "said"), [({"text": "hi"}, "hi"), ({"bytes": 12}, "[audio of 12 bytes]"), ({}, None), ({"text": ""}, "")]
)
def test_words_or_sound(body: dict[str, Any], said: str | None) -> None:
    """A transcription is its words, speech is the length of its sound."""
    output = audio.response(body).output
    assert output == ([] if said is None else [{"role": "assistant", "content": said}])
    assert audio.is_content(body) is bool(said)


def test_documents_are_asked_about() -> None:
    """The question and each document are messages; what is no text is JSON."""
    asked = rerank.request({"query": "q", "documents": ["a", {"text": "b"}, {"title": "c"}, None], "top_n": 1})
    assert [message["content"] for message in asked.input or ()] == ["q", "a", "b", '{"title":"c"}']
    assert asked.parameters == {"top_n": 1}


def test_documents_are_ordered() -> None:
    """The order is told by place and relevance, without the documents; searches are what is billed."""
    body = {
        "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}],
        "meta": {"billed_units": {"search_units": 1, "input_tokens": 3}},
    }
    answer = rerank.response(body)
    assert answer.output == [{"role": "assistant", "content": '[{"index":1,"relevance_score":0.9}]'}]
    assert answer.usage == Usage(input_tokens=3, raw={"search_units": 1, "input_tokens": 3})
    assert rerank.is_content(body)
    assert rerank.response({}).output == []


def test_documents_are_ordered_by_voyage() -> None:
    """Voyage tells the order under another name, and the tokens of question and documents in all."""
    body = {"data": [{"index": 1, "relevance_score": 0.9}], "model": "m", "usage": {"total_tokens": 31}}
    answer = rerank.response(body)
    assert answer.output == [{"role": "assistant", "content": '[{"index":1,"relevance_score":0.9}]'}]
    assert answer.usage == Usage(input_tokens=31, total_tokens=31, raw={"total_tokens": 31})


def test_counts_of_a_transcription_by_their_other_names() -> None:
    """Mistral counts a transcription by the names of a chat."""
    used = {"prompt_tokens": 14, "completion_tokens": 5, "total_tokens": 19}
    usage = audio.response({"text": "a", "usage": used}).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (14, 5, 19)
