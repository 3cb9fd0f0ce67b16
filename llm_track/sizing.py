"""Events that fit: measured as JSON, and made shorter where they are too long, the oldest messages first.

What PostHog takes at most: 900 KiB on the ordinary lane, 8 MiB on the one for AI events (limits of posthog-python).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

from llm_track import properties
from llm_track.masking import is_base64, map_strings, mark
from llm_track.media import strip_media
from llm_track.records import Event
from llm_track.withholding import withhold_content

LARGEST_EVENT = 880 * 1024
"""Bytes of JSON.  The client drops an event above 900 KiB; the rest is room for what the client adds."""
LARGEST_AI_EVENT = (8 * 1024 - 20) * 1024
"""The same for events that are sent as AI events."""

_TEXTS = (100_000, 10_000, 1_000)
"""Characters to which texts are cut, as far as needed: all the longest before any that is shorter."""
_SHORTEST_CUT = 256
"""No text is cut to fewer characters: shorter ones are ids, names and words."""
_ENTRIES = (1_000, 100, 10)
"""To how many entries lists and mappings are cut."""


def size(event: Event) -> int:
    """Return the length of an event's properties and groups as JSON, in bytes."""
    return json_bytes([event.properties, dict(event.groups)])


def fit(event: Event, most: int = LARGEST_EVENT) -> Event:
    """Return an event of at most ``most`` bytes; what is cut leaves a mark that says how much.

    Embedded media go first, whole, then the middles of long texts, those of the oldest messages first, then the oldest
    messages, then the middles of long lists; if nothing of that is enough, all content.
    """
    excess = size(event) - most
    if excess <= 0:
        return event
    event = strip_media(event)  # media that may leave are whole or not there
    for shorter in _steps():
        excess = size(event) - most
        if excess <= 0:
            return event
        event = replace(event, properties=shorter(event.properties, excess))
    if size(event) <= most:
        return event
    bare = withhold_content(event)
    said = {key: value for key, value in bare.properties.items() if key.startswith(("$", "llm_"))}
    cut = map_strings(said, lambda text: cut_middle(text, _SHORTEST_CUT))
    return replace(bare, properties=cut | properties.too_long(), groups=_short_groups(event))


def _short_groups(event: Event) -> dict[str, str]:
    return {kind: key for kind, key in list(event.groups.items())[: _ENTRIES[-1]] if len(kind) + len(key) < _TEXTS[-1]}


_Step = Callable[[dict[str, Any], int], dict[str, Any]]


def _steps() -> Iterator[_Step]:
    """Yield what makes properties shorter by a number of bytes, as far as each can, the mildest first."""
    for longest in _TEXTS:
        yield partial(_cut_texts, longest)
    yield _without_oldest
    yield partial(_cut_texts, _SHORTEST_CUT)
    for entries in _ENTRIES:
        yield partial(_thinned_properties, entries)


def _cut_texts(longest: int, of: dict[str, Any], excess: int) -> dict[str, Any]:
    """Cut what was asked before all else: its messages are in their order, the oldest first."""
    cutter = _Cutter(longest, excess)
    cut = {key: map_strings(of[key], cutter.text) for key in properties.INPUTS if key in of}
    return {key: cut[key] if key in cut else map_strings(value, cutter.text) for key, value in of.items()}


class _Cutter:
    """Cuts texts that are longer than ``longest`` characters until ``excess`` bytes are gone."""

    def __init__(self, longest: int, excess: int) -> None:
        self.longest = longest
        self.excess = excess

    def text(self, text: str) -> str:
        if self.excess <= 0 or len(text) <= self.longest:
            return text
        cut = self._inside(text)
        if len(cut) > self.longest:
            each = json_bytes(cut) / len(cut)
            gone = ceil(self.excess / each) + _ROOM_FOR_MARK - (len(text) - len(cut))
            cut = cut_middle(cut, max(self.longest, len(cut) - gone))
        self.excess -= json_bytes(text) - json_bytes(cut)
        return cut

    def _inside(self, text: str) -> str:
        """Cut the texts inside a text that is JSON, such as the arguments of a tool, so that it stays JSON."""
        if text[:1] not in ("{", "["):
            return text
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return json.dumps(map_strings(inner, self.text), ensure_ascii=False, separators=(",", ":"))


_ROOM_FOR_MARK = 50


def cut_middle(text: str, most: int) -> str:
    """Return a text without its middle, or the mark of embedded media: base64 is never cut.

    >>> cut_middle("abcdefghij", 4)
    'ab [... 6 characters cut ...] ij'
    """
    if len(text) <= most:
        return text
    if is_base64(text) and _is_mixed(text[:_LOOK]):
        return mark("data", text)
    half = most // 2
    start, end = _before_base64(text, half), _after_base64(text, len(text) - half)
    gone = end - start + sum(int(found[1]) - len(found[0]) for found in _MARK.finditer(text, start, end))
    return f"{text[:start]} [... {gone} characters cut ...] {text[end:]}"


_MARK = re.compile(r" \[\.\.\. (\d{1,12}) characters cut \.\.\.\] ")
"""Of a text that was cut before, and is cut once more."""


_LOOK = 200
"""How many of base64's letters in a row are taken for media."""
_RUN = re.compile(r"[A-Za-z0-9+/_=\-]*")
_MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])", re.DOTALL)


def _is_mixed(text: str) -> bool:
    """Tell whether a text has letters of both cases and digits, as base64 has and words have not."""
    return _MIXED.match(text) is not None


def _before_base64(text: str, at: int) -> int:
    """Return where a cut begins: before the base64 that ``at`` would cut in two."""
    start = _run_start(text, at)
    return start if _is_data(text, start, at) else at


def _after_base64(text: str, at: int) -> int:
    start = _run_start(text, at)
    return _run_end(text, at) if _is_data(text, start, at) else at


def _is_data(text: str, start: int, at: int) -> bool:
    end = _run_end(text, at)
    return start < at < end and end - start >= _LOOK and _is_mixed(text[start : start + _LOOK])


def _run_end(text: str, at: int) -> int:
    found = _RUN.match(text, at)
    return found.end() if found is not None else at


def _run_start(text: str, at: int) -> int:
    """Return where the letters of base64 begin that end at a place; looked for in pieces, from there backwards."""
    while at > 0:
        begin = max(at - 4 * _LOOK, 0)
        found = _RUN.match(text[begin:at][::-1])
        length = found.end() if found is not None else 0
        at -= length
        if length < 4 * _LOOK:
            break
    return at


def _without_oldest(of: dict[str, Any], excess: int) -> dict[str, Any]:
    """Leave out the oldest messages, but not the last one; one message says how many."""
    messages = of.get(properties.INPUT)
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return of
    gone, excess = 0, excess + 2 * _ROOM_FOR_MARK
    while excess > 0 and gone < len(messages) - 1:
        excess -= json_bytes(messages[gone]) + 1
        gone += 1
    if not gone:
        return of
    said = {"role": "system", "content": f"[... {gone} older messages cut ...]"}
    return {**of, properties.INPUT: [said, *messages[gone:]]}


def _thinned_properties(most: int, of: dict[str, Any], excess: int) -> dict[str, Any]:
    """Cut long lists and mappings, and the number of the program's own properties."""
    own = [key for key in of if not properties.is_own(key)]
    gone = set(own[most:])
    kept = {key: _thinned(value, most) for key, value in of.items() if key not in gone}
    return kept | ({properties.CUT: f"{len(gone)} properties"} if gone else {})


def _thinned(value: Any, most: int) -> Any:
    if isinstance(value, list):
        if len(value) > most:
            half = most // 2
            said = f"[... {len(value) - 2 * half} entries cut ...]"
            value = [*value[:half], said, *value[len(value) - half :]]
        return [_thinned(item, most) for item in value]
    if isinstance(value, dict):
        kept = {key: _thinned(item, most) for key, item in list(value.items())[:most]}
        return kept if len(value) <= most else kept | {"...": f"[... {len(value) - most} fields cut ...]"}
    return value


def json_bytes(value: Any) -> int:
    """Return the length of a value as JSON, in bytes, with the blanks that the client writes and measures."""
    return len(json.dumps(value, default=str))
