"""Bedrock's older languages: Titan, Llama, Mistral, Command and Command R, whole or in chunks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, cut, flags, ids, objects, record, words

COST = None
COUNTS = {
    "input_tokens": ["inputTextTokenCount", "prompt_token_count"],
    "output_tokens": ["generation_token_count"],
}


def _answered(body: Object) -> int | None:
    """Llama counts once, Titan for each of its answers."""
    told = [body.get("generation_token_count"), *(each.get("tokenCount") for each in body.get("results") or ())]
    numbers = [int(each) for each in told if type(each) in (int, float) and each >= 0 and each == each // 1]
    own = [each for each in told[:1] if type(each) in (int, float) and 0 <= each < 10**300 and each == each // 1]
    return int(own[0]) if own else sum(numbers) if numbers else None


DERIVED = {"output_tokens": _answered}

_settings = {"temperature": st.floats(0, 1), "max_tokens": counts}
_turn = record({"role": st.sampled_from(["USER", "CHATBOT", "SYSTEM"]), "message": words})
requests = st.one_of(
    record({"model": ids, "prompt": words}, **_settings),
    record({"model": ids, "inputText": words}, textGenerationConfig=record({"maxTokenCount": counts})),
    record({"model": ids, "message": words}, chat_history=st.lists(_turn, max_size=2), preamble=words),
)

_reason = st.sampled_from(["FINISH", "LENGTH"])
_result = record({"outputText": words, "tokenCount": counts, "completionReason": _reason})
_titan = record({"inputTextTokenCount": counts, "results": st.tuples(_result).map(list)})
_llama = record(
    {
        "generation": words,
        "prompt_token_count": counts,
        "generation_token_count": counts,
        "stop_reason": st.sampled_from(["stop", "length"]),
    }
)
_mistral = record({"outputs": st.tuples(record({"text": words, "stop_reason": st.just("stop")})).map(list)})
_command = record(
    {
        "id": ids,
        "prompt": words,
        "generations": st.tuples(record({"id": ids, "text": words, "finish_reason": st.just("COMPLETE")})).map(list),
    }
)
_call = record({"name": ids, "parameters": objects})
_command_r = record(
    {"response_id": ids, "text": words, "generation_id": ids, "finish_reason": st.just("COMPLETE")},
    tool_calls=st.lists(_call, min_size=1, max_size=2),
)
bodies = st.one_of(_titan, _llama, _mistral, _command, _command_r)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """The pieces of the words; the last chunk has the reason and the counts."""
    if "results" in body:
        return _titan_chunks(draw, body)
    if "generation" in body:
        return _llama_chunks(draw, body)
    if "response_id" in body:
        return _command_r_chunks(draw, body)
    ((name, (answer,)),) = [(key, value) for key, value in body.items() if isinstance(value, list)]
    head = {key: value for key, value in body.items() if key != name}
    reason = next(key for key in ("stop_reason", "finish_reason") if key in answer)
    said = [{**answer, "text": piece, reason: None} for piece in cut(draw, answer["text"])]
    return [{**head, name: [each]} for each in [*said, {**answer, "text": ""}]]


def _titan_chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    (answer,) = body["results"]
    frame: dict[str, Any] = {"index": 0, "totalOutputTextTokenCount": None, "completionReason": None}
    said = [{**frame, "outputText": piece, "inputTextTokenCount": None} for piece in cut(draw, answer["outputText"])]
    last = {"totalOutputTextTokenCount": answer["tokenCount"], "completionReason": answer["completionReason"]}
    return [*said, {**frame, "outputText": "", **last, "inputTextTokenCount": body["inputTextTokenCount"]}]


def _llama_chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    said = [{**body, "generation": piece, "stop_reason": None} for piece in cut(draw, body["generation"])]
    for later in said[1:]:
        later["prompt_token_count"] = None
    return [*({**each, "generation_token_count": None} for each in said), {**body, "generation": ""}]


def _command_r_chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    greeting = [{"event_type": "stream-start", "generation_id": body["generation_id"], "is_finished": False}]
    said = [{"event_type": "text-generation", "text": piece, "is_finished": False} for piece in cut(draw, body["text"])]
    last = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": body, "is_finished": True}
    return [*(greeting if draw(flags) else []), *said, last]


def answer(body: Object) -> Answer:
    """The words under the name that a maker has for them, and calls of functions."""
    lists = [each for key in ("results", "outputs", "generations") for each in body.get(key, ())]
    return Answer(texts([body, *lists], "generation", "outputText", "text"), texts(body.get("tool_calls"), "name"))


def ended(seen: list[Object]) -> bool:
    """The reason for the end came."""
    last = seen[-1] if seen else {}
    answers = [last, *last.get("outputs", ()), *last.get("generations", ())]
    reasons = ("stop_reason", "completionReason", "finish_reason")
    return any(answer.get(reason) for answer in answers for reason in reasons)
