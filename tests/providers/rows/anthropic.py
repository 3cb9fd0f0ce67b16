"""Anthropic's SDK."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import KEY, WORDS, Row, sdk

from .openai_language import MESSAGES

GIVEN = {"model": "snail-1", "messages": MESSAGES, "max_tokens": 99}
_MESSAGE = {"id": "m-1", "type": "message", "role": "assistant", "model": "snail-1-0926", "stop_sequence": None}
_START = {**_MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}


def _words(words: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


FIRST = [
    {"type": "message_start", "message": _START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    _words(WORDS[0]),
]
LAST = [
    _words(WORDS[1]),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
]
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}
WHOLE = {
    **_MESSAGE,
    "content": [{"type": "text", "text": "".join(WORDS)}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}


def _make(url: str, mode: Mode) -> Any:
    return getattr(sdk("anthropic"), f"{mode.prefix}Anthropic")(api_key=KEY, base_url=url, max_retries=0)


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    return client.messages.create(**GIVEN, **({"stream": True} if streamed else {}))


async def _raw(mode: Mode, client: Any) -> Any:
    response = await mode.call(client.messages.with_raw_response.create, **GIVEN)
    return await mode.call(response.parse)


async def _helper(mode: Mode, client: Any) -> Any:
    async with mode.within(client.messages.stream(**GIVEN)) as stream:
        return await mode.call(stream.get_final_message)


ROWS = [
    Row(
        provider="anthropic",
        form="messages",
        billed="anthropic",
        make=_make,
        ask=_ask,
        ways={"raw": _raw},
        streamed_ways={"helper": _helper},
        stop="end_turn",
        whole={"json": WHOLE},
        chunks={"events": [*FIRST, *LAST], "named": True},
        first=len(FIRST),
        broken={"events": [*FIRST, ERROR], "named": True},
        refused={
            "status": 429,
            "json": {**ERROR, "error": {"type": "rate_limit_error", "message": f"too much for {KEY}"}},
        },
    )
]
