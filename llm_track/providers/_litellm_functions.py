"""LiteLLM's functions: what each of them is, and what its arguments and answers mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType, FunctionType, ModuleType

from llm_track.formats import (
    Format,
    audio,
    chat_completions,
    completions,
    embeddings,
    generate_content,
    images,
    messages,
    rerank,
    responses,
)
from llm_track.providers import Kind

MODEL_CALLS: dict[str, tuple[Kind, Format | None, tuple[str, ...]]] = {
    "completion": ("generation", chat_completions, ("model", "messages")),
    "completion_with_retries": ("generation", chat_completions, ("model", "messages")),
    "text_completion": ("generation", completions, ("prompt", "model")),
    "responses": ("generation", responses, ("input", "model")),
    "responses_with_retries": ("generation", responses, ("input", "model")),
    "compact_responses": ("generation", responses, ("input", "model")),
    "anthropic_messages": ("generation", messages, ("max_tokens", "messages", "model")),
    "generate_content": ("generation", generate_content, ("model", "contents", "config")),
    "generate_content_stream": ("generation", generate_content, ("model", "contents", "config")),
    "embedding": ("embedding", embeddings, ("model", "input")),
    "image_generation": ("generation", images, ("prompt", "model")),
    "image_edit": ("generation", images, ("image", "prompt", "model")),
    "image_variation": ("generation", images, ("image", "model")),
    "transcription": ("generation", audio, ("model", "file")),
    "speech": ("generation", audio, ("model", "input", "voice")),
    "rerank": ("generation", rerank, ("model", "query", "documents")),
    "moderation": ("endpoint", None, ("input", "model")),
    "get_responses": ("generation", responses, ("response_id",)),
}
"""Function -> what it is, what its arguments and answers mean, and the names of its first arguments."""
RECALLING = frozenset({"get_responses"})
"""Functions that fetch an answer that another call asked for."""
FETCHING = frozenset({"file_content", "afile_content"})
"""Functions that fetch a file."""
ROUTED = {
    "completion": ("model", "messages"),
    "text_completion": ("model", "prompt"),
    "embedding": ("model", "input"),
    "image_generation": ("prompt", "model"),
    "transcription": ("file", "model"),
    "speech": ("model", "input", "voice"),
    "rerank": ("model",),
}
"""Methods of a Router, in the order in which they name their first arguments."""
ASYNC = {
    **{f"a{name}": name for name in MODEL_CALLS},
    "anthropic_messages": "anthropic_messages",
}
_ASSISTANTS = (
    "create_assistants", "get_assistants", "delete_assistant", "create_thread", "get_thread", "add_message",
    "get_messages", "run_thread", "run_thread_stream",
)  # fmt: skip


def named(name: str) -> str | None:
    """Return the function that a name stands for: ``_acompletion`` -> ``completion``; ``None`` for no model call."""
    name = name.lstrip("_")
    return name if name in MODEL_CALLS else ASYNC.get(name)


def is_accounting() -> bool:
    """Tell whether LiteLLM itself makes the call that is being read, to learn what a batch that was looked at cost."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != "litellm.batches.batch_utils":
        frame = frame.f_back
    return frame is not None


def others(litellm: ModuleType) -> Iterator[str]:
    """Yield the names of the functions that make requests of other kinds: files, batches, vector stores and so on.

    LiteLLM puts one decorator around every function that makes a request; those of its assistants are the exception.
    """
    for name, function in list(vars(litellm).items()):
        if not isinstance(function, FunctionType) or name.startswith("_") or named(name):
            continue
        file = function.__code__.co_filename.replace("\\", "/")
        is_decorated = hasattr(function, "__wrapped__") and file.endswith("litellm/utils.py")
        if is_decorated or name in _ASSISTANTS or name.removeprefix("a") in _ASSISTANTS:
            yield name
