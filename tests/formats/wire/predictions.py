"""Replicate: predictions of any model, and the events of a stream that a prediction has been created for."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer
from ._draw import PICTURE, Object, counts, flags, ids, objects, record, some_words, sprinkled, words

COST = None
COUNTS = {"input_tokens": ["metrics.input_token_count"], "output_tokens": ["metrics.output_token_count"]}

_message = record({"role": st.sampled_from(["user", "assistant"]), "content": words})
_given = (
    record({"prompt": words}, system_prompt=words, temperature=st.floats(0, 2), image=st.just(PICTURE))
    | record({"messages": st.lists(_message, min_size=1, max_size=2)})
    | objects
)
requests = record({"input": _given}, model=ids, version=ids, stream=flags)

_metrics = record({}, input_token_count=counts, output_token_count=counts, predict_time=st.floats(0, 9))
_pieces = st.lists(words | st.just("https://example.com/a.png"), min_size=1, max_size=3)
_created = {"id": ids, "model": ids, "version": ids, "input": _given}
_done = record({**_created, "output": _pieces, "status": st.just("succeeded")}, metrics=_metrics)
_failed = record({**_created, "output": _pieces, "status": st.just("failed"), "error": some_words})
bodies = _done | _failed


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The prediction as it was created, pieces of its output with notes between them, and how it ended."""
    created = {key: value for key, value in body.items() if key not in ("output", "status", "error")}
    said = [{"event": "output", "data": piece} for piece in body["output"]]
    end = {"event": "error", "data": body["error"]} if "error" in body else {"event": "done", "data": "{}"}
    notes = sprinkled(draw, said, {"event": "logs", "data": "50%"})
    return [{**created, "status": "starting", "output": None}, *notes, end]


def answer(body: Object) -> Answer:
    """Pieces of text; those that are addresses of pictures are pictures."""
    plain = [piece for piece in body["output"] if not piece.startswith("https://")]
    return Answer(words=plain, pictures=len(body["output"]) - len(plain))


def ended(seen: list[Object]) -> bool:
    """The event of an end came."""
    return bool(seen) and seen[-1].get("event") in ("done", "error")
