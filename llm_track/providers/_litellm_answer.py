"""What LiteLLM gives back: JSON in OpenAI's shapes, whole or in chunks.

Runs on the worker, after LiteLLM is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_track.wire.pulled import Pulled


def to_json(result: Any) -> Any:
    """Return the JSON of a result or a chunk; of a binary answer its type and size."""
    dump: Callable[..., dict[str, Any]] | None = getattr(result, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(result, Mapping):
        return dict(result)
    content = getattr(result, "content", None)
    return {"bytes": len(content)} if isinstance(content, bytes) else None


def about(stream: Any) -> dict[str, Any]:
    """Keep what a stream object keeps of its chunks and of who serves it, without the object."""
    return {
        "chunks": getattr(stream, "chunks", None),
        "hidden": hidden_in(stream),
        "cached": getattr(stream, "custom_llm_provider", None) == "cached_response",
    }


def chunks(pulled: Pulled) -> list[Any]:
    """Return the chunks as LiteLLM keeps them: it takes the usage off those that it hands out."""
    kept, pieces = kept_chunks(pulled), pulled.pieces
    if not kept or isinstance(pieces[0] if pieces else None, (bytes, str)):
        return pieces
    if pieces and type(pieces[0]) is not type(kept[0]):  # text completions are made of chat completions
        return [*pieces, *({"usage": usage} for usage in map(_usage, map(to_json, kept)) if usage)]
    return [*kept, *map(_stop, pieces[-2:])]


def kept_chunks(pulled: Pulled) -> list[Any]:
    """Return the chunks that LiteLLM kept of a stream."""
    kept = pulled.about.get("chunks") if isinstance(pulled.about, Mapping) else None
    return list(kept) if isinstance(kept, list) else []


def _usage(chunk: Any) -> Any:
    return chunk.get("usage") if isinstance(chunk, Mapping) else None


def _stop(piece: Any) -> dict[str, Any]:
    """LiteLLM ends a stream with chunks of its own: their stop reason is true, their usage may be an estimate."""
    choices = fields_of(to_json(piece)).get("choices")
    return {
        "choices": [
            {"index": choice.get("index", 0), "delta": {}, "finish_reason": choice["finish_reason"]}
            for choice in (choices if isinstance(choices, list) else ())
            if isinstance(choice, Mapping) and choice.get("finish_reason")
        ]
    }


def hidden_in(result: Any) -> Mapping[str, Any]:
    """Return what LiteLLM hides in an answer: who served it, and for how much."""
    return fields_of(getattr(result, "_hidden_params", None))


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return a mapping, or the fields of a model as one; of anything else nothing."""
    if isinstance(value, Mapping):
        return value
    return vars(value) if hasattr(value, "__dict__") and hasattr(type(value), "model_dump") else {}
