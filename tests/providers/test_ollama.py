"""Ollama's SDK, the real one, against recorded and prepared answers: one event per call, with what was said."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.server import CaseServer

from llm_track.formats import ollama_embed as wire_format
from llm_track.providers import Invocation
from llm_track.providers import ollama as described
from llm_track.testing import Events

from .calls import BOTH, only, shows
from .recorded import enough, recorded, recordings
from .rows.ollama import written

SDK = "ollama"
FRAME = {"model": "snail:1b", "created_at": "2026-01-01T00:00:00Z"}
END = {**FRAME, "done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}


def pieces(form: str, *words: str) -> list[dict[str, Any]]:
    """Return the chunks of an answer."""
    chats = form == "chat"
    said = [{"message": {"role": "assistant", "content": one}} if chats else {"response": one} for one in words]
    return [*({**FRAME, **each, "done": False} for each in said[:-1]), {**END, **said[-1]}]


def ask(sdk: Any, played: Any, form: str, mode: str, streamed: bool = False, **more: Any) -> Any:
    """Ask, and read the answer to its end."""
    said = {"messages": [{"role": "user", "content": "how do snails live"}]}
    given = {"model": "snail", **(said if form == "chat" else {"prompt": "how do snails live"}), **more}
    if mode == "sync":
        answer = getattr(sdk.Client(host=played.url), form)(**given, stream=streamed)
        return list(answer) if streamed else answer

    async def asked() -> Any:
        answer = await getattr(sdk.AsyncClient(host=played.url), form)(**given, stream=streamed)
        return [chunk async for chunk in answer] if streamed else answer

    return asyncio.run(asked())


@BOTH
def test_embeddings(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding with its count, without vectors."""
    answer = {"model": "snail:1b", "embeddings": [[0.25], [0.75]], "prompt_eval_count": 4}
    played = server.play([{"json": answer}])
    if mode == "sync":
        sdk.Client(host=played.url).embed(model="snail", input=["a", "b"])
    else:
        asyncio.run(sdk.AsyncClient(host=played.url).embed(model="snail", input=["a", "b"]))
    event = only(events)
    assert (event.name, event.properties["$ai_input_tokens"]) == ("$ai_embedding", 4)
    assert event.properties["$ai_input"] == ["a", "b"]
    assert "0.25" not in json.dumps(event.properties)


def test_what_is_no_question_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Looking a model up is a span."""
    sdk.Client(host=server.play([{"json": {"models": []}}]).url).list()
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "tags")


def test_tools_pictures_and_thoughts(sdk: Any, server: CaseServer, events: Events) -> None:
    """Tools, their calls and results, pictures and thoughts are drawn."""
    call = {"function": {"name": "weather", "arguments": {"place": "Oslo"}}}
    asked = [
        {"role": "user", "content": "look", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_name": "weather"},
    ]
    answer = {**END, "message": {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    ask(sdk, server.play([{"json": answer}]), "chat", "sync", messages=asked, tools=[tool])
    told = only(events).properties
    assert [one["role"] for one in told["$ai_input"]] == ["user", "assistant", "tool"]
    assert "weather" in json.dumps(told["$ai_tools"])
    assert "hm" in json.dumps(told["$ai_output_choices"])
    assert "Oslo" in json.dumps(told["$ai_output_choices"])


RECORDED = recorded("ollama", endpoints=("chat", "generate"))


def test_a_recorded_embedding(sdk: Any, server: CaseServer, events: Events) -> None:
    """The older way to embed is one embedding of its text, without vectors, and without counts: it has none."""
    for _, items in recordings("ollama"):
        for item in items:
            if item["endpoint"] == "embeddings":
                answer = json.loads(item["response"]["body"])
                sdk.Client(host=server.play([{"json": answer}]).url).embeddings(**item["request"]["body"])
                told = only(events).properties
                assert (told["$ai_model"], told["$ai_input"]) == (
                    item["request"]["body"]["model"],
                    [item["request"]["body"]["prompt"]],
                )
                assert "$ai_input_tokens" not in told
                assert str(answer["embedding"][0]) not in json.dumps(told)


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 10)


@pytest.mark.parametrize("item", RECORDED)
@BOTH
def test_recorded(item: Any, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Counts, model, reason and words of the event are those of the recorded answer."""
    said = [json.loads(line) for line in item["response"]["body"].splitlines() if line.strip()]
    streamed = item["request"]["body"].get("stream", True) is True
    ask(sdk, server.play([written(*said)]), item["endpoint"], mode, streamed)
    told, last = only(events).properties, said[-1]
    assert told.get("$ai_input_tokens") == last.get("prompt_eval_count")
    assert told.get("$ai_output_tokens") == last.get("eval_count")
    assert told["$ai_model"] == last["model"]
    words = "".join(each.get("response") or each.get("message", {}).get("content") or "" for each in said)
    assert shows(told, words)
    assert told["llm_outcome"] == "completed"


def read(*args: Any, **kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    client = SimpleNamespace(_client=SimpleNamespace(base_url="http://localhost:11434"))
    return described.PROVIDER.targets[0].read(Invocation(client, args, kwargs))


def test_a_request_without_the_sdk() -> None:
    """The path says what a request is; one that names none is left to fail by itself."""
    found = read(dict, "POST", "/api/embed", json={"model": "m", "input": "a"}, stream=False)
    assert (found.kind, found.name, found.base_url) == ("embedding", "embed", "http://localhost:11434")
    assert read(dict, "DELETE", "/api/delete").name == "delete"
    assert read(dict) is None
    assert described.PROVIDER.to_json(None) is None
    assert described.PROVIDER.failure(ConnectionError("nobody there")) == {"http_status": None}


@pytest.mark.parametrize(("asked", "drawn"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([{"x": 1}], ['{"x":1}'])])
def test_what_is_embedded(asked: Any, drawn: list[str]) -> None:
    """One text or several; anything else as JSON."""
    assert wire_format.request({"model": "m", "input": asked}).input == drawn


def test_what_is_thrown_into_a_stream_reaches_the_sdk(sdk: Any, server: CaseServer, events: Events) -> None:
    """An exception that the program throws into a stream closes the connection at once, and is no failure."""
    chat = {"model": "snail", "messages": [{"role": "user", "content": "how do snails live"}], "stream": True}
    held = written(*pieces("chat", "slow ", "snails"))

    async def throw() -> Any:
        client = sdk.AsyncClient(host=server.play([held]).url)
        stream = await client.chat(**chat)
        await anext(stream)
        with pytest.raises(KeyError, match="mine"):
            await stream.athrow(KeyError("mine"))
        return client

    client = sdk.Client(host=server.play([held]).url)
    stream = client.chat(**chat)
    next(stream)
    with pytest.raises(KeyError, match="mine") as raised:
        stream.throw(KeyError("mine"))
    for asked in (client, asyncio.run(throw())):
        assert asked._client._transport._pool.connections == []
    assert raised.value.args == ("mine",)
    assert [event.properties["llm_outcome"] for event in events.settle()] == ["closed_early"] * 2


@pytest.mark.parametrize("hold", [{}, {"hold_after": 1}])
def test_a_stream_that_is_left_before_the_loop_ends(
    sdk: Any, server: CaseServer, events: Events, caplog: pytest.LogCaptureFixture, hold: dict[str, Any]
) -> None:
    """A program that leaves a stream at its end was not cancelled, and asyncio logs nothing of it."""
    played = server.play([written(*pieces("chat", "slow ", "snails"), **hold)])

    async def leave() -> None:
        said = [{"role": "user", "content": "how do snails live"}]
        async for _ in await sdk.AsyncClient(host=played.url).chat(model="snail", messages=said, stream=True):
            break

    asyncio.run(leave())
    assert caplog.text == ""
    assert [event.properties["llm_outcome"] for event in events.settle()] == ["closed_early"]
