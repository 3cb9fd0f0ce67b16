"""No word of an answer is lost, and no tool and no picture: held against what the generator of its body says of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .wire import ANSWERING, law, wire


@pytest.mark.parametrize("name", ANSWERING)
@law(70)
@given(data=st.data())
def test_every_response_keeps_what_was_answered(name: str, data: st.DataObject) -> None:
    """The output has every text of an answer to the letter and in order, the tools that are called and no others, and
    its pictures; be the answer whole or streamed."""
    known = wire(name)
    body, chunks = data.draw(known.streams())
    answer = known.source.answer(body)
    for read in (body, known.folded(chunks).body()):
        output = known.format.response(read).output
        words, place = "".join(_words(output)), 0
        for text in answer.words:
            place = words.find(text, place) + len(text)
            assert place >= len(text), (text, words)
        assert _tools(output) == answer.tools
        assert _pictures(output) == answer.pictures


def _words(value: Any) -> list[str]:
    """All that is drawn as text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        said = [value[key] for key in ("text", "thinking", "content", "summary", "transcript") if key in value]
        return _words(said)
    return [words for item in value or () for words in _words(item)]


def _tools(value: Any) -> list[str]:
    """The names of all tools that are drawn as called."""
    if isinstance(value, dict):
        called = [value["function"]["name"]] if "function" in value else []
        called += [value["name"]] if "name" in value else []
        return called + _tools(value.get("content")) + _tools(value.get("tool_calls"))
    return [name for item in value for name in _tools(item)] if isinstance(value, (list, tuple)) else []


def _pictures(value: Any) -> int:
    if isinstance(value, dict):
        return int(value.get("type") == "image") + _pictures(value.get("content"))
    return sum(map(_pictures, value)) if isinstance(value, (list, tuple)) else 0
