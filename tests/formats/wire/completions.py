"""Legacy text completions as OpenAI, vLLM and Anthropic send them."""

from __future__ import annotations

from hypothesis import strategies as st

from . import chat_completions
from ._answer import Answer, texts
from ._draw import Object, cut, flags, ids, interleaved, record, some_words, sprinkled, words

COST = "usage.cost"
COUNTS = chat_completions.COUNTS

_tokens = st.lists(st.integers(0, 10**5), min_size=1, max_size=3)
requests = record(
    {"model": ids, "prompt": words | st.lists(words, max_size=2) | _tokens | st.lists(_tokens, max_size=2)},
    max_tokens=st.integers(1, 100),
    stream=flags,
    user=ids,
)

_choice = record(
    {"text": words, "finish_reason": st.sampled_from(["stop", "length"])},
    logprobs=st.none() | record({"tokens": st.lists(words, max_size=2), "token_logprobs": st.just([-0.5])}),
)


def _body(fixed: Object, choices: list[Object]) -> Object:
    return fixed | {"choices": [{"index": index, **choice} for index, choice in enumerate(choices)]}


_openai = st.builds(
    _body,
    record(
        {"id": ids, "object": "text_completion", "created": st.integers(1, 2**40), "model": ids},
        usage=chat_completions.usages,
    ),
    st.lists(_choice, min_size=1, max_size=3),
)
_anthropic = record(
    {"type": "completion", "id": ids, "completion": words, "model": ids, "stop": some_words},
    log_id=ids,
    stop_reason=st.sampled_from(["stop_sequence", "max_tokens"]),
).map(lambda body: {"stop_reason": "stop_sequence", **body})
bodies = _openai | _anthropic


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Chunks shaped like the body, each with the next piece of the text."""
    return _openai_chunks(draw, body) if "choices" in body else _anthropic_chunks(draw, body)


def _openai_chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    tracks = [_choice_chunks(draw, choice) for choice in body["choices"]]
    said = [head | {"choices": [choice]} for choice in interleaved(draw, tracks)]
    return said + [head | {"choices": [], "usage": body["usage"]} for _ in range(1) if "usage" in body]


def _choice_chunks(draw: st.DrawFn, choice: Object) -> list[Object]:
    """The log probabilities come as one piece, with any of the texts."""
    silent = {"index": choice["index"], "finish_reason": None} | ({"logprobs": None} if "logprobs" in choice else {})
    said = [silent | {"text": piece} for piece in cut(draw, choice["text"])]
    if "logprobs" in choice:
        said[draw(st.integers(0, len(said) - 1))]["logprobs"] = choice["logprobs"]
    return [*said, silent | {"text": "", "finish_reason": choice["finish_reason"]}]


def _anthropic_chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    said = [body | {"completion": piece, "stop_reason": None, "stop": None} for piece in cut(draw, body["completion"])]
    return sprinkled(draw, [*said, body | {"completion": ""}], {"type": "ping"})


def answer(body: Object) -> Answer:
    """The texts."""
    return Answer(words=texts(body.get("choices", [body]), "text", "completion"))


def ended(seen: list[Object]) -> bool:
    """Every choice that began has said why it finished; Anthropic says so at the top."""
    return any(chunk.get("stop_reason") for chunk in seen) or chat_completions.ended(
        [{"choices": [], **chunk} for chunk in seen]
    )
