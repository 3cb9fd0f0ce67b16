"""A place in a trace as a short text, for a browser or another process to hand back.

Whoever has the secret can make and read such a text, and nobody else.  It is sealed in the way of SIV (RFC 5297), with
HMAC-SHA256 for both of its parts: a signature of the content, of 96 bits, and a stream of bytes made from that
signature, under which the content is hidden.  If that hiding failed, the signature would stand as ever.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import struct
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from llm_track.records import Identity, Place, Policy

PREFIX = "fb1."
LONGEST = 4096
"""Characters."""
_SIGNATURE = 12
"""Bytes."""
_MOST = 3000
"""Bytes; who asked is left out of a token that would be longer, so that it can be taken."""
_HEAD = struct.Struct(">BHII")
"""Flags, what may leave, when it was made and until when it holds, in seconds since 1970; 0: for ever."""
_IS_SILENT, _IS_MODEL_CALL, _HAS_SPAN, _TRACE_IS_UUID, _SPAN_IS_UUID = 1, 2, 4, 8, 16
_FIELDS = ("inputs", "outputs", "tools", "errors", "tracebacks", "metadata", "media")
"""Each a bit; in this order for ever.  A field that is not named here does not leave."""
_NO_POLICY = 1 << 15
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")


class BrokenSealError(ValueError):
    """A text that is no token of this secret, or one that holds no longer; the message says which."""


def seal(place: Place, secret: str, *, made: int, until: int = 0) -> str:
    """Return a place as a token.

    Args:
        place: what to hold; its metadata is left out, and who asked is left out where no event may be sent.
        secret: what is needed to read the token.
        made, until: when it is made and until when it holds, in seconds since 1970; 0: for ever.
    """
    content = _packed(place, made, until)
    if len(content) > _MOST:
        bare = Identity(no_log=place.identity.no_log, content=place.identity.content)
        content = _packed(replace(place, identity=bare), made, until)
    signature = _signature(secret, content)
    return PREFIX + _text(signature + _hidden(secret, signature, content))


def unseal(token: str, secret: str, *, now: float) -> tuple[Place, str]:
    """Return the place that a token holds, and what tells this token from others.

    Raises:
        BrokenSealError: for what is no token of this secret, and for one that holds no longer.
    """
    sealed = _bytes(token)
    signature, hidden = sealed[:_SIGNATURE], sealed[_SIGNATURE:]
    content = _hidden(secret, signature, hidden)
    if not hmac.compare_digest(signature, _signature(secret, content)):
        raise BrokenSealError("it was not made with this feedback_secret, or it was changed")
    place, until = _unpacked(content)
    if until and now >= until:
        raise BrokenSealError("it has expired")
    return place, signature.hex()


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


def _bytes(token: str) -> bytes:
    """There is one way only to write the same bytes: another one is no token."""
    body = token[len(PREFIX) :]
    if not token.startswith(PREFIX) or len(token) > LONGEST or _BASE64.fullmatch(body) is None:
        raise BrokenSealError("it is no feedback token")
    try:
        sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        raise BrokenSealError("it is no feedback token") from None
    if len(sealed) < _SIGNATURE + _HEAD.size or _text(sealed) != body:
        raise BrokenSealError("it is no feedback token")
    return sealed


def _key(secret: str, use: bytes) -> bytes:
    return hmac.digest(secret.encode("utf-8", "surrogatepass"), b"llm_track feedback token 1: " + use, sha256)


def _signature(secret: str, content: bytes) -> bytes:
    return hmac.digest(_key(secret, b"sign"), content, sha256)[:_SIGNATURE]


def _hidden(secret: str, signature: bytes, content: bytes) -> bytes:
    """Hide a content, or show a hidden one: the same stream of bytes over it."""
    key = _key(secret, b"hide")
    blocks = range(-(-len(content) // 32))
    stream = b"".join(hmac.digest(key, signature + number.to_bytes(4, "big"), sha256) for number in blocks)
    return bytes(one ^ other for one, other in zip(content, stream, strict=False))


def _packed(place: Place, made: int, until: int) -> bytes:
    who = place.identity
    (trace_flag, trace), (span_flag, span) = _id(place.trace_id, _TRACE_IS_UUID), (0, b"")
    if place.span_id is not None:
        span_flag, span = _id(place.span_id, _SPAN_IS_UUID)
        span_flag |= _HAS_SPAN
    flags = trace_flag | span_flag | (_IS_SILENT if who.no_log else 0)
    flags |= _IS_MODEL_CALL if place.is_model_call else 0
    return _HEAD.pack(flags, _bits(who.content), made, until) + trace + span + _belongs(who)


def _belongs(who: Identity) -> bytes:
    said: list[Any] = [] if who.no_log else [who.user_id, who.session_id, dict(who.groups) or None]
    while said and said[-1] is None:
        said.pop()
    return json.dumps(said, separators=(",", ":"), default=str).encode() if said else b""


def _bits(allowed: Policy | None) -> int:
    return _NO_POLICY if allowed is None else sum(1 << bit for bit, name in enumerate(_FIELDS) if name in allowed)


def _id(given: str, is_uuid: int) -> tuple[int, bytes]:
    try:
        as_uuid = UUID(given)
    except ValueError:
        as_uuid = None
    if as_uuid is not None and str(as_uuid) == given:
        return is_uuid, as_uuid.bytes
    text = given.encode("utf-8", "replace")
    return 0, struct.pack(">H", len(text)) + text


def _unpacked(content: bytes) -> tuple[Place, int]:
    flags, bits, _, until = _HEAD.unpack_from(content)
    trace_id, rest = _taken(content[_HEAD.size :], bool(flags & _TRACE_IS_UUID))
    span_id, rest = _taken(rest, bool(flags & _SPAN_IS_UUID)) if flags & _HAS_SPAN else (None, rest)
    user_id, session_id, groups = [*(json.loads(rest) if rest else ()), None, None, None][:3]
    allowed = frozenset(name for bit, name in enumerate(_FIELDS) if bits & 1 << bit)
    who = Identity(
        user_id=user_id,
        session_id=session_id,
        groups=groups or {},
        no_log=bool(flags & _IS_SILENT),
        content=None if bits & _NO_POLICY else allowed,
    )
    is_model_call = bool(flags & _IS_MODEL_CALL)
    return Place(trace_id=trace_id, span_id=span_id, is_model_call=is_model_call, identity=who), until


def _taken(content: bytes, is_uuid: bool) -> tuple[str, bytes]:
    if is_uuid:
        return str(UUID(bytes=content[:16])), content[16:]
    (length,) = struct.unpack_from(">H", content)
    return content[2 : 2 + length].decode(), content[2 + length :]
