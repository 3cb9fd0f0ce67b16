"""Cohere, through its own SDK: every method of every client sends its request by an ``HttpClient``.

A list of texts that is too long for one request is embedded by several at once, and each is an embedding of its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from llm_track.formats import Format, cohere_chat, cohere_embed, rerank
from llm_track.masking import is_secret
from llm_track.providers import Invocation, Kind, Provider, Reading, Target, _httpx
from llm_track.providers._hosts import by_host
from llm_track.providers._models import plain
from llm_track.providers._paths import endpoint_name

_ASKED: dict[str, tuple[Kind, Format, str]] = {
    "v1/chat": ("generation", cohere_chat, "chat"),
    "v2/chat": ("generation", cohere_chat, "chat"),
    "v1/generate": ("generation", cohere_chat, "generate"),
    "v1/embed": ("embedding", cohere_embed, "embed"),
    "v2/embed": ("embedding", cohere_embed, "embed"),
    "v1/rerank": ("generation", rerank, "rerank"),
    "v2/rerank": ("generation", rerank, "rerank"),
}
_CLOUDS = {"cohere.aws_client": "amazon-bedrock", "cohere.oci_client": "oci"}
"""The modules whose clients send what is asked of Cohere to a cloud instead -> who bills then."""


def _read(invocation: Invocation) -> Reading | None:
    """Read a request: ``request(path, method=..., json=..., retries=..., omit=...)``."""
    client, given = invocation.instance, invocation.kwargs
    path = invocation.args[0] if invocation.args else given.get("path")
    if not isinstance(path, str) or given.get("retries"):  # sent again from within the call that it belongs to
        return None
    kind, wire_format, name = _ASKED.get(path, (None, None, None))
    body, cloud = _body(given), _cloud(client)
    base_url = None if cloud else client.get_base_url(given.get("base_url"))
    return Reading(
        kind=kind or "endpoint",
        name=name or endpoint_name(str(given.get("method")), path),
        provider=cloud or by_host(str(base_url)) or "cohere",
        body=body,
        format=wire_format,
        base_url=base_url,
        stream=body.get("stream") is True,
        secrets=partial(_secrets, weakref.ref(client), _named(given.get("headers")), _options(given, "headers")),
    )


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    """Copy what is sent; what the program did not give is marked by an object that is named beside it."""
    sent, absent = given.get("json") or given.get("data"), given.get("omit")
    present = {key: value for key, value in _named(sent).items() if value is not absent or absent is None}
    body: dict[str, Any] = plain({**present, **_options(given, "body_parameters")})
    return body


def _options(given: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Return what a program adds to one request: ``request_options={"additional_headers": ...}``."""
    return _named(_named(given.get("request_options")).get(f"additional_{what}"))


def _named(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _cloud(client: Any) -> str | None:
    """Tell the cloud that a client asks: its requests are changed on their way, by a hook of the HTTP library."""
    hooks = _named(getattr(getattr(client, "httpx_client", None), "event_hooks", None)).get("request") or ()
    return next((found for hook in hooks if (found := _CLOUDS.get(getattr(hook, "__module__", "")))), None)


def _secrets(client: weakref.ref[Any], *headers: Mapping[str, Any]) -> Iterator[str]:
    """Yield the key of a client, which may also be a function of the program that is not to be called for this."""
    wrapper = getattr(getattr(client(), "base_headers", None), "__self__", None)
    key = getattr(wrapper, "_token", None)
    if isinstance(key, str) and key:
        yield key
    for name, value in (pair for given in headers for pair in given.items()):
        if isinstance(value, str) and is_secret(str(name).lower().removeprefix("x-"), value):
            yield from (value, value.rpartition(" ")[2])


def _client_of(client: Any) -> Any:
    """From a client of the SDK to the HTTP client behind it."""
    return getattr(getattr(client, "_client_wrapper", None), "httpx_client", client)


_MODULE = "cohere.core.http_client"
_STREAMS = {
    "cohere.base_client": ("BaseCohere.chat_stream", "BaseCohere.generate_stream"),
    "cohere.v2.client": ("V2Client.chat_stream",),
}
"""Generators that ask when they are read; an asynchronous client has them by the same names."""

PROVIDER = Provider(
    name="cohere",
    distribution="cohere",
    targets=tuple(
        Target(_MODULE, f"{prefix}HttpClient.{name}", _read, opens=name == "stream")
        for prefix in ("", "Async")
        for name in ("request", "stream")
    ),
    to_json=lambda result: None,
    failure=_httpx.failure,
    gives_response=_httpx.is_response,
    hooked=_client_of,
    hands=tuple(
        Target(module, f"{prefix}{path}")
        for module, paths in _STREAMS.items()
        for prefix in ("", "Async")
        for path in paths
    ),
)
