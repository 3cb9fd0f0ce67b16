"""Mistral's conversations, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import conversations

CALL = {
    "type": "function.call",
    "tool_call_id": "c-1",
    "name": "weather",
    "arguments": '{"place": "Oslo"}',
    "model": "m",
}
SEARCH = {"type": "tool.execution", "id": "t-1", "name": "web_search", "arguments": '{"query": "snails"}'}
HANDOFF = {"type": "agent.handoff", "next_agent_name": "poet"}


def test_words_settings_and_instructions_of_a_request() -> None:
    """Instructions are the system's, a bare text is the user's, and the arguments of the completion are settings."""
    asked = conversations.request(
        {
            "inputs": "hi",
            "instructions": "be kind",
            "agent_id": "a-1",
            "completion_args": {"temperature": 0.5},
            "store": False,
        }
    )
    assert asked.input == [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    assert (asked.model, asked.tools, asked.parameters) == (None, None, {"temperature": 0.5, "store": False})


@pytest.mark.parametrize(
    ("entry", "drawn"),
    [
        ({"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}),
        (
            {"type": "function.result", "tool_call_id": "c-1", "result": "rain"},
            {"role": "tool", "content": "rain", "tool_call_id": "c-1"},
        ),
        ({"type": "function.result", "result": "rain"}, {"role": "tool", "content": "rain"}),
        (HANDOFF, {"role": "assistant", "content": "[handoff to poet]"}),
        ({"type": "new"}, {"role": "assistant", "content": '{"type":"new"}'}),
    ],
)
def test_each_entry_is_a_message(entry: dict[str, Any], drawn: dict[str, Any]) -> None:
    """Entries of any kind are drawn; what a function gave belongs to its call."""
    assert conversations.request({"inputs": [entry]}).input == [drawn]


def test_calls_and_what_mistral_runs_itself() -> None:
    """A function is called by the model; a tool that Mistral ran is drawn and counted, and no call of the program."""
    usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 18, "connector_tokens": 7}
    usage["connectors"] = {"web_search": 2}  # type: ignore[assignment]  # the only value that is no number
    answer = conversations.response({"outputs": [SEARCH, CALL], "usage": usage})
    ran, called = answer.output
    assert ran["content"] == [
        {"type": "web_search_call", "id": "t-1", "name": "web_search", "action": '{"query": "snails"}'}
    ]
    assert called["tool_calls"][0]["function"]["name"] == "weather"
    assert (answer.model, answer.usage.web_searches, answer.usage.total_tokens) == ("m", 2, 18)


def test_an_error_amid_a_stream() -> None:
    """An error ends the answer and keeps what was said before it."""
    fold = conversations.fold()
    fold.add({"type": "message.output.delta", "content": "slow ", "output_index": 0, "role": "assistant"})
    fold.add({"type": "conversation.response.error", "message": "overloaded", "code": 503})
    answer = conversations.response(fold.body())
    assert fold.complete
    assert (answer.error, answer.error_type) == ("overloaded", "503")
    assert answer.output == [{"role": "assistant", "content": "slow "}]
