"""Ollama, through its own SDK: every method of a client sends its request by ``client._request``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from llm_track.formats import Format, ollama, ollama_embed
from llm_track.providers import Invocation, Kind, Provider, Reading, Target, _httpx
from llm_track.snapshot import snapshot

_ASKED: dict[str, tuple[Kind, Format, str]] = {
    "/api/chat": ("generation", ollama, "chat"),
    "/api/generate": ("generation", ollama, "generate"),
    "/api/embed": ("embedding", ollama_embed, "embed"),
    "/api/embeddings": ("embedding", ollama_embed, "embed"),
}
_NO_MODEL_CALL: tuple[Kind, None, str] = ("endpoint", None, "")


def _read(invocation: Invocation) -> Reading | None:
    """Read a request: ``_request(type of the answer, method, path, json=..., stream=...)``."""
    path = invocation.args[2] if len(invocation.args) > 2 else None
    if not isinstance(path, str):
        return None
    kind, wire_format, name = _ASKED.get(path, _NO_MODEL_CALL)
    sent, client = invocation.kwargs.get("json"), getattr(invocation.instance, "_client", None)
    return Reading(
        kind=kind,
        name=name or path.removeprefix("/api/"),
        provider="ollama",
        body=snapshot(dict(sent)) if isinstance(sent, Mapping) else {},
        format=wire_format,
        base_url=getattr(client, "base_url", None),
        stream=invocation.kwargs.get("stream") is True,
        secrets=partial(_httpx.secrets, getattr(client, "headers", {})),
    )


def _to_json(result: Any) -> Any:
    """Return the JSON of an answer or of one chunk of it."""
    dump = getattr(result, "model_dump", None)
    return dump(mode="json", exclude_none=True, warnings=False) if callable(dump) else None


def _failure(error: BaseException) -> dict[str, Any]:
    """Return the status of a ``ResponseError``; one that came amid a stream has none."""
    status = getattr(error, "status_code", None)
    return {"http_status": status if isinstance(status, int) and status > 0 else None}


PROVIDER = Provider(
    name="ollama",
    distribution="ollama",
    targets=(Target("ollama", "Client._request", _read), Target("ollama", "AsyncClient._request", _read)),
    to_json=_to_json,
    failure=_failure,
    asks_when_read=True,
)
