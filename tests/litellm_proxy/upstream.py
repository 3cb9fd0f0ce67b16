"""An LLM provider on loopback: the model's name says how it behaves.

``fails-<status>`` answers with that status, ``slow`` and ``slower`` wait before each piece of a stream; any other model
answers at once.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Bread", " rises", " slowly")
ANSWER = "".join(WORDS)
PROMPT_TOKENS = 11
COMPLETION_TOKENS = 3
SLOW_SECONDS = {"slow": 0.3, "slower": 5.0}

_CHAT_USAGE = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": 14}
PICTURE = base64.b64encode(bytes(range(256))).decode()
_ITEM_USAGE = {
    "input_tokens": PROMPT_TOKENS,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": COMPLETION_TOKENS,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 14,
}


class Upstream(ThreadingHTTPServer):
    """Listens while its ``with`` block runs; ``asked`` are the paths and bodies of the requests it got."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> Upstream:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing about a caller that hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Upstream

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        self.server.asked.append((self.path, body))
        model = str(body.get("model"))
        if model.startswith("fails-"):
            status = int(model.removeprefix("fails-"))
            self._answer({"error": {"message": f"refused with {status}", "type": "test_error", "code": None}}, status)
        elif body.get("stream"):
            self._stream(_pieces(self.path, body), SLOW_SECONDS.get(model, 0.0))
        else:
            self._answer(_whole(self.path, body))

    def _answer(self, whole: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(whole).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, pieces: Iterator[dict[str, Any]], pause: float) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        named = not self.path.endswith("/completions")
        for piece in pieces:
            time.sleep(pause)
            name = f"event: {piece['type']}\n" if named else ""
            self.wfile.write(f"{name}data: {json.dumps(piece)}\n\n".encode())
        if not named:
            self.wfile.write(b"data: [DONE]\n\n")


def _whole(path: str, body: dict[str, Any]) -> dict[str, Any]:
    model = body.get("model")
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}
        return {**_chat(model), "object": "chat.completion", "choices": [choice], "usage": _CHAT_USAGE}
    if path.endswith("/completions"):
        choice = {"index": 0, "finish_reason": "stop", "text": ANSWER, "logprobs": None}
        return {**_chat(model), "object": "text_completion", "choices": [choice], "usage": _CHAT_USAGE}
    if path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
        usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
        return {"object": "list", "model": model, "data": data, "usage": usage}
    if path.endswith("/images/generations"):
        return {"created": 1, "data": [{"b64_json": PICTURE}]}
    if path.endswith("/messages"):
        return {**_message(model), "stop_reason": "end_turn", "content": [{"type": "text", "text": ANSWER}]}
    return _response(model, "completed")


def _pieces(path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    model = body.get("model")
    if path.endswith("/completions"):
        frame = {**_chat(model), "object": "chat.completion.chunk"}
        for word in WORDS:
            yield {**frame, "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]}
        yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**frame, "choices": [], "usage": _CHAT_USAGE}
    elif path.endswith("/messages"):
        yield {"type": "message_start", "message": _message(model)}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for word in WORDS:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        yield {"type": "content_block_stop", "index": 0}
        usage = {"output_tokens": COMPLETION_TOKENS}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}
        yield {"type": "message_stop"}
    else:
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        yield {"type": "response.created", "response": {**_response(model, "in_progress"), "output": []}}
        for word in WORDS:
            yield {"type": "response.output_text.delta", **where, "delta": word}
        yield {"type": "response.output_text.done", **where, "text": ANSWER}
        yield {"type": "response.completed", "response": _response(model, "completed")}


def _chat(model: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 1, "model": model}


def _message(model: Any) -> dict[str, Any]:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _response(model: Any, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": ANSWER, "annotations": []}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": status,
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "usage": _ITEM_USAGE if status == "completed" else None,
    }
