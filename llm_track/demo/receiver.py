"""A stand-in for PostHog's capture endpoints on loopback, as far as the official Python client uses them.

It answers like a PostHog that accepts everything; what it accepts goes into an `EventStore`.
"""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from llm_track.demo.store import EventStore, StoreError

_CAPTURE_PATHS = frozenset({"/batch", "/i/v0/e", "/i/v0/ai/batch", "/i/v1/analytics/events"})
_MAX_BODY_BYTES = 64 * 1024 * 1024
_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
_NO_FLAGS = {"featureFlags": {}, "flags": {}, "errorsWhileComputingFlags": False}


class _RefusedError(Exception):
    """A request that gets an error as its answer."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Receiver:
    """A PostHog-compatible server on 127.0.0.1 that keeps what it is sent, alive inside its `with` block."""

    def __init__(self, store: EventStore, port: int = 0) -> None:
        def answer(*arguments: Any) -> _Handler:
            return _Handler(store, *arguments)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), answer)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, store: EventStore, *arguments: Any) -> None:
        self._store = store
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._reply(HTTPStatus.OK, {"status": "ok"})

    def do_POST(self) -> None:
        try:
            self._reply(HTTPStatus.OK, self._accept())
        except _RefusedError as refused:
            self._reply(refused.status, {"detail": str(refused)})
        except StoreError as error:  # the client keeps the events and tries again
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, {"detail": str(error)})

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay quiet: the terminal belongs to the demo."""

    def _accept(self) -> Mapping[str, Any]:
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/flags" or path.startswith("/flags/"):
            return _NO_FLAGS
        if path not in _CAPTURE_PATHS:
            raise _RefusedError(HTTPStatus.NOT_FOUND, f"{path} is no capture endpoint of this receiver")
        uuids = self._store.add(_events(self._body()), datetime.now(timezone.utc))
        # The v1 endpoint's clients read `results`, the older ones only the HTTP status.
        return {"status": 1, "results": {uuid: {"result": "ok"} for uuid in uuids}}

    def _body(self) -> object:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is required")
        if int(length) > _MAX_BODY_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {_MAX_BODY_BYTES} bytes")
        encoding = self.headers.get("Content-Encoding", "")
        decode = _DECODERS.get(encoding)
        if decode is None:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content encoding {encoding} is not supported")
        try:
            # Python writes NaN and Infinity, which are no JSON and which DuckDB cannot query.
            return json.loads(decode(self.rfile.read(int(length))), parse_constant=lambda _: None)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"the body is no readable JSON: {error}") from error

    def _reply(self, status: HTTPStatus, answer: Mapping[str, Any]) -> None:
        content = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the client gave up; it asks again when it still cares


def _events(body: object) -> Sequence[Mapping[str, Any]]:
    """Read the events out of a capture body: a batch object, a list, or one event."""
    batch = body.get("batch", [body]) if isinstance(body, Mapping) else body
    if not isinstance(batch, list) or not all(isinstance(event, Mapping) and "event" in event for event in batch):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "the body holds no events")
    return batch
