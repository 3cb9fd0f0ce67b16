"""A model on loopback that says what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class EchoModel(ThreadingHTTPServer):
    """Speaks OpenAI's chat completions while its ``with`` block runs."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> EchoModel:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = asked["messages"][-1]["content"]
        kind, body = "application/json", json.dumps(_answer(words)).encode()
        if asked.get("stream"):
            kind, body = "text/event-stream", b"".join(_chunks(words))
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _answer(words: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "echo",
        "choices": [choice],
        "usage": USAGE,
    }


def _chunks(words: str) -> Iterator[bytes]:
    shared = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "echo"}
    for piece in words.split(" "):
        yield _frame({**shared, "choices": [{"index": 0, "delta": {"content": f"{piece} "}, "finish_reason": None}]})
    yield _frame({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _frame({**shared, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
