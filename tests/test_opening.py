"""A hooked method that returns a context manager: entering that is the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from llm_track.hooks import entered

Asked = list[tuple[Any, tuple[Any, ...], dict[str, Any]]]


@contextmanager
def opens(word: str) -> Iterator[str]:
    """Give a word, and swallow one kind of exception."""
    try:
        yield word
    except KeyError:
        pass


@asynccontextmanager
async def opens_async(word: str) -> AsyncIterator[str]:
    """The same for asynchronous programs."""
    try:
        yield word
    except KeyError:
        pass


@pytest.fixture
def asked() -> Asked:
    """What the wrapper was told."""
    return []


@pytest.fixture
def hook(asked: Asked) -> Any:
    """Return the wrapper of a method that opens something, around a wrapper that notes what it is told."""

    def around(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked.append((instance, args, kwargs))
        return wrapped(*args, **kwargs)

    return entered(around)


def test_nothing_is_asked_before_it_is_entered(hook: Any, asked: Asked) -> None:
    """The call is the entering, and it is told the arguments of the method."""
    opening = hook(opens, "owner", (), {"word": "snail"})
    assert asked == []
    with opening as given:
        assert asked == [("owner", (), {"word": "snail"})]
    assert given == "snail"


def test_it_is_the_manager_that_the_sdk_made(hook: Any) -> None:
    """It is of the same class, lets through what the manager lets through, and swallows what that swallows."""
    opening = hook(opens, None, ("snail",), {})
    assert isinstance(opening, type(opens("a")))
    with opening:
        raise KeyError
    with pytest.raises(ValueError, match="mine"), hook(opens, None, ("snail",), {}):
        raise ValueError("mine")


def test_an_asynchronous_manager(hook: Any, asked: Asked) -> None:
    """The same holds for ``async with``."""

    async def ask() -> str:
        async with hook(opens_async, "owner", ("snail",), {}) as given:
            raise KeyError
        return str(given)

    assert asyncio.run(ask()) == "snail"
    assert asked == [("owner", ("snail",), {})]
