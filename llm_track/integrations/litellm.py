"""LiteLLM Proxy.  In its ``config.yaml``:

    litellm_settings:
      callbacks: llm_track.integrations.litellm.proxy

The hooks of `autopatch` see every request that reaches a model.  `proxy` is the callback that LiteLLM tells of the
others: refused before a model was asked, or passed on as they came.  It also delivers what is left when the Proxy is
told to stop: the server that runs it ends the process without any exit hook.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import wraps
from time import perf_counter
from typing import Any

from litellm.integrations.custom_logger import CustomLogger  # pyright: ignore[reportMissingImports]  # only here

from llm_track import closing, context, worker
from llm_track._guard import guarded, logger
from llm_track.calls import Call
from llm_track.config import settings
from llm_track.patching import autopatch
from llm_track.providers import Invocation, Reading, litellm
from llm_track.providers._litellm_proxy import is_proxied, was_asked
from llm_track.wrapper import has_seen

_TELL = guarded("record a request of the LiteLLM Proxy")
_SENT = frozenset(
    {
        "documents", "dimensions", "file", "frequency_penalty", "input", "instructions", "litellm_call_id",
        "litellm_metadata",
        "max_completion_tokens", "max_output_tokens", "max_tokens", "messages", "metadata", "model", "n", "no-log",
        "presence_penalty", "prompt", "proxy_server_request", "query", "reasoning_effort", "seed", "stop", "stream",
        "system", "tags", "temperature", "tool_choice", "tools", "top_p", "turn_off_message_logging", "user", "voice",
    }
)  # fmt: skip
"""What a client may have sent: beside it, a request that was refused holds much that the Proxy knows of it."""
_ROUTES = {
    "/embeddings": "embedding",
    "/responses": "responses",
    "/messages": "anthropic_messages",
    "/chat/completions": "completion",
    "/completions": "text_completion",
    "/images/generations": "image_generation",
    "/images/edits": "image_edit",
    "/audio/transcriptions": "transcription",
    "/audio/speech": "speech",
    "/rerank": "rerank",
    "/moderations": "moderation",
}
"""The end of a path -> LiteLLM's function for it."""


class ProxyCallback(CustomLogger):  # type: ignore[misc]  # typed only where LiteLLM is installed
    """Tells of the requests that no function of LiteLLM was called for, and of answers that a guardrail held back."""

    async def async_post_call_failure_hook(
        self, request_data: Any, original_exception: Any, user_api_key_dict: Any, traceback_str: Any = None
    ) -> None:
        """Record a request that was refused before or after a model was asked: a bad key, a guardrail."""
        with _TELL:
            if settings().enabled and isinstance(original_exception, BaseException):
                _refused(dict(request_data), original_exception, user_api_key_dict)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Record a request that the Proxy passed on as it came."""
        with _TELL:
            if settings().enabled and kwargs.get("call_type") == "pass_through_endpoint":
                _passed_through(kwargs, response_obj, start_time)


def _refused(given: dict[str, Any], error: BaseException, key: Any) -> None:
    blocked = was_asked(given)
    if blocked and (has_seen(error) or hasattr(error, "llm_provider")):
        return  # it came out of a call, or out of its stream, which tells of it
    passed = _dict(given.get("passthrough_logging_payload"))
    if passed:
        given = _handed_on(passed, {**given, **_dict(given.get("litellm_params"))})
    if not is_proxied(given):
        given["metadata"] = {**_dict(given.get("metadata")), **_of_key(key)}
    route = str(passed.get("url") or getattr(key, "request_route", None) or "")
    sent = {name: value for name, value in given.items() if name in _SENT}
    if passed or _function_at(route) or sent.keys() & _ASKED:
        started = getattr(given.get("litellm_logging_obj"), "start_time", None)
        reading = _reading(route, sent)
        if blocked:  # a model has answered, which is an event: this is what became of the answer
            reading.kind, reading.format, reading.name = "endpoint", None, "blocked"
        _call(reading, started).fail(error)


_ASKED = frozenset({"model", "messages", "input", "prompt"})
"""What only a request for a model has; others, for keys or for the health of the Proxy, are none of our concern."""


def _handed_on(passed: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client sent in a request that was passed on as it came, with what the Proxy keeps of it."""
    body = _dict(passed.get("request_body"))
    metadata = {**_dict(body.get("metadata")), **_dict(around.get("metadata"))}
    kept = {name: around[name] for name in _AROUND if around.get(name) is not None}
    return {**body, **kept, "metadata": metadata}


_AROUND = ("litellm_logging_obj", "litellm_metadata", "no-log", "proxy_server_request", "turn_off_message_logging")


def _passed_through(kwargs: Mapping[str, Any], response: Any, started: Any) -> None:
    passed = _dict(kwargs.get("passthrough_logging_payload"))
    url = str(passed.get("url") or "")
    reading = _reading(url, _handed_on(passed, _dict(kwargs.get("litellm_params"))))
    reading.base_url = url.partition("?")[0]
    reading.provider = litellm.biller_at(url) or "litellm"
    reading.served = None
    call = _call(reading, started)
    call.finish(_json(_dict(response).get("response")))


def _reading(route: str, given: dict[str, Any]) -> Reading:
    name = _function_at(route) or ("completion" if "messages" in given else route.partition("?")[0].strip("/"))
    return litellm.read(name, (), Invocation(None, (), given))


def _function_at(route: str) -> str | None:
    path = route.partition("?")[0].rstrip("/")
    return next((name for end, name in _ROUTES.items() if path.endswith(end)), None)


def _call(reading: Reading, started: Any) -> Call:
    call = Call(litellm.PROVIDER, reading, context.current(), worker.put)
    if isinstance(started, datetime):
        call.started = perf_counter() - max((datetime.now(started.tzinfo) - started).total_seconds(), 0.0)
    return call


def _of_key(key: Any) -> dict[str, Any]:
    """What the Proxy says of a key where it has not yet put it beside the request."""
    names = {
        "user_id": "user_id",
        "team_id": "team_id",
        "org_id": "org_id",
        "end_user_id": "end_user_id",
        "hash": "api_key",
    }
    return {f"user_api_key_{name}": getattr(key, field, None) for name, field in names.items()}


def _json(text: Any) -> Any:
    try:
        said = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {"text": text}
    return said if isinstance(said, dict) else {"answer": said}


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _deliver_at_shutdown() -> None:
    """Deliver what is left before the Proxy goes on to stop; it looks its own function up at that moment."""
    server = sys.modules.get("litellm.proxy.proxy_server")
    shutdown = getattr(server, "proxy_shutdown_event", None)
    if shutdown is None:
        logger.debug("llm_track found no LiteLLM Proxy to wait for")
        return

    @wraps(shutdown)
    async def deliver_and_shut_down(*args: Any, **kwargs: Any) -> Any:
        await asyncio.to_thread(closing.shutdown)
        return await shutdown(*args, **kwargs)

    server.proxy_shutdown_event = deliver_and_shut_down  # type: ignore[union-attr]  # it has that name: see above


autopatch("litellm")
_deliver_at_shutdown()
proxy = ProxyCallback()
