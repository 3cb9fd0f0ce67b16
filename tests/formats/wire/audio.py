"""Speech as OpenAI sends it: the words of a recording, or sound, of which only the length is known."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, ids, record, words
from .responses import COST, COUNTS

__all__ = ["COST", "COUNTS", "answer", "bodies", "chunks", "ended", "requests"]

requests = record({"model": ids, "input": words}, voice=ids, speed=st.floats(0.25, 4)) | record(
    {"model": ids, "file": words}, language=ids, response_format=st.sampled_from(["json", "text"])
)
_usages = record({"type": "tokens", "input_tokens": counts, "output_tokens": counts, "total_tokens": counts})
bodies = record({"text": words}, usage=_usages, duration=st.floats(0, 1000)) | record({"bytes": counts})


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The body is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """The words of a recording."""
    return Answer(words=texts([body], "text"))


def ended(seen: list[Object]) -> bool:
    """The body came."""
    return bool(seen)
