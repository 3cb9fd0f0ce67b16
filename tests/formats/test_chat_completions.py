"""Chat Completions: messages, answers, usage and streams, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import chat_completions
from llm_track.records import Response, Usage

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
DRAWN_CALL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}


def drawn(**message: Any) -> Any:
    """What one message of a request is drawn as."""
    return chat_completions.request({"messages": [message]}).input


def answer(**message: Any) -> dict[str, Any]:
    """A body with one choice."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def folded(*chunks: dict[str, Any]) -> dict[str, Any]:
    """The body of a stream."""
    fold = chat_completions.fold()
    for chunk in chunks:
        fold.add(chunk)
    return fold.body()


def deltas(*given: dict[str, Any]) -> dict[str, Any]:
    """The message of a stream of deltas."""
    (choice,) = folded(*({"choices": [{"index": 0, "delta": delta}]} for delta in given))["choices"]
    return dict(choice["message"])


def test_a_request_is_read_field_by_field() -> None:
    """Model, messages, tools and the stream flag have fields; the user is not a parameter; the rest is one."""
    tools = [{"type": "function", "function": {"name": "f"}}]
    request = chat_completions.request(
        {
            "model": "m",
            "messages": [{"role": "system", "content": "be brief"}, {"content": "hi"}],
            "tools": tools,
            "stream": True,
            "temperature": 0,
            "stop": None,
            "user": "u",
            "metadata": {"k": "v"},
        }
    )
    assert request.model == "m"
    assert request.input == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert request.tools == tools
    assert request.stream
    assert request.parameters == {"temperature": 0}


def test_functions_are_tools() -> None:
    """The older name of the tools is read too."""
    assert chat_completions.request({"functions": [{"name": "f"}]}).tools == [{"name": "f"}]


def test_no_tools_are_none() -> None:
    """A request that offers no tools, or something that is no list of them, has none."""
    assert chat_completions.request({"tools": "f"}).tools is None


@pytest.mark.parametrize("content", ["let me see", None])
def test_tool_calls_beside_words(content: str | None) -> None:
    """A text and its tool calls stay one message."""
    assert drawn(role="assistant", content=content, tool_calls=[CALL]) == [
        {"role": "assistant", "content": content, "tool_calls": [DRAWN_CALL]}
    ]


def test_a_custom_tool_call() -> None:
    """A call of a custom tool has free text instead of arguments."""
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    assert drawn(role="assistant", tool_calls=[call])[0]["tool_calls"] == [
        {"type": "function", "id": "c1", "function": {"name": "sql", "arguments": "select 1"}}
    ]


def test_a_legacy_function_call() -> None:
    """The older form of a tool call is drawn as one without an id."""
    assert drawn(role="assistant", content=None, function_call={"name": "f", "arguments": "{}"})[0]["tool_calls"] == [
        {"type": "function", "id": None, "function": {"name": "f", "arguments": "{}"}}
    ]


def test_a_call_without_a_name() -> None:
    """A call that was cut before its name is still a call."""
    assert drawn(role="assistant", tool_calls=[{}])[0]["tool_calls"] == [
        {"type": "function", "id": None, "function": {"name": "unknown", "arguments": None}}
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"a": 1}, {"a": 1}), ("{}", "{}"), (None, None), ([1], "[1]"), (7, "7"), (True, "true")],
)
def test_arguments_are_a_string_or_an_object(arguments: Any, expected: Any) -> None:
    """Arguments that are neither, which PostHog would not draw, are written as JSON."""
    (message,) = drawn(role="assistant", tool_calls=[{"function": {"name": "f", "arguments": arguments}}])
    assert message["tool_calls"][0]["function"]["arguments"] == expected


def test_tool_calls_beside_a_picture_become_blocks() -> None:
    """Beside a list of blocks, tool calls must be blocks themselves, or PostHog drops them."""
    link = "https://x.test/y.png"
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": link}}]
    assert drawn(role="assistant", content=content, tool_calls=[CALL]) == [
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "see"}, {"type": "image", "image": link}, DRAWN_CALL],
        }
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_tool_calls_beside_reasoning_become_tool_use(field: str) -> None:
    """Reasoning is not drawn beside a function block, only beside Anthropic's form of the same call."""
    assert drawn(role="assistant", content="", tool_calls=[CALL], **{field: "hm"}) == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ],
        }
    ]


def test_arguments_that_are_no_json_stay_text() -> None:
    """A model may write arguments that are no JSON; they are drawn as it wrote them."""
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"a":'}}
    (message,) = drawn(role="assistant", reasoning="hm", tool_calls=[call])
    assert message["content"][1]["input"] == '{"a":'


@pytest.mark.parametrize(
    ("message", "result"),
    [
        ({"role": "tool", "tool_call_id": "c1", "content": "42"}, {"content": "42", "tool_call_id": "c1"}),
        (
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "2"}],
            },
            {"content": "4\n2", "tool_call_id": "c1"},
        ),
        ({"role": "function", "name": "f", "content": "42"}, {"content": "42", "tool_call_id": "f"}),
        ({"role": "tool", "content": None}, {"content": ""}),
    ],
)
def test_the_answer_of_a_tool_is_one_string(message: dict[str, Any], result: dict[str, Any]) -> None:
    """A tool's answer is a string beside its id; as a list PostHog would drop the id."""
    assert drawn(**message) == [{"role": "tool"} | result]


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None, "refusal": "no"}, "no"),
        (
            {"content": None, "audio": {"id": "a", "data": "UklGRg==", "transcript": "hi"}},
            [{"type": "audio", "data": "UklGRg==", "transcript": "hi"}],
        ),
        (
            {"content": None, "audio": {"data": "UklGRg=="}},
            [{"type": "audio", "data": "UklGRg==", "transcript": ""}],
        ),
        ({"content": None, "audio": {"transcript": "hi"}}, "hi"),
        ({"content": None, "audio": {"id": "audio_1"}}, "[audio audio_1]"),
        (
            {"content": "hi", "reasoning_content": "hm"},
            [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}],
        ),
        (
            {"content": "", "images": [{"type": "image_url", "image_url": {"url": "https://x.test/y.png"}}]},
            [{"type": "image", "image": "https://x.test/y.png"}],
        ),
    ],
)
def test_an_answer_beyond_its_content(message: dict[str, Any], content: Any) -> None:
    """Refusals, speech, reasoning and pictures stand in fields of their own, and are drawn."""
    assert chat_completions.response(answer(**message)).output == [{"role": "assistant", "content": content}]


def test_a_response_is_read_field_by_field() -> None:
    """Each choice is a message; the first reason to stop stands for all."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": words}, "finish_reason": reason}
        for index, (words, reason) in enumerate([("a", None), ("b", "length")])
    ]
    response = chat_completions.response({"id": "r", "model": "m", "service_tier": "flex", "choices": choices})
    assert response == Response(
        output=[{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}],
        model="m",
        id="r",
        stop_reason="length",
        service_tier="flex",
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (  # Azure: a filtered prompt is answered with 200
            {"choices": None, "error": {"message": "filtered", "code": "content_filter", "status": 400}},
            ("filtered", "content_filter"),
        ),
        ({"error": {"message": "slow down", "type": "rate_limit", "code": None}}, ("slow down", "rate_limit")),
        ({"error": {"message": "upstream", "code": 502}}, ("upstream", "502")),
        ({"error": "it broke"}, ("it broke", None)),
        ({"error": {"reason": "?"}}, ('{"reason":"?"}', None)),
        ({"error": {"message": "m", "code": {"a": 1}}}, ("m", '{"a":1}')),
        ({"error": ["a", "list"]}, ('["a","list"]', None)),
        (  # OpenRouter: the upstream provider failed
            {"choices": [{"error": {"message": "overloaded", "code": 502}}, {"error": {"message": "later"}}]},
            ("overloaded", "502"),
        ),
        ({"error": None, "choices": []}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_errors_inside_an_answer(body: dict[str, Any], error: tuple[str | None, str | None]) -> None:
    """An answer may be an error although its status is 200; it has no output then."""
    response = chat_completions.response(body)
    assert (response.error, response.error_type) == error
    assert response.output == []


def test_usage_of_every_kind() -> None:
    """Details are parts of the totals; the provider's own cost is kept."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8, "audio_tokens": 3, "image_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0, "image_tokens": 1},
        "cost": 0.00016401,
    }
    assert chat_completions.response({"usage": usage}).usage == Usage(
        input_tokens=100,
        output_tokens=50,
        total_tokens=150,
        cache_read_tokens=64,
        cache_write_tokens=8,
        cache_included_in_input=True,
        reasoning_tokens=30,
        audio_input_tokens=3,
        audio_output_tokens=0,
        image_input_tokens=2,
        image_output_tokens=1,
        cost=0.00016401,
        raw=usage,
    )


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0}, 0.0),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 0.5),
        ({"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}, 0.75),
        ({"cost": 0.25, "is_byok": True, "cost_details": None}, None),
        ({"cost_in_usd_ticks": 37756000}, 0.0037756),
        ({"cost": {"input_tokens_cost": 0.25, "request_cost": 0.5, "total_cost": 0.75}}, 0.75),
        ({"cost": {"input_tokens_cost": 0.25}}, None),
        ({"prompt_tokens": 1}, None),
    ],
)
def test_what_a_provider_says_a_call_cost(usage: dict[str, Any], cost: float | None) -> None:
    """A cost is the whole cost in dollars, or it is not known."""
    assert chat_completions.response({"usage": usage}).usage.cost == cost


@pytest.mark.parametrize("usage", [None, {}, [], 7])
def test_no_usage_is_no_count(usage: Any) -> None:
    """What was not reported is absent, never zero."""
    assert chat_completions.response({"usage": usage}).usage == Usage()


def test_deepseek_counts_cache_hits_under_its_own_name() -> None:
    """Cache hits are read from either place; the common one wins."""
    hits = {"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}
    assert chat_completions.response({"usage": hits}).usage.cache_read_tokens == 5
    both = hits | {"prompt_tokens_details": {"cached_tokens": 0}}
    assert chat_completions.response({"usage": both}).usage.cache_read_tokens == 0


@pytest.mark.parametrize(
    ("total", "inside"),
    [(14428, False), (11619, None), (None, None)],
    ids=["xai counts it beside", "openai counts it inside", "nobody says"],
)
def test_whether_thoughts_are_inside_the_output(total: int | None, inside: bool | None) -> None:
    """Where the total says that thoughts were counted beside the output, as xAI does, they are not inside it."""
    counts = {
        "prompt_tokens": 10120,
        "completion_tokens": 1499,
        "completion_tokens_details": {"reasoning_tokens": 2809},
    }
    usage = chat_completions.response({"usage": {**counts, "total_tokens": total}}).usage
    assert (usage.output_tokens, usage.reasoning_tokens) == (1499, 2809)
    assert usage.reasoning_included_in_output is inside


def test_groq_streams_usage_among_its_own_fields() -> None:
    """The usage of a stream from Groq is found, and no other usage is overruled by it."""
    body = {"x_groq": {"id": "r", "usage": {"prompt_tokens": 18}}}
    assert chat_completions.response(body).usage.input_tokens == 18
    assert chat_completions.response(body | {"usage": {"prompt_tokens": 20}}).usage.input_tokens == 20


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "tool_calls": []}, False),
        ({}, False),
        ({"content": "h"}, True),
        ({"reasoning": "h"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"audio": {"data": "UklGRg=="}}, True),
    ],
)
def test_the_first_token_is_told_from_a_greeting(delta: dict[str, Any], content: bool) -> None:
    """A chunk carries content when its delta says more than a role."""
    assert chat_completions.is_content({"choices": [{"delta": delta}]}) is content


def test_a_chunk_of_usage_is_no_content() -> None:
    """The chunk that only counts carries nothing that a reader waits for."""
    assert not chat_completions.is_content({"choices": [], "usage": {"completion_tokens": 3}})


def test_parallel_calls_without_an_index() -> None:
    """Gemini sends whole calls without index and id; each is a call of its own."""
    whole = [{"id": "", "function": {"name": tool, "arguments": "{}"}, "type": "function"} for tool in "fg"]
    assert deltas({"tool_calls": whole[:1]}, {"tool_calls": whole[1:]})["tool_calls"] == whole


def test_a_call_without_an_index_goes_on() -> None:
    """A delta without index and name belongs to the newest call."""
    pieces = [{"function": {"name": "f", "arguments": "{"}}, {"function": {"arguments": "}"}}]
    assert deltas({"tool_calls": pieces})["tool_calls"] == [{"function": {"name": "f", "arguments": "{}"}}]


def test_calls_that_share_an_index() -> None:
    """Another id and name begin another call, even under an index that is taken."""
    calls = [{"index": 0, "id": f"c{tool}", "function": {"name": tool, "arguments": "{}"}} for tool in "fg"]
    assert [call["id"] for call in deltas(*({"tool_calls": [call]} for call in calls))["tool_calls"]] == ["cf", "cg"]


def test_a_new_id_alone_begins_no_call() -> None:
    """Old servers of vLLM make up an id for every delta of the same call."""
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}},
        {"index": 0, "id": "c2", "function": {"arguments": "}"}},
    ]
    (call,) = deltas(*({"tool_calls": [piece]} for piece in pieces))["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": "{}"}


def test_indexes_with_gaps() -> None:
    """Indexes that begin at one, or skip millions, make no empty calls and no long list."""
    calls = [{"index": index, "id": f"c{index}", "function": {"name": "f"}} for index in (10**9, 1)]
    assert [call["id"] for call in deltas({"tool_calls": calls})["tool_calls"]] == ["c1", "c1000000000"]


def test_choices_without_an_index() -> None:
    """Where a server leaves the index out, the position in the chunk tells the choices apart."""
    chunk = {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}
    assert [choice["message"]["content"] for choice in folded(chunk, chunk)["choices"]] == ["aa", "bb"]


def test_a_server_that_repeats_the_whole_message() -> None:
    """Perplexity sends the message so far beside each delta; it is not added to itself."""
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "message": {"role": "assistant", "content": whole}}]}
        for piece, whole in [("a", "a"), ("b", "ab")]
    ]
    assert folded(*chunks)["choices"][0]["message"] == {"role": "assistant", "content": "ab"}


def test_a_server_that_says_each_delta_twice() -> None:
    """Writer sends each delta as a message too; it is not taken for the whole."""
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "message": {"role": "assistant", "content": piece}}]}
        for piece in ("a", "b")
    ]
    assert folded(*chunks)["choices"][0]["message"] == {"role": "assistant", "content": "ab"}


def test_a_whole_message_may_go_on() -> None:
    """Deltas after a whole message add to what is known, and not to the chunk that said it."""
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "audio": {"id": "x"}}}]}
    more = {"choices": [{"index": 0, "delta": {"content": "b", "audio": {"data": "UklGRg=="}}}]}
    message = folded(whole, more)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "ab", "audio": {"id": "x", "data": "UklGRg=="}}
    assert whole == {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "audio": {"id": "x"}}}]}


def test_content_that_turns_from_parts_to_text() -> None:
    """Mistral reasons in parts and answers in text; the answer is not lost, nor the reasoning."""
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]} for piece in ("h", "m")]
    message = deltas(*({"content": content} for content in ("", thinking[:1], thinking[1:], "h", "i")))
    assert message["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hi"},
    ]


def test_content_that_turns_from_text_to_parts() -> None:
    """A text that was streamed before the first part stays in front of it."""
    link = {"type": "image_url", "image_url": {"url": "https://x.test/y.png"}}
    assert deltas({"content": "see"}, {"content": [link, 7]})["content"] == [{"type": "text", "text": "see"}, link, 7]


def test_an_empty_name_replaces_nothing() -> None:
    """Azure's chunks of annotations have an empty model and id; the answer keeps its own."""
    chunk = {"id": "r", "model": "m", "object": "chat.completion.chunk", "created": 5, "choices": []}
    empty = {"id": "", "model": "", "object": "", "created": 0, "choices": []}
    assert folded(empty, chunk, empty) == chunk | {"object": "chat.completion"}


def test_an_error_breaks_a_stream_off() -> None:
    """An error in the middle of a stream is an error of the answer, beside what was said before it."""
    said = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "h"}}]}
    response = chat_completions.response(folded(said, {"error": {"message": "overloaded", "code": 502}}))
    assert (response.error, response.output) == ("overloaded", [{"role": "assistant", "content": "h"}])


def test_a_filtered_prompt_in_a_stream() -> None:
    """A body with null choices folds to itself."""
    body = {"choices": None, "error": {"message": "filtered", "code": "content_filter"}}
    assert folded(body) == body


def test_azure_annotates_after_the_answer() -> None:
    """A choice that brings no delta, only the verdict of a filter, adds that verdict."""
    said = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    verdict = {
        "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}}}]
    }
    assert folded(said, verdict)["choices"] == [
        {
            "index": 0,
            "message": {"content": "a"},
            "finish_reason": "stop",
            "content_filter_results": {"hate": {"filtered": False}},
        }
    ]


def test_two_choices_end_separately() -> None:
    """A stream is not over while one of its choices goes on."""
    fold = chat_completions.fold()
    fold.add({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]})
    assert fold.complete
    fold.add({"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": ""}]})
    assert not fold.complete


def test_counts_of_a_choice() -> None:
    """Moonshot counts in the choice of the last chunk."""
    used = {"prompt_tokens": 21, "completion_tokens": 22, "total_tokens": 43}
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": used}]},
    ]
    usage = chat_completions.response(folded(*chunks)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (21, 22, 43)


def test_documents_beside_the_messages() -> None:
    """Documents are part of what is asked, not a setting: those of AI21, which have their text in a field."""
    body = {
        "documents": ["a", {"id": "d", "content": "b"}, {"title": "c"}],
        "messages": [{"role": "user", "content": "d"}],
    }
    asked = chat_completions.request(body)
    assert [(one["role"], one["content"]) for one in asked.input or ()] == [
        ("system", "a"),
        ("system", "b"),
        ("system", '{"title":"c"}'),
        ("user", "d"),
    ]
    assert asked.parameters == {}
