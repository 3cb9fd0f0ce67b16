"""Gemini's interactions: what PostHog draws of steps, of turns and of the older flat outputs."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import interactions

TEXT = {"type": "text", "text": "slow snails"}
CALL = {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"place": "Oslo"}}
PICTURE = {"type": "image", "data": "iVBORw0KGgo=", "mime_type": "image/png"}
SAID = {"role": "assistant", "content": "slow snails"}


def drawn(*steps: Any, **more: Any) -> Any:
    """Return what is drawn of an interaction with such steps."""
    return interactions.response({"id": "v1_1", "status": "completed", "steps": list(steps), **more}).output


def test_thoughts_words_and_calls_are_one_message() -> None:
    """What a model thinks, says and calls in a row is one message with all of it, without the signature."""
    thought = {"type": "thought", "signature": "c2lnbmVk", "summary": [{"type": "text", "text": "hm"}]}
    (message,) = drawn(thought, {"type": "model_output", "content": [TEXT]}, CALL)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert message["content"][2]["input"] == {"place": "Oslo"}
    assert "c2lnbmVk" not in str(message)


def test_a_thought_without_a_summary_is_not_drawn() -> None:
    """A thought of which only the signature is told leaves no empty bubble."""
    assert drawn({"type": "thought", "signature": "c2lnbmVk"}, {"type": "model_output", "content": [TEXT]}) == [SAID]


def test_the_older_flat_outputs() -> None:
    """The contents of before May 2026 are drawn as the same message."""
    body = {"id": "v1_1", "status": "completed", "outputs": [TEXT, CALL]}
    (message,) = interactions.response(body).output or ()
    assert message["content"] == "slow snails"
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"place": "Oslo"}}


def test_the_tools_that_google_runs() -> None:
    """Searches, code and servers are drawn as what they are, none of them as a function of the program."""
    (message,) = drawn(
        {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["snails"]}, "signature": "c2ln"},
        {"type": "google_search_result", "call_id": "s1", "result": [{"search_suggestions": "<b>"}]},
        {"type": "code_execution_call", "id": "x1", "arguments": {"code": "1+1"}},
        {"type": "code_execution_result", "call_id": "x1", "result": "2"},
        {"type": "mcp_server_tool_call", "id": "m1", "name": "look", "server_name": "s", "arguments": {}},
        {"type": "file_search_call", "id": "f1"},
        {"type": "file_search_result", "call_id": "f1"},
        {"type": "model_output", "content": [TEXT]},
    )
    kinds = [(block["type"], block.get("name")) for block in message["content"]]
    assert kinds == [
        ("web_search_call", "google_search"), ("tool_result", None), ("code_interpreter_call", "code_execution"),
        ("tool_result", None), ("mcp_call", "look"), ("mcp_call", "file_search"), ("tool_result", None), ("text", None),
    ]  # fmt: skip
    assert [block["content"] for block in message["content"] if block["type"] == "tool_result"] == [
        '[{"search_suggestions":"<b>"}]', "2", "",
    ]  # fmt: skip


def test_only_the_last_answer_is_the_output() -> None:
    """Steps that were asked and answered before are no output of this interaction."""
    before = [{"type": "model_output", "content": [{"type": "text", "text": "before"}]}, {"type": "user_input"}]
    assert drawn(*before, {"type": "model_output", "content": [TEXT]}) == [SAID]


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ("how", [{"role": "user", "content": "how"}]),
        (TEXT, [{"role": "user", "content": "slow snails"}]),
        ([TEXT, "how"], [{"role": "user", "content": [TEXT, {"type": "text", "text": "how"}]}]),
        ([{"role": "model", "content": "so"}, {"role": "user", "content": [TEXT]}],
         [{"role": "assistant", "content": "so"}, {"role": "user", "content": "slow snails"}]),
        ([{"type": "user_input", "content": [TEXT]}, CALL,
          {"type": "function_result", "call_id": "c1", "name": "weather", "result": {"items": [TEXT]}}],
         [{"role": "user", "content": "slow snails"},
          {"role": "assistant", "content": None, "tool_calls": [
              {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"place": "Oslo"}}}]},
          {"role": "tool", "content": "slow snails", "tool_call_id": "c1"}]),
        ([CALL, TEXT],
         [{"role": "assistant", "content": None, "tool_calls": [
             {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"place": "Oslo"}}}]},
          {"role": "user", "content": "slow snails"}]),
        ({"type": "function_result", "result": None}, [{"role": "tool", "content": ""}]),
        ([{"type": "document", "uri": "gs://a/b.pdf"}], [{"role": "user", "content": "[file gs://a/b.pdf]"}]),
        ([PICTURE], [{"role": "user", "content": [{"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]}]),
        ([{"type": "audio", "data": "AAAA"}],
         [{"role": "user", "content": [{"type": "audio", "data": "AAAA", "mime_type": "audio/*"}]}]),
        ([{"type": "riddle", "of": 3}, 7], [{"role": "user", "content": [
            {"type": "text", "text": '{"type":"riddle","of":3}'}, {"type": "text", "text": "7"}]}]),
        (None, []),
    ],
)  # fmt: skip
def test_what_is_asked(given: Any, messages: Any) -> None:
    """An input may be a text, a content, contents, turns or steps; each is drawn as messages of who said it."""
    assert interactions.request({"model": "g", "input": given}).input == messages


def test_a_request() -> None:
    """The system instruction comes first, settings are flat, and what may hold credentials is left out."""
    found = interactions.request(
        {
            "agent": "deep-research",
            "input": "how",
            "system_instruction": "be slow",
            "generation_config": {"temperature": 0.5},
            "background": True,
            "webhook_config": {"uri": "https://example.com"},
            "environment": {"env_vars": {"A": "b"}},
            "tools": [{"type": "google_search"}],
        }
    )
    assert found.model == "deep-research"
    assert found.input == [{"role": "system", "content": "be slow"}, {"role": "user", "content": "how"}]
    assert found.parameters == {"temperature": 0.5, "background": True}
    assert found.tools == [{"type": "google_search"}]


def test_counts() -> None:
    """Thoughts are beside the answer, what tools returned beside the prompt; kinds and searches as far as told."""
    usage = interactions.response(
        {
            "usage": {
                "total_input_tokens": 10,
                "total_tool_use_tokens": 5,
                "total_output_tokens": 4,
                "total_thought_tokens": 2,
                "total_cached_tokens": 3,
                "total_tokens": 21,
                "input_tokens_by_modality": [{"modality": "audio", "tokens": 6}, {"modality": "text"}],
                "output_tokens_by_modality": [{"modality": "image", "tokens": 4}],
                "grounding_tool_count": [{"type": "google_search", "count": 2}, {"type": "google_maps", "count": 9}],
            }
        }
    ).usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (15, 4, 2)
    assert (usage.cache_read_tokens, usage.cache_included_in_input) == (3, True)
    assert usage.reasoning_included_in_output is False
    assert (usage.audio_input_tokens, usage.image_output_tokens, usage.web_searches) == (6, 4, 2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": "failed"}, ("the interaction failed", None)),
        ({"status": "failed", "errors": [{"code": "x", "message": "no"}]}, ("no", "x")),
        ({"status": "failed", "steps": [{"type": "model_output", "error": {"message": "no"}}]}, ("no", None)),
        ({"status": "completed", "errors": [{"message": "a tool failed"}]}, (None, None)),
        ({"error": {"code": "x", "message": "no"}}, ("no", "x")),
    ],
)
def test_errors(body: Any, error: Any) -> None:
    """A failed interaction has the error it tells of, wherever that stands; one that ended well has none."""
    found = interactions.response(body)
    assert (found.error, found.error_type) == error


@pytest.mark.parametrize(
    ("status", "stop", "pending"),
    [("completed", "completed", False), ("in_progress", None, True), ("queued", None, True)],
)
def test_the_status(status: str, stop: Any, pending: bool) -> None:
    """The status is the reason for the end, once there is one; where it runs is not said."""
    found = interactions.response({"status": status})
    assert (found.stop_reason, found.pending, found.background) == (stop, pending, None)


def folded(*events: Any) -> Any:
    """Return the body of a stream."""
    fold = interactions.fold()
    for event in events:
        fold.add(event)
    return fold.body()


def delta(index: int, **said: Any) -> Any:
    """Return an event of a delta."""
    return {"event_type": "step.delta", "index": index, "delta": said}


def test_annotations_belong_to_the_last_words() -> None:
    """Citations that come after a text are kept with it, or with the step that has none yet."""
    cited = {"type": "text_annotation_delta", "annotations": [{"url": "https://example.com"}]}
    start = {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
    body = folded(start, delta(0, type="text", text="slow"), delta(0, **cited))
    assert body["steps"][0]["content"][0]["annotations"] == cited["annotations"]
    assert folded(start, delta(0, **cited))["steps"][0]["annotations"] == cited["annotations"]


def test_a_content_that_is_no_list() -> None:
    """A step whose content is no list is replaced by what its deltas say."""
    start = {"event_type": "step.start", "index": 0, "step": {"type": "model_output", "content": "?"}}
    assert folded(start, delta(0, type="text", text="slow"))["steps"][0]["content"] == [
        {"type": "text", "text": "slow"}
    ]


def test_a_stream_that_breaks_off() -> None:
    """An error amid the events is the error of the interaction, beside what was said before it."""
    begun = {"event_type": "step.start", "index": 0, "step": {"type": "model_output", "content": [TEXT]}}
    body = folded(begun, {"event_type": "error", "error": {"code": "unavailable", "message": "overloaded"}})
    found = interactions.response(body)
    assert (found.error, found.error_type, found.output) == ("overloaded", "unavailable", [SAID])


def test_an_answer_that_is_not_streamed() -> None:
    """A body without a type is the interaction itself."""
    fold = interactions.fold()
    fold.add({"id": "v1_1", "steps": []})
    assert fold.complete
    assert fold.body() == {"id": "v1_1", "steps": []}


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"event_type": "step.start", "step": {"type": "model_output"}}, False),
        ({"event_type": "step.start", "step": {"type": "model_output", "content": [TEXT]}}, True),
        ({"event_type": "step.start", "step": CALL}, True),
        ({"event_type": "content.start", "content": {"type": "text"}}, False),
        (delta(0, type="text", text="slow"), True),
        (delta(0, type="thought_signature", signature="c2ln"), False),
        ({"event_type": "step.stop", "index": 0}, False),
    ],
)
def test_the_first_token(event: Any, content: bool) -> None:
    """Steps that begin empty and signatures are no output; words, thoughts and calls are."""
    assert interactions.is_content(event) is content
