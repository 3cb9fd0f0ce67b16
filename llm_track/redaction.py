"""Personal data inside texts: found by its form, checked where it has a check sum, replaced by a short visible mark.

Every expression repeats a bounded number of times and is tried only where it can begin: the time that a text takes
grows with its length alone, however hostile it is.
"""

from __future__ import annotations

import difflib
import re
import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, TypeAlias

from llm_track.errors import ConfigurationError
from llm_track.masking import find_in_queries, find_secrets
from llm_track.readings import Find, Reading, Span, replace_found
from llm_track.spotting import matches, places_of

Redactor: TypeAlias = Callable[[str], str]
"""Takes a text and returns it without what must not leave.  Runs on the worker's thread."""

_EMAIL = re.compile(r"[\w.%+\-]{1,254}@(?:[^\W_](?:[\w\-]{0,62})\.){1,8}[^\W\d_][\w\-]{1,62}")
_LOCAL = re.compile(r"[\w.%+\-]+")
_LONGEST_LOCAL, _LONGEST_EMAIL = 254, 600
_WORD = r"(?:[^\W\u0590-\U0010ffff]|\d)"
"""A digit, or a letter of Europe's scripts: those of Asia, which follow, put words of others amid theirs with no blank
between, or particles right before and after them."""
_IPV4 = re.compile(
    rf"\d(?<!(?:{_WORD}|\.)\d)(?:(?<=2)5[0-5]|(?<=2)[0-4]\d|(?<=1)\d\d|\d)?"
    rf"(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){{3}}(?!\.?{_WORD})"
)
_IPV6 = re.compile(rf"(?<!{_WORD}|[:.])[0-9A-Fa-f:]{{2,39}}(?:\.\d{{1,3}}){{0,3}}(?!{_WORD}|:)")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_LONGEST_IPV6 = 45
_CARD = re.compile(rf"\d(?<!(?:{_WORD}|-)\d)(?:[ \-]?\d){{12,5000}}(?!{_WORD})")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11,40}")
_CHECK_DIGITS = re.compile(r"\d\d(?<=[A-Za-z]{2}\d\d)")
_PHONE = re.compile(
    rf"[+(\d](?<!(?:{_WORD}|[+\-./])[+(\d])"
    r"(?:(?:(?<=\+)|(?<=0)0)[1-9]\d{0,2}(?:[ \-./]{0,2}\(?\d{1,5}\)?){2,7}"  # international
    r"|(?:(?<=[2-9])\d{2}[ \-.]|(?<=\()[2-9]\d{2}\)[ \-.]?)\d{3}[ \-.]\d{4}"  # North America
    r"|(?:(?<=0)|(?<=\()0)\d{1,5}\)?(?:[ \-./]{1,3}\d{2,8}){1,5})"  # national, as in most of Europe
    rf"(?!{_WORD}|-)"
)
_PHONE_SPOTS = re.compile(rb"0[0 \-./()]{6,}")
_CARD_SPOTS = re.compile(rb"0[0 \-]{12,}")
_IPV4_SPOTS = re.compile(rb"0[0.]{6,}")
_FEWEST_DIGITS, _MOST_DIGITS = 8, 15
"""Of a telephone number.  Source: ITU-T E.164 for the most."""
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
"""Digits of a card's number.  Source: ISO/IEC 7812-1 for the most."""
_BETWEEN = re.compile(r"([ \-])")
_OF_DIGITS = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(bytes(range(10)), bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_VALUES = {letter: int(letter, 36) for letter in string.digits + string.ascii_letters}
"""Of the letters of an account number."""


def _emails(reading: Reading) -> Iterator[Span]:
    """Yield where addresses begin and end: around each ``@``, which is rare and found fast."""
    text, before, done = reading.text, -1, 0
    for at in places_of(text, "@"):
        if at < done:
            continue
        back = text[max(at - _LONGEST_LOCAL, before + 1, done) : at][::-1]
        local = _LOCAL.match(back)
        start = at if local is None else at - local.end()
        found = _EMAIL.match(text, start, at + _LONGEST_EMAIL) if start < at else None
        if found is not None:
            done = found.end()
            yield start, done, "[email]"
        before = at


def _phones(reading: Reading) -> Iterator[Span]:
    return matches(reading, _PHONE_SPOTS, _PHONE, _phone, before=1)


def _phone(found: re.Match[str]) -> Span | None:
    digits = sum(map(str.isdigit, found[0]))
    return (*found.span(), "[phone]") if _FEWEST_DIGITS <= digits <= _MOST_DIGITS else None


def _cards(reading: Reading) -> Iterator[Span]:
    for start, _, digits in matches(reading, _CARD_SPOTS, _CARD, lambda found: (*found.span(), found[0])):
        yield from _among(digits, start)


def _among(digits: str, start: int) -> Iterator[Span]:
    """Yield the numbers of cards among groups of digits: other numbers may stand before, between and after them."""
    parts = _BETWEEN.split(digits)
    places = list(accumulate(map(len, parts), initial=start))
    before = list(accumulate(map(len, parts[::2]), initial=0))
    number = "".join(parts[::2])
    if not number.isascii():
        number = "".join(map(str, map(int, number)))
    sums, group = _sums(number.encode().translate(_OF_DIGITS)), 0
    while group < len(before) - 1:
        end = _end_of_card(before, group, sums) if number[before[group]] in "23456" else 0
        if end:
            yield places[2 * group], places[2 * end - 1], "[card]"
        group = end or group + 1


def _end_of_card(before: list[int], group: int, sums: tuple[list[int], list[int]]) -> int:
    """Return before which group of digits the longest number of a card ends that begins with one; 0 if there is none.

    Source: ISO/IEC 7812-1, annex B.
    """
    first = before[group]
    shortest, longest = bisect_left(before, first + _SHORTEST_CARD), bisect_right(before, first + _LONGEST_CARD)
    for end in range(longest - 1, shortest - 1, -1):
        until = sums[before[end] % 2]
        if (until[before[end]] - until[first]) % 10 == 0:
            return end
    return 0


def _sums(number: bytes) -> tuple[list[int], list[int]]:
    """Return the sums of the digits before each place, every other one doubled: for numbers that end after an even
    count of digits, and after an odd one."""
    doubled, even, odd = number.translate(_DOUBLED), bytearray(number), bytearray(number)
    even[::2], odd[1::2] = doubled[::2], doubled[1::2]
    return list(accumulate(even, initial=0)), list(accumulate(odd, initial=0))


def _ibans(reading: Reading) -> Iterator[Span]:
    """Yield where account numbers begin and end.  Source: ISO 13616-1, section 7.

    The check digits are looked for: most texts have more letters than digits.
    """
    text, form, done = reading.text, reading.shape, 0
    slowly = (digits.start() - 2 for digits in _CHECK_DIGITS.finditer(text))
    for start in slowly if form is None else places_of(form, b"aa00"):
        found = _IBAN.match(text, start) if start >= done else None
        length = 0 if found is None else _length_of_iban(found[0])
        if length:
            done = start + length
            yield start, done, "[iban]"


def _length_of_iban(text: str) -> int:
    """Return how much of a text is an account number, or 0; words may follow it that look like a part of it."""
    first = "".join(str(int(letter, 36)) for letter in text[:4])
    shift, country = 10 ** len(first), int(first)
    rest, count, length = 0, 4, 0
    for index in range(4, len(text)):
        value = _VALUES.get(text[index])
        if value is None:
            continue
        rest, count = (rest * (100 if value > 9 else 10) + value) % 97, count + 1
        if count > 34:
            break
        if count >= 15 and (rest * shift + country) % 97 == 1:
            length = index + 1
    return length


def _ips(reading: Reading) -> Iterator[Span]:
    return matches(reading, _IPV4_SPOTS, _IPV4, lambda found: (*found.span(), "[ip]"), after=2)


def _ips_with_colons(reading: Reading) -> Iterator[Span]:
    text, done = reading.text, 0
    for colons in _COLONS.finditer(text):
        if colons.start() < done:
            continue
        found = _IPV6.search(text, max(colons.start() - 4, done), colons.start() + _LONGEST_IPV6)
        if found is not None and found.start() <= colons.start() and _is_ipv6(found[0]):
            done = found.end()
            yield *found.span(), "[ip]"


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address  # costly to import, and seldom needed

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


KINDS: Mapping[str, tuple[Find, ...]] = {
    "emails": (_emails,),
    "ibans": (_ibans,),
    "cards": (_cards,),
    "keys": (find_secrets, find_in_queries),
    "ips": (_ips_with_colons, _ips),
    "phones": (_phones,),
}
"""What can be redacted, in the order in which it is looked for: the stricter forms first."""


class BuiltIn:
    """A redactor for some of `KINDS`: a text is read once for all of them."""

    def __init__(self, wanted: list[Any]) -> None:
        self._finds = tuple(find for name, finds in KINDS.items() if name in wanted for find in finds)

    def __call__(self, text: str) -> str:
        return replace_found(text, self._finds)


def redactors(chosen: Any) -> tuple[Redactor, ...]:
    """Return what a setting asks for: functions from a text to a text.

    Args:
        chosen: ``"all"``, names of `KINDS`, and functions of the program's own, in a list; names alone may have commas
            between.

    Raises:
        ConfigurationError: for what is neither.

    >>> (redact,) = redactors(["emails"])
    >>> redact("from bob@example.com")
    'from [email]'
    """
    named = [name.strip() for name in chosen.split(",")] if isinstance(chosen, str) else chosen
    if not isinstance(named, Iterable):
        raise ConfigurationError(_unknown(chosen, chosen))
    wanted: list[Any] = [each for one in named for each in (KINDS if one == "all" else (one,))]
    for each in wanted:
        if each not in KINDS if isinstance(each, str) else not callable(each):
            raise ConfigurationError(_unknown(chosen, each))
    own = [each for each in wanted if not isinstance(each, str)]
    return (BuiltIn(wanted), *own) if len(own) < len(wanted) else tuple(own)


def _unknown(given: Any, name: Any) -> str:
    near = difflib.get_close_matches(str(name), [*KINDS, "all"], n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"redact is {given!r}, and {name!r} is nothing that it knows.{meant} It must be 'all', some of "
        f"{', '.join(KINDS)}, or functions that take a text and return one."
    )
