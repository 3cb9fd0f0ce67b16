"""Azure AI Inference; both modes have clients of the same name."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import KEY, Row, sdk

from . import openai_language as language


def _make(url: str, mode: Mode) -> Any:
    home = sdk("azure.ai.inference.aio" if mode.prefix else "azure.ai.inference")
    key = sdk("azure.core.credentials").AzureKeyCredential(KEY)
    return home.ChatCompletionsClient(url, key, model="snail-1", retry_total=0)


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    return client.complete(messages=language.MESSAGES, stream=streamed)


async def _body(mode: Mode, client: Any) -> None:
    """The request as one piece of JSON."""
    await mode.call(client.complete, {"messages": language.MESSAGES})


async def _streamed_body(mode: Mode, client: Any) -> None:
    await mode.items(await mode.call(client.complete, {"messages": language.MESSAGES, "stream": True}))


async def _bytes(mode: Mode, client: Any) -> None:
    await mode.call(client.complete, b'{"messages": [{"role": "user", "content": "how do snails live"}]}')


def _shown(answer: Any) -> Any:
    return type(answer), answer.as_dict()


ROWS = [
    Row(
        provider="azure.ai.inference",
        billed="azure",
        make=_make,
        ask=_ask,
        shown=_shown,
        ways={"body": _body, "bytes": _bytes},
        streamed_ways={"body": _streamed_body},
        **language.ANSWERS,
    )
]
