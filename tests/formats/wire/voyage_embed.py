"""Voyage's embeddings: texts, texts that belong together, and inputs with parts."""

from __future__ import annotations

from hypothesis import strategies as st

from ._draw import PICTURE, Object, counts, flags, ids, record, words

COST = None
COUNTS = {"input_tokens": ["usage.total_tokens"], "total_tokens": ["usage.total_tokens"]}

_texts = words | st.lists(words, max_size=3)
_parts = st.one_of(
    record({"type": "text", "text": words}),
    st.sampled_from(
        [{"type": "image_base64", "image_base64": PICTURE}, {"type": "video_url", "video_url": "https://x.test"}]
    ),
)
_inputs = st.lists(st.lists(words, max_size=2) | record({"content": st.lists(_parts, max_size=2)}), max_size=3)
_settings = {"input_type": st.none() | ids, "truncation": flags, "encoding_format": st.just("base64")}
requests = record({"model": ids, "input": _texts}, **_settings) | record({"model": ids, "inputs": _inputs}, **_settings)

_vector = record({"object": "embedding", "embedding": ids, "index": st.integers(0, 9)})
_usage = record({"total_tokens": counts}, text_tokens=counts, image_pixels=counts)
bodies = record({"object": "list", "data": st.lists(_vector, max_size=2), "model": ids}, usage=_usage)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
