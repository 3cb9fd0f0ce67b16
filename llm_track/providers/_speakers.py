"""Providers that speak OpenAI's language by an SDK of their own, which Stainless generates like OpenAI's: what differs
is a name, a client class and who bills."""

from __future__ import annotations

from collections.abc import Mapping

from llm_track.formats import chat_completions, completions, embeddings
from llm_track.providers import Provider, Target, _stainless

_ENDPOINTS: _stainless.Endpoints = {
    "/chat/completions": ("generation", chat_completions),
    "/completions": ("generation", completions),
    "/embeddings": ("embedding", embeddings),
}
_NAMES = {"/chat/completions": "chat.completions", "/completions": "completions", "/embeddings": "embeddings"}


def speaker(
    module: str,
    client: str,
    *,
    distribution: str,
    provider: str,
    endpoints: _stainless.Endpoints = _ENDPOINTS,
    names: Mapping[str, str] = _NAMES,
) -> Provider:
    """Describe such an SDK.

    Args:
        module: the import that triggers the hooks.
        client: its client class; the asynchronous one has ``Async`` before that name.
        distribution: its name in the package index.
        provider: who bills, in PostHog's vocabulary, unless the base URL says otherwise.
        endpoints: the end of a path -> what a POST to it is, and the format of its JSON.
        names: the end of a path -> the name of the endpoint.
    """
    read = _stainless.by_path(endpoints, names, provider)
    return Provider(
        name=module,
        distribution=distribution,
        targets=tuple(
            Target(module, f"{prefix}{client}.request", read, witness="_process_response") for prefix in ("", "Async")
        ),
        answer=_stainless.answer,
        to_json=_stainless.to_json,
        failure=_stainless.failure,
        copies=("copy", "with_options"),
        iterator="_iterator",
    )
