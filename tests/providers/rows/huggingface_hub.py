"""Hugging Face's own SDK: chats in OpenAI's language, and texts that go on in that of its own servers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

from . import openai_language as language


def _make(url: str, mode: Mode) -> Any:
    return getattr(sdk("huggingface_hub"), f"{mode.prefix}InferenceClient")(url, token=KEY)


def _chat(mode: Mode, client: Any, streamed: bool) -> Any:
    return client.chat_completion(language.MESSAGES, stream=streamed)


def _text(mode: Mode, client: Any, streamed: bool) -> Any:
    return client.text_generation(ASKED, details=True, stream=streamed)


async def _as_openai(mode: Mode, client: Any) -> Any:
    return await mode.call(client.chat.completions.create, messages=language.MESSAGES)


async def _as_openai_streamed(mode: Mode, client: Any) -> Any:
    return await mode.items(await mode.call(client.chat.completions.create, messages=language.MESSAGES, stream=True))


def _token(index: int, text: str, whole: str | None = None, details: Any = None) -> dict[str, Any]:
    said = {"id": index, "text": text, "logprob": -0.5, "special": False}
    return {"index": index, "token": said, "generated_text": whole, "details": details}


def _modes() -> tuple[str, ...]:
    """What the asynchronous client of the versions before 1 raises does not say what the server said."""
    try:
        return ("sync", "async") if int(version("huggingface_hub").partition(".")[0]) > 0 else ("sync",)
    except PackageNotFoundError:
        return ("sync", "async")


WHOLE, ENDING = "".join(WORDS), {"finish_reason": "eos_token", "generated_tokens": 7, "seed": None}
FIRST, LAST = _token(1, WORDS[0]), _token(2, WORDS[1], WHOLE, {**ENDING, "input_length": 11})

ROWS = [
    Row(
        provider="huggingface_hub",
        billed="huggingface",
        make=_make,
        modes=_modes(),
        ask=_chat,
        ways={"as openai": _as_openai},
        streamed_ways={"as openai": _as_openai_streamed},
        broken=language.BROKEN,
        **language.ANSWERS,
    ),
    Row(
        provider="huggingface_hub",
        form="text",
        billed="huggingface",
        make=_make,
        modes=_modes(),
        ask=_text,
        whole={
            "json": [{"generated_text": WHOLE, "details": {**ENDING, "prefill": [], "tokens": [], "input_length": 11}}]
        },
        chunks={"events": [FIRST, LAST]},
        broken={"events": [FIRST, {"error": "overloaded", "error_type": "overloaded"}]},
        refused={"status": 429, "json": {"error": f"too much for {KEY}", "error_type": "overloaded"}},
        model="unknown",
        stop="eos_token",
    ),
]
