"""What an SDK shows amid a call: the request as it is sent, and the answer although the SDK raises over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from llm_track import patching
from llm_track.formats import chat_completions
from llm_track.providers import Invocation, Provider, Reading, Target
from llm_track.testing import Events, capture_events

ASKED = {"model": "snail", "messages": [{"role": "user", "content": "how do snails live"}]}
ANSWER = {"model": "snail-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


class Client:
    """An SDK that makes its request when it is asked to, or when it is pulled, and may refuse the answer."""

    def ask(self, refuses: bool = False) -> Any:
        answer = self.send(ASKED)
        if refuses:
            raise ValueError("unreadable")
        return answer

    def stream(self) -> Iterator[Any]:
        yield self.send(ASKED)

    async def stream_async(self) -> AsyncIterator[Any]:
        yield self.send(ASKED)

    def send(self, body: Any) -> Any:
        return ANSWER


def _read(invocation: Invocation) -> Reading:
    return Reading("generation", "ask", "snails", {}, format=chat_completions)


def _note(call: Any, invocation: Invocation) -> None:
    (body,) = invocation.args
    call.reading.written = lambda: body
    call.result = ANSWER


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[Events]:
    asking = (Target("slow", f"Client.{name}", _read) for name in ("ask", "stream", "stream_async"))
    provider = Provider(
        name="slow",
        distribution="slow",
        targets=(*asking, Target("slow", "Client.send", notes=_note)),
        to_json=lambda result: result,
        failure=lambda error: {},
    )
    monkeypatch.setattr(patching, "_wanted", {"slow"})
    undo: list[Any] = []
    module: Any = SimpleNamespace(Client=Client)
    for target in provider.targets:
        patching._wrap_target(provider, target, module, undo)
    with capture_events() as captured:
        yield captured
    for each in undo:
        each()


def only(events: Events) -> Any:
    (event,) = events.settle()
    return event.properties


def test_the_request_is_the_one_that_is_sent(events: Events) -> None:
    """A method that the SDK calls amid a call tells what is sent; outside of a call it tells nobody."""
    assert Client().send(ASKED) is ANSWER
    assert Client().ask() is ANSWER
    told = only(events)
    assert (told["llm_requested_model"], told["$ai_input"]) == ("snail", ASKED["messages"])


def test_an_answer_that_the_sdk_refuses_is_counted(events: Events) -> None:
    """A call that raises over an answer that had come has the counts of the answer."""
    with pytest.raises(ValueError, match="unreadable"):
        Client().ask(refuses=True)
    told = only(events)
    assert (told["llm_outcome"], told["$ai_input_tokens"], told["$ai_output_tokens"]) == ("failed", 3, 2)


def test_a_generator_asks_when_it_is_pulled(events: Events) -> None:
    """What a generator sends when it is first pulled is the request of its call."""
    assert list(Client().stream()) == [ANSWER]
    assert only(events)["$ai_input"] == ASKED["messages"]


def test_an_async_generator_asks_when_it_is_pulled(events: Events) -> None:
    """The same for an asynchronous one."""

    async def pull() -> list[Any]:
        return [piece async for piece in Client().stream_async()]

    assert asyncio.run(pull()) == [ANSWER]
    assert only(events)["$ai_input"] == ASKED["messages"]
