"""What the SDKs that speak OpenAI's language share: the answers of a chat, and how it is asked for."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS

USED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
FRAME = {"id": "c-1", "created": 1, "model": "snail-1-0926"}
MESSAGES = [{"role": "user", "content": ASKED}]


def _whole() -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(WORDS)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**FRAME, "object": "chat.completion", "choices": [choice], "usage": USED}


def _chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**FRAME, "object": "chat.completion.chunk", "choices": [choice], **more}


FIRST = _chunk({"role": "assistant", "content": WORDS[0]})
LAST = _chunk({"content": WORDS[1]}, "stop", usage=USED)
WHOLE = {"json": _whole()}
CHUNKS = {"events": [FIRST, LAST], "done": True}
REFUSED = {"status": 429, "json": {"error": {"message": f"too much for {KEY}", "type": "rate_limit_error"}}}
BROKEN = {"events": [FIRST, {"error": {"message": "overloaded", "type": "server_error", "code": 503}}]}
ANSWERS: dict[str, Any] = {"whole": WHOLE, "chunks": CHUNKS, "refused": REFUSED}


def at(client: Any, path: str) -> Any:
    """Return the method of a client at a dotted path."""
    for name in path.split("."):
        client = getattr(client, name)
    return client


def asking(path: str = "chat.completions.create", **given: Any) -> Any:
    """Return the `ask` of a row whose method is at a path of the client."""

    def ask(mode: Mode, client: Any, streamed: bool) -> Any:
        more = {"stream": True} if streamed else {}
        return at(client, path)(**{"model": "snail-1", "messages": MESSAGES, **given, **more})

    return ask


async def raw(mode: Mode, client: Any) -> Any:
    """Ask for the raw response, and read it, by the way that Stainless's SDKs have for it."""
    response = await mode.call(client.chat.completions.with_raw_response.create, model="snail-1", messages=MESSAGES)
    return await mode.call(response.parse)


async def streaming_response(mode: Mode, client: Any) -> Any:
    """Ask for a response whose body is read later, by the way that Stainless's SDKs have for it."""
    manager = client.chat.completions.with_streaming_response.create(model="snail-1", messages=MESSAGES)
    async with mode.within(manager) as response:
        return await mode.call(response.parse)


RAW = {"raw": raw, "streaming response": streaming_response}
