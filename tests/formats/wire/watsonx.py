"""IBM watsonx: chats as OpenAI's, texts in results, vectors and orders of texts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from . import chat_completions
from ._answer import Answer, texts
from ._draw import Object, counts, cut, ids, objects, record, words

COST = None
COUNTS = {
    "input_tokens": ["input_token_count"],
    "output_tokens": ["generated_token_count"],
}

_place = {"model_id": ids, "project_id": ids}
_parameters = record({}, decoding_method=st.just("greedy"), max_new_tokens=st.integers(1, 100))
_texts = st.lists(words | record({"text": words}), max_size=3)


def _told(field: str) -> Any:
    """What is counted stands in the result, or where there are vectors beside the results."""

    def counted(body: Object) -> int | None:
        told = {**body, **body["results"][0]}.get(field)
        return int(told) if type(told) in (int, float) and told >= 0 and told == told // 1 else None

    return counted


DERIVED = {"input_tokens": _told("input_token_count"), "output_tokens": _told("generated_token_count")}

requests = (
    record({**_place, "input": words}, parameters=_parameters, moderations=objects)
    | record({**_place, "inputs": _texts}, parameters=_parameters)
    | record({**_place, "query": words, "inputs": _texts})
    | st.builds(lambda place, chat: chat | place, record(_place), chat_completions.requests)
)

_frame = {"model_id": ids, "created_at": ids}
_reasons = st.sampled_from(["eos_token", "max_tokens", "stop_sequence"])
_said = record(
    {"generated_text": words, "stop_reason": _reasons},
    generated_token_count=counts,
    input_token_count=counts,
    seed=counts,
)
bodies = record({**_frame, "results": st.lists(_said, min_size=1, max_size=1)}, system=objects)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """A piece of the text per chunk, which is not finished; the prompt is counted in the first of them."""
    (result,) = body["results"]
    asked = {key: result[key] for key in ("input_token_count",) if key in result}
    rest = {key: value for key, value in result.items() if key not in ("generated_text", "input_token_count")}
    pieces = cut(draw, result["generated_text"])
    said: list[Object] = [{"generated_text": piece, "stop_reason": "not_finished"} for piece in pieces]
    for piece in said if asked else ():
        piece["input_token_count"] = 0
    for place, piece in enumerate(said if "generated_token_count" in result else ()):
        piece["generated_token_count"] = place
    said[0] |= asked
    said[-1] |= rest
    return [{**body, "results": [each]} for each in said]


def answer(body: Object) -> Answer:
    """The text of the result."""
    return Answer(words=texts(body["results"], "generated_text"))


def ended(seen: list[Object]) -> bool:
    """A reason to stop came."""
    return bool(seen) and seen[-1]["results"][0]["stop_reason"] != "not_finished"
