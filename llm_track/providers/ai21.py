"""AI21, through its own SDK.

A chat is asked for by the method ``_post`` of a part of a client, which gives the stream that the program reads; all
else is a request of the client itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from llm_track.formats import chat_completions
from llm_track.providers import Invocation, Provider, Reading, Target, _httpx
from llm_track.providers._hosts import biller
from llm_track.providers._paths import endpoint_name
from llm_track.snapshot import snapshot

_CHAT = "/chat/completions"


def _asking(chats: bool) -> Callable[[Invocation], Reading | None]:
    """Return a function that reads chats, or one that reads whatever else is asked."""

    def read(invocation: Invocation) -> Reading | None:
        client, given = _client_of(invocation.instance), invocation.kwargs
        client_class: Any = type(client)
        path, body = given.get("path"), given.get("body")
        if not isinstance(path, str) or chats is not (path == _CHAT):
            return None
        base_url = str(getattr(client, "_base_url", ""))
        return Reading(
            kind="generation" if chats else "endpoint",
            name="chat.completions" if chats else endpoint_name(str(given.get("method")), path),
            provider=biller(client_class, base_url, "ai21"),
            body=snapshot(dict(body)) if isinstance(body, Mapping) else {},
            format=chat_completions if chats else None,
            base_url=base_url,
            stream=given.get("stream") is True,
            secrets=partial(_secrets, weakref.ref(client)),
        )

    return read


def _client_of(part: Any) -> Any:
    """From a part of a client to the client; that has an attribute of the same name, for httpx."""
    inner = getattr(part, "_client", None)
    return inner if hasattr(inner, "execute_http_request") else part


def _secrets(client: weakref.ref[Any]) -> Iterator[str]:
    yield from _httpx.secrets({name.lower(): key for name, key in getattr(client(), "_headers", {}).items()})


def _note_response(call: Any, invocation: Invocation) -> None:
    call.witnessed = {"response": invocation.kwargs["response"]}


def _failure(error: BaseException) -> dict[str, Any]:
    """Return the status of an ``AI21APIError``, or what httpx says."""
    status = getattr(error, "status_code", None)
    return {"http_status": status} if isinstance(status, int) else _httpx.failure(error)


_PARTS = "ai21.clients.studio.resources.studio_resource"

PROVIDER = Provider(
    name="ai21",
    distribution="ai21",
    targets=(
        Target("ai21.http_client.http_client", "AI21HTTPClient.execute_http_request", _asking(chats=False)),
        Target("ai21.http_client.async_http_client", "AsyncAI21HTTPClient.execute_http_request", _asking(chats=False)),
        Target(_PARTS, "StudioResource._post", _asking(chats=True)),
        Target(_PARTS, "AsyncStudioResource._post", _asking(chats=True)),
        Target(_PARTS, "_cast_response", notes=_note_response),
    ),
    to_json=lambda result: None,
    failure=_failure,
    gives_response=_httpx.is_response,
    held=_client_of,
    iterator="_iterator",
)
