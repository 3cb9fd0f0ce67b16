"""Undoing the content encoding of a body that was kept as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llm_track._guard import attempt
from llm_track.wire import LONGEST_DECODED


def decoder(response: Any) -> Callable[[list[bytes]], tuple[list[bytes], bool]] | None:
    """Return what undoes the content encoding of a body that was kept as it came: the HTTP library's own decoder."""
    if response.headers.get("content-encoding", "identity") == "identity":
        return None
    kind: Any = type(response)
    headers = {"content-encoding": response.headers["content-encoding"]}

    def decode(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        decoded: list[bytes] = []
        is_all = attempt(_decode, partial(kind, 200, headers=headers), pieces, decoded, otherwise=False)
        return decoded, is_all

    return decode


def _decode(respond: Callable[..., Any], pieces: list[bytes], decoded: list[bytes]) -> bool:
    """Add to ``decoded`` what each piece says, until the body ends, an error ends it, or it turns out to be a bomb.

    Returns:
        Whether it ended.
    """

    def fed() -> Iterator[bytes]:
        for piece in pieces:
            decoded.append(b"")
            yield piece

    length, response = 0, respond(content=fed())
    for part in response.iter_bytes():
        decoded[-1] += part
        length += len(part)
        if length > LONGEST_DECODED:
            return False
    return is_unpacked(response)


def is_unpacked(response: Any) -> bool:
    """Tell whether the body of a response that was read was unpacked to its end, if it was compressed at all.

    The HTTP libraries hand out a compressed body that was cut short without a word; their decoder knows.
    """
    return _has_ended(getattr(response, "_decoder", None))


def _has_ended(decoder: Any) -> bool:
    """``httpx`` lays decoders around each other, and around those of ``zlib`` and others, which know their end."""
    if isinstance(eof := getattr(decoder, "eof", None), bool):
        return eof
    if callable(finished := getattr(decoder, "is_finished", None)):  # brotli's word for it
        return bool(finished())
    inner = getattr(decoder, "children", None) or [getattr(decoder, "decompressor", None)]
    return all(_has_ended(each) for each in inner if each is not None)
