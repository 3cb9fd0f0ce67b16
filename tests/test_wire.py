"""The bytes of an answer, as they come over the wire."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.wire import Answer, Chunk, eventstream, request_id, sse
from llm_track.wire.pulled import Pulled

SSE = {"content-type": "text/event-stream; charset=utf-8"}
AWS = {"content-type": "application/vnd.amazon.eventstream"}


def an_answer(headers: Any = SSE, **fields: Any) -> Answer:
    return Answer(status=200, headers=headers, url="https://api.example.com/v1", **fields)


def unzipped(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    reader = zlib.decompressobj(wbits=31)
    return [reader.decompress(piece) for piece in pieces], reader.eof


def data_of(body: bytes) -> list[bytes]:
    return [data for data, _ in sse.events(body)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\ndata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"data: one\r\ndata: two\r\ndata:\r\n\r\n", [b"one\ntwo\n"]),
        (b": comment\n\n: ping\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"event: ping\n\nid: 7\n\n", []),
        (b"data:\n\ndata: \n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b"database: no\ndatas: no\n data: no\n\n", []),
        ("data: \u2028\u0085 \u00e9\n\n".encode(), ["\u2028\u0085 \u00e9".encode()]),
        (b"", []),
        (b"\n", []),
    ],
)
def test_how_server_sent_events_are_read(body, expected):
    """Line ends, comments, other fields, several data lines and a missing last blank line are read by the standard."""
    assert data_of(body) == expected


LINES = st.lists(
    st.sampled_from([b"data: {}", b'data: {"a": 1}', b"data: [1,", b"data: 2]", b": ping", b"event: x", b"", b"data"]),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(LINES, ENDS)
def test_the_line_end_makes_no_difference(lines, end):
    """The same events come out whichever of the three line ends a server uses."""
    assert data_of(end.join(lines)) == data_of(b"\n".join(lines))


@given(LINES, ENDS, st.lists(st.integers(0, 200)))
def test_how_the_bytes_were_cut_makes_no_difference(lines, end, cuts):
    """Pieces cut anywhere, inside line ends too, give the same chunks as the whole body, each with a time."""
    body = end.join(lines)
    pieces = cut(body, cuts)
    whole = [chunk.value for chunk in an_answer(content=body).chunks()]
    read = list(an_answer(pieces=pieces, times=[float(number) for number in range(len(pieces))]).chunks())
    assert [chunk.value for chunk in read] == whole
    times = [chunk.arrived for chunk in read]
    assert times == sorted(times)
    assert all(time is not None for time in times)


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    """Return the body in pieces that end at these places."""
    places = sorted({place for place in cuts if 0 < place < len(body)})
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


def test_a_chunk_arrives_with_the_piece_that_ends_it():
    """The time of a chunk is that of the piece with the last byte of its event, not of its first."""
    pieces = [b'data: {"n"', b": 1}\n", b'\ndata: {"n": 2}\n\ndata: {"n": 3}\n\nda', b"ta: 4"]
    answer = an_answer(pieces=pieces, times=[1.0, 2.0, 3.0, 4.0])
    assert list(answer.chunks()) == [Chunk({"n": 1}, 3.0), Chunk({"n": 2}, 3.0), Chunk({"n": 3}, 3.0), Chunk(4, 4.0)]


def test_without_pieces_there_are_no_times():
    """A body that was read as a whole has chunks without times."""
    assert list(an_answer(content=b"data: 1\n\n").chunks()) == [Chunk(1, None)]


def test_what_is_no_json_is_left_out():
    """The mark of the end, broken JSON, bad UTF-8 and JSON nested beyond reason cost only themselves."""
    deep = b"[" * 200_000
    body = b"\n\n".join(b"data: " + data for data in (b"1", b"[DONE]", b'{"cut": ', b'"\xff"', deep, b"2"))
    assert [chunk.value for chunk in an_answer(content=body).chunks()] == [1, 2]


@pytest.mark.parametrize(
    ("body", "done"),
    [(b"data: 1\n\ndata: [DONE]\n\n", True), (b"data: [DONE]", True), (b"data: 1\n\n", False), (b"", False)],
)
def test_whether_the_stream_said_that_it_is_done(body, done):
    """The mark at the end of the body is seen, with or without what follows it."""
    assert an_answer(pieces=[body]).said_done() is done


def frame(payload: bytes, headers: bytes = b"") -> bytes:
    """Return a message of Amazon's event stream, checksums included."""
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start += struct.pack(">I", zlib.crc32(start))
    message = start + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def wrapped(value: Any) -> bytes:
    return json.dumps({"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abc"}).encode()


HEADERS = b"\x0b:event-type\x07\x00\x05chunk"


@given(
    st.lists(st.dictionaries(st.text(), st.integers()), max_size=6),
    st.sampled_from([b"", HEADERS]),
    st.integers(0, 2000),
)
def test_frames_of_amazon_are_unwrapped(values, headers, length):
    """Each message gives its event; one that the end of the body cuts short is left out, wherever it is cut."""
    frames = [frame(wrapped(value), headers) for value in values]
    body = b"".join(frames)
    assert [chunk.value for chunk in an_answer(AWS, content=body).chunks()] == values
    ends, end = [], 0
    for message in frames:
        end += len(message)
        ends.append(end)
    whole = sum(end <= length for end in ends)
    assert [end for _, end in eventstream.events(body[:length])] == ends[:whole]


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b'{"message": "throttled"}', b'{"message": "throttled"}'),
        (b'{"bytes": 5}', b'{"bytes": 5}'),
        (b'{"bytes": "x"}', b'{"bytes": "x"}'),
        (b"[1]", b"[1]"),
        (b"no json", b"no json"),
        (b"", b""),
        (b"[" * 200_000, b"[" * 200_000),
    ],
)
def test_a_frame_that_wraps_nothing_is_its_payload(payload, event):
    """Exceptions and other messages, which have no wrapped event, come through as they are."""
    assert list(eventstream.events(frame(payload))) == [(event, 16 + len(payload))]


def named(**headers: str) -> bytes:
    """Return headers of a frame; the names have a colon before them and dashes in them."""
    pairs = [(f":{name.replace('_', '-')}".encode(), value.encode()) for name, value in headers.items()]
    return b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value for name, value in pairs
    )


@pytest.mark.parametrize(
    ("headers", "payload", "event"),
    [
        (named(event_type="messageStop"), b'{"a": 1}', {"messageStop": {"a": 1}}),
        (named(event_type="initial-response"), b"", {"initial-response": {}}),
        (named(event_type="chunk"), wrapped({"a": 1}), {"a": 1}),
    ],
)
def test_a_frame_of_a_named_event(headers, payload, event):
    """An event of Amazon's own is an object of its type; of a chunk, it is the model's."""
    ((told, _),) = eventstream.events(frame(payload, headers))
    assert json.loads(told) == event


@pytest.mark.parametrize(
    ("headers", "payload", "words"),
    [
        (named(message_type="exception", exception_type="gone"), b'{"message": "too much"}', "too much"),
        (named(exception_type="gone"), b'{"Message": "too much"}', "too much"),
        (named(message_type="error", error_code="gone", error_message="too much"), b"", "too much"),
        (named(exception_type="gone"), b"too much", "too much"),
        (named(exception_type="gone"), b"[1]", "[1]"),
    ],
)
def test_a_frame_of_an_exception(headers, payload, words):
    """An exception amid a stream is an object with an error, as in the streams of others."""
    ((told, _),) = eventstream.events(frame(payload, headers))
    assert json.loads(told) == {"type": "error", "error": {"type": "gone", "message": words}}


@given(st.binary(max_size=300))
def test_garbage_comes_to_an_end(body):
    """Any bytes at all are read to an end by both readers, without an error."""
    list(eventstream.events(body))
    list(sse.events(body))
    for headers in (SSE, AWS):
        list(an_answer(headers, content=body).chunks())
    an_answer(content=body).json()


@pytest.mark.parametrize("body", [struct.pack(">II", 0, 0) * 4, struct.pack(">II", 16, 1) * 4, b"\xff" * 64])
def test_impossible_lengths_end_the_reading(body):
    """A frame whose lengths contradict each other yields nothing."""
    assert list(eventstream.events(body)) == []


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/vnd.amazon.eventstream", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_what_is_a_stream(kind, stream):
    """The media type tells a stream from a body, in any case and with any parameters."""
    assert an_answer({"content-type": kind} if kind else {}).is_stream() is stream


def test_the_body_is_what_was_read():
    """A body is the whole, or the pieces so far, decoded if it came encoded."""
    zipped = gzip.compress(b'{"a": 1}')
    assert an_answer(content=b"x").body() == b"x"
    assert an_answer(pieces=[b"a", b"b"]).body() == b"ab"
    assert an_answer(pieces=[zipped[:9], zipped[9:]], decode=unzipped).json() == {"a": 1}
    assert an_answer(decode=unzipped).body() == b""
    assert an_answer(content=b"{}", decode=unzipped).json() == {}


def test_an_encoded_stream_has_the_times_of_its_pieces():
    """A chunk of an encoded body arrived with the piece that completed it, however often the body is looked at."""
    writer = zlib.compressobj(wbits=31)
    pieces = [
        writer.compress(b"data: 1\n\nda") + writer.flush(zlib.Z_SYNC_FLUSH),
        writer.compress(b"ta: 2\n\n") + writer.flush(),
    ]
    answer = an_answer(pieces=pieces, times=[1.0, 2.0], decode=unzipped)
    assert answer.body() == answer.body() == b"data: 1\n\ndata: 2\n\n"
    assert list(answer.chunks()) == [Chunk(1, 1.0), Chunk(2, 2.0)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000])
def test_a_body_that_is_no_json_is_none(body):
    """A body that cannot be read is no error."""
    assert an_answer(content=body).json() is None


@pytest.mark.parametrize("name", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id"])
def test_request_ids_have_many_names(name):
    """The id that support asks for is found under each provider's name."""
    assert request_id({name: "req_1"}) == "req_1"
    assert an_answer({name: "req_1"}).request_id == "req_1"
    assert an_answer({"x-other": "1"}).request_id is None


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"a": 1}\n\n' * 100_000,
        b"\n" * 1_000_000,
        b"\r" * 1_000_000,
        b"data: " + b"x" * 5_000_000,
        b"data: x\n" * 200_000,
        b": ping\n\n" * 200_000,
    ],
    ids=["events", "blank lines", "returns", "one line", "one event", "comments"],
)
def test_long_streams_are_read_to_their_end(body):
    """Megabytes of any shape are read, and nothing is found in them that is no JSON object's text."""
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    found = [chunk.value for chunk in an_answer(pieces=pieces, times=[0.0]).chunks()]
    assert len(found) <= body.count(b"data:")


def test_a_long_event_stream_is_read_to_its_end():
    """Every one of many frames of Amazon is read."""
    body = frame(wrapped({"a": 1})) * 50_000
    assert sum(1 for _ in eventstream.events(body)) == 50_000


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_one_object_per_line(kind):
    """A stream of lines has an object per line, each with the time when its line was whole; a cut line is left out."""
    answer = Answer(
        200, {"content-type": kind}, "", pieces=[b'{"a": 1}\n\n{"b"', b': 2}\r\nno JSON\n{"c": '], times=[1.0, 2.0]
    )
    assert answer.is_stream()
    assert [(chunk.value, chunk.arrived) for chunk in answer.chunks()] == [({"a": 1}, 1.0), ({"b": 2}, 2.0)]


def test_messages_of_amazon_that_an_sdk_has_unwrapped():
    """Under Amazon's media type there may be one JSON object per line, which is read as that."""
    answer = an_answer(AWS, content=b'{"a": 1}\n{"b": 2}\n')
    assert [chunk.value for chunk in answer.chunks()] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "pieces",
    [
        ['data: {"n": 1}', "", "event: x", 'data: {"n": 2}', "", "data: [DONE]"],
        [b'data: {"n": 1}', b"", b"event: x", b'data: {"n": 2}', b"", b"data: [DONE]"],
    ],
)
def test_lines_that_were_pulled(pieces: list[Any]) -> None:
    """Lines without their ends, as an HTTP library cuts them, are events, each from the time of its own line."""
    pulled = Pulled(pieces=pieces, times=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert list(pulled.chunks(pieces, dict)) == [Chunk({"n": 1}, 1.0), Chunk({"n": 2}, 4.0)]


def test_bytes_that_were_pulled() -> None:
    """Bytes that have their lines' ends are events wherever they are cut; objects are told by their provider."""
    pieces = [b'data: {"n"', b': 1}\n\ndata: {"n": 2}\n\n']
    assert list(Pulled(pieces=pieces, times=[1.0, 2.0]).chunks(pieces, dict)) == [
        Chunk({"n": 1}, 2.0),
        Chunk({"n": 2}, 2.0),
    ]
    assert list(Pulled(times=[1.0]).chunks([[("a", 1)], [("b", 2)]], dict)) == [
        Chunk({"a": 1}, 1.0),
        Chunk({"b": 2}, 1.0),
    ]
    assert list(Pulled().chunks([[]], dict)) == [Chunk({}, None)]
    assert list(Pulled().chunks(["data: 1"], dict)) == [Chunk(1, None)]
