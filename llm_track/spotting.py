"""Where in a text something made of digits stands, found faster than its own expression finds it.

In the shape of a text (`llm_track.readings.Reading.shape`) what begins with one fixed letter is found at the speed at
which memory is read; the expression itself is tried only there.  Texts without a shape are searched as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import AnyStr

from llm_track.readings import Reading, Span


def matches(
    reading: Reading,
    spots: re.Pattern[bytes],
    pattern: re.Pattern[str],
    read: Callable[[re.Match[str]], Span | None],
    *,
    before: int = 0,
    after: int = 1,
) -> Iterator[Span]:
    """Yield what a pattern finds.

    Args:
        reading: the text.
        spots: matches in the shape of a text wherever the pattern could match, from its first digit on.
        pattern: what is looked for.
        read: tells which place a match stands for, if any.
        before: how many characters of a match may come before its first digit.
        after: how many characters the pattern looks at beyond a match.
    """
    text, form, done = reading.text, reading.shape, 0
    if form is None:
        yield from filter(None, map(read, pattern.finditer(text)))
        return
    for spot in spots.finditer(form):
        for found in pattern.finditer(text, max(spot.start() - before, done), spot.end() + after):
            done = found.end()
            if (span := read(found)) is not None:
                yield span


def places_of(text: AnyStr, words: AnyStr) -> Iterator[int]:
    """Yield each place of a text, or of a shape, where some words stand."""
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)
