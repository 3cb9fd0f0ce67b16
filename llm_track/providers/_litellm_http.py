"""LiteLLM's own HTTP client, through which it asks the providers that it uses no SDK for.

A request of it is part of the call that it is made for, never a call of its own: it shows what the provider said, which
LiteLLM hands on in OpenAI's shapes, with estimates where the provider said nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from llm_track.formats import (
    Format,
    audio,
    chat_completions,
    cohere_chat,
    cohere_embed,
    completions,
    converse,
    embeddings,
    generate_content,
    images,
    invoke_model,
    messages,
    ollama,
    rerank,
    responses,
    watsonx,
)
from llm_track.masking import is_secret
from llm_track.providers import Invocation, Provider, Reading, Target, _httpx
from llm_track.providers._hosts import by_host

_FORMATS: tuple[tuple[str, Format], ...] = (
    ("/text/chat", watsonx),
    ("/text/chat_stream", watsonx),
    ("/text/generation", watsonx),
    ("/text/generation_stream", watsonx),
    ("/text/embeddings", watsonx),
    ("/text/rerank", watsonx),
    ("/chat/completions", chat_completions),
    ("/completions", completions),
    ("/messages", messages),
    ("/responses", responses),
    ("/embeddings", embeddings),
    ("/rerank", rerank),
    ("/audio/transcriptions", audio),
    ("/images/generations", images),
    ("/images/edits", images),
    ("/v1/chat", cohere_chat),
    ("/v2/chat", cohere_chat),
    ("/v1/embed", cohere_embed),
    ("/v2/embed", cohere_embed),
    ("/api/chat", ollama),
    ("/api/generate", ollama),
    ("/api/embed", ollama),
    ("/converse", converse),
    ("/converse-stream", converse),
    (":generateContent", generate_content),
    (":streamGenerateContent", generate_content),
)
"""The end of a path -> the format of what is answered there, whoever the provider is."""
_CLAUDE = re.compile(r"(publishers/|/model/.*)anthropic.*(rawPredict|/invoke(-with-response-stream)?)$", re.IGNORECASE)
"""The paths by which Google's and Amazon's clouds serve Claude in its own format."""
_INVOKED = re.compile(r"/model/.*/invoke(-with-response-stream)?$")
"""The paths by which Amazon serves all other models."""
_PREPARING = re.compile(r"(token|login|authorize|code|files|uploads?|cachedcontents|show|collections|sandboxes)$")
"""The end of a path of a request that asks no model: LiteLLM signs in by it, looks something up or stores it."""
_ASKING = "litellm.llms."
"""Where LiteLLM's code lies that asks models.  Callbacks, caches and handlers of the program send requests, too."""
_SENDING = ("litellm.llms.custom_httpx.http_handler", "litellm.litellm_core_utils.logging_utils")


def _read(invocation: Invocation) -> Reading | None:
    """Read a request: where it goes, and how its answer is to be read."""
    kwargs = invocation.kwargs
    url = kwargs.get("url") or (invocation.args[0] if invocation.args else None)
    if not isinstance(url, str):
        return None
    path = urlsplit(url).path.rstrip("/")
    if (kwargs.get("logging_obj") is None and _PREPARING.search(path.lower())) or not _asks_a_model():
        return None
    return Reading(
        kind="endpoint",
        name="post",
        provider=by_host(url) or "litellm",
        body={},
        format=_format(path),
        base_url=url,
        stream=kwargs.get("stream") is True,
        secrets=partial(_secrets, url, kwargs.get("headers")),
    )


def _asks_a_model() -> bool:
    """Tell whether it is LiteLLM's code for a provider that sends the request that is being read."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if isinstance(module, str) and module.startswith("litellm.") and module not in _SENDING:
            return module.startswith(_ASKING)
        frame = frame.f_back
    return False


def _format(path: str) -> Format | None:
    known = next((wire_format for end, wire_format in _FORMATS if path.endswith(end)), None)
    if known is None and _CLAUDE.search(path):
        return messages
    return invoke_model if known is None and _INVOKED.search(path) else known


def _secrets(url: str, headers: Any) -> Iterator[str]:
    """Yield the credentials that a request carries, for when an exception quotes them."""
    yield from (value for name, value in parse_qsl(urlsplit(url).query) if name == "key" or is_secret(name, value))
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if isinstance(value, str) and is_secret(str(name).lower().removeprefix("x-"), value):
            yield value
            yield value.rpartition(" ")[2]


PROVIDER = Provider(
    name="litellm",
    distribution="litellm",
    targets=(),
    to_json=lambda result: None,
    failure=_httpx.failure,
    gives_response=_httpx.is_response,
)
"""What its requests are."""

TARGETS = tuple(
    Target(
        "litellm.llms.custom_httpx.http_handler",
        f"{client}.post",
        _read,
        optional=True,
        in_place=True,
        transport=PROVIDER,
    )
    for client in ("HTTPHandler", "AsyncHTTPHandler")
)
