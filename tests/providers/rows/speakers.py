"""SDKs that Stainless makes and that speak OpenAI's language."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import KEY, Row, sdk

from . import openai_language as language


def _row(module: str, client: str, billed: str, version: str = "", path: str = "", **more: Any) -> Row:
    """Return the row of an SDK; ``version`` is what its base URL ends with, ``more`` are settings of its client."""

    def make(url: str, mode: Mode) -> Any:
        made = getattr(sdk(module), mode.prefix + client)
        return made(api_key=KEY, base_url=url + version, max_retries=0, **more)

    ask = language.asking(path) if path else language.asking()
    ways = {} if path else language.RAW
    return Row(provider=module, billed=billed, make=make, ask=ask, ways=ways, **language.ANSWERS)


ROWS = [
    _row("cerebras.cloud.sdk", "Cerebras", "cerebras", warm_tcp_connection=False),
    _row("fireworks", "Fireworks", "fireworks"),
    _row("groq", "Groq", "groq"),
    _row("openai", "OpenAI", "openai", version="/v1"),
    _row("together", "Together", "together", version="/v1"),
    _row("writerai", "Writer", "writer", path="chat.chat"),
]
