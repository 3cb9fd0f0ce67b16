"""Mistral, through its own SDK: every method sends its request by ``do_request``, which returns the response."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from llm_track.formats import Format, chat_completions, conversations, embeddings, fim
from llm_track.providers import Invocation, Kind, Provider, Reading, Target, _httpx
from llm_track.providers._hosts import by_host
from llm_track.providers._paths import endpoint_name
from llm_track.providers._stainless import RESULT_FILE

_ENDPOINTS: dict[str, tuple[Kind, Format | None, str]] = {
    "/v1/chat/completions": ("generation", chat_completions, "chat.completions"),
    "/v1/agents/completions": ("generation", chat_completions, "agents.completions"),
    "/v1/fim/completions": ("generation", fim, "fim.completions"),
    "/v1/embeddings": ("embedding", embeddings, "embeddings"),
}
_CONVERSATIONS: tuple[Kind, Format | None, str] = ("generation", conversations, "conversations")
_CONVERSATION = re.compile(r"/v1/conversations(?:/[^/]+(?:/restart)?)?$")
"""One is begun, gone on with, or begun anew from an entry."""

_JOB = re.compile(r"/batch/jobs/([^/]+)$")
"""The results of a batch may stand in its job."""


def _read(invocation: Invocation) -> Reading | None:
    """Read a request that is ready to be sent: its bytes are the JSON, which is read in the background."""
    request, context = invocation.kwargs.get("request"), invocation.kwargs.get("hook_ctx")
    if request is None:
        return None
    path, base_url = request.url.path, str(getattr(context, "base_url", None) or request.url)
    known = next((found for end, found in _ENDPOINTS.items() if path.endswith(end)), None)
    if known is None and request.method == "POST" and _CONVERSATION.search(path):
        known = _CONVERSATIONS
    results = (RESULT_FILE.search(path) or _JOB.search(path)) if request.method == "GET" else None
    kind, wire_format, name = known or ("endpoint", None, endpoint_name(request.method, path))
    return Reading(
        kind=kind,
        name=name,
        provider=by_host(base_url) or "mistral",
        body={},
        content=getattr(request, "_content", None),
        format=wire_format,
        base_url=base_url,
        stream=invocation.kwargs.get("stream") is True,
        batch=results and results[1],
        secrets=partial(_httpx.secrets, request.headers),
    )


def _client_of(part: Any) -> Any:
    """From the part of a client that asks, such as its chat, to the client."""
    return getattr(part, "parent_ref", None) or part


def _targets(module: str) -> tuple[Target, ...]:
    names = ("do_request", "do_request_async")
    return tuple(Target(module, f"BaseSDK.{name}", _read) for name in names)


_HANDED = (
    "start",
    "append",
    "restart",
    "start_async",
    "append_async",
    "restart_async",
    "run_async",
    "run_stream_async",
)
"""What goes on in a conversation: its answers have no id but that of the conversation."""


def _handed(module: str) -> tuple[Target, ...]:
    return tuple(Target(module, f"Conversations.{name}", optional=True) for name in _HANDED)


PROVIDER = Provider(
    name="mistralai",
    distribution="mistralai",
    targets=(*_targets("mistralai.client.basesdk"), *_targets("mistralai.basesdk")),
    to_json=lambda result: None,
    failure=_httpx.failure,
    gives_response=_httpx.is_response,
    held=_client_of,
    hands=(*_handed("mistralai.client.conversations"), *_handed("mistralai.conversations")),
)
"""The second home of ``BaseSDK`` is that of the SDK before its version 2."""
