"""What an exception came from, and what it holds together."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from llm_track._guard import attempt


def came_from(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, those that it came from, and those that it is a group of, each once.

    Whatever prints an exception or sends it along may show all of these.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [*_members(each), each.__context__, each.__cause__]


def told_by(error: BaseException, *, alone: bool = False) -> Iterator[str]:
    """Yield the texts that the posthog client sends of an exception and of those behind it.

    They are more than a stack trace has: that shows the first of a long group, and of each exception what it prints.
    """
    for each in (error,) if alone else came_from(error):
        yield _words(each)
        for name in ("message", "detail", "errno"):
            yield _words(attempt(getattr, each, name, "", otherwise=""))


def _words(value: Any) -> str:
    words: str | None = attempt(str, value, otherwise=None)
    return attempt(repr, value, otherwise="") if words is None else words


def sent_along(error: BaseException, reached: TracebackType | None) -> Iterator[str]:
    """Yield the texts of an exception and of those behind it, and the lines of source near their frames.

    Args:
        error: the exception.
        reached: its traceback, as far as it is sent.
    """
    yield from told_by(error)
    for frame, line in _places(error, reached):
        source = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
        for lines in (source, _lines_of_module(frame, source)):
            yield from lines[max(line - _LINES_AROUND, 0) : line + _LINES_AROUND]


_LINES_AROUND = 10
"""The client sends 5 lines of source before and after the one that raised."""


def _lines_of_module(frame: FrameType, source: list[str]) -> list[str]:
    """Return what the client takes for the source of a frame: that of its module, even where the code was made from a
    text, as that of data classes is.  It counts other letters as ends of lines than Python does."""
    of: dict[str, Any] = frame.f_globals
    if frame.f_code.co_filename == of.get("__file__"):
        text: Any = "".join(source)
    else:
        text = attempt(lambda: of["__loader__"].get_source(of["__name__"]), otherwise=None)
    return text.splitlines() if isinstance(text, str) else []


def parts_of(error: BaseException, reached: TracebackType | None) -> frozenset[int]:
    """Return signs of all that is sent of an exception: of those behind it, what they tell, and their places.

    The program may add to it, by raising it once more from another for one.
    """
    told = (hash((id(each), text)) for each in came_from(error) for text in told_by(each, alone=True))
    return frozenset((*told, *(hash((id(frame), line)) for frame, line in _places(error, reached))))


def _places(error: BaseException, reached: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    for each in came_from(error):
        for frame, line in traceback.walk_tb(reached if each is error else each.__traceback__):
            yield frame, line or 0  # code that was made without lines has none


def _members(error: BaseException) -> list[BaseException]:
    """Python has groups from 3.11 on, and packages have them for 3.10."""
    members: Any = attempt(getattr, error, "exceptions", (), otherwise=())
    return [each for each in members if isinstance(each, BaseException)] if isinstance(members, (tuple, list)) else []
