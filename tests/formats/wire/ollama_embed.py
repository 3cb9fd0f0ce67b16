"""Ollama's embeddings, of both kinds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._draw import Object, counts, flags, ids, objects, record, words

COST = None
COUNTS = {"input_tokens": ["prompt_eval_count"]}

_vector = st.lists(st.floats(-1, 1), max_size=3)
requests = record(
    {"model": ids, "input": words | st.lists(words, max_size=2)}, options=objects, truncate=flags
) | record({"model": ids, "prompt": words}, options=objects)
bodies = record({"model": ids, "embeddings": st.lists(_vector, max_size=2)}, prompt_eval_count=counts) | record(
    {"embedding": _vector}
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Nothing streams: the body is the only chunk."""
    return [body]


def ended(seen: list[Any]) -> bool:
    """The body came."""
    return bool(seen)
