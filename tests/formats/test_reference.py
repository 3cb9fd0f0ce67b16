"""The formats against reference material: PostHog's schema and recipes, and recorded traffic of many providers.

The material lies beside the repository (``../shared``) and is not part of it.  Without it these tests are skipped,
except where the environment says ``CI=true``: there, missing material is a failure.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .wire import ANSWERING, _garbage, law, wire

SHARED = Path(__file__).resolve().parents[3] / "shared"
ENDPOINTS = {
    "chat.completions": "chat_completions",
    "completions": "completions",
    "complete": "completions",
    "messages": "messages",
    "responses": "responses",
    "embeddings": "embeddings",
}
OTHER_FORMATS = {("aleph_alpha", "complete"), ("writer", "completions"), ("ollama", "embeddings")}
"""Endpoints that have familiar names, but formats of their own."""


def _missing(what: str) -> None:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"missing: {what}")


@pytest.fixture(scope="module", autouse=True)
def reference() -> None:
    """The material, or a reason why not."""
    if not SHARED.is_dir():
        _missing(f"the reference material at {SHARED}")


@pytest.fixture(scope="module")
def check() -> Any:
    """A function that asserts that PostHog draws some messages."""
    if importlib.util.find_spec("jsonschema") is None:
        _missing("the package jsonschema")
    jsonschema = importlib.import_module("jsonschema")
    schema = json.loads((SHARED / "spec/schema.json").read_text(encoding="utf-8"))
    message = jsonschema.Draft202012Validator({"$ref": "#/$defs/message", "$defs": schema["$defs"]})
    spec = importlib.util.spec_from_file_location("rendersim", SHARED / "spec/rendersim.py")
    assert spec is not None
    assert spec.loader is not None
    rendersim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rendersim)

    def drawable(messages: Any) -> None:
        for one in messages or ():
            assert message.is_valid(one), one
        assert not rendersim.problems({"$ai_input": messages}), messages

    return drawable


with_messages = pytest.mark.parametrize("name", ANSWERING)
EMBEDS_TOO = ("watsonx",)
"""Formats that read chats and embeddings alike."""


def _asked(name: str, request: Any) -> Any:
    """The messages of a request; what is to be embedded are texts."""
    return [one for one in request.input or () if name not in EMBEDS_TOO or not isinstance(one, str)]


@with_messages
@law(50)
@given(data=st.data())
def test_every_request_is_drawn(name: str, data: st.DataObject, check: Any) -> None:
    """PostHog draws every message of a request, be the request sound or not."""
    known = wire(name)
    requests = known.source.requests
    check(_asked(name, known.format.request(data.draw(requests | _garbage.spoiled(requests) | _garbage.objects))))


@with_messages
@law(50)
@given(data=st.data())
def test_every_response_is_drawn(name: str, data: st.DataObject, check: Any) -> None:
    """PostHog draws every message of a response, be the response sound or not."""
    known = wire(name)
    bodies = known.source.bodies
    check(known.format.response(data.draw(bodies | _garbage.spoiled(bodies) | _garbage.objects)).output)


@with_messages
@settings(law(50), max_examples=3)
@given(data=st.data())
def test_a_single_fault_is_drawn(name: str, data: st.DataObject, check: Any) -> None:
    """PostHog draws every message of a request and a response of which any one part is something else."""
    known = wire(name)
    for request in _garbage.faults(data.draw(known.source.requests)):
        check(_asked(name, known.format.request(request)))
    for body in _garbage.faults(data.draw(known.source.bodies)):
        check(known.format.response(body).output)


def _answer(body: Any) -> Any:
    """The part of a body that is the answer, before any format has read it."""
    if "choices" in body:
        return [choice.get("message", choice) for choice in body["choices"] or ()]
    return body.get("output", body.get("content", body.get("completion")))


def _interactions() -> Iterator[Any]:
    for path in sorted(SHARED.glob("cassettes/*/*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        for number, interaction in enumerate(case["interactions"]):
            endpoint = interaction["endpoint"]
            if endpoint in ENDPOINTS and (case["provider"], endpoint) not in OTHER_FORMATS:
                yield pytest.param(interaction, id=f"{case['provider']}-{case['id']}-{number}")


INTERACTIONS = list(_interactions())
recorded = pytest.mark.parametrize("interaction", INTERACTIONS)


def test_the_recordings_are_many() -> None:
    """The tests of recordings below have recordings to test."""
    assert len(INTERACTIONS) > 400


@recorded
def test_a_recorded_request_is_drawn_whole(interaction: Any, check: Any) -> None:
    """PostHog draws every message of a recorded request, with all its words and tool calls."""
    endpoint, body = interaction["endpoint"], interaction["request"]["body"]
    request = wire(ENDPOINTS[endpoint]).format.request(body)
    assert request.model == body["model"]
    assert request.stream is bool(body.get("stream"))
    if endpoint == "embeddings":
        assert request.input == body["input"]
        return
    check(request.input)
    asked = [body.get(key) for key in ("system", "instructions", "messages", "input", "prompt")]
    assert _tools(request.input) == _tools(asked)
    assert _words(request.input) == _words(asked)


@recorded
def test_a_recorded_answer_is_drawn_whole(interaction: Any, check: Any) -> None:
    """PostHog draws every message of a recorded answer, with the words, tools, counts and error of the wire."""
    known, answered = wire(ENDPOINTS[interaction["endpoint"]]), interaction["response"]["body"]
    chunks = _events(answered)
    fold = known.folded(chunks)
    body = fold.body() if chunks else json.loads(answered)
    response = known.format.response(body)
    assert fold.complete is bool(chunks)
    assert (response.error is None) is (
        interaction["response"]["status"] == 200 and "error" not in {k for k in body if body[k]}
    )
    if known.format.__name__.endswith("embeddings"):
        assert response.output is None
    else:
        check(response.output)
        assert _words(response.output) == _words(_streamed(chunks) if chunks else _answer(body))
        assert _tools(response.output) == (_streamed_tools(chunks) if chunks else _tools(_answer(body)))
    assert (response.usage.input_tokens, response.usage.output_tokens) == _counted(chunks or [body])


def _events(body: str) -> list[Any]:
    """The JSON values of a stream of server-sent events; none for a body that is JSON itself."""
    if body.lstrip().startswith("{"):
        return []
    data = [line[5:].strip() for line in body.splitlines() if line.startswith("data:")]
    return [json.loads(text) for text in data if text and text != "[DONE]"]


_SAID = ("text", "content", "output", "refusal")


def _words(value: Any) -> str:
    """All that was said, but for reasoning, without its white space."""
    if isinstance(value, str):
        return "".join(value.split())
    if isinstance(value, (list, tuple)):
        return "".join(_words(item) for item in value)
    if not isinstance(value, dict) or value.get("type") in ("reasoning", "thinking"):
        return ""
    return "".join(_words(value[key]) for key in _SAID if key in value)


def _tools(value: Any) -> list[str]:
    """The names of all tools that are called, in their order."""
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in _tools(item)]
    if not isinstance(value, dict):
        return []
    for key in ("function", "custom"):
        if isinstance(value.get(key), dict):
            return [value[key]["name"]]
    if value.get("type") in ("tool_use", "function_call", "custom_tool_call"):
        return [value["name"]]
    legacy = [value["function_call"]["name"]] if value.get("function_call") else []
    return [*_tools(value.get("content")), *_tools(value.get("tool_calls")), *legacy]


def _deltas(chunks: list[Any]) -> list[tuple[int, Any]]:
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    return sorted(
        ((choice.get("index", 0), choice.get("delta", choice)) for choice in choices), key=lambda found: found[0]
    )


def _streamed(chunks: list[Any]) -> list[str]:
    """The words of a stream, taken from its deltas without folding them."""
    events = [chunk["delta"] for chunk in chunks if "delta" in chunk]
    plain = [event if isinstance(event, str) else event.get("text") for event in events if _is_text(event, chunks)]
    said = [delta.get(key) for _, delta in _deltas(chunks) for key in ("content", "refusal", "text")]
    return [piece for piece in (*plain, *said) if isinstance(piece, str)]


def _is_text(event: Any, chunks: list[Any]) -> bool:
    """Arguments of tools are deltas too; in Responses only the event tells them from texts."""
    kinds = {chunk["type"] for chunk in chunks if chunk.get("delta") is event}
    return isinstance(event, dict) or kinds == {"response.output_text.delta"}


def _streamed_tools(chunks: list[Any]) -> list[str]:
    """The names of the tools that a stream calls, taken from its events without folding them."""
    begun = [chunk.get("content_block") or chunk.get("item") for chunk in chunks if _begins(chunk)]
    calls = [call for _, delta in _deltas(chunks) for call in delta.get("tool_calls") or ()]
    return _tools(begun) + [call["function"]["name"] for call in calls if call["function"].get("name")]


def _begins(chunk: Any) -> bool:
    return chunk.get("type") in ("content_block_start", "response.output_item.added")


def _counted(chunks: list[Any]) -> tuple[int | None, int | None]:
    """The input and output tokens that were said last."""
    usages = [usage for chunk in chunks for usage in _usages(chunk) if usage]
    found = [
        [usage[key] for usage in usages for key in keys if usage.get(key) is not None]
        for keys in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    ]
    return tuple(values[-1] if values else None for values in found)  # type: ignore[return-value]


def _usages(chunk: Any) -> list[Any]:
    inner = [chunk, *(chunk.get(key) or {} for key in ("message", "response", "x_groq"))]
    return [holder.get("usage") for holder in inner]
