"""Events as they wait to be sent: packed into bytes, so that they take little room and nobody changes them.

What is packed are the arguments of the client's ``capture``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from llm_track import clock
from llm_track._guard import attempt
from llm_track.snapshot import jsonable

Message = dict[str, Any]
"""``event``, ``distinct_id``, ``properties``, ``timestamp`` (ISO 8601), ``uuid`` and ``groups``."""
_KEYS = {"event", "distinct_id", "properties", "timestamp", "uuid", "groups"}


class Project(NamedTuple):
    """A PostHog project: its key and its address; ``None`` is the client's own default."""

    key: str
    host: str | None


@dataclass(slots=True, eq=False)
class Parcel:
    """One event on its way."""

    uuid: str
    packed: bytes = field(repr=False)
    size: int
    """Bytes of JSON before it was packed."""
    is_error: bool = False
    """Whether it tells of something that failed; such an event is the last to go where there is no room."""
    is_large: bool = False
    """Whether it needs the way of large events."""
    since: float = field(default_factory=clock.now)
    """When it was admitted, in seconds since 1970."""
    row: int | None = None
    """Where it lies in a file of the spool ..."""
    file: Any = field(default=None, repr=False)
    """... and in which one."""
    is_adopted: bool = False
    """Whether another process, which ended, has admitted it."""
    tries: int = 0
    """How often it was sent in vain."""
    refused_at: int | None = None
    """How often its line had delivered when it was refused alone for the first time."""

    @property
    def weight(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.packed) + _OBJECT


_OBJECT = 400
"""What Python needs for one, beside what is packed."""
_SMALL = 8 * 1024
"""Bytes that fit into a small window: to set up the usual one takes longer than to pack them."""


def pack(message: Message, *, is_error: bool = False, is_large: bool = False) -> Parcel:
    """Return the parcel of a message.

    Raises:
        ValueError: for what is no JSON, whatever is done about it.
    """
    try:
        text = _dumps(message)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, circles
        text = _dumps({**message, "properties": jsonable(message["properties"])})
    return Parcel(
        uuid=message["uuid"],
        packed=_compressed(text.encode()),
        size=len(text),
        is_error=is_error,
        is_large=is_large,
    )


def _compressed(text: bytes) -> bytes:
    if len(text) > _SMALL:
        return zlib.compress(text, 1)
    making = zlib.compressobj(1, zlib.DEFLATED, 13, 6)
    return making.compress(text) + making.flush()


def unpack(packed: bytes) -> Message:
    """Return the message of a parcel.

    Raises:
        ValueError: for bytes that are no parcel's.
    """
    try:
        message = json.loads(zlib.decompress(packed))
    except (zlib.error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(message, dict) or not message.keys() >= _KEYS or not isinstance(message["properties"], dict):
        raise ValueError("no event")
    return message


def _dumps(message: Message) -> str:
    return json.dumps(message, default=_plain)  # with blanks, as the client measures it


def _plain(value: Any) -> Any:
    """Return what stands for a value that a processor of the program put there; the client does alike."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, UUID):
        return str(value)
    number = attempt(float, value, otherwise=None) if hasattr(value, "as_integer_ratio") else None
    return jsonable(value) if number is None else number
