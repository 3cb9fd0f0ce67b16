"""A provider on loopback for LiteLLM: OpenAI's endpoints, Anthropic's messages and Cohere's rerank, with known numbers.

The words of a request say what happens to it, in its last user message, its input, prompt or query:

    ``answer 429``      an error with that status, whose message repeats the request's words
    ``fail inside``     a stream that carries an error after its first piece
    ``drop``            a stream whose connection breaks after its first piece
    ``slow``            nothing comes for `DELAY` seconds
    ``linger``          a stream that waits that long after its first piece
    ``uncounted``       no usage, even if it was asked for
    ``dated``           the answer names its model with the date of its release
    ``later``           a background run, which a GET of its id finds done

A model named ``fails-<status>`` fails that way whatever is said, and `Provider.failures` holds the statuses of the
requests to come.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INPUT, OUTPUT, CACHED, REASONING, CACHE_WRITTEN = 11, 7, 4, 3, 2
DELAY = 0.3
PIECES = ("Snails", " carry", " houses")
ANSWER = "".join(PIECES)
TRANSCRIPT = "a snail speaks"
AUDIO = b"ID3 not really audio"
VECTOR = [0.25, -0.5, 0.125]
IMAGE = "aGVsbG8gc25haWw="

_CHAT_USAGE = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": INPUT + OUTPUT,
    "prompt_tokens_details": {"cached_tokens": CACHED},
    "completion_tokens_details": {"reasoning_tokens": REASONING},
}
_ITEM_USAGE = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "total_tokens": INPUT + OUTPUT,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens_details": {"reasoning_tokens": REASONING},
}
_MESSAGE_USAGE = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "cache_read_input_tokens": CACHED,
    "cache_creation_input_tokens": CACHE_WRITTEN,
}
_PLAIN_USAGE = {"input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}


@dataclass(frozen=True)
class Request:
    """What came over the wire."""

    path: str
    headers: Message
    body: dict[str, Any]
    """The JSON, or of a form its text fields."""


class Provider(ThreadingHTTPServer):
    """Listens while its ``with`` block runs."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.v1 = f"{self.url}/v1"
        self.requests: list[Request] = []
        self.failures: list[int] = []

    def __enter__(self) -> Provider:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def forget(self) -> None:
        """Begin a new test."""
        self.requests.clear()
        self.failures.clear()

    def handle_error(self, *_: object) -> None:
        """Say nothing about a caller that hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = _parsed(self._content(), str(self.headers.get("content-type")))
        self.server.requests.append(Request(self.path, self.headers, body))
        words = _words(body)
        status = _status(self.server, str(body.get("model")), words)
        if "slow" in words:
            time.sleep(DELAY)
        if status:
            self._answer(_error(status, words), status)
        elif "later" in words:
            self._answer({**_response(body.get("model"), "queued", False), "output": [], "background": True})
        elif body.get("stream"):
            if "dated" in words:
                body["model"] = f"{body['model']}-2024-07-18"
            self._stream(_pieces(self.path, body, "uncounted" not in words), words)
        elif self.path.endswith("/audio/speech"):
            self._send(AUDIO, 200, "audio/mpeg")
        else:
            self._answer(_whole(self.path, body, "uncounted" not in words))

    def do_GET(self) -> None:
        self.server.requests.append(Request(self.path, self.headers, {}))
        self._answer({**_response("gpt-4o-mini", "completed", True), "background": True})

    def _content(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        content = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, whole: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(whole).encode(), status, "application/json")

    def _send(self, content: bytes, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", "req_snail")
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, pieces: Iterator[dict[str, Any]], words: str) -> None:
        """Send pieces in HTTP chunks: without the last, empty one a client knows that the connection broke."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        named = not self.path.endswith("/completions")
        said = 0
        for piece in pieces:
            self._chunk(piece, named)
            said += _is_said(piece)
            if said and "drop" in words:
                return
            if said == 1 and "linger" in words:
                time.sleep(DELAY)
            if said and "fail inside" in words:
                self._chunk({"type": "error", **_error(500, words)}, named)
                break
        else:
            if not named:
                self._chunk("[DONE]", named)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, piece: dict[str, Any] | str, named: bool) -> None:
        data = piece if isinstance(piece, str) else json.dumps(piece)
        name = f"event: {piece['type']}\n" if named and isinstance(piece, dict) else ""
        content = f"{name}data: {data}\n\n".encode()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def _parsed(content: bytes, kind: str) -> dict[str, Any]:
    if "multipart" not in kind:
        found = json.loads(content)
        assert isinstance(found, dict)
        return found
    return {
        field[1].decode(): field[2].decode("latin-1")
        for field in re.finditer(
            rb'name="(\w+)"(?!; filename)[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', content, re.DOTALL
        )
    }


def _words(body: dict[str, Any]) -> str:
    """What the caller says, as one text."""
    asked = body.get("messages") or body.get("input") or body.get("prompt") or body.get("query") or ""
    if isinstance(asked, list) and asked and isinstance(asked[-1], dict):
        asked = asked[-1].get("content")
    return asked if isinstance(asked, str) else json.dumps(asked)


def _status(server: Provider, model: str, words: str) -> int | None:
    if server.failures:
        return server.failures.pop(0)
    found = re.search(r"fails-(\d{3})", model) or re.search(r"answer (\d{3})", words)
    return int(found[1]) if found else None


def _error(status: int, words: str) -> dict[str, Any]:
    return {"error": {"message": f"cannot say: {words}", "type": _KINDS.get(status, "error"), "code": None}}


def _is_said(piece: dict[str, Any]) -> bool:
    """Whether a piece of a stream carries words of the answer."""
    kind = piece.get("type")
    if kind is not None:
        return kind in ("content_block_delta", "response.output_text.delta")
    (choice, *_) = piece["choices"] or [{}]
    return bool(choice.get("text") or choice.get("delta", {}).get("content"))


def _whole(path: str, body: dict[str, Any], counted: bool) -> dict[str, Any]:
    model = body.get("model")
    usage: dict[str, Any] = {"usage": _CHAT_USAGE} if counted else {}
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}
        return {**_chat(model, "chat.completion"), "choices": [choice], **usage}
    if path.endswith("/completions"):
        choice = {"index": 0, "finish_reason": "stop", "text": ANSWER, "logprobs": None}
        return {**_chat(model, "text_completion"), "choices": [choice], **usage}
    if path.endswith("/embeddings"):
        inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"object": "embedding", "index": index, "embedding": VECTOR} for index in range(len(inputs))]
        usage = {"usage": {"prompt_tokens": INPUT, "total_tokens": INPUT}} if counted else {}
        return {"object": "list", "model": model, "data": data, **usage}
    if path.endswith("/images/generations"):
        return {"created": 1, "data": [{"b64_json": IMAGE}], **({"usage": _PLAIN_USAGE} if counted else {})}
    if path.endswith("/audio/transcriptions"):
        usage = {"type": "tokens", **_PLAIN_USAGE, "input_token_details": {"text_tokens": 0, "audio_tokens": INPUT}}
        return {"text": TRANSCRIPT, **({"usage": usage} if counted else {})}
    if path.endswith("/moderations"):
        result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
        return {"id": "modr-1", "model": model, "results": [result]}
    if path.endswith("/files"):
        file = {"id": "file-1", "object": "file", "bytes": 2, "created_at": 1, "filename": "a.jsonl"}
        return {**file, "purpose": "batch", "status": "processed"}
    if path.endswith("/rerank"):
        results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
        return {"id": "rank-1", "results": results, "meta": {"billed_units": {"search_units": 1}}}
    if path.endswith("/messages"):
        content = [{"type": "text", "text": ANSWER}]
        return {**_message(model, counted), "stop_reason": "end_turn", "content": content}
    return _response(model, "completed", counted)


def _pieces(path: str, body: dict[str, Any], counted: bool) -> Iterator[dict[str, Any]]:
    model = body.get("model")
    if path.endswith("/completions"):
        chats = path.endswith("/chat/completions")
        frame = _chat(model, "chat.completion.chunk" if chats else "text_completion")
        for text in PIECES:
            said = {"delta": {"role": "assistant", "content": text}} if chats else {"text": text}
            yield {**frame, "choices": [{"index": 0, **said, "finish_reason": None}]}
        yield {
            **frame,
            "choices": [{"index": 0, **({"delta": {}} if chats else {"text": ""}), "finish_reason": "stop"}],
        }
        if counted and (body.get("stream_options") or {}).get("include_usage"):
            yield {**frame, "choices": [], "usage": _CHAT_USAGE}
    elif path.endswith("/messages"):
        yield {"type": "message_start", "message": _message(model, counted)}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for text in PIECES:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        yield {"type": "content_block_stop", "index": 0}
        stopped = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
        yield {**stopped, "usage": {"output_tokens": OUTPUT if counted else 0}}
        yield {"type": "message_stop"}
    else:
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        yield {"type": "response.created", "response": {**_response(model, "in_progress", False), "output": []}}
        for text in PIECES:
            yield {"type": "response.output_text.delta", **where, "delta": text}
        yield {"type": "response.output_text.done", **where, "text": ANSWER}
        yield {"type": "response.completed", "response": _response(model, "completed", counted)}


def _chat(model: Any, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}


def _message(model: Any, counted: bool) -> dict[str, Any]:
    usage = _MESSAGE_USAGE if counted else {"input_tokens": 0, "output_tokens": 0}
    frame = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "usage": usage}
    return {**frame, "content": [], "stop_reason": None, "stop_sequence": None}


def _response(model: Any, status: str, counted: bool) -> dict[str, Any]:
    content = [{"type": "output_text", "text": ANSWER, "annotations": []}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    frame = {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": status, "output": [item]}
    asked = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None}
    return {**frame, **asked, "usage": _ITEM_USAGE if counted else None}
