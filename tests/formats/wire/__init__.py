"""What providers send: for each format a module of the same name, which generates requests, bodies and streams of it.

A module here has

* ``requests`` and ``bodies``, strategies for realistic JSON;
* ``chunks(draw, body)``, one of the many ways to stream that body;
* ``ended(chunks)``, whether those chunks hold the end of their stream;
* ``COUNTS``, where in a body each count stands: several paths where providers disagree, the first count wins;
* ``COST``, where a provider says what the call cost, or ``None``.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from llm_track import formats

from ._draw import Object

NAMES = sorted(found.name for found in pkgutil.iter_modules(formats.__path__) if not found.name.startswith("_"))


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
