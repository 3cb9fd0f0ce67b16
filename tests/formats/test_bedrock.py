"""The languages of Bedrock: what each kind of content becomes, and which language an invoked model speaks."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import converse, invoke_embeddings, invoke_model, prompts

PICTURE = "iVBORw0KGgo="
BYTES = b"\x89PNG\r\n\x1a\n"
SOMEWHERE = {"source": {"s3Location": {"uri": "s3://bucket/key"}}}
INSIDE = {"source": {"bytes": PICTURE}}


def base64(kind: str, media_type: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": PICTURE}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


DRAWN: list[tuple[Any, Any]] = [
    ({"text": "hi"}, "hi"),
    ("hi", "hi"),
    ({"image": {"format": "jpeg", **INSIDE}}, [base64("image", "image/jpeg")]),
    ({"image": {"format": "png", "source": {"bytes": BYTES}}}, [base64("image", "image/png")]),
    ({"image": {"format": "png", **SOMEWHERE}}, "[image s3://bucket/key]"),
    ({"image": {"format": "png", "source": {}}}, '{"image":{"format":"png","source":{}}}'),
    ({"video": {"format": "mp4", **INSIDE}}, "[video mp4]"),
    ({"video": {"format": "mp4", **SOMEWHERE}}, "[video s3://bucket/key]"),
    ({"audio": {"format": "mp3", **INSIDE}}, [{"type": "audio", "data": PICTURE, "mime_type": "audio/mp3"}]),
    ({"audio": {"format": "mp3", **SOMEWHERE}}, "[audio s3://bucket/key]"),
    ({"document": {"format": "pdf", **INSIDE}}, [base64("document", "application/pdf")]),
    ({"document": {"format": "csv", **INSIDE}}, [base64("document", "text/csv")]),
    ({"document": {"source": {"text": "words"}}}, "words"),
    ({"document": {"source": {"content": [{"text": "one"}, {"text": "two"}]}}}, "one\ntwo"),
    ({"guardContent": {"text": {"text": "hi", "qualifiers": ["query"]}}}, "hi"),
    ({"guardContent": {"image": {"format": "png", **INSIDE}}}, [base64("image", "image/png")]),
    ({"searchResult": {"source": "s", "title": "t", "content": [{"text": "found"}]}}, "t\ns\nfound"),
    ({"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}}, "ab"),
    ({"cachePoint": {"type": "default"}}, None),
    ({"newContent": 1}, '{"newContent":1}'),
    ({"type": "image", "text": 3}, '{"type":"image","text":3}'),
    (
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
    ),
    (
        {"toolUse": {"toolUseId": "t", "name": "web", "input": {}, "type": "server_tool_use"}},
        [{"type": "mcp_call", "id": "t", "name": "web", "action": {}}],
    ),
    (
        {"toolResult": {"toolUseId": "t", "content": [{"json": {"n": 1}}, {"text": "x"}], "status": "error"}},
        [{"type": "tool_result", "tool_use_id": "t", "content": '{"n":1}\nx', "is_error": True}],
    ),
    ({"toolResult": {"toolUseId": "t", "content": "x"}}, [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]),
    ({"reasoningContent": {"reasoningText": {"text": "hm"}}}, [{"type": "thinking", "thinking": "hm"}]),
    ({"reasoningContent": {"redactedContent": "x"}}, [{"type": "thinking", "thinking": "[redacted thinking]"}]),
]


@pytest.mark.parametrize(("block", "drawn"), DRAWN, ids=[str(block)[:60] for block, _ in DRAWN])
def test_each_kind_of_content_has_its_shape(block: Any, drawn: Any) -> None:
    """A block of Bedrock's becomes the shape that PostHog draws; what is not known is shown as JSON."""
    (message,) = converse.request({"messages": [{"role": "user", "content": [block]}]}).input or ()
    assert message == {"role": "user", "content": drawn}


def test_content_that_is_no_list() -> None:
    """A text in the place of blocks is a text; anything else is shown as JSON."""
    asked = converse.request(
        {"messages": [{"role": "user", "content": "hi"}, {"content": {"a": 1}}], "system": "be brief"}
    )
    assert [message["content"] for message in asked.input or ()] == ["be brief", "hi", '{"a":1}']


def test_words_of_an_answer_that_were_cut_are_one_text() -> None:
    """Nova cuts its stream into blocks: their texts are one, and a call between them parts them."""
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    content = [{"text": "slow "}, {"text": "snails"}, call, {"text": "end"}]
    (message,) = converse.response({"output": {"message": {"role": "assistant", "content": content}}}).output or ()
    assert [block.get("text", block["type"]) for block in message["content"]] == ["slow snails", "tool_use", "end"]


def test_citations_that_come_after_the_words() -> None:
    """Sources join the text they belong to, in whatever order they come."""
    fold = converse.fold()
    for delta in ({"text": "snails"}, {"citation": {"title": "a book"}}, {"newDelta": 1}):
        fold.add({"contentBlockDelta": {"contentBlockIndex": 0, "delta": delta}})
    (block,) = fold.body()["output"]["message"]["content"]
    cited = {"content": [{"text": "snails"}], "citations": [{"title": "a book"}]}
    assert block == {"newDelta": 1, "citationsContent": cited}


@pytest.mark.parametrize("spoiled", [{"output": 3}, {"output": {"message": 3}}])
def test_a_stream_that_contradicts_itself(spoiled: Any) -> None:
    """What is no message makes room for the words that come after it."""
    fold = converse.fold()
    fold.add(spoiled)
    fold.add({"contentBlockDelta": {"delta": {"text": "snails"}}})
    assert fold.body() == {"output": {"message": {"content": [{"text": "snails"}]}}}


def test_an_exception_amid_a_stream() -> None:
    """What the provider says amid a stream is the error of the answer so far, in every language."""
    error = {"type": "error", "error": {"type": "throttlingException", "message": "too much"}}
    begun: list[Any] = [
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "slow"}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "slow"}},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "slow"}}]},
        {"generation": "slow"},
        {"completion": "slow"},
    ]
    for chunk in begun:
        fold = invoke_model.fold()
        fold.add(chunk)
        fold.add(error)
        assert not fold.complete
        told = invoke_model.response(fold.body())
        assert (told.error, told.error_type) == ("too much", "throttlingException")
        assert "slow" in str(told.output)


SPOKEN: dict[str, tuple[Any, Any, str, str | None, tuple[int | None, int | None]]] = {
    "claude": (
        {"anthropic_version": "v", "messages": [{"role": "user", "content": "hi"}]},
        {
            "type": "message",
            "content": [text("ho")],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
        "ho",
        "end_turn",
        (1, 2),
    ),
    "claude 2": (
        {"prompt": "hi", "max_tokens_to_sample": 3},
        {"completion": "ho", "stop_reason": "stop_sequence"},
        "ho",
        "stop_sequence",
        (None, None),
    ),
    "nova": (
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        {
            "output": {"message": {"content": [{"text": "ho"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 2},
        },
        "ho",
        "end_turn",
        (1, 2),
    ),
    "mistral's chat": (
        {"messages": [{"role": "user", "content": "hi"}]},
        {"choices": [{"message": {"role": "assistant", "content": "ho"}, "stop_reason": "stop"}]},
        "ho",
        "stop",
        (None, None),
    ),
    "deepseek": ({"prompt": "hi"}, {"choices": [{"text": "ho", "stop_reason": "stop"}]}, "ho", "stop", (None, None)),
    "mistral": ({"prompt": "hi"}, {"outputs": [{"text": "ho", "stop_reason": "stop"}]}, "ho", "stop", (None, None)),
    "titan": (
        {"inputText": "hi"},
        {"inputTextTokenCount": 1, "results": [{"tokenCount": 2, "outputText": "ho", "completionReason": "FINISH"}]},
        "ho",
        "FINISH",
        (1, 2),
    ),
    "jurassic": (
        {"prompt": "hi"},
        {"prompt": {"text": "hi"}, "completions": [{"data": {"text": "ho"}, "finishReason": {"reason": "endoftext"}}]},
        "ho",
        "endoftext",
        (None, None),
    ),
    "command r": ({"message": "hi"}, {"text": "ho", "finish_reason": "COMPLETE"}, "ho", "COMPLETE", (None, None)),
}


@pytest.mark.parametrize("maker", SPOKEN)
def test_the_json_tells_the_language(maker: str) -> None:
    """Question, answer, reason and counts are read in whichever language they are in."""
    asked, answer, words, reason, counts = SPOKEN[maker]
    assert invoke_model.request(asked).input == [{"role": "user", "content": "hi"}]
    told = invoke_model.response({**answer, "model": "inner-name"})
    assert told.output == [{"role": "assistant", "content": words}]
    assert (told.stop_reason, told.model) == (reason, None)
    assert (told.usage.input_tokens, told.usage.output_tokens) == counts


def test_amazons_counts_where_a_language_has_none() -> None:
    """The counts of the last chunk are taken for a model that does not count, with those of the cache."""
    metrics = {
        "inputTokenCount": 1,
        "outputTokenCount": 2,
        "cacheReadInputTokenCount": 3,
        "cacheWriteInputTokenCount": 0,
    }
    usage = invoke_model.response({"outputs": [], "amazon-bedrock-invocationMetrics": metrics}).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (1, 2, 3, 0)
    assert (usage.cache_included_in_input, usage.raw) == (False, metrics)


def test_mistrals_chunks_are_pieces() -> None:
    """A chunk that holds a message holds a piece of it."""
    fold = invoke_model.fold()
    assert fold.body() == {}
    for words, reason in (("slow ", None), ("snails", "stop")):
        chunk = {"choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "stop_reason": reason}]}
        assert invoke_model.is_content(chunk)
        fold.add(chunk)
    told = invoke_model.response(fold.body())
    assert (told.output, told.stop_reason) == ([{"role": "assistant", "content": "slow snails"}], "stop")


def test_what_is_no_content() -> None:
    """A greeting is no output, in any language."""
    greetings: list[Any] = [{"messageStart": {"role": "assistant"}}, {"type": "message_start"}, {"choices": []}, {}]
    assert not any(map(invoke_model.is_content, greetings))
    assert invoke_model.is_content({"contentBlockStart": {"start": {"toolUse": {"name": "f"}}}})


def test_a_chat_before_the_message() -> None:
    """Earlier turns come before the message, whose tools and calls are Command R's."""
    turns = [{"role": "CHATBOT", "message": "ho"}, {"role": "TOOL", "tool_results": []}]
    asked = prompts.request({"preamble": "be brief", "chat_history": turns, "message": "hi", "tools": [{"name": "f"}]})
    assert [message["role"] for message in asked.input or ()] == ["system", "assistant", "tool", "user"]
    assert asked.tools == [{"name": "f"}]
    (answer,) = prompts.response({"text": "", "tool_calls": [{"name": "f", "parameters": {"a": 1}}]}).output or ()
    assert answer["tool_calls"][0]["function"] == {"name": "f", "arguments": {"a": 1}}


def test_pictures_that_a_model_drew() -> None:
    """Pictures of an answer are drawn by their bytes."""
    assert prompts.response({"images": [PICTURE, 3]}).output == [
        {"role": "assistant", "content": [base64("image", "image/png")]}
    ]


def test_what_is_embedded() -> None:
    """Texts and pictures that are embedded are told, pictures as what processors know for one."""
    asked = invoke_embeddings.request({"inputText": "hi", "inputImage": PICTURE, "texts": ["ho", 3], "images": []})
    assert asked.input == ["hi", "ho", "3", f"data:image/png;base64,{PICTURE}"]
    assert invoke_embeddings.request({"images": ["data:image/png;base64,x", 3]}).input == [
        "data:image/png;base64,x",
        "data:image/png;base64,3",
    ]
    assert invoke_embeddings.is_content({})
