"""Chat Completions as OpenAI, Azure, Mistral, Gemini, Groq, DeepSeek and OpenRouter send them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, together
from ._draw import PICTURE, Object, counts, cut, flags, ids, interleaved, objects, record, some_words, words

COST = "usage.cost"
COUNTS = {
    "input_tokens": ["usage.prompt_tokens"],
    "output_tokens": ["usage.completion_tokens"],
    "total_tokens": ["usage.total_tokens"],
    "cache_read_tokens": ["usage.prompt_tokens_details.cached_tokens", "usage.prompt_cache_hit_tokens"],
    "cache_write_tokens": ["usage.prompt_tokens_details.cache_write_tokens"],
    "reasoning_tokens": ["usage.completion_tokens_details.reasoning_tokens"],
    "audio_input_tokens": ["usage.prompt_tokens_details.audio_tokens"],
    "audio_output_tokens": ["usage.completion_tokens_details.audio_tokens"],
    "image_input_tokens": ["usage.prompt_tokens_details.image_tokens"],
    "image_output_tokens": ["usage.completion_tokens_details.image_tokens"],
}

_function_calls = record(
    {"id": ids, "type": "function", "function": record({"name": ids, "arguments": st.just("{}") | words})}
)
_custom_calls = record({"id": ids, "type": "custom", "custom": record({"name": ids, "input": words})})
_calls = st.lists(_function_calls | _custom_calls, min_size=1, max_size=3, unique_by=lambda call: call["id"])

_links = st.sampled_from(["https://x.test/y.png", PICTURE])
_picture = record({"type": "image_url", "image_url": record({"url": _links})})
_text = record({"type": "text", "text": words})
_parts = st.one_of(
    _text,
    _picture,
    record({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    record({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
    record({"type": "file", "file": {"file_id": "file-1"}}),
    record({"type": "refusal", "refusal": words}),
    record({"type": "video_url", "video_url": {"url": "https://x.test/y.mp4"}}),
)
_content = words | st.lists(_parts, max_size=3)
_spoken = record({"id": ids, "data": some_words, "transcript": some_words, "expires_at": counts})

_messages = st.one_of(
    record({"role": st.sampled_from(["system", "developer", "user"]), "content": _content}, name=ids),
    record(
        {"role": "assistant", "content": st.none() | _content},
        tool_calls=_calls,
        function_call=record({"name": ids, "arguments": words}),
        refusal=st.none() | words,
        audio=record({"id": ids}),
        reasoning_content=words,
    ),
    record({"role": "tool", "tool_call_id": ids, "content": _content}),
    record({"role": "function", "name": ids, "content": words}),
)
_tools = st.lists(record({"type": "function", "function": record({"name": ids, "parameters": objects})}), max_size=2)
requests = record(
    {"model": ids, "messages": st.lists(_messages, max_size=4)},
    tools=_tools,
    functions=_tools,
    stream=flags,
    temperature=st.floats(0, 2),
    max_completion_tokens=counts,
    user=ids,
    documents=st.lists(words | record({"content": words}, id=ids) | record({"title": words}), max_size=2),
)

usages = record(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts},
    prompt_tokens_details=st.none() | record({}, cached_tokens=counts, audio_tokens=counts),
    completion_tokens_details=st.none() | record({}, reasoning_tokens=counts, audio_tokens=counts),
    prompt_cache_hit_tokens=counts,
    cost=st.floats(0, 1),
)
_odds = st.lists(record({"token": words, "logprob": st.just(-0.5), "bytes": st.none(), "top_logprobs": st.just([])}))
# Mistral's content: reasoning, then the answer, each a part with parts of its own
_thought = st.lists(record({"type": "text", "text": some_words}), min_size=1, max_size=1)
_thoughts = record({"type": "thinking", "thinking": _thought})
_thought_content = st.tuples(_thoughts, record({"type": "text", "text": some_words})).map(list)

_answers = record(
    {"role": "assistant", "content": st.none() | words | _thought_content},
    refusal=st.none() | some_words,
    reasoning_content=words,
    reasoning=st.none() | words,
    reasoning_details=st.lists(
        record({"type": "reasoning.text", "text": some_words, "index": 0, "format": "unknown"}), min_size=1, max_size=1
    ),
    tool_calls=_calls,
    function_call=record({"name": ids, "arguments": some_words}),
    audio=_spoken,
    annotations=st.lists(record({"type": "url_citation", "url_citation": objects}), max_size=2),
    images=st.lists(_picture, max_size=2),
)
_choices = record(
    {"message": _answers, "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"])},
    logprobs=st.none() | record({"content": st.none() | _odds, "refusal": st.none()}),
    content_filter_results=record({"hate": record({"filtered": flags, "severity": "safe"})}),
)


def _body(fixed: Object, choices: list[Object]) -> Object:
    return fixed | {"choices": [{"index": index, **choice} for index, choice in enumerate(choices)]}


bodies = st.builds(
    _body,
    record(
        {"id": ids, "object": "chat.completion", "created": st.integers(1, 2**40), "model": ids},
        usage=st.none() | usages,
        system_fingerprint=st.none() | ids,
        service_tier=st.sampled_from(["default", "flex"]),
        prompt_filter_results=st.lists(objects, min_size=1, max_size=1),
        x_groq=record({"id": ids, "usage": usages}),
        citations=st.lists(ids, min_size=1, max_size=2),
        error=st.none() | record({"message": words, "code": ids | counts, "type": ids}),
    ),
    st.lists(_choices, min_size=1, max_size=3),
)

_CUT = ("content", "refusal", "reasoning_content", "reasoning")


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Each choice in its own deltas, mixed at will; what belongs to the whole body at the end, or all along."""
    tracks = [_choice_chunks(draw, choice) for choice in body["choices"]]
    said: list[Object] = [{"choices": [delta]} for delta in interleaved(draw, tracks)]
    about = {key: value for key, value in body.items() if key not in ("choices", "usage", "x_groq")}
    head = about | {"object": "chat.completion.chunk"}
    if "usage" in body and draw(flags):
        said = [chunk | {"usage": None} for chunk in said]
    last = {key: body[key] for key in ("usage", "x_groq") if key in body}
    said = [head | chunk for chunk in said]
    if draw(flags):
        said.append(head | {"choices": []} | last)
    else:
        said[-1] = said[-1] | last
    return _padded(draw, said, body)


def _padded(draw: st.DrawFn, said: list[Object], body: Object) -> list[Object]:
    """Azure greets and takes leave with chunks of empty names, and hides the length of tokens."""
    empty = {"choices": [], "id": "", "model": "", "object": "", "created": 0}
    filtered = {key: body[key] for key in ("prompt_filter_results",) if key in body}
    said = [empty | filtered] * draw(flags) + said + [empty] * draw(flags)
    noise = draw(st.sampled_from([{}, {"obfuscation": "x1"}, {"p": "abc"}]))
    return [chunk | noise for chunk in said]


def _choice_chunks(draw: st.DrawFn, choice: Object) -> list[Object]:
    message, about = choice["message"], {key: choice[key] for key in choice if key not in ("message", "finish_reason")}
    odds = about.get("logprobs") or {}
    plain = {key: value for key, value in message.items() if value is None or key == "role"}
    texts = interleaved(draw, [_pieces(draw, key, message[key]) for key in _CUT if message.get(key) is not None])
    rest = [{key: message[key]} for key in ("annotations", "images") if key in message]
    spoken, calls = _spoken_deltas(draw, message), _call_deltas(draw, message)
    deltas = [plain, *texts, *rest, *_details_deltas(draw, message), *spoken, *calls]
    known = {"finish_reason": None} if draw(flags) else {}
    said = [about | known | {"delta": delta} for delta in deltas]
    if isinstance(odds.get("content"), list):
        said = [chunk | {"logprobs": odds | {"content": []}} for chunk in said]
        said[-1]["logprobs"] = odds
    end = {"delta": {}, "finish_reason": choice["finish_reason"]} | ({"logprobs": None} if "logprobs" in about else {})
    return [*said, about | end]


def _pieces(draw: st.DrawFn, key: str, value: Any) -> list[Object]:
    if isinstance(value, str):
        return [{key: piece} for piece in cut(draw, value)]
    (thought,), answer = value[0]["thinking"], value[1]
    thinking = [
        [{"type": "thinking", "thinking": [thought | {"text": piece}]}] for piece in _full(draw, thought["text"])
    ]
    saying = [piece if draw(flags) else [answer | {"text": piece}] for piece in _full(draw, answer["text"])]
    return [{key: content} for content in ("", *thinking, *saying)]


def _full(draw: st.DrawFn, text: str) -> list[str]:
    return [piece for piece in cut(draw, text) if piece]


def _details_deltas(draw: st.DrawFn, message: Object) -> list[Object]:
    """OpenRouter's reasoning: each bit is one more entry of the same index."""
    details = [
        detail | {"text": piece}
        for detail in message.get("reasoning_details", ())
        for piece in _full(draw, detail["text"])
    ]
    return [{"reasoning_details": [detail]} for detail in details]


def _spoken_deltas(draw: st.DrawFn, message: Object) -> list[Object]:
    if "audio" not in message:
        return []
    audio = message["audio"]
    grown = [{key: piece} for key in ("data", "transcript") for piece in cut(draw, audio[key])]
    return [{"audio": part} for part in ({"id": audio["id"]}, *grown, {"expires_at": audio["expires_at"]})]


def _call_deltas(draw: st.DrawFn, message: Object) -> list[Object]:
    """Tool calls by index in pieces, or whole without one (Gemini, Mistral), or whole and all with index 0."""
    calls = message.get("tool_calls", ())
    deltas: list[Object] = []
    plain = all("function" in call for call in calls)
    style = draw(st.sampled_from(["pieces", "whole", "zero"])) if plain else "pieces"
    for index, call in enumerate(calls):
        if style == "pieces":
            deltas += [{"tool_calls": [delta]} for delta in _call_pieces(draw, index, call)]
        else:
            deltas.append({"tool_calls": [call | ({"index": 0} if style == "zero" else {})]})
    legacy = message.get("function_call")
    if legacy:
        pieces = cut(draw, legacy["arguments"])
        deltas += [{"function_call": {"name": legacy["name"], "arguments": ""}}]
        deltas += [{"function_call": {"arguments": piece}} for piece in pieces]
    return deltas


def _call_pieces(draw: st.DrawFn, index: int, call: Object) -> list[Object]:
    kind = call["type"]
    growing = "arguments" if kind == "function" else "input"
    begun = call | {"index": index, kind: call[kind] | {growing: ""}}
    return [begun, *({"index": index, kind: {growing: piece}} for piece in cut(draw, call[kind][growing]))]


def answer(body: Object) -> Answer:
    """Of each choice the thoughts, the words, a refusal, pictures and speech, and calls by either name."""
    return together([_said(choice["message"]) for choice in body["choices"]])


def _said(message: Object) -> Answer:
    thoughts, content = message.get("reasoning_content") or message.get("reasoning") or "", message["content"]
    if isinstance(content, list):
        content = "".join(part["text"] for part in [*content[0]["thinking"], content[1]])
    spoken = message["audio"]["transcript"] if "audio" in message else ""
    kinds = [call["type"] for call in message.get("tool_calls", ())]
    called = [call[kind]["name"] for kind, call in zip(kinds, message.get("tool_calls", ()), strict=True)]
    legacy = [message["function_call"]["name"]] if "function_call" in message else []
    said = [thoughts, content or "", message.get("refusal") or "", spoken]
    return Answer(words=said, tools=called + legacy, pictures=len(message.get("images", ())))


def ended(seen: list[Object]) -> bool:
    """Every choice that began has said why it finished."""
    choices = [choice for chunk in seen for choice in chunk["choices"]]
    return {c["index"] for c in choices} == {c["index"] for c in choices if c.get("finish_reason")} != set()
