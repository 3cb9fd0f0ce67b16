"""Pictures as OpenAI sends them: by address, or as base64."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, ids, record, words
from .responses import COST, COUNTS

__all__ = ["COST", "COUNTS", "answer", "bodies", "chunks", "ended", "requests"]

requests = record(
    {"model": ids, "prompt": words},
    n=st.integers(1, 4),
    size=st.sampled_from(["1024x1024", "auto"]),
    image=words | st.lists(words, max_size=2),
    user=ids,
)
_pictures = record({"url": st.just("https://example.com/a.png")}) | record(
    {"b64_json": st.just("iVBORw0KGgo=")}, revised_prompt=words
)
bodies = record(
    {"created": counts, "data": st.lists(_pictures, max_size=2)},
    usage=record({"input_tokens": counts, "output_tokens": counts, "total_tokens": counts}),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """The pictures, and the prompts as they were rewritten."""
    return Answer(words=texts(body["data"], "revised_prompt"), pictures=len(body["data"]))


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
