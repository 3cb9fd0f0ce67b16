"""OpenAI Chat Completions, and the many providers that speak it.

API reference: ``POST /chat/completions``, the chat completion object and the chat completion chunk object.
"""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks, _parts
from llm_track.formats._errors import error_of
from llm_track.formats._fold import ChoicesFold
from llm_track.formats._json import JSON, dump, entries, name, obj, objects, text, without
from llm_track.formats._usage import chat_usage
from llm_track.records import Request, Response

_NOT_PARAMETERS = (
    "messages",
    "documents",
    "model",
    "tools",
    "functions",
    "stream",
    "user",
    "metadata",
    "extra_headers",
)


def request(body: JSON) -> Request:
    """Read the body of a chat completion request."""
    return Request(
        model=name(body.get("model")),
        input=[
            *({"role": "system", "content": _document(each)} for each in entries(body.get("documents")) or ()),
            *(drawn for message in objects(body.get("messages")) for drawn in _message(message, "user")),
        ],
        parameters=without(body, *_NOT_PARAMETERS),
        tools=entries(body.get("tools") or body.get("functions")),
        stream=body.get("stream") is True,
    )


def _document(document: Any) -> str:
    """AI21 and others take documents beside the messages, which belong to none of them."""
    return text(document) or text(obj(document).get("content")) or dump(document)


def response(body: JSON) -> Response:
    """Read a chat completion object.  A body without choices that holds an ``error`` is a failed answer.

    The last chunk of a stream from Groq carries the usage among Groq's own fields.
    """
    choices = objects(body.get("choices"))
    answers = [obj(choice.get("message")) for choice in choices]
    error, error_type = error_of(body)
    for choice in choices:  # OpenRouter reports an upstream failure inside the choice
        if error is None:
            error, error_type = error_of(choice)
    return Response(
        output=[drawn for message in answers if message for drawn in _message(message, "assistant")],
        usage=chat_usage(body.get("usage") or obj(body.get("x_groq")).get("usage") or _of_choice(choices)),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=next((reason for choice in choices if (reason := name(choice.get("finish_reason")))), None),
        service_tier=name(body.get("service_tier")),
        error=error,
        error_type=error_type,
    )


def _of_choice(choices: list[JSON]) -> JSON:
    """Moonshot counts in the last chunk's choice."""
    return next((used for choice in choices if (used := obj(choice.get("usage")))), {})


def _message(message: JSON, default_role: str) -> list[JSON]:
    role = name(message.get("role")) or default_role
    if role in ("tool", "function"):
        answer: dict[str, Any] = {"role": "tool", "content": _parts.flat(message.get("content"))}
        call_id = text(message.get("tool_call_id")) or text(message.get("name"))
        return [answer | {"tool_call_id": call_id} if call_id else answer]
    return _blocks.answer(role, _content(message), _tool_calls(message))


def _content(message: JSON) -> list[_blocks.Block]:
    """Reasoning (a field that several providers add), the content, a refusal, pictures (OpenRouter), and speech."""
    reasoning = name(message.get("reasoning_content")) or name(message.get("reasoning"))
    blocks = [_blocks.thought(reasoning)] if reasoning else []
    blocks += _parts.read(message.get("content"))
    if refusal := name(message.get("refusal")):
        blocks.append(_blocks.said(refusal))
    return blocks + _parts.read(objects(message.get("images"))) + _speech(obj(message.get("audio")))


def _speech(sound: JSON) -> list[_blocks.Block]:
    """Speech is drawn by its bytes; of speech in an earlier turn only the id is sent."""
    data, transcript, sound_id = text(sound.get("data")), text(sound.get("transcript")), name(sound.get("id"))
    if data is not None:
        return [{"type": "audio", "data": data, "transcript": transcript or ""}]
    if transcript:
        return [_blocks.said(transcript)]
    return [_blocks.said(f"[audio {sound_id}]")] if sound_id else []


def _tool_calls(message: JSON) -> list[_blocks.Block]:
    calls = []
    for call in objects(message.get("tool_calls")):
        function, custom = obj(call.get("function")), obj(call.get("custom"))
        arguments = custom.get("input") if custom else function.get("arguments")
        calls.append(_blocks.tool_call(call.get("id"), function.get("name") or custom.get("name"), arguments))
    if legacy := obj(message.get("function_call")):
        calls.append(_blocks.tool_call(None, legacy.get("name"), legacy.get("arguments")))
    return calls


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries text, reasoning, a tool call or audio."""
    return any(
        value not in (None, "", [], {})
        for choice in objects(chunk.get("choices"))
        for key, value in obj(choice.get("delta")).items()
        if key != "role"
    )


def fold() -> ChoicesFold:
    """Begin a stream of chat completion chunks."""
    return ChoicesFold(chunk_object="chat.completion.chunk", body_object="chat.completion")
