"""Embeddings as OpenAI sends them: vectors of floats, or as base64."""

from __future__ import annotations

from hypothesis import strategies as st

from ._draw import Object, counts, flags, ids, record, words

COST = "usage.cost"
COUNTS = {"input_tokens": ["usage.prompt_tokens"], "total_tokens": ["usage.total_tokens"]}

_tokens = st.lists(st.integers(0, 10**5), min_size=1, max_size=3)
requests = record(
    {"model": ids, "input": words | st.lists(words, max_size=3) | _tokens | st.lists(_tokens, max_size=2)},
    encoding_format=st.sampled_from(["float", "base64"]),
    dimensions=st.integers(1, 4096),
    user=ids,
    stream=flags,
)
_vector = st.lists(st.floats(-1, 1), min_size=1, max_size=3) | st.just("AACAPw==")
usages = record({"prompt_tokens": counts, "total_tokens": counts})
_entries = st.lists(_vector, max_size=2).map(
    lambda vectors: [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
)
bodies = record(
    {
        "object": "list",
        "data": _entries,
        "model": ids,
        "usage": usages,
    },
    id=ids,
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Embeddings are not streamed: the body is the only chunk."""
    return [body]


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
