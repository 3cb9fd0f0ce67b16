"""Cohere's embeddings: texts, pictures and both, and vectors of several types."""

from __future__ import annotations

from hypothesis import strategies as st

from ._draw import PICTURE, Object, counts, ids, record, words

COST = None
COUNTS = {
    "input_tokens": ["meta.billed_units.input_tokens"],
    "image_input_tokens": ["meta.billed_units.image_tokens"],
}

_parts = record({"type": "text", "text": words}) | st.just({"type": "image_url", "image_url": {"url": PICTURE}})
_inputs = st.lists(record({"content": st.lists(_parts, max_size=2)}), max_size=2)
requests = record(
    {"model": ids, "input_type": st.sampled_from(["search_query", "image"])},
    texts=st.lists(words, max_size=3),
    images=st.lists(st.just(PICTURE), max_size=2),
    inputs=_inputs,
    output_dimension=counts,
)

_vectors = st.lists(st.lists(st.floats(-1, 1), max_size=3), max_size=2)
_meta = record({"billed_units": record({}, input_tokens=counts, image_tokens=counts, images=counts)})
bodies = record(
    {"id": ids, "embeddings": _vectors | record({"float": _vectors}, int8=_vectors)},
    texts=st.lists(words, max_size=2),
    meta=_meta,
    response_type=st.sampled_from(["embeddings_floats", "embeddings_by_type"]),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
