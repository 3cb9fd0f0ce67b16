"""Bedrock Converse: blocks with one key, and the events that stream them."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, cut, flags, ids, objects, record, words

COST = None
COUNTS = {
    "input_tokens": ["usage.inputTokens"],
    "output_tokens": ["usage.outputTokens"],
    "total_tokens": ["usage.totalTokens"],
    "cache_read_tokens": ["usage.cacheReadInputTokens", "usage.cacheReadInputTokenCount"],
    "cache_write_tokens": ["usage.cacheWriteInputTokens", "usage.cacheWriteInputTokenCount"],
}


def _held(ttl: str) -> Any:
    """The count of what was written to a cache for so long."""

    def of(body: Object) -> int | None:
        details = body["usage"].get("cacheDetails") or ()
        return next((each["inputTokens"] for each in details if each["ttl"] == ttl), None)

    return of


DERIVED = {"cache_write_5m_tokens": _held("5m"), "cache_write_1h_tokens": _held("1h")}

_source = st.sampled_from([{"bytes": "iVBORw0KGgo="}, {"s3Location": {"uri": "s3://bucket/key"}}])
_text = record({"text": words})
_image = record({"image": record({"format": st.sampled_from(["png", "jpeg"]), "source": _source})})
_video = record({"video": record({"format": st.just("mp4"), "source": _source})})
_audio = record({"audio": record({"format": st.just("mp3"), "source": _source})})
_document_source = _source | st.just({"text": "words"}) | st.just({"content": [{"text": "words"}]})
_document = record({"document": record({"format": st.sampled_from(["pdf", "txt"]), "source": _document_source})})
_tool_use = record({"toolUse": record({"toolUseId": ids, "name": ids, "input": objects})})
_returned = st.lists(_text | _image | record({"json": objects}), max_size=2)
_result = record({"toolUseId": ids, "content": _returned}, status=st.sampled_from(["success", "error"]))
_tool_result = record({"toolResult": _result})
_thought = record({"reasoningContent": record({"reasoningText": record({"text": words}, signature=ids)})})
_redacted = record({"reasoningContent": record({"redactedContent": ids})})
_citations = st.lists(record({"title": words}), min_size=1, max_size=2)
_cited = record({"citationsContent": record({"content": st.tuples(_text).map(list), "citations": _citations})})
_guarded = record({"guardContent": record({"text": record({"text": words})}) | _image})
_found = record({"searchResult": record({"source": ids, "title": words, "content": st.lists(_text, max_size=1)})})
_mark = st.just({"cachePoint": {"type": "default"}})
_asked = st.one_of(
    _text, _image, _video, _audio, _document, _tool_use, _tool_result, _thought, _guarded, _found, _mark, _cited
)
_message = record({"role": st.sampled_from(["user", "assistant"]), "content": st.lists(_asked, max_size=3)})
requests = record(
    {"model": ids, "messages": st.lists(_message, max_size=3)},
    system=st.lists(_text | _mark, max_size=2),
    inferenceConfig=record({"maxTokens": counts}, stopSequences=st.lists(words, max_size=1)),
    toolConfig=record({"tools": st.lists(objects, max_size=1)}, toolChoice=st.just({"auto": {}})),
    additionalModelRequestFields=objects,
)

_ttl = itemgetter("ttl")
usages = record(
    {"inputTokens": counts, "outputTokens": counts, "totalTokens": counts},
    cacheReadInputTokens=counts,
    cacheWriteInputTokens=counts,
    cacheDetails=st.lists(record({"ttl": st.sampled_from(["5m", "1h"]), "inputTokens": counts}), unique_by=_ttl),
)
_said = st.one_of(_text, _tool_use, _thought, _redacted, _cited)
bodies = record(
    {
        "output": record({"message": record({"role": "assistant", "content": st.lists(_said, max_size=4)})}),
        "stopReason": st.sampled_from(["end_turn", "tool_use", "max_tokens", "guardrail_intervened"]),
        "usage": usages,
        "metrics": record({"latencyMs": counts}),
    },
    trace=objects,
    additionalModelResponseFields=objects,
    serviceTier=record({"type": ids}),
)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """A greeting, each block on its own, the reason for the end, the counts."""
    message = body["output"]["message"]
    events: list[Object] = [{"messageStart": {"role": message["role"], "p": "abc"}}]
    for index, block in enumerate(message["content"]):
        events += [{kind: {"contentBlockIndex": index, **event}} for kind, event in _block_events(draw, block)]
    ending = {key: body[key] for key in ("stopReason", "additionalModelResponseFields") if key in body}
    metadata = {key: value for key, value in body.items() if key not in ("output", *ending)}
    return [*events, {"messageStop": {**ending, "p": "ab"}}, {"metadata": metadata}]


def _block_events(draw: st.DrawFn, block: Object) -> list[tuple[str, Object]]:
    ((kind, value),) = block.items()
    start = [{"toolUse": {key: value[key] for key in ("toolUseId", "name")}}] if kind == "toolUse" else []
    return [
        *(("contentBlockStart", {"start": each}) for each in start),
        *(("contentBlockDelta", {"delta": delta, "p": "abcd"}) for delta in _deltas(draw, kind, value)),
        ("contentBlockStop", {}),
    ]


def _deltas(draw: st.DrawFn, kind: str, value: Any) -> list[Object]:
    if kind == "text":
        return [{"text": piece} for piece in cut(draw, value)]
    if kind == "toolUse":
        written = json.dumps(value["input"], ensure_ascii=draw(flags)) if value["input"] or draw(flags) else ""
        return [{"toolUse": {"input": piece}} for piece in cut(draw, written)]
    if kind == "citationsContent":
        words = [{"text": piece} for piece in cut(draw, value["content"][0]["text"])]
        return [*({"citation": each} for each in value["citations"]), *words]
    if "redactedContent" in value:
        return [{"reasoningContent": value}]
    thought = value["reasoningText"]
    return [{"reasoningContent": {key: piece}} for key in thought for piece in cut(draw, thought[key])]


def answer(body: Object) -> Answer:
    """Texts, those with sources, thoughts, and calls of functions."""
    blocks = body["output"]["message"]["content"]
    called = [block["toolUse"]["name"] for block in blocks if "toolUse" in block]
    return Answer([words for block in blocks for words in _words(block)], called)


def _words(block: Object) -> list[str]:
    ((kind, value),) = block.items()
    parts = {"text": [block], "citationsContent": value, "reasoningContent": value}.get(kind, [])
    if kind == "citationsContent":
        parts = value["content"]
    return texts(parts if isinstance(parts, list) else [parts.get("reasoningText", {})], "text")


def ended(seen: list[Object]) -> bool:
    """The counts came."""
    return any("metadata" in chunk for chunk in seen)
