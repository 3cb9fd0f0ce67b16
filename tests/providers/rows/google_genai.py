"""google-genai; its asynchronous methods are those of ``client.aio``."""

from __future__ import annotations

from typing import Any

import pytest
from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk


def _said(words: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": words}]}, "index": 0, **more}
    used = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": "snail-1-0926", "responseId": "g-1"}


def _error(code: int, message: str, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def _make(url: str, mode: Mode, **more: Any) -> Any:
    return sdk("google.genai").Client(api_key=KEY, http_options={"base_url": url}, **more)


def _make_vertex(url: str, mode: Mode) -> Any:
    return _make(url, mode, vertexai=True)


def _make_patient(url: str, mode: Mode) -> Any:
    """Return a client for interactions, which other than `models` are asked for again after a refusal."""
    genai = sdk("google.genai")
    if not hasattr(genai.Client, "interactions"):
        pytest.skip("this version knows no interactions")
    options = {"base_url": url, "retry_options": {"attempts": 1}}
    return genai.Client(api_key=KEY, http_options=options)


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    models = client.aio.models if mode.prefix else client.models
    return (models.generate_content_stream if streamed else models.generate_content)(model="snail-1", contents=ASKED)


async def _chat(mode: Mode, client: Any) -> Any:
    chats = client.aio.chats if mode.prefix else client.chats
    return await mode.call(chats.create(model="snail-1").send_message, ASKED)


async def _streamed_chat(mode: Mode, client: Any) -> Any:
    chats = client.aio.chats if mode.prefix else client.chats
    return await mode.items(await mode.call(chats.create(model="snail-1").send_message_stream, ASKED))


async def _end(mode: Mode, client: Any) -> None:
    """Older clients cannot be closed."""


def _shown(answer: Any) -> Any:
    return type(answer), answer.model_dump(exclude={"sdk_http_response"})


def _row(form: str, billed: str, make: Any) -> Row:
    return Row(
        provider="google.genai",
        form=form,
        billed=billed,
        make=make,
        ask=_ask,
        end=_end,
        shown=_shown,
        stop="STOP",
        ways={"chat": _chat},
        streamed_ways={"chat": _streamed_chat},
        whole={"json": _said("".join(WORDS), finishReason="STOP")},
        chunks={"events": [_said(WORDS[0]), _said(WORDS[1], finishReason="STOP")]},
        refused={"status": 429, "json": _error(429, f"too much for {KEY}", "RESOURCE_EXHAUSTED")},
        broken={"events": [_said(WORDS[0]), _error(503, "overloaded", "UNAVAILABLE")]},
    )


def _interactions(mode: Mode, client: Any) -> Any:
    return (client.aio if mode.prefix else client).interactions


def _interact(mode: Mode, client: Any, streamed: bool) -> Any:
    return _interactions(mode, client).create(model="snail-1", input=ASKED, **({"stream": True} if streamed else {}))


async def _raw(mode: Mode, client: Any) -> Any:
    answer = await mode.call(_interactions(mode, client).with_raw_response.create, model="snail-1", input=ASKED)
    return await mode.call(answer.parse)


def _interaction(**more: Any) -> dict[str, Any]:
    used = {"total_input_tokens": 11, "total_output_tokens": 7, "total_tokens": 18}
    about = {"id": "v1_1", "object": "interaction", "model": "snail-1-0926", "status": "completed", "usage": used}
    return {**about, "created": "2026-09-26T10:00:00Z", "updated": "2026-09-26T10:00:01Z", **more}


def _events(*more: dict[str, Any]) -> list[dict[str, Any]]:
    begun = {"id": "v1_1", "object": "interaction", "model": "snail-1-0926", "status": "in_progress"}
    return [
        {"event_type": "interaction.created", "interaction": begun},
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": WORDS[0]}},
        *more,
    ]


_END = [
    {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": WORDS[1]}},
    {"event_type": "step.stop", "index": 0},
    {"event_type": "interaction.completed", "interaction": _interaction()},
]
_CONTENT = [{"type": "text", "text": "".join(WORDS)}]

INTERACTIONS = Row(
    provider="google.genai",
    form="interactions",
    billed="gemini",
    make=_make_patient,
    ask=_interact,
    end=_end,
    stop="completed",
    ways={"raw": _raw},
    first=3,
    whole={"json": _interaction(steps=[{"type": "model_output", "content": _CONTENT}])},
    chunks={"events": _events(*_END)},
    refused={"status": 429, "json": _error(429, f"too much for {KEY}", "RESOURCE_EXHAUSTED")},
    broken={"events": _events({"event_type": "error", "error": {"code": "unavailable", "message": "overloaded"}})},
)

ROWS = [
    INTERACTIONS,
    _row("generate", "gemini", _make),
    _row("vertex", "google-vertex", _make_vertex),
]
