"""Streams that come compressed: what was read of them is known, wherever the program stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tracemalloc
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import zstandard

import llm_track
from llm_track.testing import capture_events
from llm_track.wire.encoding import decoder, is_unpacked
from tests.providers.offline import client, http_of

WORDS = [f"word {number} " for number in range(50)]


def events() -> list[bytes]:
    """One server-sent event per word, and the usage at the end."""
    start = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    deltas = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in WORDS]
    chunks = [start | {"choices": [delta]} for delta in deltas]
    chunks.append(start | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append(start | {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 50, "total_tokens": 53}})
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


def deflated(wbits: int) -> Callable[[], tuple[Any, Callable[[], bytes]]]:
    def make() -> tuple[Any, Callable[[], bytes]]:
        writer = zlib.compressobj(wbits=wbits)
        return writer, lambda: writer.flush(zlib.Z_SYNC_FLUSH)

    return make


def zstandarded() -> tuple[Any, Callable[[], bytes]]:
    writer = zstandard.ZstdCompressor().compressobj()
    return writer, lambda: writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


ENCODINGS = {"gzip": deflated(31), "deflate": deflated(15), "zstd": zstandarded}


def compressed(encoding: str) -> list[bytes]:
    writer, flush = ENCODINGS[encoding]()
    return [*(writer.compress(event) + flush() for event in events()), writer.flush()]


def asked(encoding: str, pieces: list[bytes]) -> Any:
    def answer(request: Any) -> Any:
        headers = {"content-type": "text/event-stream", "content-encoding": encoding}
        return http_of(openai).Response(200, headers=headers, content=iter(pieces))

    made = client(openai, "OpenAI", answer)
    return made.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "?"}], stream=True)


def said(event: Any) -> str:
    (choice,) = event.properties["$ai_output_choices"]
    content = choice["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@pytest.fixture(autouse=True)
def _patched() -> None:
    llm_track.autopatch("openai")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_stream_is_read(encoding):
    """Text, tokens and the ending of a compressed stream are those of the stream."""
    with capture_events() as captured:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in asked(encoding, compressed(encoding)))
    (event,) = captured
    assert text == said(event) == "".join(WORDS)
    assert (event.properties["$ai_output_tokens"], event.properties["llm_outcome"]) == (50, "completed")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_stream_that_is_left_early_says_what_was_read(encoding):
    """What the program read of a compressed stream before it left is on the event, though the body is cut short."""
    with capture_events() as captured:
        stream = asked(encoding, compressed(encoding))
        read = "".join(next(stream).choices[0].delta.content for _ in range(5))
        stream.close()
    (event,) = captured
    assert said(event).startswith(read)
    assert event.properties["llm_outcome"] == "closed_early"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_stream_that_turns_to_noise_says_what_came_before(encoding):
    """Where a compressed stream becomes unreadable the program sees its exception, the event the text before."""
    pieces = [*compressed(encoding)[:4], b"\xff\x00noise" * 100]
    with capture_events() as captured, pytest.raises(Exception, match=r".") as raised:
        for _ in asked(encoding, pieces):
            pass
    (event,) = captured
    assert said(event) == "".join(WORDS[:4])
    assert event.properties["llm_outcome"] == "broken"
    assert str(raised.value) in event.properties["$ai_error"]


def test_a_bomb_is_not_unpacked():
    """Of a stream that unpacks to hundreds of megabytes only the beginning is read, in bounded memory."""
    writer = zlib.compressobj(9, wbits=31)
    first = events()[:3]
    pieces = [writer.compress(event) + writer.flush(zlib.Z_SYNC_FLUSH) for event in first]
    filler = b": ping" + b" " * 1_000_000 + b"\n\n"
    pieces += [writer.compress(filler) for _ in range(200)] + [writer.flush()]
    decode = decoder(http_of(openai).Response(200, headers={"content-encoding": "gzip"}))
    assert decode is not None
    tracemalloc.start()
    decoded, is_all = decode(pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert b"".join(decoded).startswith(b"".join(first))
    assert not is_all
    assert peak < 200_000_000


@pytest.mark.parametrize("encoding", [*ENCODINGS, "identity", "gzip, deflate"])
@pytest.mark.parametrize("cut", [False, True])
def test_the_end_of_a_body_is_known(encoding: str, cut: bool) -> None:
    """Whether a compressed body came to its end is known, of one that was read at once and of one that is unpacked."""
    content = b"".join(events())
    for each in encoding.split(", "):
        writer = ENCODINGS[each]()[0] if each in ENCODINGS else None
        content = content if writer is None else writer.compress(content) + writer.flush()
    content = content[: -4 if cut else None]
    response = http_of(openai).Response(200, headers={"content-encoding": encoding}, content=iter([content]))
    with contextlib.suppress(http_of(openai).DecodingError):  # what zstd says of it
        response.read()
        assert is_unpacked(response) is (not cut or encoding == "identity")
    decode = decoder(response)
    assert decode is None or decode([content])[1] is not cut


def test_the_end_of_a_body_in_other_words() -> None:
    """A decoder of brotli has a word of its own for its end, and one that knows of none is believed."""
    for end in (True, False):
        inner = SimpleNamespace(is_finished=lambda end=end: end)
        assert is_unpacked(SimpleNamespace(_decoder=SimpleNamespace(decompressor=inner))) is end
    assert is_unpacked(SimpleNamespace(_decoder=SimpleNamespace(decompressor=SimpleNamespace())))
    assert is_unpacked(SimpleNamespace())


@pytest.mark.parametrize("name", ["OpenAI", "AsyncOpenAI"])
def test_a_file_that_is_streamed_is_not_kept(name: str) -> None:
    """A file that a program takes piece by piece costs no memory, however long it is; its length is told."""
    pieces = 30

    async def sound() -> Any:
        for _ in range(pieces):
            yield bytes(1_000_000)

    def sound_now() -> Any:
        for _ in range(pieces):
            yield bytes(1_000_000)

    content = sound if name.startswith("Async") else sound_now
    headers = {"content-type": "audio/mpeg"}
    model = client(openai, name, lambda _: http_of(openai).Response(200, content=content(), headers=headers))
    get = model.audio.speech.with_streaming_response.create(input="a long tale", model="tts-1", voice="alloy")

    async def taken() -> int:
        async with get as response:
            return sum([len(piece) async for piece in response.iter_bytes()])

    def taken_now() -> int:
        with get as response:
            return sum(len(piece) for piece in response.iter_bytes())

    llm_track.autopatch("openai")
    tracemalloc.start()
    try:
        with capture_events() as told:
            length = asyncio.run(taken()) if name.startswith("Async") else taken_now()
            most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        llm_track.unpatch()
    assert length == pieces * 1_000_000
    assert most < 10_000_000
    assert [event.properties["$ai_output_state"]["bytes"] for event in told] == [length]
