"""Pictures as xAI's gRPC API has them, written as JSON by protobuf; they are asked for by the SDK's arguments."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer
from ._draw import PICTURE, Object, ids, record, words
from .xai_chat import COST, COUNTS, usages

__all__ = ["COST", "COUNTS", "answer", "bodies", "chunks", "ended", "requests"]

_given = st.sampled_from([PICTURE, "https://example.com/a.png"])
requests = record(
    {"model": ids, "prompt": words},
    n=st.integers(1, 4),
    image_url=_given,
    image_urls=st.lists(_given, max_size=2),
    image_file_id=ids,
    aspect_ratio=st.just("16:9"),
    user=ids,
)
_pictures = record({"url": st.just("https://example.com/a.png")}) | record({"base64": st.just(PICTURE)}) | record({})
bodies = record({"images": st.lists(_pictures, max_size=2), "model": ids}, usage=usages)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """The pictures that were made."""
    return Answer(pictures=sum(bool(picture) for picture in body["images"]))


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
