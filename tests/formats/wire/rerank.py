"""Orders of documents as Cohere sends them."""

from __future__ import annotations

from hypothesis import strategies as st

from ._draw import Object, counts, ids, record, words

COST = None
COUNTS = {
    "input_tokens": ["meta.tokens.input_tokens", "meta.billed_units.input_tokens"],
    "output_tokens": ["meta.tokens.output_tokens", "meta.billed_units.output_tokens"],
}

_documents = words | record({"text": words}, id=ids)
requests = record({"model": ids, "query": words, "documents": st.lists(_documents, max_size=3)}, top_n=counts)
_result = record({"index": st.integers(0, 9), "relevance_score": st.floats(0, 1)})
_meta = record(
    {"billed_units": record({}, search_units=counts, input_tokens=counts)}, tokens=record({}, input_tokens=counts)
)
bodies = record({"id": ids, "results": st.lists(_result, max_size=3)}, meta=_meta, model=ids)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
