"""Who asks through a LiteLLM Proxy: the headers and the body of the client, and the key.

The Proxy adds some fifty entries of its own to the client's ``metadata``, the hash of the key and the client's headers
among them.  What is ours to tell is picked by name; none of that is copied.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from llm_track.snapshot import snapshot

_HEADERS = {
    "x-posthog-distinct-id": "user_id",
    "x-posthog-session-id": "session_id",
    "x-posthog-trace-id": "trace_id",
    "litellm-disable-message-redaction": "speak",
    "litellm-enable-message-redaction": "withhold",
    "x-litellm-enable-message-redaction": "withhold",
}
"""The headers of a client that say something of its event."""
_KEY = {
    "user_api_key_end_user_id": "end_user",
    "user_api_key_user_id": "user",
    "user_api_key_team_id": "team",
    "user_api_key_org_id": "organization",
}
_PLACEHOLDER = "default_user_id"
"""The user of the master key."""
_ADDED = frozenset(
    {
        "accepted_fallbacks", "actor_agent_id", "agent_execution_mode", "agent_id", "api_base", "applied_guardrails",
        "attempted_fallbacks", "attempted_retries", "billing_agent_id", "caching_groups", "caller_tags",
        "deployment", "deployment_model_name", "endpoint", "file_checksum", "file_size_in_mb",
        "global_max_parallel_requests", "headers", "hidden_params", "inherited_tags", "is_silent_experiment",
        "kubernetes_pod_routing", "llm_api_timing_windows", "max_retries", "model_group", "model_group_alias",
        "model_group_size", "model_info", "original_model_group", "previous_models", "queue_time_seconds",
        "raw_request", "request_retry_count", "requester_custom_headers", "requester_ip_address",
        "requester_metadata", "route", "spend_logs_metadata", "standard_logging_object", "target_agent_id",
        "used_client_oauth_token", "user_agent", "user_api_key_auth", "verified_human_user_id",
    }
)  # fmt: skip
"""What LiteLLM, its Router and its Proxy add to the ``metadata`` of a call, the program's own dict."""
_ADDED_PREFIXES = ("_", "user_api_", "litellm_", "requester_")
_PLAIN = (str, int, float, list, dict)


_asked: OrderedDict[tuple[Any, Any], None] = OrderedDict()
"""The latest requests to a Proxy that were read: their id, which a client can choose, and when they arrived."""
_REMEMBERED = 10_000


def remember(given: Mapping[str, Any]) -> None:
    """Note that a request to a Proxy has been read."""
    if isinstance(given.get("proxy_server_request"), dict):
        _asked[_request(given)] = None
        if len(_asked) > _REMEMBERED:
            _asked.popitem(last=False)


def was_asked(given: Mapping[str, Any]) -> bool:
    """Tell whether a request to a Proxy has been read."""
    return _request(given) in _asked


def trace_of(given: Mapping[str, Any]) -> str | None:
    """Return the trace of a request to a Proxy: what a guardrail says of an answer belongs to the call that gave it."""
    call, arrived = _request(given)
    return None if call is None or arrived is None else str(uuid5(NAMESPACE_OID, f"{call} {arrived}"))


def _request(given: Mapping[str, Any]) -> tuple[Any, Any]:
    return given.get("litellm_call_id"), _dict(given.get("proxy_server_request")).get("arrival_time")


def secrets(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield what identifies the key of a client, which the Proxy quotes where it refuses a request."""
    own = _own(given)
    yield from (value for name in _OF_THE_KEY if isinstance(value := own.get(name), str))


_OF_THE_KEY = ("user_api_key", "user_api_key_hash", "user_api_key_alias", "user_api_key_user_email")


def is_added(name: Any) -> bool:
    """Tell whether an entry of ``metadata`` is LiteLLM's own."""
    return not isinstance(name, str) or name in _ADDED or name.startswith(_ADDED_PREFIXES)


def is_proxied(given: Mapping[str, Any]) -> bool:
    """Tell whether a call is one that a Proxy makes for a client."""
    return isinstance(given.get("proxy_server_request"), dict) or "user_api_key_hash" in _own(given)


def beside(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client and its key say beside the request, in the shape of a call of LiteLLM's functions."""
    own, request = _own(given), _dict(given.get("proxy_server_request"))
    headers = {
        _HEADERS[name]: value
        for name, value in _dict(request.get("headers")).items()
        if name in _HEADERS and isinstance(value, str)
    }
    metadata = {
        name: snapshot(value)
        for place in (own, _dict(own.get("requester_metadata")), _dict(given.get("metadata")))
        for name, value in place.items()
        if not is_added(name) and not name.startswith(("$", "posthog_")) and isinstance(value, _PLAIN)
    }
    key = {name: own.get(place) for place, name in _KEY.items()}
    if getattr(sys.modules.get("litellm"), "redact_user_api_key_info", False):
        key = {}
    return {"metadata": _identified(metadata, headers, key, given.get("user"))} | _privacy(headers)


def _identified(
    metadata: dict[str, Any], headers: Mapping[str, str], key: Mapping[str, Any], user: Any
) -> dict[str, Any]:
    """Who asks: the header, the client's ``metadata``, ``user``, the key's end user, the key's user."""
    session = headers.get("session_id")
    key_user = key.get("user") if key.get("user") != _PLACEHOLDER else None
    named = headers.get("user_id") or metadata.get("user_id") or user or key.get("end_user") or key_user
    groups = {kind: key.get(kind) for kind in ("team", "organization") if key.get(kind)}
    if session is not None:
        metadata |= {"session_id": session, "$session_id": session}
        if metadata.get("trace_id") == session:  # LiteLLM takes the session's id for the trace's, too
            del metadata["trace_id"]
    if "trace_id" in headers:
        metadata["trace_id"] = headers["trace_id"]
    metadata.pop("user_id", None)
    return {**metadata, **({"user_id": named} if named else {}), **({"groups": groups} if groups else {})}


def _privacy(headers: Mapping[str, str]) -> dict[str, bool]:
    """LiteLLM strips the header that opens up, unless the key is allowed to send it."""
    if "speak" in headers:
        return {"turn_off_message_logging": False}
    return {"turn_off_message_logging": True} if headers.get("withhold", "").lower() == "true" else {}


def _own(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The dict in which the Proxy keeps its own entries: which one depends on the endpoint."""
    places = (_dict(given.get("litellm_metadata")), _dict(given.get("metadata")))
    return next((place for place in places if _KEY.keys() & place.keys() or "user_api_key_hash" in place), {})


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
