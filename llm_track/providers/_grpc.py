"""What SDKs that speak gRPC have in common: messages of protobuf, and the errors of its calls."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from llm_track.wire import request_id

_HTTP = {
    "CANCELLED": 499,
    **dict.fromkeys(("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"), 400),
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    **dict.fromkeys(("ABORTED", "ALREADY_EXISTS"), 409),
    "RESOURCE_EXHAUSTED": 429,
    **dict.fromkeys(("UNKNOWN", "INTERNAL", "DATA_LOSS"), 500),
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""A status of gRPC -> the HTTP status that Google's ``google/rpc/code.proto`` names for it: over gRPC itself every
answer has the HTTP status 200."""
_ITS_OWN = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"})
"""Statuses that gRPC makes up itself as well, as when nobody is there: the server's if metadata came with it, too."""
_TOO_LONG = "larger than max"
"""What gRPC itself says of a message that it refuses to send or to take."""


def copied(message: Any) -> Any:
    """Return a copy of a message: the program may change its own."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def to_json(message: Any, *, names_of_proto: bool = True) -> dict[str, Any]:
    """Return the JSON of a message; what has no value in it is left out.

    Args:
        message: a message of protobuf.
        names_of_proto: whether fields have the names of the ``.proto`` file, or those that JSON has for them.
    """
    write = import_module("google.protobuf.json_format").MessageToDict
    written: dict[str, Any] = write(message, preserving_proto_field_name=names_of_proto)
    return written


def failure(error: Any) -> dict[str, Any]:
    """Return what an exception of a call says: the code, and the HTTP status that stands for what the server said."""
    code, told = getattr(error, "code", None), getattr(error, "debug_error_string", None)
    if not callable(code) or not callable(told):
        return {}
    known, metadata = str(getattr(code(), "name", "")), _metadata(error)
    sent = (known not in _ITS_OWN or metadata) and _TOO_LONG not in str(told())
    return {
        "http_status": _HTTP.get(known) if sent else None,
        "code": known or None,
        "request_id": request_id(metadata),
    }


def _metadata(error: BaseException) -> dict[str, str]:
    """What the server said beside its status, before its answer or after it."""
    places = ("initial_metadata", "trailing_metadata")
    given: list[Any] = [getattr(error, place, tuple)() or () for place in places]
    return {key: value for pairs in given for key, value in pairs if isinstance(value, str)}
