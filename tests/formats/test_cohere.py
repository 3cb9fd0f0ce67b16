"""Cohere's formats, one by one, where the laws cannot say what is right."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import cohere_chat, cohere_embed
from llm_track.records import Usage

CALL = {"name": "weather", "parameters": {"place": "Oslo"}}
DRAWN = {"type": "function", "id": None, "function": {"name": "weather", "arguments": {"place": "Oslo"}}}


def test_what_is_billed_is_counted() -> None:
    """What is billed is the count, else what was read; what is cached is neither, and all of it is kept."""
    usage = {
        "billed_units": {"input_tokens": 12.0, "output_tokens": 64},
        "tokens": {"input_tokens": 212, "output_tokens": 70},
        "cached_tokens": 208,
    }
    assert cohere_chat.response({"usage": usage}).usage == Usage(input_tokens=12, output_tokens=64, raw=usage)
    read = {"tokens": usage["tokens"]}
    assert cohere_chat.response({"meta": read}).usage == Usage(input_tokens=212, output_tokens=70, raw=read)
    assert cohere_chat.response({}).usage == Usage()
    amazon = {"inputTokenCount": 11, "outputTokenCount": 7}
    body = {"amazon-bedrock-invocationMetrics": {**amazon, "invocationLatency": 5}}
    assert cohere_chat.response(body).usage == Usage(input_tokens=11, output_tokens=7, raw=amazon)


def test_a_conversation_of_the_first_version() -> None:
    """Its parts are put in the order in which a model sees them."""
    results = [{"call": CALL, "outputs": [{"sky": "grey"}]}, {"outputs": []}]
    body = {
        "model": "m",
        "preamble": "be brief",
        "documents": [{"title": "a", "text": "b"}],
        "chat_history": [
            {"role": "System", "message": "slowly"},
            {"role": "USER", "message": "rain?"},
            {"role": "CHATBOT", "message": "I look.", "tool_calls": [CALL]},
            {"role": "TOOL", "tool_results": results[:1]},
            {"role": "CHATBOT"},
        ],
        "tool_results": results[1:],
        "message": "and now?",
        "temperature": 0.5,
        "stream": True,
    }
    asked = cohere_chat.request(body)
    assert asked.input == [
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": '{"title":"a","text":"b"}'},
        {"role": "system", "content": "slowly"},
        {"role": "user", "content": "rain?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [DRAWN]},
        {"role": "tool", "content": '[{"sky":"grey"}]', "tool_call_id": "weather"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "[]"},
        {"role": "user", "content": "and now?"},
    ]
    assert (asked.parameters, asked.stream) == ({"temperature": 0.5}, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "rain"}, [{"role": "assistant", "content": "rain"}]),
        ({"text": ""}, [{"role": "assistant", "content": ""}]),
        ({"text": "", "tool_calls": [CALL]}, [{"role": "assistant", "content": None, "tool_calls": [DRAWN]}]),
        ({"text": "", "search_queries": [{"text": "a"}, {"text": "b"}]}, [{"role": "assistant", "content": "a\nb"}]),
        (
            {"text": "rain", "citations": [{"start": 0, "document_ids": ["d"]}]},
            [{"role": "assistant", "content": "rain", "citations": [{"start": 0, "document_ids": ["d"]}]}],
        ),
        ({"generations": [{"text": "a"}, {"text": "b"}]}, [{"role": "assistant", "content": one} for one in "ab"]),
        ({"message": "model not found"}, []),
    ],
    ids=["text", "silence", "call", "queries", "cited", "generated", "error"],
)
def test_answers_without_a_message(body: dict[str, Any], said: Any) -> None:
    """The first version, and the generation of text, have no message."""
    assert cohere_chat.response(body).output == said


def test_streams_that_tell_of_an_error() -> None:
    """Both versions tell of an error amid a stream, each in its own way; what came before it is kept."""
    streams: list[list[dict[str, Any]]] = [
        [
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": "ra"}}}},
            {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}},
        ],
        [
            {"event_type": "text-generation", "text": "ra"},
            {"event_type": "stream-error", "finish_reason": "ERROR", "err": "overloaded"},
        ],
    ]
    for events in streams:
        fold = cohere_chat.fold()
        for event in events:
            fold.add(event)
        answer = cohere_chat.response(fold.body())
        assert (answer.output, answer.error) == ([{"role": "assistant", "content": "ra"}], "overloaded")
        assert answer.stop_reason == "ERROR"


def test_a_stream_without_its_last_answer() -> None:
    """A stream of the first version that ends without the whole answer is what its events told; nothing is complete
    before that."""
    fold = cohere_chat.fold()
    fold.add({"event_type": "stream-start", "generation_id": "g"})
    fold.add({"event_type": "tool-calls-chunk", "text": "I look."})
    fold.add({"event_type": "tool-calls-generation", "text": "I look.", "tool_calls": [CALL]})
    assert not fold.complete
    fold.add({"event_type": "stream-end", "finish_reason": "COMPLETE"})
    assert fold.complete
    answer = cohere_chat.response(fold.body())
    assert answer.output == [{"role": "assistant", "content": "I look.", "tool_calls": [DRAWN]}]
    assert (answer.id, answer.stop_reason) == ("g", "COMPLETE")


def test_probabilities_of_a_stream_are_joined() -> None:
    """What each event says of its tokens is one entry of the answer's list."""
    fold = cohere_chat.fold()
    for number in (1, 2):
        content = {"type": "text", "text": "a"}
        fold.add(
            {"type": "content-delta", "delta": {"message": {"content": content}}, "logprobs": {"token_ids": [number]}}
        )
    assert fold.body()["logprobs"] == [{"token_ids": [1]}, {"token_ids": [2]}]


def test_what_is_embedded() -> None:
    """Texts stand as they are; what is no text is told as JSON."""
    assert cohere_embed.request({"texts": ["a", 1], "model": "m"}).input == ["a", "1"]
