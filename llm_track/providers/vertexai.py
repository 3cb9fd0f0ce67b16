"""Gemini on Vertex AI through ``vertexai`` of google-cloud-aiplatform, which is Google's SDK before google-genai.

Every method of a model or of a chat asks by one of four methods of the model, once for each question: a chat that calls
functions by itself makes several, and each is a generation.  What is sent is seen where Google's client is called with
it: a message, whether it goes by gRPC or by REST, which becomes JSON in the background as the answer does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llm_track.formats import embed_content, generate_content
from llm_track.providers import Invocation, Provider, Reading, Target, _grpc
from llm_track.snapshot import snapshot
from llm_track.wire.pulled import Pulled

_PROVIDER = "google-vertex"


def _asking(*, stream: bool) -> Callable[[Invocation], Reading | None]:
    def read(invocation: Invocation) -> Reading | None:
        model = getattr(invocation.instance, "_prediction_resource_name", None)
        body = {"model": model} if isinstance(model, str) else {}
        return Reading("generation", "generate_content", _PROVIDER, body, format=generate_content, stream=stream)

    return read


def _embedding(invocation: Invocation) -> Reading | None:
    given = dict(invocation.kwargs)
    texts = invocation.args[0] if invocation.args else given.pop("texts", None)
    instances = [_instance(text) for text in texts] if isinstance(texts, (list, tuple)) else []
    model = getattr(invocation.instance, "_model_id", None)
    body = {"model": model, "instances": instances, "parameters": snapshot(given)}
    return Reading("embedding", "get_embeddings", _PROVIDER, body, format=embed_content)


def _instance(text: Any) -> dict[str, Any]:
    """One text as it is sent: alone, or with what it is for."""
    if isinstance(text, str):
        return {"content": text}
    more = {key: getattr(text, key, None) for key in ("task_type", "title")}
    return {"content": getattr(text, "text", None), **more}


def _note(call: Any, invocation: Invocation) -> None:
    """Note where a request of Google's client goes, and what it is."""
    client, request = invocation.instance, invocation.kwargs.get("request")
    host = getattr(client, "api_endpoint", None)
    if isinstance(host, str):
        call.reading.base_url = host if "://" in host else f"https://{host}"
    if request is not None:
        call.reading.written = partial(_json, request)
    call.reading.secrets = partial(_secrets, weakref.ref(client))


def _secrets(client: weakref.ref[Any]) -> Iterator[str]:
    transport = getattr(client(), "transport", None)
    token = getattr(getattr(transport, "_credentials", None), "token", None)
    if isinstance(token, str) and token:
        yield token


def _json(message: Any) -> dict[str, Any]:
    """Return the JSON of a message of proto-plus, with the names that the API has for its fields in JSON."""
    return _grpc.to_json(type(message).pb(message), names_of_proto=False)


def _note_chunk(call: Any, invocation: Invocation) -> None:
    """Keep a copy of a chunk: a chat adds the later ones to the first, which the program has."""
    if call.pulled is not None:
        chunk = invocation.args[0] if invocation.args else invocation.kwargs["response"]
        call.pulled.about = call.pulled.about or []
        call.pulled.about.append(_grpc.copied(type(chunk).pb(chunk)))


def _chunks(pulled: Pulled) -> list[Any]:
    return pulled.about or []


def _to_json(result: Any) -> Any:
    """Return the JSON of an answer, of a chunk of one, or of the counts of a list of vectors."""
    if isinstance(result, list):
        return {"predictions": [{"embeddings": {"statistics": _statistics(vector)}} for vector in result]}
    if hasattr(result, "DESCRIPTOR"):
        return _grpc.to_json(result, names_of_proto=False)
    message = getattr(result, "_raw_response", None)
    return None if message is None else _json(message)


def _statistics(vector: Any) -> dict[str, Any]:
    return {"token_count": getattr(getattr(vector, "statistics", None), "token_count", None)}


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception of Google's client says: it holds the error of gRPC, or the response of REST."""
    answered = getattr(error, "response", None)
    if said := _grpc.failure(answered):
        return said
    status = getattr(answered, "status_code", None)
    name = getattr(getattr(error, "grpc_status_code", None), "name", None)
    return {
        "http_status": status if isinstance(status, int) else None,
        "code": name,
        "url": getattr(answered, "url", None),
    }


_MODELS, _VECTORS = "vertexai.generative_models._generative_models", "vertexai.language_models._language_models"
_CLIENTS = tuple(f"google.cloud.aiplatform_{version}.services.prediction_service" for version in ("v1", "v1beta1"))


def _targets() -> Iterator[Target]:
    for suffix in ("", "_async"):
        yield Target(_MODELS, f"_GenerativeModel._generate_content{suffix}", _asking(stream=False))
        yield Target(_MODELS, f"_GenerativeModel._generate_content_streaming{suffix}", _asking(stream=True))
        yield Target(_VECTORS, f"_TextEmbeddingModel.get_embeddings{suffix}", _embedding, optional=True)
    yield Target(_MODELS, "_GenerativeModel._parse_response", notes=_note_chunk)
    for home in _CLIENTS:
        for client in ("PredictionServiceClient", "PredictionServiceAsyncClient"):
            for method in ("generate_content", "stream_generate_content", "predict"):
                yield Target(home, f"{client}.{method}", notes=_note)


PROVIDER = Provider(
    name="vertexai",
    distribution="google-cloud-aiplatform",
    targets=tuple(_targets()),
    to_json=_to_json,
    failure=_failure,
    chunks=_chunks,
    asks_when_read=True,
)
