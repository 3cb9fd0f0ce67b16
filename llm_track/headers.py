"""The headers in which a trace travels: ``traceparent`` and ``baggage`` of the W3C, and PostHog's own.

Whoever wrote them may be anybody: what cannot be read is not there, and nothing here raises on it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from llm_track import policies
from llm_track._guard import attempt
from llm_track.records import Policy

_OURS = "llm_track."
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_ID = re.compile(r"[A-Za-z0-9\-_~.@()!':|]{1,200}")
"""What PostHog takes for the id of a trace or a span."""
_LONGEST = 8192
"""Bytes of baggage that everybody hands on, by the W3C's recommendation."""
_LONGEST_READ = 65536
LONGEST_NAME = 200
_POSTHOG = {"x-posthog-distinct-id": "user", "x-posthog-session-id": "session", "x-posthog-trace-id": "trace"}
_HELD_BACK = "x-llm-track"
"""The header in which stands once more what holds back: an instrumentation of OpenTelemetry writes a ``baggage`` of its
own over ours, with what it found in the one that came in."""
_LISTS = frozenset({"baggage", _HELD_BACK})
_HEADERS = frozenset({"traceparent", *_LISTS, *_POSTHOG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What headers say of the trace that they continue; nothing of it need be true."""

    trace_id: str = ""
    span_id: str = ""
    w3c: str = ""
    """The parent that ``traceparent`` names, which is none of our ids."""
    given: Mapping[str, Any] = field(default_factory=dict)
    content: Policy | None = None


def read(headers: Any, *, trusted: bool = True) -> Arrived:
    """Return what headers say; what cannot be read is not there."""
    found: dict[str, str] = {}
    attempt(_find, headers, found, otherwise=None)
    parent = _PARENT.fullmatch(found.get("traceparent", "").strip())
    trace, w3c = _of(parent) if parent else ("", "")
    if not trusted:
        return Arrived(trace_id=trace, w3c=w3c)
    told = {name: found.get(header, "").strip() for header, name in _POSTHOG.items()}
    baggage = ",".join(found[name] for name in (_HELD_BACK, "baggage") if name in found)
    said = attempt(_members, baggage, otherwise=dict[str, str]())
    if len(baggage) > _LONGEST_READ:  # what is not read may be what holds back
        said |= {"content": "none"} | ({"no_log": "1"} if f"{_OURS}no_log" in baggage else {})
    exact = _id(said.get("trace"))
    content = said.get("content")
    return Arrived(
        trace_id=exact or _id(told["trace"]) or trace,
        span_id=_id(said.get("span")) if exact else "",
        w3c=w3c,
        given={
            "user_id": (said.get("user") or told["user"])[:LONGEST_NAME] or None,
            "session_id": (said.get("session") or told["session"])[:LONGEST_NAME] or None,
            "groups": attempt(_named, said.get("groups"), otherwise=None),
            "metadata": attempt(_named, said.get("metadata"), otherwise=None),
            "no_log": "no_log" in said,
        },
        content=None if content is None else policies.ALL.intersection(content.split(",")),
    )


def _find(headers: Any, found: dict[str, str]) -> None:
    """Enter the headers that matter by their names in small letters; a WSGI environment has other names for them."""
    for pair in headers.items() if hasattr(headers, "items") else headers:
        attempt(_enter, pair, found, otherwise=None)  # one that is broken hides no other, which may hold back content


def _enter(pair: Any, found: dict[str, str]) -> None:
    key, value = pair
    name = _text(key).lower().replace("_", "-").removeprefix("http-")
    if name in _HEADERS:
        for each in value if isinstance(value, (list, tuple)) else [value]:
            text = _text(each)
            found[name] = f"{found[name]},{text}" if name in _LISTS and name in found else found.get(name, text)


def _text(value: Any) -> str:
    """Frameworks have headers as text or as bytes; ``environ`` and contexts of tasks hold much else."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("latin-1")
    return value if isinstance(value, str) else ""


def _of(parent: re.Match[str]) -> tuple[str, str]:
    version, trace, span, more = parent.groups()
    is_valid = trace.strip("0") and span.strip("0") and version != "ff" and not (version == "00" and more)
    return (trace, span) if is_valid else ("", "")


def _members(baggage: str) -> dict[str, str]:
    """Return our members; of what may leave, where it is said more than once, what all of them allow."""
    members: dict[str, str] = {}
    for member in baggage[:_LONGEST_READ].split(","):
        name, _, value = member.partition(";")[0].partition("=")
        if name.strip().startswith(_OURS):
            name, value = name.strip().removeprefix(_OURS), unquote(value.strip())
            if name == "content" and name in members:
                value = ",".join(set(value.split(",")).intersection(members[name].split(",")))
            members[name] = value
    return members


def _id(value: str | None) -> str:
    return value if value is not None and _ID.fullmatch(value) else ""


def _named(text: str | None) -> dict[str, Any] | None:
    value = None if text is None else json.loads(text)
    return value if isinstance(value, dict) else None


def digits(text: str, length: int, *, whole: bool = True) -> str:
    """Return an id in so many hexadecimal digits: those it has, else those of its hash."""
    found = re.fullmatch(r"[0-9a-f]+", text)
    if found and len(text) >= length and (not whole or len(text) == length) and text[:length].strip("0"):
        return text[:length]
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=length // 2).hexdigest()


def write(carrier: MutableMapping[str, str], said: Sequence[tuple[str, str]]) -> None:
    """Write what is said into a carrier's ``baggage``, and what of it holds back into a header of our own, too."""
    _add_baggage(carrier, said)
    key = key_of(carrier, _HELD_BACK)
    held_back = [_member(name, value) for name, value in said if name in ("no_log", "content")]
    if held_back:
        carrier[key] = ",".join(held_back)
    elif key in carrier:
        del carrier[key]


def _add_baggage(carrier: MutableMapping[str, str], said: Iterable[tuple[str, str]]) -> None:
    """Write members as far as there is room; what others wrote there stays."""
    key = key_of(carrier, "baggage")
    kept = [each for each in str(carrier.get(key, "")).split(",") if each.strip() and not _is_ours(each)]
    left = _LONGEST - sum(len(each) + 1 for each in kept)
    for name, value in said:
        member = _member(name, value)
        if left > len(member) or name in _ALWAYS:
            kept.append(member)
            left -= len(member) + 1
    if kept:
        carrier[key] = ",".join(kept)


_ALWAYS = frozenset({"no_log", "content", "trace", "span"})
"""What is written however long the baggage is: without it more would leave, or elsewhere."""


def _member(name: str, value: str) -> str:
    return f"{_OURS}{name}={quote(value, safe='')}"


def _is_ours(member: str) -> bool:
    return member.strip().startswith(_OURS)


def key_of(carrier: Mapping[str, str], name: str) -> str:
    """Return the name under which a carrier has a header, in whichever letters."""
    return next((key for key in carrier if isinstance(key, str) and key.lower() == name), name)
