"""A PostHog on loopback that does everything wrong that servers do, until it is healed."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).parent / "loopback.pem"
"""Of a receiver that speaks TLS: who trusts this file, trusts it."""


@dataclass(frozen=True)
class Stored:
    """One event that was taken."""

    name: str
    uuid: str
    key: str


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    size: int
    key: str
    names: list[str]


@dataclass(frozen=True)
class Answer:
    """What becomes of a request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"status": 1}'
    seconds: float = 0.0
    """How long it takes."""
    stores: bool | None = None
    """Whether the events are taken; ``None``: if the status says so."""
    cut: int | None = None
    """After how many bytes the connection is closed; negative: how many are missing at the end."""
    hangs: bool = False
    """Whether there is none until the receiver is healed."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a receiver."""

    answer: Callable[[Request], Answer] = lambda _: Answer()
    times: int | None = None
    """How many requests meet it; ``None``: all, until the receiver is healed."""
    listens: bool = True
    resets: bool = False
    """Whether connections are closed as soon as they are made."""
    plain: bool = False
    """Whether it speaks plain HTTP where it should speak TLS."""


def always(times: int | None = None, **given: Any) -> Fault:
    """Return the fault of answering every request, or the first ones, the same way."""
    return Fault(lambda _: Answer(**given), times)


def status(code: int, times: int | None = None, **headers: str) -> Fault:
    """Return the fault of answering with a status; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return always(times, status=code, headers=named, body=b'{"detail": "no"}')


HEALTHY = Fault()
DOWN = Fault(listens=False)
RESETS = Fault(resets=True)
PLAIN = Fault(plain=True)
SLOW = always(seconds=0.5)
HANGS = always(hangs=True, stores=False)
BROKEN_OFF = always(2, cut=len("HTTP/1.1 "), stores=False)
STORES_AND_CLOSES = always(2, cut=0)
BODY_CUT = always(2, cut=-5)
PAGE = always(3, status=502, body=b"<html>Bad Gateway</html>", headers={"content-type": "text/html"})
MOST_EVENTS, MOST_BYTES = 10, 100 * 1024
TOO_MANY = Fault(lambda request: Answer(413 if len(request.names) > MOST_EVENTS else 200))
TOO_LARGE = Fault(lambda request: Answer(413 if request.size > MOST_BYTES else 200))
POISONED = Fault(lambda request: Answer(400 if any("poison" in name for name in request.names) else 200))


class Faulty(ThreadingHTTPServer):
    """Listens while its ``with`` block runs, unless its fault is that it does not.

    ``stored`` are the events that it took, as often as it took them; ``requests`` are all that it was sent.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False  # a port that nobody listens on must not be given to another receiver
    request_queue_size = 128

    def __init__(self, fault: Fault = HEALTHY, *, secure: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.server_bind()
        self.url = f"http{'s' * secure}://127.0.0.1:{self.server_address[1]}"
        self.stored: list[Stored] = []
        self.requests: list[Request] = []
        self.healed = threading.Event()
        self._fault = fault
        self._met = 0
        self._lock = threading.Lock()
        self._listens = False
        self._open = 0
        self._context = _context() if secure else None

    def __enter__(self) -> Faulty:
        if self._fault.listens:
            self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.healed.set()
        if self._listens:
            self.shutdown()
        self.server_close()

    def heal(self) -> None:
        """Do everything right from now on."""
        self._fault = HEALTHY
        self.healed.set()
        if not self._listens:
            self._listen()

    def fail(self, fault: Fault) -> None:
        """Do something wrong from now on."""
        self._met, self._fault = 0, fault
        self.healed.clear()

    def _listen(self) -> None:
        self._listens = True
        self.server_activate()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def meet(self, request: Request) -> Answer:
        """Return what becomes of a request."""
        with self._lock:
            self.requests.append(request)
            fault = self._fault
            answer = fault.answer(request) if fault.times is None or self._met < fault.times else Answer()
            self._met += 1
            return answer

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until the last client has gone: what it sent at the end has been read by then."""
        until = time.monotonic() + seconds
        while self._open and time.monotonic() < until:
            time.sleep(0.01)
        return not self._open

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection."""
        with self._lock:
            self._open += 1
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak with one client, on a thread of its own."""
        if self._fault.resets:
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if self._context is None or self._fault.plain:
            super().finish_request(request, client_address)
            return
        with self._context.wrap_socket(request, server_side=True) as spoken:
            super().finish_request(spoken, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is reset is not shut down before: that would end it in good order."""
        if self._fault.resets:
            self.close_request(request)
        else:
            super().shutdown_request(request)
        with self._lock:
            self._open -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed, or do not trust this receiver, are what these tests are about: nothing is said."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Faulty

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(gzip.decompress(sent) if self.headers.get("content-encoding") == "gzip" else sent)
        key = body.get("api_key", "")
        events = [
            Stored(event.get("properties", {}).get("$ai_span_name", event["event"]), event["uuid"], key)
            for event in body.get("batch", [])
        ]
        answer = self.server.meet(Request(self.path, len(sent), key, [event.name for event in events]))
        time.sleep(answer.seconds)
        if answer.stores if answer.stores is not None else answer.status == 200:
            self.server.stored.extend(events)
        if answer.hangs:
            self.server.healed.wait()
            self.close_connection = True
        else:
            self._say(answer)

    def do_GET(self) -> None:
        self._say(Answer(404))

    def _say(self, answer: Answer) -> None:
        headers = {"content-type": "application/json", "content-length": str(len(answer.body))} | dict(answer.headers)
        lines = [f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'No'}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write(("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body)[: answer.cut])
        self.close_connection = answer.cut is not None or self.close_connection


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context
