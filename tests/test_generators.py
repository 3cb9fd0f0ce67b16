"""A generator of an SDK's that is followed: for the program it is the generator that it was."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from types import AsyncGeneratorType
from typing import Any

import pytest

from llm_track import generators
from llm_track.calls import Call
from llm_track.providers import Provider, Reading

PROVIDER = Provider("snail", "snail", (), to_json=lambda result: None, failure=lambda error: {})


def followed(made: Any) -> tuple[Any, Call]:
    """Follow a generator; return what the program gets, and the call."""
    call = Call(PROVIDER, Reading("generation", "chat", "snail", {}), None, lambda call: None)
    return generators.pursue(call, made), call


def echo() -> Iterator[Any]:
    """Say what is sent, and swallow one kind of exception."""
    said = yield "begun"
    try:
        yield said
    except KeyError:
        return


async def echo_async() -> AsyncIterator[Any]:
    """The same for asynchronous programs."""
    said = yield "begun"
    try:
        yield said
    except KeyError:
        return


def test_what_is_sent_arrives() -> None:
    """What a program sends into a generator arrives; one that swallows what is thrown into it was left early."""
    stream, call = followed(echo())
    assert (next(stream), stream.send("hello")) == ("begun", "hello")
    with pytest.raises(StopIteration):
        stream.throw(KeyError())
    assert call.outcome == "closed_early"

    async def ask() -> Call:
        stream, call = followed(echo_async())
        assert (await anext(stream), await stream.asend("hello")) == ("begun", "hello")
        with pytest.raises(StopAsyncIteration):
            await stream.athrow(KeyError())
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        return call

    assert asyncio.run(ask()).outcome == "closed_early"


def test_an_asynchronous_one_is_still_one() -> None:
    """It is of the same class, prints the same, can be copied and pickled as little, and closes the original."""

    async def ask() -> None:
        inner = echo_async()
        stream, call = followed(inner)
        assert inspect.isasyncgen(stream)
        assert isinstance(stream, AsyncGeneratorType)
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="pickle"):
                attempt(stream)
        assert await anext(stream) == "begun"
        await stream.aclose()
        assert (inner.ag_frame, call.outcome) == (None, "closed_early")

    asyncio.run(ask())


def test_one_that_is_closed_unread() -> None:
    """One that is closed before it is begun, and so never asked, is told by its end alone."""

    async def ask() -> Call:
        stream, call = followed(echo_async())
        await stream.aclose()
        assert not call.has_ended
        del stream
        return call

    assert asyncio.run(ask()).outcome == "never_read"


def test_a_task_that_dies_amid_a_step() -> None:
    """A step that nobody will finish ends the call as left early."""

    async def waits() -> AsyncIterator[int]:
        await asyncio.sleep(9)
        yield 1

    async def ask() -> Call:
        stream, call = followed(waits())
        step = anext(stream)
        step.send(None)
        step.close()
        return call

    assert asyncio.run(ask()).outcome == "never_read"
