"""The demo's program: a bakery's assistant that calls a model through the real OpenAI and Anthropic SDKs.

Nothing in here sends an event; llm_track sees the calls because it was told to patch the SDKs before this ran.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import llm_track

_Answer = TypeVar("_Answer")

_CALL_TIMEOUT = 60.0
_TOO_MANY_WORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one call went: `seconds` it took, `error` if it failed, and whether failing was the plan."""

    label: str
    seconds: float
    error: str | None = None
    planned_to_fail: bool = False

    @property
    def as_planned(self) -> bool:
        """Whether the call did what the demo meant it to do."""
        return (self.error is not None) == self.planned_to_fail


Report: TypeAlias = Callable[[Attempt], None]


@llm_track.track_llm(kind="tool")
def read_notes(topic: str) -> str:
    """Stand for a search in the bakery's notes."""
    return f"The {topic} broke on Monday. It was repaired on Tuesday. Bread is sold again from Wednesday."


class Assistant:
    """Makes the demo's calls against one model server and reports each of them as it ends.

    Args:
        model_url: address of a server that speaks both the OpenAI and the Anthropic protocol.
        model: the name to ask for.
        max_tokens: the longest answer to ask for, in tokens.
        report: called after each call.
    """

    def __init__(self, model_url: str, model: str, max_tokens: int, report: Report) -> None:
        import anthropic
        import openai

        # Explicit keys and addresses: whatever the environment holds for the real services must not be used here.
        self._openai = openai.OpenAI(base_url=f"{model_url}/v1", api_key="none", max_retries=0, timeout=_CALL_TIMEOUT)
        self._anthropic = anthropic.Anthropic(base_url=model_url, api_key="none", max_retries=0, timeout=_CALL_TIMEOUT)
        self._failures: tuple[type[BaseException], ...] = (
            openai.OpenAIError,
            anthropic.AnthropicError,
            *_transport_errors(),
        )
        self._model = model
        self._max_tokens = max_tokens
        self._report = report

    def work(self) -> None:
        """Serve two customers: four traces in two sessions, five calls that succeed and one that fails."""
        self._answer_question()
        self._welcome_customer()
        self._write_newsletter()
        self._read_archive()

    def _answer_question(self) -> None:
        with llm_track.llm_span("answer a question", user_id="ada", session_id="ada-monday") as span:
            with llm_track.llm_span("find notes"):
                self._attempt("OpenAI embedding", lambda: self._embed("Is the oven working?"))
                notes = read_notes("oven")
            prompt = f"Summarise in one sentence: {notes}"
            span.set(output=self._attempt("OpenAI chat", lambda: self._chat(prompt)))

    def _welcome_customer(self) -> None:
        prompt = "Write one friendly sentence that welcomes a new customer to a bakery."
        with llm_track.llm_span("welcome a customer", user_id="ada", session_id="ada-monday"):
            self._attempt("OpenAI chat, streamed", lambda: self._stream_chat(prompt))

    def _write_newsletter(self) -> None:
        with llm_track.llm_span("write a newsletter", user_id="grace", session_id="grace-monday"):
            text = self._attempt("Anthropic message", lambda: self._message("Write one sentence about fresh bread."))
            prompt = f"Write a title for this text: {text}"
            self._attempt("Anthropic message, streamed", lambda: self._stream_message(prompt))

    def _read_archive(self) -> None:
        prompt = "Summarise this archive:" + " bread" * _TOO_MANY_WORDS
        with llm_track.llm_span("read the archive", user_id="grace", session_id="grace-monday"):
            self._attempt("OpenAI chat, prompt too long", lambda: self._chat(prompt), planned_to_fail=True)

    def _chat(self, prompt: str) -> str | None:
        completion = self._openai.chat.completions.create(
            model=self._model, max_tokens=self._max_tokens, messages=[{"role": "user", "content": prompt}]
        )
        return completion.choices[0].message.content

    def _stream_chat(self, prompt: str) -> str:
        stream = self._openai.chat.completions.create(
            model=self._model,
            max_tokens=self._max_tokens,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    def _embed(self, text: str) -> int:
        return len(self._openai.embeddings.create(model=self._model, input=text).data)

    def _message(self, prompt: str) -> str:
        message = self._anthropic.messages.create(
            model=self._model, max_tokens=self._max_tokens, messages=[{"role": "user", "content": prompt}]
        )
        return "".join(block.text for block in message.content if block.type == "text")

    def _stream_message(self, prompt: str) -> str:
        with self._anthropic.messages.stream(
            model=self._model, max_tokens=self._max_tokens, messages=[{"role": "user", "content": prompt}]
        ) as stream:
            return "".join(stream.text_stream)

    def _attempt(self, label: str, call: Callable[[], _Answer], *, planned_to_fail: bool = False) -> _Answer | None:
        """Make one call and report it; a call that fails is a result like any other."""
        started = time.perf_counter()
        answer: _Answer | None = None
        error: str | None = None
        try:
            answer = call()
        except self._failures as failure:
            error = f"{type(failure).__name__}: {failure}"
        seconds = time.perf_counter() - started
        self._report(Attempt(label=label, seconds=seconds, error=error, planned_to_fail=planned_to_fail))
        return answer


def _transport_errors() -> tuple[type[BaseException], ...]:
    """Name what the SDKs let through when a connection breaks inside a stream: their HTTP library's own error.

    Which library that is depends on the SDK's release, so those that the SDKs have loaded are asked.
    """
    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return tuple(library.HTTPError for library in libraries)
