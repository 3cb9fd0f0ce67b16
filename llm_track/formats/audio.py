"""OpenAI Audio: ``POST /audio/transcriptions`` and ``/audio/speech``.  Sound itself never enters an event."""

from __future__ import annotations

from dataclasses import replace

from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, count, dump, name, obj, text, without
from llm_track.formats._usage import chat_usage, responses_usage
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response, Usage


def request(body: JSON) -> Request:
    """Read a text to be spoken, or the name of a recording to be written down."""
    words, recording = body.get("input"), body.get("file")
    if words is not None:
        asked = words if isinstance(words, str) else dump(words)
    else:
        asked = f"[audio {recording if isinstance(recording, str) else dump(recording)}]"
    return Request(
        model=name(body.get("model")),
        input=[{"role": "user", "content": asked}],
        parameters=without(body, "input", "file", "model", "stream", "user"),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read the text of a recording, or how long the sound of a text is, in bytes."""
    words, length = text(body.get("text")), count(body.get("bytes"))
    said = words if words is not None else f"[audio of {length} bytes]" if length is not None else None
    error, error_type = error_of(body)
    return Response(
        output=[] if said is None else [{"role": "assistant", "content": said}],
        usage=_usage(obj(body.get("usage"))),
        error=error,
        error_type=error_type,
    )


def _usage(usage: JSON) -> Usage:
    """OpenAI names the details of a recording in the singular; LiteLLM counts in the words of chats, too."""
    said = chat_usage(usage) if "prompt_tokens" in usage else responses_usage(usage)
    heard = count(obj(usage.get("input_token_details")).get("audio_tokens"))
    return said if heard is None else replace(said, audio_input_tokens=heard)


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries words or sound."""
    return bool(chunk.get("text") or chunk.get("bytes"))


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
