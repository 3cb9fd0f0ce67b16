"""LiteLLM, which is called by functions and asks through the SDKs of others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from conformance.modes import Mode

from providers.row import KEY, Row, sdk

from . import openai_language as language


def _make(url: str, mode: Mode) -> Any:
    litellm = sdk("litellm")
    litellm.suppress_debug_info = True
    function = litellm.acompletion if mode.prefix else litellm.completion
    return SimpleNamespace(function=function, given={"api_base": f"{url}/v1", "api_key": KEY, "num_retries": 0})


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    more = {"stream": True} if streamed else {}
    return client.function(model="openai/snail-1", messages=language.MESSAGES, **client.given, **more)


async def _leave(mode: Mode, stream: Any) -> None:
    """In older versions a synchronous stream has nothing to close it by: a program lets go of it."""
    close = getattr(stream, "aclose" if mode.prefix else "close", None)
    if close is not None:
        await mode.call(close)


ROWS = [
    Row(
        provider="litellm openai",
        billed="openai",
        make=_make,
        ask=_ask,
        leave=_leave,
        alone=lambda client: False,
        **language.ANSWERS,
    ),
]
