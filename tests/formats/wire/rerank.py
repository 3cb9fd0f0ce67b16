"""Orders of documents as Cohere sends them, and as Voyage does."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer
from ._draw import Object, counts, ids, record, words

COST = None
COUNTS = {
    "input_tokens": ["meta.tokens.input_tokens", "meta.billed_units.input_tokens", "usage.total_tokens"],
    "output_tokens": ["meta.tokens.output_tokens", "meta.billed_units.output_tokens"],
    "total_tokens": ["usage.total_tokens"],
}

_documents = words | record({"text": words}, id=ids)
requests = record({"model": ids, "query": words, "documents": st.lists(_documents, max_size=3)}, top_n=counts)
_result = record({"index": st.integers(0, 9), "relevance_score": st.floats(0, 1)})
_meta = record(
    {"billed_units": record({}, search_units=counts, input_tokens=counts)}, tokens=record({}, input_tokens=counts)
)
_results = st.lists(_result, max_size=3)
_of_voyage = record({"object": "list", "data": _results, "model": ids}, usage=record({"total_tokens": counts}))
bodies = record({"id": ids, "results": _results}, meta=_meta, model=ids) | _of_voyage


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """An order has no words."""
    return Answer()


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
