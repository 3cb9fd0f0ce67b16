"""A provider on loopback that always says the same: ids, texts and times are fixed, faults are ordered by the path.

``http://host:port/<mode>/v1`` is the base URL of an SDK.  It keeps no state between requests, so that two runs of one
program get the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

WORDS = ("Two", " plus", " two", " is", " four.")
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
MESSAGE_USAGE = {"input_tokens": 11, "output_tokens": 5}
STATUSES = {
    "e400": (400, "invalid_request_error", "Bad value for temperature."),
    "e401": (401, "authentication_error", "Incorrect API key provided."),
    "e404": (404, "not_found_error", "No such model."),
    "e429": (429, "rate_limit_error", "Rate limit reached."),
    "e500": (500, "api_error", "The provider is in trouble."),
}
SLOW_SECONDS = 2.0
"""Longer than any program waits."""
_CHAT = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "served-model"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A program that hangs up is no error."""


class Loopback:
    """The server, for the time of a ``with`` block."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._closed_port = socket.socket()
        self._closed_port.bind(("127.0.0.1", 0))

    def __enter__(self) -> Loopback:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._closed_port.close()

    @property
    def url(self) -> str:
        """Where the provider listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def refused(self) -> str:
        """Where nobody listens, and nobody else can start to."""
        return f"http://127.0.0.1:{self._closed_port.getsockname()[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Mon, 01 Jan 2024 00:00:00 GMT"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        mode, _, route = self.path.partition("?")[0].strip("/").partition("/")
        route = route.removeprefix("v1/").replace("/", "_")
        if mode == "slow":
            time.sleep(SLOW_SECONDS)
        try:
            if mode in STATUSES:
                self._refuse(mode)
            elif mode == "badjson":
                self._send(b"{not json")
            elif body.get("stream"):
                self._stream(mode, frames(route, body))
            else:
                self._reply(mode, route, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _refuse(self, mode: str) -> None:
        status, kind, message = STATUSES[mode]
        error = {"type": "error", "error": {"type": kind, "code": kind, "message": message}}
        self._send(json.dumps(error).encode(), status=status)

    def _reply(self, mode: str, route: str, body: dict[str, Any]) -> None:
        if route == "audio_speech":
            self._send(b"\x00sound\xff", kind="audio/mpeg")
            return
        reply = answer(route, body)
        if mode == "nullchoices":
            reply.update(choices=None, content=None)
        if mode == "nousage":
            reply.pop("usage", None)
        reply["seen"] = _digest(body, self.headers)
        self._send(json.dumps(reply).encode())

    def _send(self, content: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **_NAMED}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, mode: str, sent: list[bytes]) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **_NAMED}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for frame in faulty(mode, sent):
            if frame is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
            self.wfile.flush()
            if mode == "slowstream":
                time.sleep(SLOW_SECONDS)
        self.wfile.write(b"0\r\n\r\n")


_NAMED = {"x-request-id": "req_1", "request-id": "req_1", "retry-after-ms": "1"}


def _digest(body: dict[str, Any], headers: Any) -> str:
    """What reached the provider: a program that is tracked must send the same."""
    names = sorted(name.lower() for name in headers)
    return hashlib.sha256(json.dumps([body, names], sort_keys=True).encode()).hexdigest()[:12]


def faulty(mode: str, sent: list[bytes]) -> Iterator[bytes | None]:
    """The frames of a stream with the fault that the mode asks for; ``None`` cuts the connection."""
    for number, frame in enumerate(sent):
        if number == 3 and mode == "cut":
            yield None
        if number == 3 and mode == "inerror":
            error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded in the middle."}}
            yield event(error, "error")
            return
        if number == 3 and mode == "badjson_stream":
            yield b"event: content_block_delta\ndata: {not json\n\n"
        if number == 3 and mode == "nullchoices":
            yield event({**_CHAT, "object": "chat.completion.chunk", "choices": None}, "ping")
        yield frame


def event(value: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    text = value if isinstance(value, str) else json.dumps(value)
    return ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()


def answer(route: str, body: dict[str, Any]) -> dict[str, Any]:
    """The whole answer of a route."""
    answers = {
        "chat_completions": lambda: _chat_answer(body),
        "completions": lambda: {
            **_CHAT,
            "object": "text_completion",
            "choices": [{"index": 0, "text": "".join(WORDS), "finish_reason": "stop", "logprobs": None}],
            "usage": USAGE,
        },
        "embeddings": lambda: {
            "object": "list",
            "model": "served-model",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        },
        "responses": lambda: response_answer("completed"),
        "moderations": lambda: {"id": "modr-1", "model": "served-model", "results": []},
        "messages": lambda: {**_MESSAGE, "content": _blocks(body), "stop_reason": "end_turn", "usage": MESSAGE_USAGE},
        "messages_count_tokens": lambda: {"input_tokens": 11},
    }
    listed = {"object": "list", "data": [{"id": "m-1", "object": "model", "created": 1, "owned_by": "x"}]}
    return answers[route]() if route in answers else listed


def _chat_answer(body: dict[str, Any]) -> dict[str, Any]:
    text = '{"answer": 4}' if "response_format" in body else "".join(WORDS)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if body.get("tools"):
        called = {"name": "add", "arguments": '{"left": 2}'}
        message = {"role": "assistant", "content": None}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": called}]
    choices = [{"index": index, "message": message, "finish_reason": "stop"} for index in range(body.get("n") or 1)]
    return {**_CHAT, "object": "chat.completion", "choices": choices, "usage": USAGE}


_MESSAGE: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "served-model"}
_MESSAGE |= {"content": [], "stop_reason": None, "stop_sequence": None}


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    if body.get("tools"):
        return [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"left": 2}}]
    return [{"type": "text", "text": "".join(WORDS)}]


def response_answer(status: str) -> dict[str, Any]:
    """An answer of the Responses API, in progress or completed."""
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    message = {"type": "message", "id": "m_1", "role": "assistant", "status": status, "content": [text]}
    counted = {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    done = status == "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "model": "served-model",
        "output": [message] if done else [],
        "usage": {**counted, **details} if done else None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "error": None,
        "metadata": {},
    }


def frames(route: str, body: dict[str, Any]) -> list[bytes]:
    """The server-sent events of a route."""
    if route == "messages":
        return [event(value, value["type"]) for value in _message_events()]
    if route == "responses":
        return [event(value, value["type"]) for value in _response_events()]
    return [event(value) for value in chat_chunks(body, legacy=route == "completions")] + [event("[DONE]")]


def chat_chunks(body: dict[str, Any], *, legacy: bool = False) -> Iterator[dict[str, Any]]:
    """The chunks of a chat; with usage only if the request asks for it, as OpenAI does."""
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    base = {**_CHAT, "object": "text_completion" if legacy else "chat.completion.chunk"}
    base |= {"usage": None} if asked else {}
    for number, word in enumerate((*WORDS, None)):
        said = {"role": "assistant", "content": word} if number == 0 else {"content": word} if word else {}
        part: dict[str, Any] = {"text": word or ""} if legacy else {"delta": said}
        yield {**base, "choices": [{"index": 0, **part, "finish_reason": None if word else "stop", "logprobs": None}]}
    if asked:
        yield {**base, "choices": [], "usage": USAGE}


def _message_events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {**_MESSAGE, "usage": {"input_tokens": 11, "output_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "ping"}
    for word in WORDS:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _response_events() -> Iterator[dict[str, Any]]:
    place = {"item_id": "m_1", "output_index": 0, "content_index": 0}
    started, done = response_answer("in_progress"), response_answer("completed")
    item = {**done["output"][0], "status": "in_progress", "content": []}
    text = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": started}]
    events.append({"type": "response.output_item.added", "output_index": 0, "item": item})
    events.append({"type": "response.content_part.added", **place, "part": text})
    events += [{"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in WORDS]
    events.append({"type": "response.output_text.done", **place, "text": "".join(WORDS), "logprobs": []})
    events.append({"type": "response.completed", "response": done})
    return ({**value, "sequence_number": number} for number, value in enumerate(events))
