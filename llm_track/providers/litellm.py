"""LiteLLM: its functions, and the two methods of its Router that every routed call passes.

LiteLLM asks models through other SDKs or over HTTP by itself, retries and falls back; whatever it does for one call of
these functions is one call.  Its answers have the shapes of OpenAI's API, whoever was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from llm_track.formats import (
    Format,
    audio,
    chat_completions,
    completions,
    embeddings,
    images,
    messages,
    rerank,
    responses,
)
from llm_track.providers import (
    Invocation,
    Kind,
    Provider,
    Reading,
    Target,
    _litellm_answer,
    _litellm_proxy,
    _litellm_request,
)
from llm_track.providers._hosts import by_host
from llm_track.providers._stainless import failure as openai_failure

_FUNCTIONS: dict[str, tuple[Kind, Format | None, tuple[str, ...]]] = {
    "completion": ("generation", chat_completions, ("model", "messages")),
    "completion_with_retries": ("generation", chat_completions, ("model", "messages")),
    "text_completion": ("generation", completions, ("prompt", "model")),
    "responses": ("generation", responses, ("input", "model")),
    "responses_with_retries": ("generation", responses, ("input", "model")),
    "anthropic_messages": ("generation", messages, ("max_tokens", "messages", "model")),
    "embedding": ("embedding", embeddings, ("model", "input")),
    "image_generation": ("generation", images, ("prompt", "model")),
    "image_edit": ("generation", images, ("image", "prompt", "model")),
    "image_variation": ("generation", images, ("image", "model")),
    "transcription": ("generation", audio, ("model", "file")),
    "speech": ("generation", audio, ("model", "input", "voice")),
    "rerank": ("generation", rerank, ("model", "query", "documents")),
    "moderation": ("endpoint", None, ("input", "model")),
}
"""Function -> what it is, what its arguments and answers mean, and the names of its first arguments."""
_ROUTED = {
    "completion": ("model", "messages"),
    "text_completion": ("model", "prompt"),
    "embedding": ("model", "input"),
    "image_generation": ("prompt", "model"),
    "transcription": ("file", "model"),
    "speech": ("model", "input", "voice"),
    "rerank": ("model",),
}
"""Methods of a Router, in the order in which they name their first arguments."""
_ASYNC = {
    **{f"a{name}": name for name in _FUNCTIONS if not name.startswith("anthropic")},
    "anthropic_messages": "anthropic_messages",
}


def read(name: str, positional: tuple[str, ...], invocation: Invocation) -> Reading:
    """Read a call of one of LiteLLM's functions, or of a Router's method of the same name."""
    kind, wire_format, _ = _FUNCTIONS[name]
    _litellm_proxy.remember(invocation.kwargs.get("litellm_call_id"))
    given = {**dict(zip(positional, invocation.args, strict=False)), **invocation.kwargs}
    body = _litellm_request.body(given)
    return Reading(
        kind=kind,
        name=name,
        provider="litellm",
        body=body,
        format=wire_format,
        base_url=given.get("api_base") or given.get("base_url"),
        stream=given.get("stream") is True,
        labels=partial(_litellm_request.labels, _litellm_request.beside(given)),
        secrets=partial(_litellm_request.secrets, given),
        served=partial(_litellm_answer.served, name, *_known(given)),
    )


def biller_at(url: str) -> str | None:
    """Return who bills for requests to an address, or ``None`` if nobody knows."""
    return by_host(url)


def _known(given: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return given.get("model"), given.get("custom_llm_provider"), given.get("litellm_logging_obj")


def _read_inner(name: str, positional: tuple[str, ...], invocation: Invocation) -> Reading:
    """Read a call that LiteLLM makes of itself: only which model it asks, and what that gave, is told."""
    model = invocation.kwargs.get("model") or dict(zip(positional, invocation.args, strict=False)).get("model")
    return Reading(
        kind=_FUNCTIONS[name][0],
        name=name,
        provider="litellm",
        body={"model": model},
        stream=invocation.kwargs.get("stream") is True,
        served=partial(_litellm_answer.served, name, model, *_known(invocation.kwargs)[1:]),
    )


def _read_routed(invocation: Invocation) -> Reading | None:
    """Read a call of a Router, which says which of its methods was called by the function that it is to route."""
    for asked in ("original_generic_function", "original_function"):
        if name := _function_named(getattr(invocation.kwargs.get(asked), "__name__", "")):
            return read(name, (), Invocation(invocation.instance, (), invocation.kwargs))
    return None


def _read_planned(invocation: Invocation) -> Reading | None:
    """Read a call of a Router whose core is not Python: it says by a plan which of its methods was called."""
    plan, request = invocation.args[:2]
    name = _function_named(getattr(plan, "endpoint", ""))
    return read(name, (), Invocation(invocation.instance, (), request)) if name else None


def _function_named(name: str) -> str | None:
    """Return the function that an internal name stands for: ``_acompletion`` -> ``completion``."""
    name = name.lstrip("_")
    return name if name in _FUNCTIONS else _ASYNC.get(name)


def _target(module: str, path: str, name: str, positional: tuple[str, ...]) -> Target:
    return Target(
        module,
        path,
        partial(read, name, positional),
        read_inner=partial(_read_inner, name, positional),
        optional=True,
        in_place=True,
    )


_ROUTERS = (
    ("litellm", "Router"),  # until 1.108
    ("litellm.router_python_core", "PythonCore"),  # 1.109
    ("litellm.router_rust.core", "RustCore"),  # from 1.110 on
)
"""Where the methods of a Router have been at home."""


def _targets() -> Iterator[Target]:
    for path, name in [(name, name) for name in _FUNCTIONS] + list(_ASYNC.items()):
        for place in ("", "main.", "responses.main."):
            yield _target("litellm", f"{place}{path}", name, _FUNCTIONS[name][2])
    for module, router in _ROUTERS:
        for name, positional in _ROUTED.items():
            yield _target(module, f"{router}.{name}", name, positional)
            yield _target(module, f"{router}.a{name}", name, positional)
        for path, read_call in _ROUTED_BY_NAME:
            yield Target(module, f"{router}.{path}", read_call, optional=True, in_place=True)


_ROUTED_BY_NAME = (
    ("function_with_fallbacks", _read_routed),
    ("async_function_with_fallbacks", _read_routed),
    ("_call_sync", _read_planned),
    ("_drive", _read_planned),
)
"""Methods of a Router that all its calls pass, those of endpoints that have no method of their own included."""


def _no_response(witnessed: Any) -> Any:
    raise NotImplementedError("LiteLLM shows nobody its HTTP responses")


def failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception says; LiteLLM makes up the request in it, and a status where there was no answer."""
    said = openai_failure(error)
    said.pop("url", None)
    if type(error).__name__ in ("APIConnectionError", "Timeout"):
        said.pop("http_status", None)
    return said


PROVIDER = Provider(
    name="litellm",
    distribution="litellm",
    targets=tuple(_targets()),
    answer=_no_response,
    to_json=_litellm_answer.to_json,
    failure=failure,
    layers=True,
    called_for=_litellm_request.called_for,
    about=_litellm_answer.about,
    chunks=_litellm_answer.chunks,
)
