"""AI21's own SDK, whose chat speaks OpenAI's language."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, Row, sdk

from . import openai_language as language


def make(url: str, mode: Mode) -> Any:
    """Return a client."""
    return getattr(sdk("ai21"), f"{mode.prefix}AI21Client")(api_key=KEY, api_host=url)


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    messages = [sdk("ai21.models.chat").UserMessage(content=ASKED)]
    return client.chat.completions.create(model="snail-1", messages=messages, **({"stream": True} if streamed else {}))


async def _end(mode: Mode, client: Any) -> None:
    http = client._client
    await mode.call(http.aclose if mode.prefix else http.close)


ROWS = [
    Row(
        provider="ai21",
        billed="ai21",
        make=make,
        ask=_ask,
        end=_end,
        unread=("async",),
        **language.ANSWERS,
    )
]
