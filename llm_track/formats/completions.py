"""Legacy text completions: OpenAI's ``POST /completions`` and Anthropic's ``POST /v1/complete``."""

from __future__ import annotations

from llm_track.formats._errors import error_of
from llm_track.formats._fold import ChoicesFold, grow
from llm_track.formats._json import JSON, name, objects, text, without
from llm_track.formats._tokens import readable
from llm_track.formats._usage import chat_usage
from llm_track.records import Request, Response


def request(body: JSON) -> Request:
    """Read a text completion request; a list of prompts becomes a message each."""
    prompt = readable(body.get("prompt"))
    prompts = prompt if isinstance(prompt, list) else [] if prompt is None else [prompt]
    return Request(
        model=name(body.get("model")),
        input=[{"role": "user", "content": words} for words in prompts],
        parameters=without(body, "prompt", "model", "stream", "user", "metadata"),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read a text completion object of either provider."""
    choices = objects(body.get("choices"))
    words = [text(choice.get("text")) for choice in choices] if choices else [text(body.get("completion"))]
    error, error_type = error_of(body)
    return Response(
        output=[{"role": "assistant", "content": said} for said in words if said is not None],
        usage=chat_usage(body.get("usage")),
        model=name(body.get("model")),
        id=name(body.get("id")),
        stop_reason=next((reason for choice in [*choices, body] if (reason := _stop_reason(choice))), None),
        error=error,
        error_type=error_type,
    )


def _stop_reason(choice: JSON) -> str | None:
    return name(choice.get("finish_reason")) or name(choice.get("stop_reason"))


_WORDS = ("completion", "value")
"""Where a chunk without choices has its words."""


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries text."""
    parts = objects(chunk.get("choices"))
    return any(text(part.get("text")) for part in parts) or any(text(chunk.get(key)) for key in _WORDS)


class _Fold(ChoicesFold):
    """Anthropic's stream has no choices: its ``completion`` grows at the top.  Writer's has nothing but a ``value``,
    and no mark of its end."""

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        if chunk.get("type") == "ping":
            return
        super().add({key: value for key, value in chunk.items() if key not in _WORDS})
        for key in _WORDS:
            if key in chunk:
                grow(self._body, "completion", chunk[key])
        self.complete = self.complete or "value" in chunk or name(chunk.get("stop_reason")) is not None


def fold() -> _Fold:
    """Begin a stream of text completion chunks; they are shaped like the body itself."""
    return _Fold(chunk_object="text_completion", body_object="text_completion")
