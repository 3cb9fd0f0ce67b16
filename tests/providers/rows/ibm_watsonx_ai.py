"""IBM's SDK for watsonx: chats, and texts that go on."""

from __future__ import annotations

import json
from typing import Any

from conformance.modes import Mode
from conformance.server import a_file

from providers.row import ASKED, KEY, WORDS, Row, sdk

from . import openai_language as language

CLOUD = "https://us-south.ml.cloud.ibm.com"


def _make(url: str, mode: Mode) -> Any:
    """A client of IBM's cloud, whose requests for models go elsewhere."""
    watsonx = sdk("ibm_watsonx_ai")
    from ibm_watsonx_ai.foundation_models import ModelInference

    client = watsonx.APIClient(watsonx.Credentials(url=CLOUD, token=KEY))
    client.default_project_id = "p-1"
    client.credentials.url = client._href_definitions.url = url
    return ModelInference(model_id="snail-1", api_client=client, validate=False, max_retries=0)


async def _end(mode: Mode, client: Any) -> None:
    """The client closes its connections by itself when it goes."""


def _of_ibm(body: dict[str, Any]) -> dict[str, Any]:
    return {"model_id": body["model"], **{key: value for key, value in body.items() if key != "model"}}


def _piece(words: str, count: int, asked: int, reason: str) -> dict[str, Any]:
    said = {"generated_text": words, "generated_token_count": count, "input_token_count": asked, "stop_reason": reason}
    return {"model_id": "snail-1-0926", "created_at": "2026-01-01T00:00:00Z", "results": [said]}


def _broken(first: dict[str, Any]) -> dict[str, Any]:
    """A stream whose second event is one of an error."""
    error = {"errors": [{"code": "overloaded", "message": "overloaded"}], "status_code": 503}
    text = f"id: 1\nevent: message\ndata: {json.dumps(first)}\n\nid: 2\nevent: error\ndata: {json.dumps(error)}\n\n"
    return a_file(text.encode(), headers={"content-type": "text/event-stream"})


def _chat(mode: Mode, client: Any, streamed: bool) -> Any:
    return getattr(client, ("a" if mode.prefix else "") + ("chat_stream" if streamed else "chat"))(language.MESSAGES)


def _text(mode: Mode, client: Any, streamed: bool) -> Any:
    if mode.prefix:
        return client.agenerate_stream(ASKED) if streamed else client.agenerate(ASKED)
    return client.generate_text_stream(ASKED, raw_response=True) if streamed else client.generate(ASKED)


REFUSED = {"status": 429, "json": {"errors": [{"code": "rate_limit", "message": f"too much for {KEY}"}]}}
SHARED: dict[str, Any] = {
    "provider": "ibm_watsonx_ai",
    "billed": "watsonx",
    "make": _make,
    "end": _end,
    "refused": REFUSED,
    "alone": lambda client: False,
}
ROWS = [
    Row(
        ask=_chat,
        whole={"json": _of_ibm(language.WHOLE["json"])},
        chunks={"events": [_of_ibm(language.FIRST), _of_ibm(language.LAST)]},
        broken=_broken(_of_ibm(language.FIRST)),
        **SHARED,
    ),
    Row(
        form="text",
        ask=_text,
        whole={"json": _piece("".join(WORDS), 7, 11, "eos_token")},
        chunks={"events": [_piece(WORDS[0], 3, 11, "not_finished"), _piece(WORDS[1], 7, 0, "eos_token")]},
        broken=_broken(_piece(WORDS[0], 3, 11, "not_finished")),
        stop="eos_token",
        **SHARED,
    ),
]
