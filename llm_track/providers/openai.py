"""OpenAI and everything that subclasses its client or speaks its API: Azure, and compatible base URLs."""

from __future__ import annotations

from llm_track.formats import chat_completions, completions, embeddings, responses
from llm_track.providers import Invocation, Provider, Reading, Target, _stainless, _usage_request

_ENDPOINTS: _stainless.Endpoints = {
    "/chat/completions": ("generation", chat_completions),
    "/completions": ("generation", completions),
    "/responses": ("generation", responses),
    "/embeddings": ("embedding", embeddings),
}
_NAMES = {
    "/chat/completions": "chat.completions",
    "/completions": "completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/images/generations": "images.generate",
    "/images/edits": "images.edit",
    "/images/variations": "images.create_variation",
    "/responses/input_tokens": "responses.input_tokens.count",
}
_read = _stainless.by_path(_ENDPOINTS, _NAMES, "openai")


def read(invocation: Invocation) -> Reading | None:
    """Read a request; fetching a response by its id may deliver a background run."""
    reading = _read(invocation)
    if reading is None:
        return None
    if reading.name == "responses.retrieve":
        reading.kind, reading.format, reading.recalled = "generation", responses, True
    elif reading.stream and reading.format in (chat_completions, completions):
        _usage_request.ask(reading, invocation)
    return reading


def _target(client: str) -> Target:
    return Target("openai", f"{client}.request", read, witness="_process_response")


PROVIDER = Provider(
    name="openai",
    distribution="openai",
    targets=(_target("OpenAI"), _target("AsyncOpenAI")),
    answer=_stainless.answer,
    to_json=_stainless.to_json,
    failure=_stainless.failure,
    beside=("httpx",),
    copies=("copy", "with_options"),
    iterator="_iterator",
)
