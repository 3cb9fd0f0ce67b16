"""Presidio: names, places and whatever else its recognizers know, replaced in every text before it leaves.

    import llm_track
    from llm_track.integrations.presidio import redactor

    llm_track.configure(redact=["all", redactor()])

It runs in the background, like all redactors, and within ``redact_seconds`` for an event: a large model on long texts
wants more than the one second that is the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from llm_track.errors import ConfigurationError
from llm_track.readings import replaced
from llm_track.redaction import Redactor

_PIECE = 100_000
"""Characters that are looked at in one go: the models of spaCy take a million at most."""
_GAP = re.compile(r"\s")


def redactor(
    *,
    analyzer: Any = None,
    language: str = "en",
    entities: Iterable[str] | None = None,
    threshold: float = 0.5,
) -> Redactor:
    """Return a function for the setting ``redact`` that replaces what Presidio finds by its kind: ``[person]``.

    Args:
        analyzer: a ``presidio_analyzer.AnalyzerEngine`` of your own; default: Presidio's, which loads its model now.
        language: the language of the texts, one of those of the analyzer.
        entities: kinds to look for, such as ``["PERSON", "LOCATION"]``; default: all that the analyzer knows.
        threshold: from 0.0 to 1.0: how sure it must be.

    Raises:
        ConfigurationError: Presidio is not installed, has no model, or does not know the language or a kind.
    """
    engine = _default() if analyzer is None else analyzer
    wanted = None if entities is None else list(entities)
    _check(engine, language, wanted)

    def redact(text: str) -> str:
        return "".join(
            replaced(piece, _merged(engine.analyze(piece, language, entities=wanted, score_threshold=threshold)))
            for piece in _pieces(text)
        )

    return redact


def _default() -> Any:
    try:
        presidio: Any = import_module("presidio_analyzer")
    except ImportError as error:
        raise ConfigurationError(
            "Presidio is not installed, so it can redact nothing: pip install 'llm-track[presidio]'."
        ) from error
    try:
        return presidio.AnalyzerEngine()
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            "Presidio has no model to find names with: install one, as with python -m spacy download en_core_web_lg, "
            f"or give an analyzer of your own. ({type(error).__name__}: {error})"
        ) from error


def _check(engine: Any, language: str, entities: list[str] | None) -> None:
    languages = list(engine.supported_languages)
    if language not in languages:
        raise ConfigurationError(f"language is {language!r}; the analyzer knows {', '.join(map(repr, languages))}.")
    known = set(engine.get_supported_entities(language))
    if unknown := sorted(set(entities or ()) - known):
        raise ConfigurationError(
            f"entities has {', '.join(map(repr, unknown))}; the analyzer knows {', '.join(sorted(known))}."
        )


def _merged(found: Iterable[Any]) -> Iterator[tuple[int, int, str]]:
    """Yield each place once, for the kind that is surest; what overlaps is one place."""
    places: list[tuple[int, int, float, str]] = []
    for each in sorted(found, key=lambda result: (result.start, -result.end)):
        start, end, score, kind = each.start, each.end, each.score, each.entity_type
        if places and start < places[-1][1]:
            before = places.pop()
            surest = max((before[2], before[3]), (score, kind), key=lambda pair: pair[0])
            start, end, score, kind = before[0], max(before[1], end), *surest
        places.append((start, end, score, kind))
    for start, end, _, kind in places:
        yield start, end, f"[{kind.lower()}]"


def _pieces(text: str) -> Iterator[str]:
    """Cut a text between words into pieces that a model takes."""
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        gap = next((at for at in range(end, end - _PIECE // 2, -1) if _GAP.match(text, at)), end)
        yield text[start:gap]
        start = gap
    yield text[start:]
