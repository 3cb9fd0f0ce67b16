"""Legacy text completions of OpenAI and Anthropic, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import completions
from llm_track.records import Response, Usage


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("hi", ["hi"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], ["[3 token ids]"]),
        ([[1, 2], [3]], ["[2 token ids]", "[1 token ids]"]),
        (["a", {"b": 1}, [True]], ["a", '{"b":1}', "[true]"]),
        ({"a": 1}, ['{"a":1}']),
        (None, []),
        ([], []),
    ],
)
def test_each_prompt_is_a_message(prompt: Any, words: list[str]) -> None:
    """Prompts are what the user said; token ids, which nobody can read, are counted."""
    assert completions.request({"prompt": prompt}).input == [{"role": "user", "content": said} for said in words]


def test_a_request_is_read_field_by_field() -> None:
    """What has no field of its own is a parameter."""
    request = completions.request({"model": "m", "prompt": "hi", "stream": True, "max_tokens": 5, "user": "u"})
    assert (request.model, request.stream, request.parameters) == ("m", True, {"max_tokens": 5})


def test_an_answer_of_openai() -> None:
    """Each choice is a message; the first reason to stop stands for all."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    choices = [{"text": "a", "index": 0, "finish_reason": None}, {"text": "b", "index": 1, "finish_reason": "length"}]
    assert completions.response({"id": "r", "model": "m", "choices": choices, "usage": usage}) == Response(
        output=[{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}],
        usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3, raw=usage),
        model="m",
        id="r",
        stop_reason="length",
    )


def test_an_answer_of_anthropic() -> None:
    """The text stands at the top, without choices and without usage."""
    body = {"type": "completion", "id": "r", "completion": " hi", "stop_reason": "stop_sequence", "model": "claude-2.1"}
    assert completions.response(body) == Response(
        output=[{"role": "assistant", "content": " hi"}], model="claude-2.1", id="r", stop_reason="stop_sequence"
    )


def test_an_error_inside_an_answer() -> None:
    """An answer that is an error has no output."""
    response = completions.response({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    assert (response.output, response.error, response.error_type) == ([], "busy", "overloaded_error")


def test_an_empty_body() -> None:
    """A body without anything is an answer without anything."""
    assert completions.response({}) == Response(output=[])


@pytest.mark.parametrize(
    ("chunk", "content"),
    [
        ({"choices": [{"text": "a"}]}, True),
        ({"choices": [{"text": ""}]}, False),
        ({"completion": "a"}, True),
        ({"type": "ping"}, False),
    ],
)
def test_the_first_token(chunk: dict[str, Any], content: bool) -> None:
    """A chunk carries content when it has a text."""
    assert completions.is_content(chunk) is content


def test_a_stream_of_openai() -> None:
    """The text of each choice grows; the last chunk may hold nothing but counts."""
    fold = completions.fold()
    for piece, reason in (("a", None), ("b", "stop")):
        fold.add({"object": "text_completion", "choices": [{"index": 0, "text": piece, "finish_reason": reason}]})
    fold.add({"object": "text_completion", "choices": [], "usage": {"prompt_tokens": 1}})
    choice = {"index": 0, "text": "ab", "finish_reason": "stop"}
    assert fold.body() == {"object": "text_completion", "choices": [choice], "usage": {"prompt_tokens": 1}}
    assert fold.complete


def test_a_ping_leaves_no_trace() -> None:
    """A ping at the end of a stream does not become the kind of the answer."""
    fold = completions.fold()
    for chunk in ({"type": "completion", "completion": "a"}, {"type": "ping"}):
        fold.add(chunk)
    assert fold.body() == {"type": "completion", "completion": "a"}
    assert not fold.complete


def test_a_stream_of_bare_values() -> None:
    """Writer streams nothing but words, and no mark of the end: they are the whole answer."""
    fold = completions.fold()
    for words in ("Sure", ", ", "here"):
        assert completions.is_content({"value": words})
        fold.add({"value": words})
    assert fold.complete
    assert completions.response(fold.body()).output == [{"role": "assistant", "content": "Sure, here"}]
