"""Bodies of Amazon's SDKs: the program reads them as ever, and the event has what was read."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from conformance.events import answer_words
from conformance.modes import Mode
from conformance.server import CaseServer, encoded

from llm_track.testing import Events
from providers.calls import only
from providers.rows import bedrock as rows

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LLAMA = {"json": rows.LLAMA, "headers": rows._COUNTS}
EVENTS = {"converse_events": rows.EVENTS}
WHOLE = json.dumps(rows.LLAMA).encode()
WORDS = "slow snails"


async def invoked(mode: Mode, client: Any, model: str = rows.MODEL, **body: Any) -> Any:
    """Invoke a model; return the whole answer, its body unread."""
    return await mode.call(client.invoke_model, modelId=model, body=json.dumps(body or rows.ASKED_LLAMA))


async def read_in_steps(mode: Mode, body: Any) -> bytes:
    """Read in steps that end exactly with the body, and not once more."""
    length, got = len(WHOLE), b""
    while len(got) < length:
        got += await mode.call(body.read, min(7, length - len(got)))
    return got


async def read_into(mode: Mode, body: Any) -> bytes:
    got = bytearray(len(WHOLE) + 9)
    if not hasattr(body, "readinto"):  # aiobotocore has it since 3.1
        return bytes(await mode.call(body.read))
    return bytes(got[: await mode.call(body.readinto, got)])


async def read_lines(mode: Mode, body: Any) -> bytes:
    return b"".join(await mode.call(body.readlines)) if hasattr(body, "readlines") else await mode.call(body.read)


async def read_entered(mode: Mode, body: Any) -> bytes:
    async with mode.within(body) as entered:
        return bytes(await mode.call(entered.read))


async def read_items(mode: Mode, body: Any) -> bytes:
    return b"".join(await mode.items(body))


async def read_next(mode: Mode, body: Any) -> bytes:
    step = getattr(body, "anext", None) or getattr(body, "__anext__", None) or body.next
    return bytes(await mode.call(step)) + await mode.call(body.read)


READERS = [read_in_steps, read_into, read_lines, read_entered, read_items, read_next]


@pytest.mark.parametrize("reader", READERS)
def test_a_body_is_read_in_any_way(reader: Any, mode: Mode, server: CaseServer, events: Events) -> None:
    """However a program reads a body it gets all of it, and the event is that of the whole answer."""
    client = rows.make(server.play([LLAMA]).url, mode)

    async def ask() -> bytes:
        return bytes(await reader(mode, (await invoked(mode, client))["body"]))

    assert mode.run(ask()) == WHOLE
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_input_tokens"], told["$ai_stop_reason"]) == ("completed", 11, "stop")
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": WORDS}]


def test_a_body_stays_what_it_is(mode: Mode, server: CaseServer, events: Events) -> None:
    """Body and stream are of the SDK's classes, and what they read from is of urllib3's or aiohttp's."""
    played = server.play([LLAMA, EVENTS])
    client = rows.make(played.url, mode)

    async def ask() -> tuple[Any, Any]:
        body = (await invoked(mode, client))["body"]
        stream = await rows._converse(mode, client, True)
        raw = getattr(body, "_raw_stream", None) or body.__wrapped__
        kinds = body.__class__, stream.__class__, raw.__class__.__name__, stream._raw_stream.__class__.__name__
        await mode.call(body.read)
        await mode.items(stream)
        return kinds

    body, stream, *raw = mode.run(ask())
    assert stream.__name__ in ("EventStream", "AioEventStream")
    assert body.__name__ in ("StreamingBody", "AioStreamingBody", "ClientResponse")
    assert set(raw) == {"ClientResponse" if mode.prefix else "HTTPResponse"}
    assert [event.properties["llm_outcome"] for event in events.settle()] == ["completed", "completed"]


@pytest.mark.parametrize("how", ["dropped", "closed", "begun"])
def test_a_body_that_is_not_read(how: str, mode: Mode, server: CaseServer, events: Events) -> None:
    """A body that is dropped or closed before its end is one event, with the counts that the headers have."""
    client = rows.make(server.play([LLAMA]).url, mode)

    async def ask() -> None:
        body = (await invoked(mode, client))["body"]
        if how == "begun":
            await mode.call(body.read, 5)
        if how == "closed":
            await mode.call(body.close)
            assert len(events.settle()) == 1
        del body
        await mode.collect_garbage()

    mode.run(ask())
    told = only(events).properties
    assert told["llm_outcome"] == ("closed_early" if how == "begun" else "never_read")
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"]) == (11, 7)
    assert (told["$ai_output_choices"], told.get("$ai_is_error", False)) == ([], False)


CUT = {
    "body": {**LLAMA, "cut_after": 20},
    "converse": {**EVENTS, "cut_after": 2},
    "invoke": {"aws_events": rows.CLAUDE_EVENTS, "cut_after": 3},
}


@pytest.mark.parametrize("way", CUT)
def test_a_connection_that_breaks(way: str, mode: Mode, server: CaseServer, events: Events) -> None:
    """A connection that breaks amid an answer is one broken event, with what was read and why there is no more."""
    client = rows.make(server.play([CUT[way]]).url, mode)
    with pytest.raises(Exception, match=r"(?s)."):
        mode.run(read_to_the_end(mode, client, way))
    event = only(events)
    told = event.properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["$ai_is_error"]) == ("broken", 200, True)
    assert answer_words(event) == ("" if way == "body" else "slow ")
    assert told.get("$ai_input_tokens") == (None if way == "converse" else 11)


def test_a_spoiled_frame(mode: Mode, server: CaseServer, events: Events) -> None:
    """A checksum that is wrong is the SDK's exception, and one broken event with it."""
    frames, _ = encoded(EVENTS)
    spoiled = b"".join([*frames[:2], frames[2][:-1] + b"x", *frames[3:]])
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    client = rows.make(server.play([{"base64": base64.b64encode(spoiled).decode(), "headers": kind}]).url, mode)
    with pytest.raises(Exception, match=r"(?s).") as raised:
        mode.run(read_to_the_end(mode, client, "converse"))
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_error_type"]) == ("broken", "ChecksumMismatch")
    assert type(raised.value).__name__ == "ChecksumMismatch"


async def read_to_the_end(mode: Mode, client: Any, way: str) -> Any:
    if way == "body":
        return await mode.call((await invoked(mode, client))["body"].read)
    if way == "converse":
        return await mode.items(await rows._converse(mode, client, True))
    return await mode.items(await rows._invoking(rows.ASKED_CLAUDE)(mode, client, True))
