"""Mistral's own SDK; asynchronous methods have names of their own."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

from . import openai_language as language


def _make(url: str, mode: Mode) -> Any:
    sdk("mistralai")
    homes = (importlib.import_module(name) for name in ("mistralai", "mistralai.client"))
    return next(home for home in homes if hasattr(home, "Mistral")).Mistral(api_key=KEY, server_url=url)


async def _leave(mode: Mode, stream: Any) -> None:
    response = stream.response
    await mode.call(response.aclose if mode.prefix else response.close)


async def _end(mode: Mode, client: Any) -> None:
    """The client closes its connections by itself when it goes."""


def _knows_its_parts(client: Any) -> bool:
    """Before version 2 nobody knows whose part a part of a client is."""
    return getattr(client.chat, "parent_ref", None) is not None


def _row(form: str, **given: Any) -> Row:
    def ask(mode: Mode, client: Any, streamed: bool) -> Any:
        name = ("stream" if streamed else "complete") + ("_async" if mode.prefix else "")
        return getattr(getattr(client, form), name)(**given)

    asked = ASKED if form != "fim" else "def snail("
    return Row(
        provider="mistralai",
        form=form,
        billed="mistral",
        make=_make,
        ask=ask,
        leave=_leave,
        end=_end,
        alone=_knows_its_parts,
        input=[{"role": "user", "content": asked}],
        **language.ANSWERS
        | {"refused": {"status": 429, "json": {"object": "error", "message": f"too much for {KEY}"}}},
    )


_ENTRY = {"object": "entry", "id": "e-1", "type": "message.output", "role": "assistant", "model": "snail-1-0926"}
_SAID = {key: value for key, value in _ENTRY.items() if key != "object"}


def _delta(words: str) -> dict[str, Any]:
    return {**_SAID, "type": "message.output.delta", "output_index": 0, "content": words}


_STARTED = {"type": "conversation.response.started", "conversation_id": "c-1"}
_DONE = {"type": "conversation.response.done", "usage": language.USED}
_ERROR = {"type": "conversation.response.error", "message": "overloaded", "code": 503}


def _ask_conversation(mode: Mode, client: Any, streamed: bool) -> Any:
    if not hasattr(client, "beta"):
        pytest.skip("this version knows no conversations")
    name = "start" + ("_stream" if streamed else "") + ("_async" if mode.prefix else "")
    return getattr(client.beta.conversations, name)(model="snail-1", inputs=ASKED)


_CONVERSATION = Row(
    provider="mistralai",
    form="conversation",
    billed="mistral",
    make=_make,
    ask=_ask_conversation,
    leave=_leave,
    end=_end,
    alone=_knows_its_parts,
    stop=None,
    whole={
        "json": {
            "object": "conversation.response",
            "conversation_id": "c-1",
            "outputs": [{**_ENTRY, "content": "".join(WORDS)}],
            "usage": language.USED,
        }
    },
    chunks={"events": [_STARTED, _delta(WORDS[0]), _delta(WORDS[1]), _DONE], "named": True},
    first=2,
    broken={"events": [_STARTED, _delta(WORDS[0]), _ERROR], "named": True},
    refused={"status": 429, "json": {"object": "error", "message": f"too much for {KEY}"}},
)

ROWS = [
    _CONVERSATION,
    _row("chat", model="snail-1", messages=language.MESSAGES),
    _row("agents", agent_id="agent-1", messages=language.MESSAGES),
    _row("fim", model="snail-1", prompt="def snail("),
]
