"""Anthropic, and its clients for Bedrock, Vertex and Foundry."""

from __future__ import annotations

import re

from llm_track.formats import completions, messages
from llm_track.providers import Provider, Target, _stainless

_ENDPOINTS: _stainless.Endpoints = {
    "/v1/messages": ("generation", messages),
    "/v1/complete": ("generation", completions),
}
_NAMES = {
    "/v1/messages": "messages",
    "/v1/complete": "completions",
    "/v1/messages/count_tokens": "messages.count_tokens",
}
_RESULTS = re.compile(r"/messages/batches/([^/]+)/results$")
_read = _stainless.by_path(_ENDPOINTS, _NAMES, "anthropic", batch=_RESULTS)


def _target(client: str, *, optional: bool = False) -> Target:
    return Target("anthropic", f"{client}.request", _read, witness="_process_response", optional=optional)


_BESIDE = ("AnthropicBedrock", "AnthropicBedrockMantle", "AnthropicVertex")
"""Clients that share no ``request`` with `Anthropic`; every other one is a subclass of it."""

PROVIDER = Provider(
    name="anthropic",
    distribution="anthropic",
    targets=(
        _target("Anthropic"),
        _target("AsyncAnthropic"),
        *(_target(prefix + name, optional=True) for name in _BESIDE for prefix in ("", "Async")),
    ),
    answer=_stainless.answer,
    to_json=_stainless.to_json,
    failure=_stainless.failure,
    beside=("httpx",),
    copies=("copy", "with_options"),
    iterator="_iterator",
)
