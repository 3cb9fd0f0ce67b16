"""The clients beside the plain ones: clouds that serve the same models, and the runner that calls tools."""

from __future__ import annotations

import anthropic
import openai
import pytest

import llm_track
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of

SERVED = "claude-test-1"
CLOUDS = {
    "AnthropicFoundry": ("azure", "res.services.ai.azure.com", {"resource": "res"}),
    "AnthropicVertex": (
        "google-vertex",
        "us-east1-aiplatform.googleapis.com",
        {"api_key": None, "project_id": "p", "region": "us-east1", "access_token": "t"},
    ),
}


@pytest.fixture(autouse=True)
def patched():
    """Hook, and leave no hook behind."""
    llm_track.autopatch()
    yield
    llm_track.unpatch()


def message(content, stop_reason="end_turn"):
    """Return an HTTP answer that holds a message."""
    usage = {"input_tokens": 5, "output_tokens": 2}
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": SERVED, "content": content, "usage": usage}
    return http_of(anthropic).Response(200, json=body | {"stop_reason": stop_reason, "stop_sequence": None})


def ask(made):
    """Ask for a message."""
    return made.messages.create(model="claude-test", max_tokens=5, messages=[{"role": "user", "content": "hi"}])


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_that_serves_claude_is_the_one_that_bills(name):
    """A call through a cloud's client is one generation with that cloud as provider and its address as URL."""
    provider, host, options = CLOUDS[name]
    if not hasattr(anthropic, name):
        assert int(anthropic.__version__.partition(".")[0]) == 0
        return
    made = client(anthropic, name, lambda request: message([{"type": "text", "text": "hello"}]), **options)
    with capture_events() as events:
        ask(made)
    (event,) = events
    assert event.name == "$ai_generation"
    assert (event.properties["$ai_provider"], event.properties["$ai_model"]) == (provider, SERVED)
    assert host in event.properties["$ai_request_url"]
    assert (event.properties["$ai_input_tokens"], event.properties["$ai_output_tokens"]) == (5, 2)


def test_azure_openai_names_the_model_that_served():
    """A deployment's call is billed by azure, with the model of the answer and the deployment kept beside it."""
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    }
    made = client(
        openai,
        "AzureOpenAI",
        lambda request: http_of(openai).Response(200, json=body),
        azure_endpoint="https://res.openai.azure.com",
        api_version="2024-10-21",
    )
    with capture_events() as events:
        made.chat.completions.create(model="my-deployment", messages=[{"role": "user", "content": "hi"}])
    properties = events[0].properties
    assert (properties["$ai_provider"], properties["$ai_model"]) == ("azure", "gpt-4o-2024-08-06")
    assert properties["llm_requested_model"] == "my-deployment"
    assert properties["$ai_request_url"].endswith("/openai/deployments/my-deployment/chat/completions")
    assert "$ai_input_tokens" not in properties


def test_each_turn_of_the_tool_runner_is_a_generation():
    """The runner asks, runs the tool and asks again: two generations, and the tool's own step between them."""
    if not hasattr(anthropic, "beta_tool"):
        assert int(anthropic.__version__.partition(".")[0]) == 0
        return

    @llm_track.track_llm(kind="tool")
    def sum_of(a, b):
        return a + b

    def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(sum_of(a, b))

    answers = iter(
        [
            message([{"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1, "b": 2}}], "tool_use"),
            message([{"type": "text", "text": "3"}]),
        ]
    )

    runner = client(anthropic, "Anthropic", lambda request: next(answers)).beta.messages.tool_runner(
        model="claude-test",
        max_tokens=5,
        tools=[anthropic.beta_tool(add)],
        messages=[{"role": "user", "content": "1 + 2?"}],
    )
    with capture_events() as events:
        assert runner.until_done().content[0].text == "3"
    asked = [event for event in events if event.name == "$ai_generation"]
    assert [event.properties["$ai_stop_reason"] for event in asked] == ["tool_use", "end_turn"]
    assert [event.properties["$ai_output_state"] for event in events if event.name == "$ai_trace"] == [3]
