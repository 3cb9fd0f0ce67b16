"""Amazon's binary event stream, in which Bedrock wraps the events of a model.

A message is: total length (4 bytes), length of its headers (4), checksum (4), headers, payload, checksum (4); the
payload of a model's event is ``{"bytes": "<base64 of the event>"}``.  Source: AWS, "Event stream encoding".
"""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_FRAME = 16  # the bytes of a message that are neither headers nor payload


def events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (event, end of its message in the body); a message cut short by the end of the body is left out."""
    start = 0
    while start + _FRAME <= len(body):
        length, headers = struct.unpack_from(">II", body, start)
        end = start + length
        if length < _FRAME + headers or end > len(body):
            return
        yield _event(body[start + 12 + headers : end - 4]), end
        start = end


def _event(payload: bytes) -> bytes:
    try:
        wrapped = json.loads(payload)
        return binascii.a2b_base64(wrapped["bytes"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return payload
