"""Amazon's binary event stream, in which Bedrock wraps the events of a model.

A message is: total length (4 bytes), length of its headers (4), checksum (4), headers, payload, checksum (4).  A header
says of which type the event is.  The payload of ``chunk`` is ``{"bytes": "<base64 of the model's own event>"}``; an
event of another type becomes ``{type: payload}``, as Amazon's SDKs have it, and an exception an object with ``error``.
Source: AWS, "Event stream encoding".
"""

from __future__ import annotations

import binascii
import json
import re
import struct
from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_FRAME = 16  # the bytes of a message that are neither headers nor payload
_NAMED = re.compile(rb":(event-type|exception-type|error-code|error-message)\x07(..)", re.DOTALL)
"""The headers that matter; the 7 says that a string follows, and the two bytes after it how long that is."""


def events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (event, end of its message in the body); a message cut short by the end of the body is left out."""
    start = 0
    while start + _FRAME <= len(body):
        length, headers = struct.unpack_from(">II", body, start)
        end, payload = start + length, start + 12 + headers
        if length < _FRAME + headers or end > len(body):
            return
        yield _event(_headers(body[start + 12 : payload]), body[payload : end - 4]), end
        start = end


def _headers(block: bytes) -> dict[str, str]:
    found = {each[1].decode(): (each.end(), int.from_bytes(each[2], "big")) for each in _NAMED.finditer(block)}
    return {name: block[at : at + length].decode("utf-8", "replace") for name, (at, length) in found.items()}


def _event(headers: dict[str, str], payload: bytes) -> bytes:
    kind, failed = headers.get("event-type", "chunk"), headers.get("exception-type") or headers.get("error-code")
    if failed is not None:
        return _error(failed, headers.get("error-message"), payload)
    if kind != "chunk":
        return b"{%s:%s}" % (json.dumps(kind).encode(), payload or b"{}")
    try:
        wrapped = json.loads(payload)
        return binascii.a2b_base64(wrapped["bytes"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return payload


def _error(kind: str, message: str | None, payload: bytes) -> bytes:
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        told = None
    said = told.get("message") or told.get("Message") if isinstance(told, dict) else None
    words = said or message or payload.decode("utf-8", "replace")
    return json.dumps({"type": "error", "error": {"type": kind, "message": words}}).encode()
