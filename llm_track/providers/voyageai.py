"""Voyage, through its own SDK.

A program calls a method of a client, which asks as often as it takes; whatever asks does so by an ``APIRequestor``,
which shows the JSON that is sent and the answer.  One that a program uses without a client is a call of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from llm_track.formats import Format, rerank, voyage_embed
from llm_track.providers import Invocation, Kind, Provider, Reading, Target
from llm_track.providers._hosts import by_host
from llm_track.providers._paths import endpoint_name
from llm_track.snapshot import snapshot
from llm_track.wire import request_id

_ASKED: dict[str, tuple[Kind, Format, str]] = {
    "embed": ("embedding", voyage_embed, "/embeddings"),
    "contextualized_embed": ("embedding", voyage_embed, "/contextualizedembeddings"),
    "multimodal_embed": ("embedding", voyage_embed, "/multimodalembeddings"),
    "rerank": ("generation", rerank, "/rerank"),
}
"""Method -> what it is, the format of its JSON, and where it asks."""
_NO_MODEL_CALL: tuple[Kind, None, str] = ("endpoint", None, "")
_NAMES = {path: name for name, (_, _, path) in _ASKED.items()}


def _asking(name: str) -> Callable[[Invocation], Reading | None]:
    """Return a function that reads a call of a client's method; what it sends is noted when it sends it."""
    kind, wire_format, _ = _ASKED[name]

    def read(invocation: Invocation) -> Reading | None:
        params = getattr(invocation.instance, "_params", {})
        place = 2 if name == "rerank" else 1
        model = invocation.args[place] if len(invocation.args) > place else invocation.kwargs.get("model")
        return None if _is_local(model) else _reading(kind, name, wire_format, model, params.get("api_key"))

    return read


def _is_local(model: Any) -> bool:
    """Tell whether a model runs in the program itself: nobody is asked, and nobody bills."""
    tell = getattr(sys.modules.get("voyageai.client"), "is_local_model", None)
    return tell is not None and isinstance(model, str) and bool(tell(model))


def _read(invocation: Invocation) -> Reading | None:
    """Read a request: ``request("post", "/embeddings", params=...)``."""
    if len(invocation.args) < 2:
        return None
    method, path = invocation.args[:2]
    name = _NAMES.get(path) or endpoint_name(str(method), str(path))
    kind, wire_format, _ = _ASKED.get(name, _NO_MODEL_CALL)
    return _reading(kind, name, wire_format, None, getattr(invocation.instance, "api_key", None))


def _reading(kind: Kind, name: str, wire_format: Format | None, model: Any, key: Any) -> Reading:
    """The key is the object by which the requests of a client are known to be its own: it hands it on."""
    return Reading(
        kind=kind,
        name=name,
        provider="voyage",
        body={"model": model} if isinstance(model, str) else {},
        format=wire_format,
        asked=key,
        secrets=partial(_secrets, key),
    )


def _secrets(key: Any) -> Iterator[str]:
    if isinstance(key, str):
        yield key


def _note_request(call: Any, invocation: Invocation) -> None:
    """Note what is about to be sent, in this attempt."""
    params, base_url = invocation.args[3], _address(invocation.instance)
    call.witnessed = None  # the answer to an earlier attempt is not that of this one
    call.reading.base_url, call.reading.provider = base_url, by_host(base_url) or "voyage"
    call.reading.body = snapshot(dict(params)) if isinstance(params, Mapping) else {}


def _note_response(call: Any, invocation: Invocation) -> None:
    body, status, headers = invocation.args
    url = _address(invocation.instance) + _ASKED.get(call.reading.name, _NO_MODEL_CALL)[2]
    call.witnessed = {"response": _Response(status, headers, SimpleNamespace(url=url), body.encode())}


def _address(requestor: Any) -> str:
    """Older versions keep it under the name that OpenAI's first SDK had for it."""
    return str(getattr(requestor, "base_url", None) or getattr(requestor, "api_base", ""))


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer that has been read, whichever HTTP library read it."""

    status_code: int
    headers: Mapping[str, str]
    request: Any
    content: bytes
    is_stream_consumed: bool = True
    is_closed: bool = True


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what a ``VoyageError`` says; one of the connection has no status."""
    own = getattr(error, "__dict__", {})
    headers = own.get("headers")
    said = {"http_status": own.get("http_status"), "code": own.get("code")}
    return said | ({"request_id": request_id(headers)} if headers else {})


def _methods() -> Iterator[Target]:
    for name in _ASKED:
        for module, client in (("voyageai.client", "Client"), ("voyageai.client_async", "AsyncClient")):
            yield Target(module, f"{client}.{name}", _asking(name), optional=name == "contextualized_embed")


_REQUESTOR = "voyageai.api_resources.api_requestor"

PROVIDER = Provider(
    name="voyageai",
    distribution="voyageai",
    targets=(
        *_methods(),
        Target(_REQUESTOR, "APIRequestor.request", _read),
        Target(_REQUESTOR, "APIRequestor.arequest", _read),
        Target(_REQUESTOR, "APIRequestor._prepare_request_raw", notes=_note_request),
        Target(_REQUESTOR, "APIRequestor._interpret_response_line", notes=_note_response),
    ),
    to_json=lambda result: None,
    failure=_failure,
)
