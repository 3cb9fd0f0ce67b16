"""google-genai: Google's SDK for Gemini, of the developer API and of Vertex.

Whatever method a program calls, the SDK's HTTP client sends one request per question to a model, with the path and the
JSON of the API: a chat that calls functions by itself makes several, and each is a generation.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from llm_track.formats import Format, embed_content, generate_content, predict_images
from llm_track.providers import Invocation, Kind, Provider, Reading, Target, _google_interactions, _httpx, _stainless
from llm_track.providers._paths import endpoint_name
from llm_track.snapshot import snapshot

_ASKED: dict[str, tuple[Kind, Format, str]] = {
    "generateContent": ("generation", generate_content, "models.generate_content"),
    "streamGenerateContent": ("generation", generate_content, "models.generate_content"),
    "embedContent": ("embedding", embed_content, "models.embed_content"),
    "batchEmbedContents": ("embedding", embed_content, "models.embed_content"),
    "predict": ("generation", predict_images, "models.predict"),
}
"""What is done with a model, as the end of a path says -> what it is, the format of its JSON, its name."""
_NO_MODEL_CALL: tuple[Kind, None, str] = ("endpoint", None, "")
_MODEL = re.compile(r"(?:^|/)models/([^/:?]+):(\w+)")


def _read(invocation: Invocation) -> Reading | None:
    """Read a request by its path: ``models/gemini-2.5-flash:generateContent``."""
    given = {**dict(zip(_ARGUMENTS, invocation.args, strict=False)), **invocation.kwargs}
    method, path, body = (given.get(name) for name in _ARGUMENTS)
    if not isinstance(method, str) or not isinstance(path, str):
        return None
    client = invocation.instance
    found = _MODEL.search(path)
    model, verb = found.groups() if found else (None, "")
    if verb == "predict" and model is not None and "embedding" in model:  # Vertex asks its older models so
        verb = "embedContent"
    kind, wire_format, name = _ASKED.get(verb, _NO_MODEL_CALL)
    asked = snapshot(dict(body)) if isinstance(body, Mapping) else {}
    results = _BATCH.fullmatch(path) if method.lower() == "get" else None
    return Reading(
        kind=kind,
        name=name or _endpoint(method, path, verb),
        provider=_biller(client),
        body={key: value for key, value in asked.items() if not key.startswith("_")}
        | ({"model": model} if model else {}),
        format=wire_format,
        base_url=_base_url(client),
        stream=verb.startswith("stream"),
        batch=results and results[1],
        secrets=partial(_secrets, weakref.ref(client)),
    )


_ARGUMENTS = ("http_method", "path", "request_dict")
_BATCH = re.compile(r"(batches/[^/:?]+)(?:\?.*)?")
_FILE = re.compile(r"(files/[^/:?]+):download(?:\?.*)?")


def _read_download(invocation: Invocation) -> Reading | None:
    """Read a download: ``files/abc:download?alt=media``.  The file may hold the results of a batch."""
    client, path = invocation.instance, str((*invocation.args, invocation.kwargs.get("path"))[0])
    results = _FILE.fullmatch(path)
    return Reading(
        kind="endpoint",
        name="files.download",
        provider=_biller(client),
        body={},
        base_url=_base_url(client),
        batch=results and results[1],
        secrets=partial(_secrets, weakref.ref(client)),
    )


def _biller(client: Any) -> str:
    return "google-vertex" if getattr(client, "vertexai", None) else "gemini"


def _base_url(client: Any) -> Any:
    return getattr(getattr(client, "_http_options", None), "base_url", None)


def _endpoint(method: str, path: str, verb: str) -> str:
    """Name a request that is no model call: ``models.countTokens``, ``files.list``."""
    plain = path.partition("?")[0].partition(":")[0]
    return f"models.{verb}" if verb else endpoint_name(method, plain)


def _secrets(client: weakref.ref[Any]) -> Iterator[str]:
    key = getattr(client(), "api_key", None)
    if isinstance(key, str):
        yield key


def _to_json(result: Any) -> Any:
    """Return the JSON of an answer, or of one chunk of it: the SDK hands both on as text; of a file only its length."""
    if isinstance(result, bytes):
        return {"bytes": len(result)}
    body = getattr(result, "body", result)
    said = json.loads(body) if isinstance(body, str) and body else body
    if isinstance(said, dict) and "usageMetadata" in said and (tier := _tier(getattr(result, "headers", None))):
        return said | {"serviceTier": tier}
    return said


def _tier(headers: Any) -> str | None:
    """Return the tier that a call was served in, which may be a lower one than it asked for.

    Source: Google, "Priority inference"; the counts of an answer do not always say it.
    """
    given = headers.items() if isinstance(headers, Mapping) else ()
    return next((tier for name, tier in given if name.lower() == "x-gemini-service-tier"), None)


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what an ``APIError`` of the SDK says; its ``code`` is the HTTP status, its ``status`` the name of it."""
    own = getattr(error, "__dict__", {})
    if own.keys() & {"raw_response", "request", "_request"}:
        return _google_interactions.failure(error)
    status, request = own.get("code"), getattr(own.get("response"), "_request", None)
    said = {"http_status": status if isinstance(status, int) else None, "code": own.get("status")}
    return said | ({"url": str(request.url)} if request is not None else {})


def _client_of(client: Any) -> Any:
    """From a ``genai.Client``, or one of its parts, to the HTTP client behind it."""
    return getattr(client, "_api_client", client)


def _targets() -> Iterator[Target]:
    for name in ("request", "request_streamed", "async_request", "async_request_streamed"):
        yield Target("google.genai._api_client", f"BaseApiClient.{name}", _read)
    for name in ("download_file", "async_download_file"):
        yield Target("google.genai._api_client", f"BaseApiClient.{name}", _read_download, optional=True)


_HANDED = (
    ("models", "Models.generate_content_stream"),
    ("models", "Models.embed_content"),
    ("models", "Models.generate_images"),
    ("chats", "Chat.send_message_stream"),
)
"""Streams, which ask when they are read, and answers that have no id."""

PROVIDER = Provider(
    name="google.genai",
    distribution="google-genai",
    targets=(*_targets(), *_google_interactions.TARGETS),
    to_json=_to_json,
    failure=_failure,
    answer=_stainless.answer,
    gives_response=_httpx.is_response,
    hooked=_client_of,
    held=_google_interactions.client_of,
    hands=tuple(
        Target(f"google.genai.{module}", f"{prefix}{path}") for module, path in _HANDED for prefix in ("", "Async")
    ),
)
