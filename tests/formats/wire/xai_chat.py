"""Chats as xAI's gRPC API has them, written as JSON by protobuf: whole, or in chunks."""

from __future__ import annotations

from hypothesis import strategies as st

from ._answer import Answer, texts, together
from ._draw import PICTURE, Object, counts, cut, flags, ids, interleaved, objects, record, some_words, words

COST = None
COUNTS = {
    "input_tokens": ["usage.prompt_tokens"],
    "output_tokens": ["usage.completion_tokens"],
    "total_tokens": ["usage.total_tokens"],
    "cache_read_tokens": ["usage.cached_prompt_text_tokens"],
    "reasoning_tokens": ["usage.reasoning_tokens"],
    "image_input_tokens": ["usage.prompt_image_tokens"],
    "web_searches": ["usage.num_sources_used"],
}

_kinds = st.sampled_from(["CLIENT_SIDE", "WEB_SEARCH", "CODE_EXECUTION", "MCP"]).map("TOOL_CALL_TYPE_{}_TOOL".format)
_call = record({"id": ids, "function": record({"name": ids}, arguments=st.just("{}") | words)}, type=_kinds)
_calls = st.lists(_call, min_size=1, max_size=2)
_address = st.sampled_from(["https://x.test/y.png", PICTURE, "iVBORw0KGgo="])
_file = record({}, file_id=ids, data=st.just("JVBERi0="), filename=ids, mime_type=st.just("application/pdf"), url=ids)
_parts = st.one_of(
    record({"text": words}),
    record({"image_url": record({}, image_url=_address, file_id=ids, detail=st.just("DETAIL_AUTO"))}),
    record({"file": _file}),
    objects,
)
_roles = st.sampled_from(["USER", "ASSISTANT", "SYSTEM", "TOOL", "DEVELOPER"]).map("ROLE_{}".format)
_messages = record(
    {"role": _roles},
    content=st.lists(_parts, max_size=3),
    reasoning_content=words,
    tool_calls=_calls,
    tool_call_id=ids,
    encrypted_content=words,
)
_tools = record({"function": record({"name": ids, "parameters": st.just("{}")})}) | record({"web_search": objects})
_asked = st.lists(_messages, min_size=1, max_size=3)
requests = record(
    {"model": ids, "messages": _asked},
    n=st.just(1),
    temperature=st.floats(0, 2),
    tools=st.lists(_tools, max_size=2),
    reasoning_effort=st.just("EFFORT_HIGH"),
    user=ids,
) | record({"model": ids, "input": _asked})

_reasons = st.sampled_from(["REASON_STOP", "REASON_MAX_LEN", "REASON_TOOL_CALLS"])
_answers = record(
    {"role": st.sampled_from(["ROLE_ASSISTANT", "ROLE_TOOL"])},
    content=some_words,
    reasoning_content=some_words,
    tool_calls=_calls,
    encrypted_content=some_words,
    citations=st.lists(record({"id": ids}), min_size=1, max_size=2),
)
_output = record({"message": _answers, "finish_reason": _reasons})
usages = record(
    {},
    prompt_tokens=counts,
    completion_tokens=counts,
    total_tokens=counts,
    reasoning_tokens=counts,
    cached_prompt_text_tokens=counts,
    prompt_image_tokens=counts,
    server_side_tools_used=st.lists(st.sampled_from(["SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_MCP"])),
    cost_in_usd_ticks=counts.map(str),
)


def _body(fixed: Object, outputs: list[Object]) -> Object:
    """The index 0 is not written."""
    return fixed | {"outputs": [{**output, **({"index": at} if at else {})} for at, output in enumerate(outputs)]}


bodies = st.builds(
    _body,
    record(
        {"id": ids, "model": ids},
        created=ids,
        usage=usages,
        citations=st.lists(ids, min_size=1, max_size=3),
        service_tier=st.just("SERVICE_TIER_DEFAULT"),
    ),
    st.lists(_output, min_size=1, max_size=3),
)
_CUT = ("content", "reasoning_content", "encrypted_content")


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Each output in its own deltas, mixed at will; counts with the last chunk or with each, citations in pieces."""
    tracks = [_deltas(draw, output) for output in body["outputs"]]
    about = {key: value for key, value in body.items() if key not in ("outputs", "usage", "citations")}
    said: list[Object] = [about | {"outputs": [delta]} for delta in interleaved(draw, tracks)]
    cited = [{"citations": [each]} for each in body.get("citations", ())]
    last = {key: body[key] for key in ("usage",) if key in body}
    said = [*(about | each for each in cited), *said]
    if draw(flags):
        return [each | last for each in said]
    return [*said[:-1], said[-1] | last]


def _deltas(draw: st.DrawFn, output: Object) -> list[Object]:
    at = {key: output[key] for key in ("index",) if key in output}
    message = output["message"]
    grown = [{key: piece} for key in _CUT for piece in cut(draw, message.get(key, "")) if piece]
    whole = [{key: [each]} for key in ("tool_calls", "citations") for each in message.get(key, ())]
    role = {"role": message["role"]}
    return [
        *(at | {"delta": role | each} for each in [{}, *grown, *whole]),
        at | {"finish_reason": output["finish_reason"]},
    ]


def answer(body: Object) -> Answer:
    """Thoughts, words and calls of every message, xAI's tools first; what such a tool returned repeats its call."""
    return together([_said(output["message"]) for output in body["outputs"]])


_PROGRAMS = "TOOL_CALL_TYPE_CLIENT_SIDE_TOOL"


def _said(message: Object) -> Answer:
    if message["role"] == "ROLE_TOOL":
        return Answer(texts([message], "content"))
    calls = sorted(message.get("tool_calls", ()), key=lambda call: call.get("type", _PROGRAMS) == _PROGRAMS)
    called = [call["function"]["name"] for call in calls]
    return Answer([*texts([message], "reasoning_content"), *texts([message], "content")], called)


def ended(seen: list[Object]) -> bool:
    """Every output that began has said why it finished."""
    outputs = [output for chunk in seen for output in chunk.get("outputs", ())]
    finished = {output.get("index", 0) for output in outputs if "finish_reason" in output}
    return {output.get("index", 0) for output in outputs} == finished != set()
