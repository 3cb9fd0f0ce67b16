"""The Interactions API of google-genai, which has an HTTP client of its own.

From version 3 that is generated as Mistral's is: every method sends its request by ``do_request``, which returns the
response.  Before it was a client of Stainless, and before version 1.55 there was none.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from llm_track.formats import interactions
from llm_track.formats._json import load, name, obj
from llm_track.providers import Invocation, Reading, Target, _httpx, _paths, _stainless
from llm_track.wire import request_id

_PREFIX = re.compile(r".*?/v\d\w*(?:/projects/[^/]+/locations/[^/]+)?(?=/)")
"""What comes before the path of the API: of Vertex, the project and where it is served."""
_ONE = re.compile(r"/interactions/[^/]+")


def _read_request(invocation: Invocation) -> Reading | None:
    """Read a request that is ready to be sent: its bytes are the JSON, which is read in the background."""
    request = invocation.kwargs.get("request")
    if request is None:
        return None
    url, parent = request.url, client_of(invocation.instance)
    reading = Reading(
        kind="endpoint",
        name="",
        provider="google-vertex" if getattr(parent, "vertexai", None) or _is_vertex(str(url)) else "gemini",
        body={},
        content=getattr(request, "_content", None),
        base_url=str(url.copy_with(path="/", query=None)),
        stream=invocation.kwargs.get("stream") is True,
        secrets=partial(secrets, request.headers),
    )
    return _named(reading, request.method, url.path)


def _read_options(invocation: Invocation) -> Reading | None:
    """Read a request of the client of Stainless."""
    reading, options = _read_any(invocation), _stainless.options_of(invocation)
    if reading is None:
        return None
    adapter = getattr(invocation.instance, "client_adapter", None)
    parent = getattr(adapter, "_api_client", None)
    if getattr(parent, "vertexai", None) or _is_vertex(str(reading.base_url)):
        reading.provider = "google-vertex"
    return _named(reading, options.method, "/" + str(options.url).lstrip("/"))


_read_any = _stainless.by_path({}, {}, "gemini")


def _named(reading: Reading, method: str, path: str) -> Reading:
    """Say what a request is: a question, the answer to an earlier one, or neither."""
    plain = _PREFIX.sub("", urlsplit(path).path, count=1).rstrip("/")
    reading.name = _paths.endpoint_name(method, plain)
    if plain == "/interactions" and method.upper() == "POST":
        reading.kind, reading.format, reading.name = "generation", interactions, "interactions"
    elif _ONE.fullmatch(plain):
        verb = {"GET": "retrieve", "DELETE": "delete"}.get(method.upper(), method.lower())
        reading.name = f"interactions.{verb}"
        if verb == "retrieve":
            reading.kind, reading.format, reading.recalled = "generation", interactions, True
    return reading


def _is_vertex(address: str) -> bool:
    return (urlsplit(address).hostname or "").endswith("aiplatform.googleapis.com")


def secrets(headers: Any) -> Any:
    """Yield the credentials that the headers of a request carry."""
    yield from filter(None, [headers.get("x-goog-api-key")])
    yield from _httpx.secrets(headers)


def failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception says: of either generation of this client, or of the HTTP library."""
    own = getattr(error, "__dict__", {})
    response = own.get("raw_response") or own.get("response")
    request = own.get("request") or own.get("_request") or getattr(response, "_request", None)
    said: dict[str, Any] = {"code": _code(own.get("body"))}
    if response is not None:
        said |= {"http_status": response.status_code, "request_id": request_id(response.headers)}
    return said | ({} if request is None else {"url": str(request.url)})


def _code(body: Any) -> str | None:
    """The name of an error: ``RESOURCE_EXHAUSTED``, as Google's other APIs say it, or ``invalid_request``."""
    error = obj(obj(load(body)).get("error"))
    return name(error.get("status")) or name(error.get("code"))


def client_of(instance: Any) -> Any:
    """From what sends a request to the SDK's HTTP client that it belongs to, as far as it tells."""
    adapter = getattr(instance, "client_adapter", None)
    return getattr(instance if adapter is None else adapter, "_api_client", instance)


def _target(path: str, *, stainless: bool = False) -> Target:
    if stainless:
        module = "google.genai._interactions._base_client"
        return Target(module, path, _read_options, witness="_process_response", optional=True)
    return Target("google.genai._gaos.basesdk", path, _read_request, optional=True)


TARGETS = (
    _target("BaseSDK.do_request"),
    _target("AsyncBaseSDK.do_request_async"),
    _target("SyncAPIClient.request", stainless=True),
    _target("AsyncAPIClient.request", stainless=True),
)
