"""Text generation of Hugging Face: a text with or without details, whole or token by token."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer
from ._draw import Object, counts, cut, flags, ids, record, words

COST = None
COUNTS = {"input_tokens": ["details.input_length"], "output_tokens": ["details.generated_tokens"]}

_parameters = record({}, temperature=st.floats(0, 2), max_new_tokens=st.integers(1, 100), details=flags)
requests = record({"inputs": words}, parameters=_parameters, model=ids, stream=flags)

_reasons = st.sampled_from(["length", "eos_token", "stop_sequence"])
_details = record({"finish_reason": _reasons, "generated_tokens": counts}, input_length=counts, seed=counts)
bodies = record({"generated_text": words}, details=_details)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """A token per chunk, the last of them, which may be special, with the whole."""
    pieces = cut(draw, body["generated_text"])
    said: list[Object] = [{"index": at, "token": {"text": piece, "special": False}} for at, piece in enumerate(pieces)]
    for chunk in said:
        chunk |= {"generated_text": None, "details": None, "top_tokens": []}
    if draw(flags):
        said.append({"index": len(said), "token": {"text": "</s>", "special": True}})
    said[-1] |= body
    return said


def answer(body: Object) -> Answer:
    """The text."""
    return Answer(words=[body["generated_text"]])


def ended(seen: list[Object]) -> bool:
    """The whole text came."""
    return bool(seen) and isinstance(seen[-1].get("generated_text"), str)
