"""LiteLLM: its functions, and the two methods of its Router that every routed call passes.

LiteLLM asks models through other SDKs or over HTTP by itself, retries and falls back; whatever it does for one call of
these functions is one call.  Its answers have the shapes of OpenAI's API, whoever was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from llm_track.providers import (
    Invocation,
    Provider,
    Reading,
    Target,
    _litellm_answer,
    _litellm_functions,
    _litellm_http,
    _litellm_proxy,
    _litellm_request,
    _litellm_served,
)
from llm_track.providers._hosts import by_host
from llm_track.providers._litellm_functions import ASYNC, FETCHING, MODEL_CALLS, RECALLING, ROUTED
from llm_track.providers._stainless import failure as openai_failure
from llm_track.records import Identity, Labels


def read(name: str, positional: tuple[str, ...], invocation: Invocation) -> Reading:
    """Read a call of one of LiteLLM's functions, or of a Router's method of the same name."""
    kind, wire_format, _ = MODEL_CALLS.get(name, ("endpoint", None, ()))
    _litellm_proxy.remember(invocation.kwargs)
    given = {**dict(zip(positional, invocation.args, strict=False)), **invocation.kwargs}
    fetches = name in FETCHING
    labels = partial(_litellm_request.labels, _litellm_request.beside(given))
    return Reading(
        kind=kind,
        name=name,
        provider="litellm",
        body=_litellm_request.body(_as_google_has_it(given) if "contents" in given else given),
        format=wire_format,
        base_url=given.get("api_base") or given.get("base_url"),
        stream=given.get("stream") is True or name.endswith("_stream"),
        recalled=name in RECALLING,
        batch=_file(given) if fetches else None,
        labels=_silent if fetches and _litellm_functions.is_accounting() else labels,
        secrets=partial(_litellm_request.secrets, given),
        served=partial(_litellm_served.served, _litellm_served.Asked.of(name, given)),
    )


def _silent() -> Labels:
    """What LiteLLM does for itself is nobody's call: it does not know whether the program wants silence."""
    return Labels(identity=Identity(no_log=True))


def _file(given: dict[str, Any]) -> str | None:
    """The file that is fetched, which may hold the results of a batch."""
    file = given.get("file_id")
    return file if isinstance(file, str) else None


def _as_google_has_it(given: dict[str, Any]) -> dict[str, Any]:
    """Google's SDK calls ``config`` what its API calls ``generationConfig``, with system and tools beside it."""
    config = given.get("config")
    settings = dict(config) if isinstance(config, Mapping) else {}
    beside = {name: settings.pop(name) for name in _BESIDE_CONFIG if name in settings}
    rest = {name: value for name, value in given.items() if name != "config"}
    return {**beside, **({"generationConfig": settings} if settings else {}), **rest}


_BESIDE_CONFIG = ("system_instruction", "systemInstruction", "tools", "tool_config", "safety_settings")


def biller_at(url: str) -> str | None:
    """Return who bills for requests to an address, or ``None`` if nobody knows."""
    return by_host(url)


def _read_inner(name: str, positional: tuple[str, ...], invocation: Invocation) -> Reading:
    """Read a call that LiteLLM makes of itself: which model it asks, what that gave, and what must not leave."""
    given = {**dict(zip(positional, invocation.args, strict=False)), **invocation.kwargs}
    silence = _litellm_request.silence(given)
    return Reading(
        kind=MODEL_CALLS.get(name, ("endpoint",))[0],
        name=name,
        provider="litellm",
        body={"model": given.get("model")},
        stream=given.get("stream") is True,
        labels=lambda: silence,
        secrets=partial(_litellm_request.secrets, given),
        served=partial(_litellm_served.served, _litellm_served.Asked.of(name, given)),
    )


def _read_routed(invocation: Invocation) -> Reading | None:
    """Read a call of a Router, which says which of its methods was called by the function that it is to route."""
    for asked in ("original_generic_function", "original_function"):
        if name := _litellm_functions.named(getattr(invocation.kwargs.get(asked), "__name__", "")):
            return read(name, (), Invocation(invocation.instance, (), invocation.kwargs))
    return None


def _read_planned(invocation: Invocation) -> Reading | None:
    """Read a call of a Router whose core is not Python: it says by a plan which of its methods was called."""
    plan, request = invocation.args[:2]
    name = _litellm_functions.named(getattr(plan, "endpoint", ""))
    return read(name, (), Invocation(invocation.instance, (), request)) if name else None


def _target(module: str, path: str, name: str, positional: tuple[str, ...]) -> Target:
    return Target(
        module,
        path,
        partial(read, name, positional),
        read_inner=partial(_read_inner, name, positional),
        optional=path not in ("completion", "acompletion"),
        in_place=True,
    )


_ROUTERS = (
    ("litellm", "Router"),  # until 1.108
    ("litellm.router_python_core", "PythonCore"),  # 1.109
    ("litellm.router_rust.core", "RustCore"),  # from 1.110 on
)
"""Where the methods of a Router have been at home."""


def _targets() -> Iterator[Target]:
    for path, name in [(name, name) for name in MODEL_CALLS] + list(ASYNC.items()):
        for place in ("", "main.", "responses.main.", "google_genai.main."):
            yield _target("litellm", f"{place}{path}", name, MODEL_CALLS[name][2])
    yield from _litellm_http.TARGETS
    for module, router in _ROUTERS:
        for name, positional in ROUTED.items():
            yield _target(module, f"{router}.{name}", name, positional)
            yield _target(module, f"{router}.a{name}", name, positional)
        for path, read_call in _ROUTED_BY_NAME:
            yield Target(module, f"{router}.{path}", read_call, optional=True, in_place=True)


def _others(litellm: ModuleType) -> Iterator[Target]:
    for name in _litellm_functions.others(litellm):
        code = getattr(vars(litellm)[name], "__wrapped__", vars(litellm)[name]).__code__
        yield _target("litellm", name, name, code.co_varnames[: code.co_argcount])


_ROUTED_BY_NAME = (
    ("function_with_fallbacks", _read_routed),
    ("async_function_with_fallbacks", _read_routed),
    ("_call_sync", _read_planned),
    ("_drive", _read_planned),
)
"""Methods of a Router that all its calls pass, those of endpoints that have no method of their own included."""


def _held(router: Any) -> Any:
    """The Router that the program holds: from 1.109 on it hands every call to a core."""
    owner = getattr(router, "__dict__", {}).get("_core_owner")
    return router if owner is None else owner()


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
    to_json=_litellm_answer.to_json,
    failure=failure,
    layers=True,
    others=_others,
    aside=("litellm.litellm_core_utils.litellm_logging", "litellm.integrations.", "litellm.proxy.utils"),
    called_for=_litellm_request.called_for,
    beneath=("openai", "anthropic"),
    held=_held,
    about=_litellm_answer.about,
    chunks=_litellm_answer.chunks,
)
