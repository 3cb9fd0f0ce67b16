"""Gemini's embeddings: contents and vectors, of the developer API and of Vertex."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._draw import Object, counts, flags, ids, record, words

COST = None
COUNTS = {
    "input_tokens": ["usageMetadata.promptTokenCount"],
    "total_tokens": ["usageMetadata.totalTokenCount"],
}

_content = words | record({"parts": st.lists(record({"text": words}), max_size=2)}, role=ids)
_request = record({"content": _content}, model=ids, taskType=ids, outputDimensionality=counts)
_batch = record({"requests": st.lists(_request, max_size=3)}, model=ids)
_instances = st.lists(record({"content": words}, task_type=ids), max_size=3)
requests = _request | _batch | record({"instances": _instances}, model=ids, parameters=record({"autoTruncate": flags}))

_vectors = st.lists(st.floats(-1, 1), max_size=3)
_prediction = record({"embeddings": record({"values": _vectors}, statistics=record({"truncated": flags}))})
_usages = record({}, promptTokenCount=counts, totalTokenCount=counts)
bodies = st.one_of(
    record({"embeddings": st.lists(record({"values": _vectors}), max_size=2)}, usageMetadata=_usages),
    record({"embedding": record({"values": _vectors})}),
    record({"predictions": st.lists(_prediction, max_size=2)}),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Nothing streams: the body is the only chunk."""
    return [body]


def ended(seen: list[Any]) -> bool:
    """The body came."""
    return bool(seen)
