"""Azure AI Inference: Microsoft's SDK for the models of Azure AI Foundry, of Azure OpenAI and of GitHub Models.

A program calls ``complete`` or ``embed``.  What is sent and what comes back passes the policy of azure-core that serves
``raw_request_hook`` and ``raw_response_hook``: there the JSON is seen as bytes, with the status and the headers.  The
bytes of a stream are not seen there; the objects that the SDK makes of its events hold their JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from llm_track.formats import Format, chat_completions, embeddings
from llm_track.providers import Invocation, Kind, Provider, Reading, Target
from llm_track.providers._hosts import by_host
from llm_track.wire import request_id

_Read = Callable[[Invocation], Reading | None]


def _asking(kind: Kind, wire_format: Format | None, name: str) -> _Read:
    def read(invocation: Invocation) -> Reading | None:
        client, given = invocation.instance, invocation.kwargs
        endpoint = str(getattr(getattr(client, "_config", None), "endpoint", ""))
        whole = invocation.args[0] if invocation.args else given.get("body")
        model = given.get("model") or getattr(client, "_model", None) or _deployment(endpoint)
        return Reading(
            kind=kind,
            name=name,
            provider=by_host(endpoint) or "azure",
            body={"model": model} if isinstance(model, str) else {},
            format=wire_format,
            base_url=endpoint,
            stream=True in (given.get("stream"), whole.get("stream") if isinstance(whole, Mapping) else None),
        )

    return read


_DEPLOYMENT = re.compile(r"/deployments/([^/?]+)")


def _deployment(endpoint: str) -> str | None:
    """The model that the address names, as that of a deployment of Azure OpenAI does: then the JSON names none."""
    found = _DEPLOYMENT.search(endpoint)
    return found[1] if found else None


def _note_request(call: Any, invocation: Invocation) -> None:
    """Note what is sent.  A credential may fetch a token amid a call: a request to another host."""
    request, reading = invocation.args[0].http_request, call.reading
    if str(request.url).startswith(reading.base_url):
        call.witnessed = None  # the answer to an earlier attempt is not that of this one
        reading.written = partial(_written, request.content, dict(reading.body))
        reading.secrets = partial(_secrets, request.headers)


def _note_response(call: Any, invocation: Invocation) -> None:
    request, response = invocation.args
    if str(request.http_request.url).startswith(call.reading.base_url):
        call.witnessed = {"response": response.http_response, "context": response.context}


def _written(content: str | bytes, known: Mapping[str, Any]) -> dict[str, Any]:
    return {**known, **json.loads(content)}


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    for name in ("authorization", "api-key"):
        value = headers.get(name) or ""
        yield from (value, value.rpartition(" ")[2]) if value else ()


def _answer(witnessed: Mapping[str, Any]) -> tuple[Any, int | None]:
    """Return the last response, and how many attempts the SDK's retry policy noted before it."""
    return witnessed["response"], len(witnessed["context"].get("history") or ())


def _to_json(result: Any) -> Any:
    """Return the JSON of an answer, or of one event of a stream."""
    dump = getattr(result, "as_dict", None)
    return dump() if callable(dump) else None


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what an ``HttpResponseError`` says; others never had an answer."""
    own = getattr(error, "__dict__", {})
    response, code = own.get("response"), getattr(own.get("error"), "code", None)
    if response is None:
        return {}
    return {
        "http_status": response.status_code,
        "code": code if isinstance(code, str) else None,
        "request_id": request_id(response.headers),
        "url": str(response.request.url),
    }


def _targets(module: str) -> Iterator[Target]:
    chats, texts = _asking("generation", chat_completions, "chat.completions"), "embeddings"
    yield Target(module, "ChatCompletionsClient.complete", chats)
    yield Target(module, "EmbeddingsClient.embed", _asking("embedding", embeddings, texts))
    yield Target(module, "ImageEmbeddingsClient.embed", _asking("embedding", embeddings, f"images.{texts}"))
    for client in ("ChatCompletionsClient", "EmbeddingsClient", "ImageEmbeddingsClient"):
        yield Target(module, f"{client}._get_model_info", _asking("endpoint", None, "info.retrieve"), optional=True)


_POLICIES = "azure.core.pipeline.policies"

PROVIDER = Provider(
    name="azure.ai.inference",
    distribution="azure-ai-inference",
    targets=(
        *_targets("azure.ai.inference"),
        *_targets("azure.ai.inference.aio"),
        Target(_POLICIES, "CustomHookPolicy.on_request", notes=_note_request),
        Target(_POLICIES, "CustomHookPolicy.on_response", notes=_note_response),
    ),
    answer=_answer,
    to_json=_to_json,
    failure=_failure,
)
