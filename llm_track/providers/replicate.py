"""Replicate, through its own SDK: a request creates a prediction, and others fetch it until it is done.

A stream of its output is read from another host.  ``client.stream`` creates the prediction that it streams, as a part
of it; ``prediction.stream`` streams one that exists.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any

from llm_track.formats import predictions
from llm_track.providers import Invocation, Provider, Reading, Target, _httpx
from llm_track.snapshot import snapshot

_CREATED = re.compile(r"/v1/(?:models/(?P<model>[^/]+/[^/]+)/|deployments/[^/]+/[^/]+/)?predictions$")
_FETCHED = re.compile(r"/v1/predictions/[^/]+$")
_VERBS = {"GET": "get", "POST": "create", "PATCH": "update", "DELETE": "delete"}


def _read(invocation: Invocation) -> Reading | None:
    """Read a request: ``_request(method, path, json=...)``."""
    method, path = (*invocation.args, None, None)[:2]
    if not isinstance(method, str) or not isinstance(path, str):
        return None
    path = path.partition("?")[0]
    created = _CREATED.search(path) if method == "POST" else None
    if created is not None and _is_streaming():
        return None
    sent = invocation.kwargs.get("json")
    fetched = method == "GET" and _FETCHED.search(path) is not None
    return Reading(
        kind="generation" if created or fetched else "endpoint",
        name=_name(method, path),
        provider="replicate",
        body=_of_model(created["model"] if created else None) | _copy(sent),
        format=predictions if created else predictions.Known() if fetched else None,
        base_url=_base_url(invocation.instance),
        recalled=fetched,
        secrets=partial(_secrets, weakref.ref(invocation.instance)),
    )


def _read_stream(invocation: Invocation) -> Reading | None:
    """Read ``client.stream(ref, input=...)``, which creates a prediction and streams its output."""
    given = {**dict(zip(("ref", "input"), invocation.args, strict=False)), **invocation.kwargs}
    return _stream(invocation.instance, _of_model(*_named(given.get("ref"))), given.get("input"), {})


def _read_streamed(invocation: Invocation) -> Reading | None:
    """Read ``prediction.stream()``, which streams the output of a prediction that exists."""
    held = vars(invocation.instance)
    created = {key: held[key] for key in ("id", "model", "version") if isinstance(held.get(key), str)}
    reading = _stream(_client_of(invocation.instance), created, held.get("input"), created)
    reading.recalled = True
    return reading


def _stream(client: Any, body: dict[str, Any], given: Any, created: dict[str, Any]) -> Reading:
    return Reading(
        kind="generation",
        name="stream",
        provider="replicate",
        body=body | {"input": _copy(given)},
        format=predictions.Known(created),
        base_url=_base_url(client),
        stream=True,
        secrets=partial(_secrets, weakref.ref(client)),
    )


def _copy(given: Any) -> dict[str, Any]:
    copied: dict[str, Any] = snapshot(dict(given)) if isinstance(given, Mapping) else {}
    return copied


def _of_model(model: str | None, version: str | None = None) -> dict[str, Any]:
    return ({"model": model} if model else {}) | ({"version": version} if version else {})


def _named(ref: Any) -> tuple[str | None, str | None]:
    """Return model and version of a reference, which may be the SDK's own object of either."""
    if isinstance(ref, str):
        return ref.partition(":")[0], ref.partition(":")[2]
    owner, name, version = (getattr(ref, part, None) for part in ("owner", "name", "id"))
    if isinstance(owner, str) and isinstance(name, str):
        return f"{owner}/{name}", None
    return None, version if isinstance(version, str) else None


def _name(method: str, path: str) -> str:
    """Name a request by what it is about: the names and ids in its path may be many."""
    about = "predictions" if "/predictions" in path else (path.removeprefix("/v1/").split("/") or [""])[0]
    verb = "cancel" if path.endswith("/cancel") else _VERBS.get(method, method.lower())
    return f"{about}.{'list' if verb == 'get' and path.endswith(about) else verb}"


def _is_streaming() -> bool:
    """Tell whether it is ``client.stream`` that creates a prediction, which then is a part of that call."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == "replicate.stream":
            return True
        frame = frame.f_back
    return False


def _base_url(client: Any) -> str:
    return getattr(client, "_base_url", None) or "https://api.replicate.com"


def _secrets(client: weakref.ref[Any]) -> Iterator[str]:
    key = getattr(client(), "_api_token", None)
    if isinstance(key, str):
        yield key


def _client_of(thing: Any) -> Any:
    """From a prediction to the client that created it."""
    return getattr(thing, "_client", thing) if type(thing).__name__ == "Prediction" else thing


def _to_json(result: Any) -> Any:
    """Return the JSON of an event of a stream; a file in it is an object of the SDK with an address."""
    event, data = getattr(result, "event", None), getattr(result, "data", None)
    return {"event": getattr(event, "value", event), "data": getattr(data, "url", data)}


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what a ``ReplicateError`` says; any other exception may be one of httpx."""
    own = getattr(error, "__dict__", {})
    if "status" not in own:
        return _httpx.failure(error)
    return {"http_status": own["status"], "code": own.get("title") or own.get("type")}


PROVIDER = Provider(
    name="replicate",
    distribution="replicate",
    targets=(
        Target("replicate.client", "Client._request", _read),
        Target("replicate.client", "Client._async_request", _read),
        Target("replicate.client", "Client.stream", _read_stream, in_place=True),
        Target("replicate.client", "Client.async_stream", _read_stream, in_place=True),
        Target("replicate.prediction", "Prediction.stream", _read_streamed),
        Target("replicate.prediction", "Prediction.async_stream", _read_streamed),
    ),
    to_json=_to_json,
    failure=_failure,
    gives_response=_httpx.is_response,
    held=_client_of,
    asks_when_read=True,
    hands=(Target("replicate.client", "run"), Target("replicate.client", "async_run")),
)
"""``client.stream`` is hooked in place: ``replicate.stream`` is that very method of a client, from before."""
