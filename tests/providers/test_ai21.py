"""AI21's SDK, the real one, against prepared answers: what is special to it beside the common forms."""

from __future__ import annotations

import json
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.modes import Mode
from conformance.server import CaseServer

from llm_track.providers import Invocation
from llm_track.providers import ai21 as described
from llm_track.testing import Events

from .calls import only
from .row import ASKED, KEY
from .rows import openai_language as language
from .rows.ai21 import make

SDK = "ai21"
pytestmark = pytest.mark.filterwarnings("ignore")


def said(words: str) -> Any:
    """Return a message of the program."""
    return pytest.importorskip("ai21.models.chat").UserMessage(content=words)


def test_tools_and_documents(mode: Mode, sdk: Any, server: CaseServer, events: Events) -> None:
    """Documents are part of what is asked, tools and settings are told, and so are calls."""
    function = {"name": "weather", "arguments": '{"place":"Oslo"}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "t-1", "type": "function", "function": function}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    client = make(server.play([{"json": {**language.WHOLE["json"], "choices": [choice]}}]).url, mode)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    given = {"tools": [tool], "documents": [{"content": "grey"}, {"id": "d-1", "content": "wet"}], "temperature": 0.5}
    mode.run(mode.call(client.chat.completions.create, model="snail", messages=[said("rain?")], **given))
    told = only(events).properties
    assert [(one["role"], one["content"]) for one in told["$ai_input"]] == [
        ("system", "grey"),
        ("system", "wet"),
        ("user", "rain?"),
    ]
    assert (told["$ai_tools"], told["$ai_stop_reason"]) == ([tool], "tool_calls")
    assert told["$ai_model_parameters"] == {"temperature": 0.5}
    assert told["$ai_output_choices"][0]["tool_calls"][0]["function"] == function


def test_what_the_sdk_cannot_read(mode: Mode, sdk: Any, server: CaseServer, events: Events) -> None:
    """An error amid a stream, which the SDK takes for a piece of it, is one failed event with the words before it."""
    client = make(server.play([language.BROKEN]).url, mode)

    async def ask() -> None:
        stream = await mode.call(client.chat.completions.create, model="snail", messages=[said(ASKED)], stream=True)
        await mode.items(stream)

    with pytest.raises(ValueError, match="validation"):
        mode.run(ask())
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_error_type"]) == ("failed", "ValidationError")
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow "}]


def test_an_attempt_that_is_repeated(mode: Mode, sdk: Any, server: CaseServer, events: Events) -> None:
    """A request that the SDK repeats by itself is one event, that of the answer in the end."""
    played = server.play([{"status": 503, "json": {"detail": "busy"}}, language.WHOLE])
    client = getattr(sdk, f"{mode.prefix}AI21Client")(api_key=KEY, api_host=played.url, num_retries=2)
    mode.run(mode.call(client.chat.completions.create, model="snail", messages=[said(ASKED)]))
    assert len(played.requests) == 2
    assert only(events).properties["llm_outcome"] == "completed"


def test_what_is_no_chat_is_a_step(mode: Mode, sdk: Any, server: CaseServer, events: Events) -> None:
    """A list of files is a span, with the answer."""
    client = make(server.play([{"json": []}]).url, mode)
    mode.run(mode.call(client.library.files.list))
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "library.files.list")


def read(path: str, client: Any, **given: Any) -> list[Any]:
    """Return what each of the hooked methods makes of a request, without the SDK."""
    asking = [target for target in described.PROVIDER.targets if target.notes is None]
    return [target.read(Invocation(client, (), {"path": path, **given})) for target in asking]


class AI21BedrockClient:
    """What the SDK's client of that name has."""

    _base_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"

    def __init__(self) -> None:
        self._headers = {"Authorization": f"Bearer {KEY}"}

    def execute_http_request(self) -> None:
        """The method that is hooked."""


def test_a_request_without_the_sdk() -> None:
    """A chat is read where its stream is made, all else where it is sent; the client says who bills."""
    client = AI21BedrockClient()
    part = SimpleNamespace(_client=client)
    body = {"model": "m", "messages": []}
    sent, _, chat, _ = read("/chat/completions", part, body=body, stream=True)
    assert sent is None
    assert (chat.kind, chat.name, chat.provider, chat.stream) == (
        "generation",
        "chat.completions",
        "amazon-bedrock",
        True,
    )
    assert (chat.body, list(chat.secrets())) == (body, [f"Bearer {KEY}", KEY])
    sent, _, chat, _ = read("/maestro/runs", client, method="POST", body=body)
    assert chat is None
    assert (sent.kind, sent.name, sent.format) == ("endpoint", "maestro.runs.create", None)
    assert read("/files", client, method="GET")[0].body == {}
    kept = weakref.ref(client)
    del client, part
    assert kept() is None
    assert list(sent.secrets()) == []


def test_what_is_no_request() -> None:
    """A call without a path is left to fail by itself; what was answered is seen on the wire only."""
    assert read(None, AI21BedrockClient()) == [None] * 4  # type: ignore[arg-type]  # as a program may call it
    assert described.PROVIDER.to_json(object()) is None
    assert described.PROVIDER.failure(ValueError("no")) == {}
    assert json.dumps(described.PROVIDER.failure(AssertionError("no"))) == "{}"
