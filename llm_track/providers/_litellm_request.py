"""What a call of LiteLLM says: the request itself, and who asks, in ``metadata`` and in LiteLLM's own arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from llm_track._guard import attempt, say_once
from llm_track.masking import is_secret
from llm_track.policies import METADATA
from llm_track.providers import _litellm_proxy
from llm_track.records import Identity, Labels
from llm_track.snapshot import jsonable, snapshot

_NOT_REQUEST = frozenset(
    {
        "api_base", "api_key", "api_version", "base_url", "callbacks", "client", "default_headers", "deployment_id",
        "extra_headers", "failure_callback", "fallbacks", "headers", "http_client", "litellm_call_id",
        "litellm_logging_obj",
        "litellm_metadata", "max_retries", "metadata", "mock_response", "model_list", "no-log", "num_retries",
        "organization", "original_function", "original_generic_function", "posthog_api_key", "posthog_api_url",
        "posthog_host", "proxy_server_request", "request_timeout", "router_model_id", "secret_fields",
        "additional_drop_params", "allowed_openai_params", "cert_str", "drop_params", "extra_query", "success_callback",
        "timeout", "user",
    }
)  # fmt: skip
"""Arguments that are no part of what a provider is asked, beside those that LiteLLM names itself."""
_OF_PROVIDERS = (
    "_", "aws_", "azure_", "vertex_", "oci_", "watsonx_", "s3_", "gcs_", "github_", "langfuse_", "langsmith_",
    "litellm_",
)  # fmt: skip
"""Beginnings of the names of arguments that are internal or say how to reach a provider, many of them credentials."""
_CALLBACKS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
_ASKED = frozenset({"stream", "stream_options"})
_BESIDE = (
    "metadata", "litellm_metadata", "user", "no-log", "no_log", "turn_off_message_logging", "litellm_trace_id",
    "litellm_session_id", "posthog_api_key", "posthog_api_url", "posthog_host", "tags",
)  # fmt: skip
_CONTROL = frozenset(
    {
        "user_id", "trace_id", "session_id", "parent_run_id", "generation_name", "no-log", "no_log", "groups",
        "posthog_api_key", "posthog_api_url", "posthog_host", "turn_off_message_logging",
    }
)  # fmt: skip
"""Entries of ``metadata`` that say something else than a property of the event."""


def called_for() -> bool:
    """Tell whether the program has put ``"llm_track"`` into one of LiteLLM's lists of callbacks."""
    litellm = sys.modules.get("litellm")
    return any("llm_track" in getattr(litellm, name, ()) for name in _CALLBACKS)


def _warn_of_two() -> None:
    """LiteLLM exchanges the name of its own callback for an object at the first call."""
    litellm = sys.modules.get("litellm")
    set_up = [each for name in _CALLBACKS for each in getattr(litellm, name, ())]
    if any(each == "posthog" or type(each).__name__ == "PostHogLogger" for each in set_up):
        say_once(
            'LiteLLM\'s own "posthog" callback is on beside llm_track: every call is sent to PostHog twice. Remove '
            '"posthog" from litellm.success_callback, litellm.failure_callback and litellm.callbacks.'
        )


def body(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the arguments that are a request, as a provider understands them."""
    return {name: snapshot(value) for name, value in given.items() if value is not None and _is_request(name)}


@lru_cache(maxsize=4096)
def _is_request(name: str) -> bool:
    """Tell whether an argument is part of what a provider is asked; LiteLLM lists those that it takes for itself."""
    types = sys.modules.get("litellm.types.utils")
    own = name in getattr(types, "all_litellm_params", ()) and name not in _ASKED
    return not own and name not in _NOT_REQUEST and not name.startswith(_OF_PROVIDERS)


def beside(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what is said beside the request; LiteLLM adds to the program's own ``metadata`` as it goes."""
    said = {name: snapshot(given[name]) for name in _BESIDE if given.get(name) is not None}
    if _litellm_proxy.is_proxied(given):
        said.pop("litellm_metadata", None)
        said["litellm_trace_id"] = _litellm_proxy.trace_of(given)  # the Proxy's may be the id of the session
        for name in ("litellm_session_id", "posthog_api_key", "posthog_api_url", "posthog_host"):
            said.pop(name, None)  # whose project an event is for, a client has no say in
        silence = _dict(given.get("metadata")), _dict(given.get("litellm_metadata"))
        said |= _litellm_proxy.beside(given)
        said["no-log"] = said.get("no-log") or any(_true(place.get("no-log")) for place in silence)
    said["withheld"] = bool(getattr(sys.modules.get("litellm"), "turn_off_message_logging", False))
    return said


_NOTHING_SAID = Labels()


def silence(given: Mapping[str, Any]) -> Labels:
    """Return what must not leave of a call that LiteLLM makes of itself, where a Router has added to its arguments."""
    if given.get("model_info") is None:
        return _NOTHING_SAID
    places = (given, _dict(given.get("metadata")), _dict(given.get("litellm_metadata")))
    user = None
    if not _litellm_proxy.is_proxied(given):
        user = _text(places[1].get("user_id")) or _text(places[2].get("user_id")) or _text(given.get("user"))
    return Labels(
        identity=Identity(
            user_id=user,
            no_log=any(_true(place.get(name)) for place in places for name in ("no-log", "no_log")),
            content=METADATA if any(_true(place.get("turn_off_message_logging")) for place in places) else None,
        ),
    )


def labels(said: Mapping[str, Any]) -> Labels:
    """Return who asks and what the event is to be called.  Source: LiteLLM's page about PostHog, and its metadata."""
    _warn_of_two()
    metadata = {**_dict(said.get("litellm_metadata")), **_dict(said.get("metadata"))}
    custom = {key: value for key, value in metadata.items() if not _litellm_proxy.is_added(key) and key not in _CONTROL}
    if said.get("tags") is not None:
        custom.setdefault("tags", said["tags"])
    return Labels(
        identity=Identity(
            user_id=_text(metadata.get("user_id")) or _text(said.get("user")),
            session_id=_text(metadata.get("session_id")) or _text(said.get("litellm_session_id")),
            groups=_groups(metadata.get("groups")),
            metadata={key: value for key, value in custom.items() if not is_secret(key, value)},
            no_log=any(_true(place.get(name)) for place in (said, metadata) for name in ("no-log", "no_log")),
            content=METADATA if _withheld(said, metadata) else None,
        ),
        trace_id=_text(metadata.get("trace_id")) or _text(said.get("litellm_trace_id")),
        parent_id=_text(metadata.get("parent_run_id")),
        name=_text(metadata.get("generation_name")),
        project=_project(said, metadata),
    )


def _withheld(said: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether message logging is off: what the call says, else what is set for all calls."""
    for place in (said, metadata):
        if place.get("turn_off_message_logging") is not None:
            return _true(place["turn_off_message_logging"])
    return said.get("withheld") is True


def _project(said: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[str, str | None] | None:
    key, url = (
        next((found for name in names for place in (said, metadata) if (found := _text(place.get(name)))), None)
        for names in (("posthog_api_key",), ("posthog_api_url", "posthog_host"))
    )
    return (key, url) if key is not None else None


def secrets(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the credentials among the arguments, for when an exception quotes them."""
    litellm = sys.modules.get("litellm")
    places = [given, *(given.get(name) for name in ("extra_headers", "headers", "default_headers"))]
    fallbacks = given.get("fallbacks")
    places += fallbacks if isinstance(fallbacks, list) else []
    yield from (key for name in _KEYS_OF_ALL if isinstance(key := getattr(litellm, name, None), str))
    yield from _litellm_proxy.secrets(given)
    for place in places:
        for name, value in place.items() if isinstance(place, Mapping) else ():
            if isinstance(value, str) and isinstance(name, str) and is_secret(name.lower().removeprefix("x-"), value):
                yield value.strip()
                yield value.strip().rpartition(" ")[2]


_KEYS_OF_ALL = ("api_key", "openai_key", "azure_key", "anthropic_key", "cohere_key", "groq_key", "huggingface_key")
"""Where LiteLLM keeps credentials for all calls."""


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    """Ids come as text, numbers, UUIDs or objects of the program's own; each has to stay apart from the others."""
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    found = jsonable(value if isinstance(value, str) else attempt(str, value, otherwise=None))
    return found or None


def _true(value: Any) -> bool:
    return value in (True, 1) if isinstance(value, (bool, int)) else str(value).strip().lower() in _TRUE


_TRUE = ("true", "1", "yes", "on")


def _groups(value: Any) -> dict[str, str]:
    found = {str(kind): _text(key) for kind, key in value.items()} if isinstance(value, Mapping) else {}
    return {kind: key for kind, key in found.items() if key is not None}
