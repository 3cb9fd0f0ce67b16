"""Gemini: candidates with contents of parts, whole and in chunks that have the shape of the whole."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, cut, ids, objects, record, some_words, words

COST = None
COUNTS = {
    "input_tokens": ["usageMetadata.promptTokenCount", "usageMetadata.toolUsePromptTokenCount"],
    "output_tokens": ["usageMetadata.candidatesTokenCount"],
    "total_tokens": ["usageMetadata.totalTokenCount"],
    "cache_read_tokens": ["usageMetadata.cachedContentTokenCount"],
    "reasoning_tokens": ["usageMetadata.thoughtsTokenCount"],
}

_said = record({"text": some_words}, thought=st.just(True))
_call = record({"functionCall": record({"name": ids, "args": objects}, id=ids)})
_result = record({"functionResponse": record({"name": ids, "response": objects}, id=ids)})
_picture = record({"inlineData": st.just({"mimeType": "image/png", "data": "iVBORw0KGgo="})})
_sound = record({"inlineData": st.just({"mimeType": "audio/wav", "data": "UklGRg=="})})
_paper = record({"inline_data": st.just({"mime_type": "application/pdf", "data": "JVBERi0="})})
_file = record({"fileData": record({"fileUri": ids, "mimeType": ids})})
_code = record({"executableCode": record({"language": ids, "code": words})})
_given = st.one_of(_said, _call, _result, _picture, _sound, _paper, _file, _code)
_content = record({"parts": st.lists(_given, max_size=3)}, role=st.sampled_from(["user", "model", "function"]))
requests = record(
    {"contents": st.lists(_content, max_size=3)},
    model=ids,
    systemInstruction=_content | words,
    tools=st.lists(record({"functionDeclarations": st.lists(record({"name": ids}), max_size=1)}), max_size=1),
    generationConfig=record({"maxOutputTokens": counts}, temperature=counts),
    cachedContent=ids,
)

_details = st.lists(record({"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE"]), "tokenCount": counts}), max_size=2)
_usages = record(
    {"promptTokenCount": counts, "totalTokenCount": counts},
    candidatesTokenCount=counts,
    thoughtsTokenCount=counts,
    cachedContentTokenCount=counts,
    toolUsePromptTokenCount=counts,
    promptTokensDetails=_details,
    candidatesTokensDetails=_details,
    trafficType=st.sampled_from(["ON_DEMAND", "ON_DEMAND_FLEX", "PROVISIONED_THROUGHPUT"]),
    serviceTier=st.sampled_from(["standard", "priority", "unspecified"]),
)


@st.composite
def _parts(draw: st.DrawFn) -> list[Object]:
    """Parts of an answer; a text that goes on would be one part, so no two of a kind stand side by side."""
    found: list[Object] = []
    for part in draw(st.lists(st.one_of(_said, _call, _picture, _code), max_size=4)):
        before = found[-1] if found else {}
        if not ("text" in part and "text" in before and part.get("thought") == before.get("thought")):
            found.append(part)
    return found


@st.composite
def _candidates(draw: st.DrawFn) -> list[Object]:
    """Candidates in the order of their indexes."""
    reasons = st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"])
    return [
        {
            "content": {"role": "model", "parts": draw(_parts())},
            "finishReason": draw(reasons),
            "index": index,
            **draw(record({}, groundingMetadata=record({"webSearchQueries": st.lists(ids, max_size=2)}))),
        }
        for index in range(draw(st.integers(1, 2)))
    ]


_answers = record({"candidates": _candidates(), "usageMetadata": _usages, "modelVersion": ids, "responseId": ids})
_blocked = record(
    {
        "promptFeedback": record({"blockReason": st.sampled_from(["SAFETY", "OTHER"])}),
        "usageMetadata": _usages,
        "modelVersion": ids,
    }
)
bodies = _answers | _blocked


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Each part on its own, texts cut; counts so far with each chunk; reasons with the last of each candidate."""
    frame = {key: value for key, value in body.items() if key != "candidates"}
    if "candidates" not in body:
        return [body]
    said: list[Object] = []
    for candidate in body["candidates"]:
        for part in candidate["content"]["parts"]:
            for piece in _pieces(draw, part):
                said.append({"content": {"role": "model", "parts": [piece]}, "index": candidate["index"]})
    ends = [{**candidate, "content": {"role": "model", "parts": []}} for candidate in body["candidates"]]
    early = {**frame, "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}
    return [*({**early, "candidates": [each]} for each in said), {**frame, "candidates": ends}]


def _pieces(draw: st.DrawFn, part: Object) -> list[Object]:
    if "text" not in part:
        return [part]
    return [{**part, "text": piece} for piece in cut(draw, part["text"])]


def answer(body: Object) -> Answer:
    """Texts and thoughts, functions and pictures of all candidates."""
    parts = [part for candidate in body.get("candidates", ()) for part in candidate["content"]["parts"]]
    called = [part["functionCall"]["name"] for part in parts if "functionCall" in part]
    return Answer(texts(parts, "text"), called, pictures=sum("inlineData" in part for part in parts))


def ended(seen: list[Object]) -> bool:
    """Every candidate has a reason, or the prompt was blocked."""
    reasons: dict[int, Any] = {}
    for chunk in seen:
        for candidate in chunk.get("candidates", ()):
            reasons[candidate["index"]] = candidate.get("finishReason") or reasons.get(candidate["index"])
    return all(reasons.values()) if reasons else bool(seen) and "promptFeedback" in seen[-1]


def _asked(body: Object) -> int | None:
    """The prompt and what Google's own tools returned."""
    prompt, tools = (
        count if type(count) in (int, float) and 0 <= count < 1e300 and count == int(count) else None
        for count in (body["usageMetadata"].get(name) for name in ("promptTokenCount", "toolUsePromptTokenCount"))
    )
    return None if prompt is None and tools is None else int((prompt or 0) + (tools or 0))


def _searches(body: Object) -> int | None:
    """An answer that searched is one search; no generated model bills by the query."""
    found = [each.get("groundingMetadata", {}).get("webSearchQueries") for each in body.get("candidates", ())]
    return 1 if any(found) else None


DERIVED = {"input_tokens": _asked, "web_searches": _searches}
