"""What a body says, read by its generator: what the record that a format makes of it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._draw import Object


@dataclass(frozen=True)
class Answer:
    """The content of a body that a model answered with."""

    words: list[str] = field(default_factory=list)
    """Texts and thoughts, and what tools of the provider returned as text, in the order in which they are read."""
    tools: list[str] = field(default_factory=list)
    """The names of the tools that are called, be they the program's or the provider's."""
    pictures: int = 0
    """How many pictures there are."""


def together(answers: list[Answer]) -> Answer:
    """Return one answer of several that follow each other."""
    return Answer(
        words=[words for each in answers for words in each.words],
        tools=[tool for each in answers for tool in each.tools],
        pictures=sum(each.pictures for each in answers),
    )


def texts(parts: list[Object] | None, *keys: str) -> list[str]:
    """Return the texts of some parts, each under the first of some keys that it has."""
    found = [next((part[key] for key in keys if part.get(key)), None) for part in parts or ()]
    return [each for each in found if each is not None]
