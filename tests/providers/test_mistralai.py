"""Mistral's SDK, the real one, against recorded and prepared answers: one event per call, with what was said."""

from __future__ import annotations

import asyncio
import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.server import CaseServer
from conformance.wire_truth import COUNTS, truth

from llm_track.providers import Invocation
from llm_track.providers import mistralai as described
from llm_track.testing import Events

from .calls import BOTH, only, shows
from .recorded import answer, enough, recorded
from .row import KEY

SDK = "mistralai"
USED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
ASKED = [{"role": "user", "content": "how do snails live"}]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def sdk() -> Any:
    """The module that has the client, in any version."""
    pytest.importorskip("mistralai", exc_type=ImportError)
    homes = (importlib.import_module(name) for name in ("mistralai", "mistralai.client"))
    return next(home for home in homes if hasattr(home, "Mistral"))


def ask(sdk: Any, played: Any, mode: str, streamed: bool = False, form: str = "chat", **more: Any) -> Any:
    """Ask, and read the answer to its end."""
    client = sdk.Mistral(api_key=KEY, server_url=played.url)
    whom = {"agent_id": "agent-1"} if form == "agents" else {"model": "snail"}
    given = {**whom, **({"prompt": "def snail("} if form == "fim" else {"messages": ASKED}), **more}
    name = ("stream" if streamed else "complete") + ("_async" if mode == "async" else "")
    method = getattr(getattr(client, form), name)
    if mode == "sync":
        answer = method(**given)
        return list(answer) if streamed else answer

    async def asked() -> Any:
        answer = await method(**given)
        return [chunk async for chunk in answer] if streamed else answer

    return asyncio.run(asked())


def test_embeddings(sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding with its count, without vectors."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.25]}]
    answer = {"id": "e", "object": "list", "model": "snail-embed", "data": data, "usage": USED}
    client = sdk.Mistral(api_key=KEY, server_url=server.play([{"json": answer}]).url)
    client.embeddings.create(model="snail", inputs=["a"])
    event = only(events)
    assert (event.name, event.properties["$ai_input_tokens"]) == ("$ai_embedding", 11)
    assert event.properties["$ai_input"] == ["a"]
    assert "0.25" not in json.dumps(event.properties)


def test_what_is_no_question_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Listing models is a span."""
    played = server.play([{"json": {"object": "list", "data": []}}])
    client = sdk.Mistral(api_key=KEY, server_url=played.url)
    client.models.list()
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "models.list")


RECORDED = recorded("mistral", endpoints=("chat.completions",))


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 20)


@pytest.mark.parametrize("item", RECORDED)
@BOTH
def test_recorded(item: Any, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Counts, model, reason and words of the event are those of the recorded answer."""
    response, streamed = item["response"], item["request"]["body"].get("stream") is True
    ask(sdk, server.play([answer(item)]), mode, streamed)
    told = only(events).properties
    right = truth("chat.completions", 200, response["headers"].get("content-type", ""), response["body"].encode())
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told["$ai_model"], told["$ai_stop_reason"]) == (right.model, right.stop)
    assert all(tool in json.dumps(told["$ai_output_choices"]) for tool in right.tools)
    assert right.tools or shows(told, right.text)


def read(**kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    return described.PROVIDER.targets[0].read(Invocation(None, (), kwargs))


def request(path: str, **headers: str) -> Any:
    url = SimpleNamespace(path=path, __str__=lambda self: path)
    return SimpleNamespace(url=url, method="POST", headers=headers, _content=b'{"model": "m"}')


def test_a_request_without_the_sdk() -> None:
    """The path says what a request is, the base URL who bills; a call without a request is left to fail by itself."""
    context = SimpleNamespace(base_url="https://api.mistral.ai")
    found = read(hook_ctx=context, request=request("/v1/fim/completions", authorization="Bearer k-1"), stream=True)
    assert (found.kind, found.name, found.provider, found.stream) == ("generation", "fim.completions", "mistral", True)
    assert (found.content, list(found.secrets())) == (b'{"model": "m"}', ["Bearer k-1", "k-1"])
    assert read(hook_ctx=context, request=request("/v1/ocr")).kind == "endpoint"
    assert list(read(hook_ctx=context, request=request("/v1/ocr")).secrets()) == []
    assert read(hook_ctx=context) is None
    assert described.PROVIDER.to_json(object()) is None
    part = SimpleNamespace(parent_ref=None)
    assert described.PROVIDER.held(part) is part


def test_what_is_no_response() -> None:
    """Only what httpx made is taken for a response."""
    assert not described.PROVIDER.gives_response(object())
