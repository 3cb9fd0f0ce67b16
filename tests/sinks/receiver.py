"""A PostHog on loopback that keeps what it is sent."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Listens while its ``with`` block runs.

    ``events`` are the events in the order in which they arrived, ``requests`` what carried them; ``statuses`` are the
    answers to the next requests, after which every answer is 200; each takes ``seconds``.  The addresses in
    ``refusing`` have an answer of their own; ``answers`` are the bodies of others, which no events are sent to.
    ``judge`` may say the status for a batch.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.events: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.refusing: dict[str, int] = {}
        self.judge: Callable[[list[dict[str, Any]]], int | None] = lambda batch: None
        self.answers: dict[str, Any] = {}
        self.seconds = 0.0
        self.answered = 0

    def __enter__(self) -> Receiver:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Receiver

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        encoding = self.headers.get("content-encoding")
        body = json.loads(gzip.decompress(sent) if encoding == "gzip" else sent)
        said = {"path": self.path, "encoding": encoding, "body": body, "bytes": len(sent)}
        self.server.requests.append({**said, "peer": self.client_address[1]})
        time.sleep(self.server.seconds)
        status = self.server.refusing.get(self.path) or self.server.judge(body.get("batch", [body]))
        status = status or (self.server.statuses.pop(0) if self.server.statuses else 200)
        prepared = self.server.answers.get(self.path.partition("?")[0])
        if status == 200 and prepared is None:
            self.server.events.extend(body.get("batch", [body]))
        self._answer(status, prepared or {"status": 1})

    def do_GET(self) -> None:
        prepared = self.server.answers.get(self.path.partition("?")[0])
        self._answer(404 if prepared is None else 200, prepared)

    def _answer(self, status: int, body: Any) -> None:
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.server.answered += 1
        self.wfile.write(answer)
