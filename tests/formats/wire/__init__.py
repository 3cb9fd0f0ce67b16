"""What providers send: for each format a module of the same name, which generates requests, bodies and streams of it.

A module here has

* ``requests`` and ``bodies``, strategies for realistic JSON;
* ``chunks(draw, body)``, one of the many ways to stream that body;
* ``ended(chunks)``, whether those chunks hold the end of their stream;
* ``answer(body)``, what the body says, unless it is one of vectors;
* ``COUNTS``, where in a body each count stands: several paths where providers disagree, the first count wins;
* perhaps ``DERIVED``, for counts that stand nowhere: each with a function from a body;
* perhaps ``NOT_YET``, the fields that a stream tells in pieces which are no prefix of the whole;
* ``COST``, where a provider says what the call cost, or ``None``.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from llm_track import formats

from ._draw import Object

NAMES = sorted(found.name for found in pkgutil.iter_modules(formats.__path__) if not found.name.startswith("_"))


def law(examples: int) -> settings:
    """Return the settings of a law that is tried with so many examples, or with as many as the environment says."""
    number = int(os.environ.get("LLM_TRACK_LAW_EXAMPLES", examples))
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Wire:
    """A format and the generator of its traffic."""

    format: Any
    source: Any

    def streams(self) -> st.SearchStrategy[tuple[Object, list[Object]]]:
        """Bodies, each with chunks that say it."""
        return _streams(self.source)

    def folded(self, chunks: list[Object]) -> Any:
        """The fold of some chunks."""
        fold = self.format.fold()
        for chunk in chunks:
            fold.add(chunk)
        return fold


@st.composite
def _streams(draw: st.DrawFn, source: Any) -> tuple[Object, list[Object]]:
    body = draw(source.bodies)
    return body, source.chunks(draw, body)


def wire(name: str) -> Wire:
    """Return a format by the name of its module; one that has no generator here is an error."""
    return Wire(importlib.import_module(f"{formats.__name__}.{name}"), importlib.import_module(f"{__name__}.{name}"))


ANSWERING = [name for name in NAMES if wire(name).format.response({}).output is not None]
"""Formats of answers; those of embeddings have no output, and texts instead of messages."""
