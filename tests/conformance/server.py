"""A provider on loopback that gives prepared answers, one after the other.

    with CaseServer() as server:
        run = server.play([{"json": {...}}])     # the answers of one test, in order; the last one repeats
        OpenAI(base_url=run.url + "/v1", api_key="x")

An answer is a JSON object.  Its body is one of ``json``, ``events`` (server-sent events), ``written`` (the same, as
they are written), ``lines`` (JSON objects, each in a line), ``aws_events`` (a model's own events in Amazon's event
stream), ``converse_events`` (Amazon's: ``{type: payload}``) or ``base64``.  Around it: ``status``, ``headers``,
``named`` (an ``event:`` line per event), ``done`` (``[DONE]`` at the end), ``gzip`` (compressed), ``delay`` (seconds
before the answer), ``hold_after`` and ``cut_after`` (after that many events, or bytes of a body that is no stream, the
answer waits for the end of the test or breaks off).
"""

from __future__ import annotations

import base64
import json
import struct
import threading
import zlib
from binascii import crc32
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HELD_SECONDS = 20.0


class Run:
    """The answers of one test, and what was asked for them."""

    def __init__(self, number: str, url: str, answers: list[dict[str, Any]]) -> None:
        self.number = number
        self.url = f"{url}/{number}"
        self.answers = answers
        self.requests: list[dict[str, Any]] = []
        self.over = threading.Event()
        self._lock = threading.Lock()

    def next_answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Note a request and return its answer."""
        with self._lock:
            self.requests.append(request)
            return self.answers[min(len(self.requests), len(self.answers)) - 1]


class CaseServer(ThreadingHTTPServer):
    """Listens while its ``with`` block runs."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, Run] = {}

    def play(self, answers: list[dict[str, Any]]) -> Run:
        """Begin a test."""
        number = str(len(self.runs))
        run = self.runs[number] = Run(number, f"http://127.0.0.1:{self.server_address[1]}", answers)
        return run

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes early is what some tests are about."""

    def __enter__(self) -> CaseServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for run in self.runs.values():
            run.over.set()
        self.shutdown()
        self.server_close()


_STREAMS = ("text/event-stream", "application/stream+json", "application/vnd.amazon")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: CaseServer

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        url = urlsplit(self.path)
        number, _, path = url.path.lstrip("/").partition("/")
        run = self.server.runs[number]
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = {"method": self.command, "path": f"/{path}", "body": _json(sent), "headers": self.headers}
        answer = run.next_answer(asked)
        if "delay" in answer:
            run.over.wait(answer["delay"])
        pieces, content_type = encoded(answer)
        if answer.get("gzip"):
            pieces = compressed(pieces)
        if content_type.startswith(_STREAMS):
            self._head(answer, content_type, {"transfer-encoding": "chunked"})
            self._stream(run, answer, pieces)
        else:
            self._head(answer, content_type, {"content-length": str(len(pieces[0]))})
            self.wfile.write(pieces[0][: answer.get("cut_after")])
            self.close_connection = self.close_connection or "cut_after" in answer

    do_GET = do_POST = _answer

    def _head(self, answer: dict[str, Any], content_type: str, framing: dict[str, str]) -> None:
        self.send_response(answer.get("status", 200))
        encoding = {"content-encoding": "gzip"} if answer.get("gzip") else {}
        given = {"content-type": content_type, **encoding, **answer.get("headers", {}), **framing}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, run: Run, answer: dict[str, Any], pieces: list[bytes]) -> None:
        for number, piece in enumerate(pieces):
            if number == answer.get("hold_after"):
                run.over.wait(HELD_SECONDS)
            if number == answer.get("cut_after"):
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


def a_file(content: bytes, **more: Any) -> dict[str, Any]:
    """Return an answer that is a file."""
    return {"base64": base64.b64encode(content).decode(), **more}


def lines(*given: Any) -> bytes:
    """Return a file of JSON, a value in each line."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in given)


def encoded(answer: dict[str, Any]) -> tuple[list[bytes], str]:
    """Return the body of an answer, in the pieces in which it is sent, and its content type."""
    if "events" in answer:
        marks = [b"data: [DONE]\n\n"] if answer.get("done") else []
        named = answer.get("named", False)
        return [_server_sent(event, named) for event in answer["events"]] + marks, "text/event-stream"
    if "lines" in answer:
        return [json.dumps(each).encode() + b"\n" for each in answer["lines"]], "application/stream+json"
    if "written" in answer:
        return [event.encode() for event in answer["written"]], "text/event-stream"
    if "aws_events" in answer:
        return [_aws_message(event) for event in answer["aws_events"]], "application/vnd.amazon.eventstream"
    if "converse_events" in answer:
        named = [_aws_named(event) for event in answer["converse_events"]]
        return named, "application/vnd.amazon.eventstream"
    if "base64" in answer:
        return [base64.b64decode(answer["base64"])], "application/octet-stream"
    return [json.dumps(answer["json"]).encode()], "application/json"


def compressed(pieces: list[bytes]) -> list[bytes]:
    """Compress a body so that each of its pieces can be read when it arrives."""
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*packed[:-1], packed[-1] + packer.flush()]


def _server_sent(event: dict[str, Any], named: bool) -> bytes:
    name = f"event: {event['type']}\n" if named else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def _aws_message(event: dict[str, Any]) -> bytes:
    """A model's event; what ends in ``Exception`` is Amazon's own, and ends the stream."""
    if any(name.endswith("Exception") for name in event):
        return _aws_named(event)
    return _aws_frame("event", "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


def _aws_named(event: dict[str, Any]) -> bytes:
    ((name, payload),) = event.items()
    return _aws_frame("exception" if name.endswith("Exception") else "event", name, payload)


def _aws_frame(kind: str, name: str, told: dict[str, Any]) -> bytes:
    payload = json.dumps(told).encode()
    given = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(_aws_header(name, value) for name, value in given.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _aws_header(name: str, value: str) -> bytes:
    """The 7 says that a string follows."""
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
