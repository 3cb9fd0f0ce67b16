"""Ollama's own SDK; its streams are a JSON object per line, and it has no error 429 of its own."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode
from conformance.server import a_file, lines

from providers.row import ASKED, KEY, WORDS, Row, sdk

FRAME = {"model": "snail-1-0926", "created_at": "2026-01-01T00:00:00Z"}
END = {**FRAME, "done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}
ERROR = {"error": "overloaded"}


def written(*answers: Any, **more: Any) -> dict[str, Any]:
    """Return a prepared answer of one JSON object per line."""
    return a_file(lines(*answers), headers={"content-type": "application/x-ndjson"}, **more)


def _make(url: str, mode: Mode) -> Any:
    return getattr(sdk("ollama"), f"{mode.prefix}Client")(host=url, headers={"authorization": f"Bearer {KEY}"})


async def _end(mode: Mode, client: Any) -> None:
    await mode.call(getattr(client._client, "aclose", None) or client._client.close)


def _row(form: str) -> Row:
    given: dict[str, Any] = (
        {"prompt": ASKED} if form == "generate" else {"messages": [{"role": "user", "content": ASKED}]}
    )

    def said(words: str) -> dict[str, Any]:
        return {"response": words} if form == "generate" else {"message": {"role": "assistant", "content": words}}

    def ask(mode: Mode, client: Any, streamed: bool) -> Any:
        return getattr(client, form)(model="snail", stream=streamed, **given)

    first = {**FRAME, **said(WORDS[0]), "done": False}
    return Row(
        provider="ollama",
        form=form,
        billed="ollama",
        make=_make,
        ask=ask,
        end=_end,
        whole={"json": {**END, **said("".join(WORDS))}},
        chunks=written(first, {**END, **said(WORDS[1])}),
        broken=written(first, ERROR),
        refused={"status": 429, "json": {"error": f"too much for {KEY}"}},
    )


ROWS = [_row("chat"), _row("generate")]
