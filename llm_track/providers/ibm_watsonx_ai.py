"""IBM watsonx, through its own SDK: whatever a program calls, the SDK's own HTTP client sends it by ``send``.

Its requests for tokens, of the models there are and of the place that a program works in are no business of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from inspect import CO_COROUTINE
from types import FrameType
from typing import Any

from llm_track.formats import Format, watsonx
from llm_track.providers import Invocation, Kind, Provider, Reading, Target, _httpx
from llm_track.providers._paths import endpoint_name

_ENDPOINTS: tuple[tuple[tuple[str, ...], Kind, str], ...] = (
    (
        ("/text/generation", "/text/generation_stream", "/generation/text", "/generation/text_stream"),
        "generation",
        "text.generation",
    ),
    (("/text/chat", "/text/chat_stream"), "generation", "text.chat"),
    (("/text/embeddings",), "embedding", "text.embeddings"),
    (("/text/rerank",), "generation", "text.rerank"),
)
"""The ends of a path -> what a request to it is, and its name."""
_ASKING = "/ml/v1"
"""What the path of a request has that is for a model."""


def _read(invocation: Invocation) -> Reading | None:
    """Read a request that is ready to be sent: its bytes are the JSON, which is read in the background."""
    request = invocation.args[0] if invocation.args else invocation.kwargs.get("request")
    path = getattr(getattr(request, "url", None), "path", None)
    if request is None or not isinstance(path, str) or _ASKING not in path or request.method != "POST":
        return None
    kind, wire_format, name = _endpoint(path)
    return Reading(
        kind=kind,
        name=name,
        provider="watsonx",
        body={},
        content=getattr(request, "_content", None),
        format=wire_format,
        base_url=str(request.url).partition(_ASKING)[0],
        stream=path.endswith("_stream"),
        secrets=partial(_httpx.secrets, request.headers),
    )


def _endpoint(path: str) -> tuple[Kind, Format | None, str]:
    for ends, kind, name in _ENDPOINTS:
        if path.endswith(ends):
            return kind, watsonx, name
    return "endpoint", None, endpoint_name("post", path.partition(_ASKING)[2])


def _repeats(response: Any) -> bool:
    """Tell whether the SDK is about to send a request again by itself, as it does when it is told to come later.

    Version 1.8 means to, but where it waits for an answer it closes that in a way that httpx refuses, and so fails.
    """
    frame = _retrying()
    if frame is None or (frame.f_code.co_flags & CO_COROUTINE and "aclose" not in frame.f_code.co_names):
        return False
    knows = frame.f_locals
    codes, most = (
        next((knows[name] for name in names if name in knows), None)
        for names in (
            ("actual_retry_status_codes", "wx_retry_status_codes"),
            ("actual_max_retries", "wx_max_retries"),
        )
    )
    return isinstance(codes, (list, tuple)) and response.status_code in codes and knows.get("attempt") != most


def _answer(witnessed: Mapping[str, Any]) -> tuple[Any, int | None]:
    """Return the response, and how often it had been tried before."""
    frame = _retrying()
    tried = frame.f_locals.get("attempt") if frame is not None else None
    return witnessed["response"], tried if isinstance(tried, int) else None


def _retrying() -> FrameType | None:
    """Return the frame of the SDK's function that sends a request, and sends it again, if that is what runs."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_WRAPPERS) and "attempt" in frame.f_code.co_varnames:
            return frame
        frame = frame.f_back
    return None


_WRAPPERS = "ibm_watsonx_ai._wrappers."


def _targets(module: str, client: str) -> tuple[Target, ...]:
    return (Target(module, f"{client}.send", _read),)


PROVIDER = Provider(
    name="ibm_watsonx_ai",
    distribution="ibm-watsonx-ai",
    targets=(
        *_targets("ibm_watsonx_ai._wrappers.httpx.client.httpx_client", "HTTPXClient"),
        *_targets("ibm_watsonx_ai._wrappers.httpx.client.httpx_async_client", "HTTPXAsyncClient"),
        *_targets("ibm_watsonx_ai._wrappers.requests", "HTTPXClient"),
        *_targets("ibm_watsonx_ai._wrappers.requests", "HTTPXAsyncClient"),
    ),
    to_json=lambda result: None,
    failure=_httpx.failure,
    gives_response=_httpx.is_response,
    answer=_answer,
    repeats=_repeats,
    hands=tuple(
        Target("ibm_watsonx_ai.foundation_models.inference.model_inference", f"ModelInference.{name}")
        for name in ("chat", "achat", "chat_stream", "achat_stream", "generate_text_stream", "agenerate_stream")
    ),
)
"""The second homes of the clients are those of the SDK before its version 1.5."""
