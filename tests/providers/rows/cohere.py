"""Cohere's own SDK: its two versions of a chat, and the older generation of text."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Answer, Row, sdk

WHOLE = "".join(WORDS)
UNITS = {"billed_units": {"input_tokens": 11, "output_tokens": 7}, "tokens": {"input_tokens": 69, "output_tokens": 8}}
REFUSED = {"status": 429, "json": {"message": f"too much for {KEY}"}}
MESSAGE = {"role": "assistant", "content": [{"type": "text", "text": WHOLE}]}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": UNITS}}
ERROR = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}}


def content(kind: str, **part: str) -> dict[str, Any]:
    """Return an event of version 2 that tells of the first part of a message."""
    return {"type": f"content-{kind}", "index": 0, "delta": {"message": {"content": part}}}


FIRST = [
    {"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant", "content": []}}},
    content("start", type="text", text=""),
    content("delta", text=WORDS[0]),
]
LAST = [content("delta", text=WORDS[1]), {"type": "content-end", "index": 0}, END]


def _said(words: str) -> dict[str, Any]:
    return {"event_type": "text-generation", "is_finished": False, "text": words}


def _end(answer: Any) -> dict[str, Any]:
    return {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE", "response": answer}


ANSWER = {"response_id": "r-1", "generation_id": "g-1", "text": WHOLE, "finish_reason": "COMPLETE", "meta": UNITS}
GENERATION = {"id": "g-1", "text": WHOLE, "finish_reason": "COMPLETE"}
GENERATED = {"id": "r-1", "prompt": ASKED, "generations": [GENERATION], "meta": UNITS}
BROKEN = {"event_type": "stream-error", "is_finished": True, "finish_reason": "ERROR", "err": "overloaded"}


def make(url: str, mode: Mode) -> Any:
    """Return a client of either version: those of version 2 are clients of version 1, too."""
    return getattr(sdk("cohere"), f"{mode.prefix}ClientV2")(api_key=KEY, base_url=url)


def make_v1(url: str, mode: Mode) -> Any:
    """Return a client of version 1, without a warning for each setting that is new."""
    return getattr(sdk("cohere"), f"{mode.prefix}Client")(api_key=KEY, base_url=url)


NO_RETRIES = {"request_options": {"max_retries": 0}}
GIVEN_V2 = {"model": "snail-1-0926", "messages": [{"role": "user", "content": ASKED}], **NO_RETRIES}
GIVEN_V1 = {"model": "snail-1-0926", "message": ASKED, **NO_RETRIES}
GIVEN_TO_GENERATE = {"model": "snail-1-0926", "prompt": ASKED, **NO_RETRIES}


def _ask_by(form: str, given: dict[str, Any]) -> Any:
    def ask(mode: Mode, client: Any, streamed: bool) -> Any:
        return getattr(client, f"{form}_stream" if streamed else form)(**given)

    return ask


async def end(mode: Mode, client: Any) -> None:
    """Close the connections of a client."""
    http = client._client_wrapper.httpx_client.httpx_client
    await mode.call(http.aclose if mode.prefix else http.close)


def _raw(form: str, given: dict[str, Any]) -> Any:
    async def ask(mode: Mode, client: Any) -> Any:
        return (await mode.call(getattr(client.with_raw_response, form), **given)).data

    return ask


def _raw_streamed(form: str, given: dict[str, Any]) -> Any:
    async def ask(mode: Mode, client: Any) -> Any:
        async with mode.within(getattr(client.with_raw_response, f"{form}_stream")(**given)) as response:
            return await mode.items(response.data)

    return ask


def _row(name: str, form: str, given: dict[str, Any], client: Any, **more: Any) -> Row:
    return Row(
        provider="cohere",
        form=name,
        billed="cohere",
        make=client,
        ask=_ask_by(form, given),
        ways={"raw": _raw(form, given)},
        streamed_ways={"raw": _raw_streamed(form, given)},
        end=end,
        stop="COMPLETE",
        refused=REFUSED,
        **more,
    )


WHOLE_V2: Answer = {"json": {"id": "c-1", "message": MESSAGE, "finish_reason": "COMPLETE", "usage": UNITS}}
ROWS = [
    _row(
        "chat",
        "chat",
        GIVEN_V2,
        make,
        whole=WHOLE_V2,
        chunks={"events": [*FIRST, *LAST], "named": True, "done": True},
        first=len(FIRST),
        broken={"events": [*FIRST, ERROR], "named": True},
    ),
    _row(
        "v1",
        "chat",
        GIVEN_V1,
        make_v1,
        whole={"json": ANSWER},
        chunks={"lines": [_said(WORDS[0]), _said(WORDS[1]), _end(ANSWER)]},
    ),
    _row(
        "generate",
        "generate",
        GIVEN_TO_GENERATE,
        make_v1,
        whole={"json": GENERATED},
        chunks={"lines": [_said(WORDS[0]), _said(WORDS[1]), _end(GENERATED)]},
        broken={"lines": [_said(WORDS[0]), BROKEN]},
    ),
]
