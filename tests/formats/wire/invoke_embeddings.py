"""Bedrock's models that embed: Titan's, which count, and Cohere's, which do not."""

from __future__ import annotations

from hypothesis import strategies as st

from ._draw import PICTURE, Object, counts, ids, record, words

COST = None
COUNTS = {"input_tokens": ["inputTextTokenCount"]}

_titan = record({"model": ids, "inputText": words}, inputImage=st.just("iVBORw0KGgo="), dimensions=counts)
_cohere = record({"model": ids, "input_type": ids}, texts=st.lists(words, max_size=2), images=st.just([PICTURE]))
requests = _titan | _cohere

_vector = st.lists(st.floats(-1, 1), min_size=1, max_size=3)
bodies = record({"embedding": _vector, "inputTextTokenCount": counts}) | record(
    {"id": ids, "embeddings": st.lists(_vector, max_size=2), "response_type": "embeddings_floats"}
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Embeddings are not streamed: the body is the only chunk."""
    return [body]


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
