"""Amazon Bedrock through boto3 and aiobotocore: Converse, and the languages of invoked models."""

from __future__ import annotations

import json
from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

MODEL = "snail-1-0926"
MESSAGES = [{"role": "user", "content": [{"text": ASKED}]}]
WHOLE = "".join(WORDS)
_COUNTED = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
_COUNTS = {"x-amzn-bedrock-input-token-count": "11", "x-amzn-bedrock-output-token-count": "7"}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 11, "outputTokenCount": 7}}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": WHOLE}]}},
    "stopReason": "end_turn",
    "usage": _COUNTED,
    "metrics": {"latencyMs": 5},
}
BROKEN = {"modelStreamErrorException": {"message": "overloaded"}}
REFUSED = {
    "status": 429,
    "json": {"message": f"too much for {KEY}"},
    "headers": {"x-amzn-errortype": "ThrottlingException"},
}


def _delta(words: str) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": words}}}


BEGUN = [{"messageStart": {"role": "assistant"}}, _delta(WORDS[0])]
EVENTS = [
    *BEGUN,
    _delta(WORDS[1]),
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": _COUNTED, "metrics": {"latencyMs": 5}}},
]

_CLAUDE_BEGUN = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-snail", "content": []}
CLAUDE = {
    **_CLAUDE_BEGUN,
    "content": [{"type": "text", "text": WHOLE}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}


def _said(words: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


CLAUDE_EVENTS = [
    {"type": "message_start", "message": {**_CLAUDE_BEGUN, "usage": {"input_tokens": 11, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    _said(WORDS[0]),
    _said(WORDS[1]),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop", **METRICS},
]
LLAMA = {"generation": WHOLE, "stop_reason": "stop", "prompt_token_count": 11, "generation_token_count": 7}
LLAMA_BEGUN = {"generation": WORDS[0], "stop_reason": None, "prompt_token_count": 11, "generation_token_count": 1}
LLAMA_LAST = {"generation": WORDS[1], "stop_reason": "stop", "prompt_token_count": None, "generation_token_count": 7}


_CREDENTIALS = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}


def make(url: str, mode: Mode, service: str = "bedrock-runtime", credentials: bool = True, **config: Any) -> Any:
    """Return a client of botocore, or of aiobotocore, which has to be entered."""
    session = sdk("aiobotocore.session" if mode.prefix else "botocore.session").get_session()
    given = {"endpoint_url": url, "region_name": "us-east-1", **(_CREDENTIALS if credentials else {})}
    kind = sdk("aiobotocore.config").AioConfig if mode.prefix else sdk("botocore.config").Config
    made = session.create_client(service, config=kind(**{"retries": {"total_max_attempts": 1}, **config}), **given)
    return mode.run(made.__aenter__()) if mode.prefix else made


async def _end(mode: Mode, client: Any) -> None:
    await mode.call(client.close)


def shown(answer: Any) -> Any:
    """Return what a program can see of an answer; its headers tell the time."""
    told = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return type(answer), told, sorted(answer.get("ResponseMetadata", {}))


async def _converse(mode: Mode, client: Any, streamed: bool) -> Any:
    ask = client.converse_stream if streamed else client.converse
    answer = await mode.call(ask, modelId=MODEL, messages=MESSAGES)
    return answer["stream"] if streamed else answer


def _invoking(body: Any) -> Any:
    async def invoke(mode: Mode, client: Any, streamed: bool) -> Any:
        ask = client.invoke_model_with_response_stream if streamed else client.invoke_model
        answer = await mode.call(ask, modelId=MODEL, body=json.dumps(body))
        return answer["body"] if streamed else {**answer, "body": await mode.call(answer["body"].read)}

    return invoke


async def in_pieces(mode: Mode, client: Any) -> Any:
    """Invoke a model, and read its answer in pieces."""
    answer = await mode.call(client.invoke_model, modelId=MODEL, body=json.dumps(ASKED_LLAMA))
    return await mode.items(answer["body"].iter_chunks(5))


async def by_lines(mode: Mode, client: Any) -> Any:
    """Invoke a model, and read its answer line by line."""
    answer = await mode.call(client.invoke_model, modelId=MODEL, body=json.dumps(ASKED_LLAMA).encode())
    return await mode.items(answer["body"].iter_lines())


ASKED_CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": ASKED}],
}
ASKED_NOVA = {"schemaVersion": "messages-v1", "messages": MESSAGES}
ASKED_LLAMA = {"prompt": ASKED, "max_gen_len": 9}


def _row(sdk_name: str, form: str, ask: Any, **answers: Any) -> Row:
    def asked(mode: Mode, client: Any, streamed: bool) -> Any:
        coroutine = ask(mode, client, streamed)
        return coroutine if mode.prefix else mode.run(coroutine)

    return Row(
        provider=sdk_name,
        form=form,
        billed="amazon-bedrock",
        make=make,
        ask=asked,
        end=_end,
        shown=shown,
        modes=("async",) if sdk_name == "aiobotocore" else ("sync",),
        refused=REFUSED,
        **{"stop": "end_turn", "first": 2, **answers},
    )


def _rows(sdk_name: str) -> list[Row]:
    return [
        _row(
            sdk_name,
            "converse",
            _converse,
            whole={"json": ANSWER},
            chunks={"converse_events": EVENTS},
            broken={"converse_events": [*BEGUN, BROKEN]},
        ),
        _row(
            sdk_name,
            "claude",
            _invoking(ASKED_CLAUDE),
            first=3,
            whole={"json": CLAUDE, "headers": _COUNTS},
            chunks={"aws_events": CLAUDE_EVENTS},
            broken={"aws_events": [*CLAUDE_EVENTS[:3], BROKEN]},
        ),
        _row(
            sdk_name,
            "nova",
            _invoking(ASKED_NOVA),
            whole={"json": ANSWER, "headers": _COUNTS},
            chunks={"aws_events": [*EVENTS[:-1], {**EVENTS[-1], **METRICS}]},
            broken={"aws_events": [*BEGUN, BROKEN]},
        ),
        _row(
            sdk_name,
            "llama",
            _invoking(ASKED_LLAMA),
            first=1,
            stop="stop",
            ways={"in pieces": in_pieces, "by lines": by_lines},
            whole={"json": LLAMA, "headers": _COUNTS},
            chunks={"aws_events": [LLAMA_BEGUN, {**LLAMA_LAST, **METRICS}]},
            broken={"aws_events": [LLAMA_BEGUN, BROKEN]},
        ),
    ]


ROWS = [*_rows("botocore"), *_rows("aiobotocore")]
