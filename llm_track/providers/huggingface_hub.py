"""Hugging Face, through its own SDK: whatever task a program has done, the client sends its request by ``_inner_post``.

The address of a request says who bills for it.  With a token of Hugging Face all requests go to its router, which pays
the provider behind it; with a provider's own key they go to that provider.  The port of a local server tells what
speaks OpenAI's language there; a server that speaks Hugging Face's own is theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from llm_track._guard import attempt
from llm_track.formats import Format, chat_completions, completions, embeddings, text_generation
from llm_track.providers import Invocation, Kind, Provider, Reading, Target
from llm_track.providers._hosts import by_host
from llm_track.snapshot import snapshot

_BY_PATH: dict[str, tuple[Kind, Format, str]] = {
    "/chat/completions": ("generation", chat_completions, "chat_completion"),
    "/completions": ("generation", completions, "text_generation"),
    "/embeddings": ("embedding", embeddings, "feature_extraction"),
}
"""The end of the path at a provider that speaks OpenAI's language -> what a request is, its format, its method."""
_BY_TASK: dict[str, tuple[Kind, Format | None]] = {
    "text-generation": ("generation", text_generation),
    "summarization": ("generation", text_generation),
    "translation": ("generation", text_generation),
    "feature-extraction": ("embedding", embeddings),
}
"""The task of a request to a server of Hugging Face's own -> what it is, and its format."""
_NO_MODEL_CALL: tuple[Kind, Format | None] = ("endpoint", None)


def _read(invocation: Invocation) -> Reading | None:
    """Read a request by its address, or by its task: ``_inner_post(RequestParameters, stream=...)``."""
    given = invocation.args[0] if invocation.args else invocation.kwargs.get("request_parameters")
    url, task = getattr(given, "url", None), getattr(given, "task", None)
    if given is None or not isinstance(url, str) or not isinstance(task, str):
        return None
    end = next((end for end in _BY_PATH if urlsplit(url).path.endswith(end)), "")
    kind, wire_format = _BY_PATH[end][:2] if end else _BY_TASK.get(task, _NO_MODEL_CALL)
    return Reading(
        kind=kind,
        name=_BY_PATH[end][2] if end else task.replace("-", "_"),
        provider=by_host(url if end else f"//{urlsplit(url).hostname}") or "huggingface",
        body=_body(given),
        format=wire_format,
        base_url=url.partition(end)[0] if end else url,
        stream=invocation.kwargs.get("stream") is True,
        secrets=partial(_secrets, given.headers),
    )


def _body(given: Any) -> dict[str, Any]:
    """Return a copy of the JSON that is sent; the model stands in it, or in the address, or is a server's only one."""
    sent, model = given.json, given.model
    body: dict[str, Any] = snapshot(dict(sent)) if isinstance(sent, Mapping) else {}
    if isinstance(model, str) and not model.startswith(("http://", "https://")):
        return {"model": model, **body}
    if body.get("model") in _NO_MODELS:
        del body["model"]
    return body


_NO_MODELS = ("dummy", "tgi")
"""What the SDK names a server's only model, which nobody asked for by a name."""


def _secrets(headers: Any) -> Iterator[str]:
    key = headers.get("authorization") or headers.get("Authorization") if isinstance(headers, Mapping) else None
    if isinstance(key, str):
        yield from (key, key.rpartition(" ")[2])


def _to_json(result: Any) -> Any:
    """Return the JSON of an answer; of a list of one text that text, of a picture or a sound how long it is."""
    if not isinstance(result, bytes):
        return result
    said = attempt(json.loads, result, otherwise=None)
    first = said[0] if isinstance(said, list) and said else None
    if isinstance(first, dict) and any(key.endswith("_text") for key in first):
        return first
    return {"bytes": len(result)} if said is None else said


def _ends(line: Any) -> bool:
    """Tell whether a line is the last of a stream: what follows the answer, or an error."""
    return line.startswith(_ENDS) if isinstance(line, str) else isinstance(line, bytes) and line.startswith(_BYTES)


_ENDS = ("data: [DONE]", 'data: {"error"', 'data:{"error"')
_BYTES = (b"data: [DONE]", b'data: {"error"', b'data:{"error"')


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception says: of httpx, before version 1 of requests or, if asynchronous, of aiohttp."""
    own = getattr(error, "__dict__", {})
    response, asked = own.get("response"), own.get("request_info")
    request = own.get("_request") or getattr(response, "_request", None) or own.get("request")
    status = own.get("status") if response is None else getattr(response, "status_code", None)
    url = getattr(request, "url", None) or getattr(asked, "real_url", None)
    return {
        "http_status": status if isinstance(status, int) else None,
        "request_id": own.get("request_id"),
        "url": None if url is None else str(url),
    }


_CLIENTS = (
    ("huggingface_hub.inference._client", "InferenceClient"),
    ("huggingface_hub.inference._generated._async_client", "AsyncInferenceClient"),
)
_TASKS = (
    "automatic_speech_recognition",
    "chat_completion",
    "feature_extraction",
    "image_to_image",
    "image_to_text",
    "summarization",
    "table_question_answering",
    "text_generation",
    "text_to_image",
    "translation",
)
"""The methods that give an object or a stream, and no list, text or bytes only."""

PROVIDER = Provider(
    name="huggingface_hub",
    distribution="huggingface_hub",
    targets=tuple(Target(module, f"{client}._inner_post", _read) for module, client in _CLIENTS),
    to_json=_to_json,
    failure=_failure,
    ends=_ends,
    hands=tuple(Target(module, f"{client}.{task}") for module, client in _CLIENTS for task in _TASKS),
)
