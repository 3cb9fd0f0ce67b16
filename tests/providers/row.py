"""A row of the conformance suite: what has to be known of one SDK to ask through it in every form.

A module of `rows` has a list ``ROWS``; `test_rows` runs each of them, and fails for a provider that has none.  Every
answer says the same, so that the rows share what is expected: ``slow snails``, 11 tokens in and 7 out.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from conformance.modes import Mode
from conformance.server import CaseServer

from . import rows

KEY = "canary-7Qx2Lm9Zt4Rw8sVbK1nD3fG5"
"""The key of every client; no event may hold it."""
ASKED, WORDS = "how do snails live", ("slow ", "snails")
TOKENS = {"$ai_input_tokens": 11, "$ai_output_tokens": 7}
Answer = Mapping[str, Any]
"""An answer as `CaseServer` is given it, or as the server of a row is."""


async def _leave(mode: Mode, stream: Any) -> None:
    await mode.call((getattr(stream, "aclose", None) if mode.prefix else None) or stream.close)


async def _end(mode: Mode, client: Any) -> None:
    end = (getattr(client, "aclose", None) if mode.prefix else None) or getattr(client, "close", None)
    if end is not None:
        await mode.call(end)


def shown(answer: Any) -> Any:
    """Return what a program can see of an answer or of a chunk."""
    dump = getattr(answer, "model_dump", None)
    return type(answer), dump() if dump is not None else answer


@dataclass(frozen=True, kw_only=True)
class Row:
    """One SDK, and one way of asking a model through it."""

    provider: str
    """Its name in `llm_track.providers.KNOWN`, or several that are hooked together, apart by spaces."""
    form: str = "chat"
    """What sets the rows of one provider apart."""
    billed: str
    """The expected ``$ai_provider``."""
    make: Callable[[str, Mode], Any]
    """From the URL of the server: a client for that mode, with `KEY` and without retries.  The SDK is imported here,
    by ``pytest.importorskip``."""
    ask: Callable[[Mode, Any, bool], Any]
    """Ask `ASKED` through a client, streamed or not: whatever the method of the SDK returns, awaitable or not."""
    whole: Answer
    """The plain answer."""
    chunks: Answer | None = None
    """The streamed one, of two pieces with `WORDS`; ``None`` where the SDK does not stream."""
    first: int = 1
    """After how many of its pieces the first of `WORDS` has arrived."""
    refused: Answer
    """An error 429 whose message is ``too much for`` and `KEY`."""
    broken: Answer | None = None
    """A stream that tells of an error, ``overloaded``, after the first of `WORDS`; ``None`` where there is none."""

    model: str = "snail-1-0926"
    """The model that served."""
    stop: str | None = "stop"
    """The reason for the end, as the provider has it, if it tells of one."""
    tokens: Mapping[str, int | None] = field(default_factory=lambda: TOKENS)
    """The counts that differ from `TOKENS`, or are absent."""
    status: int = 200
    refused_status: int = 429
    unread: tuple[str, ...] = ()
    """The modes in which the SDK does not read what is said about a refusal to stream: nobody can tell it."""

    modes: tuple[str, ...] = ("sync", "async")
    """The clients that the SDK has."""
    ways: Mapping[str, Callable[[Mode, Any], Awaitable[Any]]] = field(default_factory=dict)
    """Other ways of the SDK to ask for the plain answer and to read it: raw responses, helpers; by name."""
    streamed_ways: Mapping[str, Callable[[Mode, Any], Awaitable[Any]]] = field(default_factory=dict)
    """The same for the streamed answer."""
    leave: Callable[[Mode, Any], Awaitable[None]] = _leave
    """How a program closes a stream that it has begun to read."""
    end: Callable[[Mode, Any], Awaitable[None]] = _end
    """How a program closes its client."""
    shown: Callable[[Any], Any] = shown
    """What a program can see of an answer or of a chunk."""
    input: Any = None
    """The expected ``$ai_input``, if it is not one message of the user with `ASKED`."""
    host: str = "127.0.0.1"
    """The host of the expected ``$ai_base_url``, where a test cannot tell the SDK another one."""
    event: str = "$ai_generation"
    """The expected event: an SDK that only embeds has another one."""
    output: Any = field(default_factory=lambda: [{"role": "assistant", "content": "".join(WORDS)}])
    """The expected ``$ai_output_choices``, if it is not one message with `WORDS`; an embedding has ``None``."""
    serve: Callable[[], AbstractContextManager[Any]] = CaseServer
    """The server; another one has the same ``play``, whose run has ``url``, ``requests`` and ``over``."""
    alone: Callable[[Any], bool] = lambda client: True
    """Tells whether ``instrument`` takes this client."""

    @property
    def names(self) -> tuple[str, ...]:
        """What `llm_track.autopatch` is asked for."""
        return tuple(self.provider.split())

    def __str__(self) -> str:
        return f"{self.provider.replace(' ', '+')}-{self.form}"


def every_row() -> list[Row]:
    """Return the rows of all modules."""
    modules = [
        importlib.import_module(f"{rows.__name__}.{found.name}") for found in pkgutil.iter_modules(rows.__path__)
    ]
    return [row for module in modules for row in getattr(module, "ROWS", ())]


def sdk(name: str) -> Any:
    """Import an SDK, or leave the test out where it is not installed."""
    return pytest.importorskip(name, exc_type=ImportError)
