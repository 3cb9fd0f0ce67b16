r"""How a text is read: JSON and URLs write letters by their numbers, and JSON a line break as two letters.

What must not leave is looked for in the text as it is read, and replaced in the text as it stands: all else of it
stays, letter by letter, and JSON stays JSON.

>>> def mails(reading):
...     at = reading.text.find("b@x.io")
...     return [(at, at + 6, "[email]")] if at >= 0 else []
>>> replace_found(r'{"to": "b\u0040x.io\n"}', (mails,))
'{"to": "[email]\\n"}'
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TypeAlias

Span: TypeAlias = tuple[int, int, str]
"""A place in a text, from its first letter to the one after its last, and the words for it."""

_SHAPES = bytes(
    ord("0") if chr(code).isdecimal() else ord("a") if chr(code).isalpha() else code for code in range(128)
) + bytes(range(128, 256))


class Reading:
    """A text as it is read, and the way back to the text as it stands."""

    __slots__ = ("_longer", "_numbered", "_shape", "text")

    def __init__(self, text: str, numbered: Sequence[int] = (), longer: Sequence[int] = (0,)) -> None:
        """Keep a text.

        Args:
            text: what is read.
            numbered: where letters of it stand that are written by their numbers.
            longer: by how many letters the text as it stands is longer, before the first of these, the second, ...
        """
        self.text = text
        self._numbered = numbered
        self._longer = longer
        self._shape: list[bytes | None] = []

    @property
    def shape(self) -> bytes | None:
        """The form of the text, of the same length: ``0`` for digits, ``a`` for letters, all else of ASCII as it is.

        ``None`` where there are, or may be, other digits than those of ASCII.
        """
        if not self._shape:
            self._shape.append(_shape(self.text))
        return self._shape[0]

    def without(self, found: Iterable[Span]) -> Reading:
        """Return it with nothing to be found in these places."""
        blank = ((start, end, _GAP * (end - start)) for start, end, _ in found)
        return Reading(replaced(self.text, blank), self._numbered, self._longer)

    def as_it_stands(self, found: Iterable[Span]) -> Iterator[Span]:
        """Yield where found places are in the text as it stands."""
        return ((self._origin(start), self._origin(end), words) for start, end, words in found)

    def _origin(self, at: int) -> int:
        return at + self._longer[bisect_left(self._numbered, at)]


def _shape(text: str) -> bytes | None:
    try:
        form = text.encode("latin-1")  # has no other digits
    except UnicodeEncodeError:
        if _other_digits().search(text) is not None:
            return None
        form = text.encode("ascii", "replace")
    return form.translate(_SHAPES)


@cache
def _other_digits() -> re.Pattern[str]:
    """Return what finds the digits of other scripts; for those beyond 16 bits, whatever stands among them."""
    digits = "".join(re.findall(r"[^\D0-9]", "".join(map(chr, range(0x10000)))))
    return re.compile(f"[{digits}\U000104a0-\U0001e95f\U0001fbf0-\U0001fbf9]")


Find: TypeAlias = Callable[[Reading], Iterable[Span]]
"""Finds places in a text, in their order and apart from each other."""


def replace_found(text: str, finds: Sequence[Find]) -> str:
    """Return a text with other words in all places that are found, and nothing else changed.

    Args:
        text: the text.
        finds: what finds them; where one has found something the next does not look.
    """
    if "\\" not in text and "%" not in text:
        return _replaced(text, _apart(_found(Reading(text), finds)))
    found = _apart(span for reading in _readings(text) for span in _found(reading, finds))
    if _OWN.search(text) is not None:
        own = list(_found(Reading(text).without(found), finds))
        if own and _is_json(text):
            own = [(_with_escape(text, start), end, words) for start, end, words in own]
        found = _apart((*found, *own))
    return _replaced(text, found)


def _replaced(text: str, found: list[Span]) -> str:
    """Do so, and have JSON stay JSON where it writes a number as such: a text takes its place."""
    if any(text[start:end].isdecimal() for start, end, _ in found) and _is_json(text):
        edges = [edge for each in _STRING.finditer(text) for edge in each.span()]
        found = _apart(span if bisect_right(edges, span[0]) % 2 else _quoted(text, span) for span in found)
    return replaced(text, found)


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


_STRING = re.compile(r'"(?:[^"\\]+|\\.)*"')
_OF_NUMBER = frozenset("0123456789+-.eE")


def _quoted(text: str, found: Span) -> Span:
    """Return the whole of the number that something was found in."""
    start, end, words = found
    while text[start - 1 : start] in _OF_NUMBER:  # never slices the rest of the text, which may be long
        start -= 1
    while text[end : end + 1] in _OF_NUMBER:
        end += 1
    return start, end, f'"{words}"'


def _with_escape(text: str, start: int) -> int:
    """Return where a place begins with the backslash before, without which that would be one of the next letter."""
    first = start
    while text[first - 1 : first] == "\\":
        first -= 1
    return start - (start - first) % 2


def _found(reading: Reading, finds: Sequence[Find]) -> Iterator[Span]:
    for find in finds:
        if spans := list(find(reading)):
            yield from reading.as_it_stands(spans)
            reading = reading.without(spans)


def _apart(found: Iterable[Span]) -> list[Span]:
    """Return places in their order; those that have letters in common are one."""
    apart: list[Span] = []
    for start, end, words in sorted(found, key=lambda span: span[0]):
        if apart and start < apart[-1][1]:
            first, last, words = apart.pop()
            start, end = first, max(last, end)
        apart.append((start, end, words))
    return apart


def replaced(text: str, found: Iterable[Span]) -> str:
    """Return a text with other words in some places: in their order, without overlaps."""
    parts, done = [], 0
    for start, end, words in found:
        parts += [text[done:start], words]
        done = end
    return "".join((*parts, text[done:])) if parts else text


_GAP, _BREAK = "\x01", "\x1f"
"""Are part of no word: what is looked for ends at them.  The first is not blank, as what was found is not; the second
is, as line breaks are, but no number has it between its digits."""
_ESCAPES = (r"\n", r"\t", r"\r", r"\b", r"\f")
_OWN = re.compile(r"\\[bfnrtu](?:[A-Za-z]\d\d|[Kk8][-_]|(?i:earer) )")
"""A letter after a backslash with which something could begin that is looked for, if it is one of its own, as in the
names of files on Windows."""


def _readings(text: str) -> Iterator[Reading]:
    """Yield a text as it is read where it is JSON, and where that holds URLs."""
    by_json, by_url = list(_by_json(text)), list(_by_url(text))
    yield _reading(text, by_json)
    if by_url:
        yield _reading(text, sorted(by_json + by_url))


def _reading(text: str, letters: Sequence[Span]) -> Reading:
    longer = list(accumulate((end - start - 1 for start, end, _ in letters), initial=0))
    numbered = [start - before for (start, *_), before in zip(letters, longer, strict=False)]
    read = replaced(text, letters)
    for escape in _ESCAPES:
        read = read.replace(escape, _BREAK * 2)
    return Reading(read, numbered, longer)


_DIGITS = re.compile(r"[0-9A-Fa-f]{4}")
_OF_URL = re.compile(r"%(?:[2-7][0-9A-Fa-f]|0[9AaDd])")


def _by_json(text: str) -> Iterator[Span]:
    """Yield the letters that JSON writes by their numbers, with all backslashes before: JSON may hold JSON."""
    at, done = text.find("\\u"), 0
    while at >= 0:
        if _DIGITS.match(text, at + 2) is not None:
            start = done + len(text[done:at].rstrip("\\"))
            done = at + 6
            yield start, done, chr(int(text[at + 2 : done], 16))
        at = text.find("\\u", at + 2)


def _by_url(text: str) -> Iterator[Span]:
    """Yield the letters of ASCII, and the line breaks, that a URL writes by their numbers.

    Source: RFC 3986, section 2.1.
    """
    if "%" in text:
        for found in _OF_URL.finditer(text):
            yield found.start(), found.end(), chr(int(found[0][1:], 16))


def unescaped(text: str) -> str:
    """Return JSON with its letters written as such, which may be escaped: the arguments of tools are JSON.

    >>> unescaped(r'{"to": "bob\\u0040example.com"}')
    '{"to": "bob@example.com"}'
    """
    return replaced(text, _plain(text)) if "\\u" in text else text


def _plain(text: str) -> Iterator[Span]:
    """Yield the letters that JSON can write as such, unless they are half of one, or backslashes of text precede."""
    for start, end, letter in _by_json(text):
        is_plain = letter not in '"\\' and (letter.isprintable() or (letter.isspace() and letter >= "\xa0"))
        if is_plain and (end - start - _LENGTH) % 2 == 0:
            yield end - _LENGTH, end, letter


_LENGTH = len(r"\u0040")
