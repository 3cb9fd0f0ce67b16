"""One model call that several saw, the hooks of an SDK and tracers whose spans are sent through us, is told once.

A tracer that makes its span the active one is known by its place (`llm_track.telemetry`).  Here are the others: what
they tell is known by the provider's id for the answer, or where there is none, by the error and the model.  Neither
says enough by itself, as caches, recordings and small servers give the same id again: the times have to overlap, too,
and what one of them saw twice is two calls.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from llm_track import telemetry
from llm_track.records import ModelCall, Place
from llm_track.settling import OpenStep

_MOST_KEYS = 10_000
_MOST_ALIKE = 100
_OURS = ""
"""Who saw a call that is told by us; of a span it is the name of its tracer."""


@dataclass(slots=True)
class _Sighting:
    """A call that is told: when it was, in seconds since 1970, and who has seen it so far."""

    began: float
    ended: float
    sources: set[str]
    place: Place

    def is_also(self, other: _Sighting) -> bool:
        return self.began <= other.ended and other.began <= self.ended and self.sources.isdisjoint(other.sources)


class Sightings:
    """The last calls that were told, by what they are known by; used by the worker's thread only."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, list[_Sighting]] = OrderedDict()

    def before(self, record: ModelCall, work: Any, place: Place) -> Place | None:
        """Note what somebody saw; return where it stands if it is a call that is told already.

        A step that fetches an answer is never that, but the spans of others that tell of the answer again are.

        Args:
            record: what is to be told.
            work: what it was made of: a call or step of ours, or a span of another tracer with its `Seen`.
            place: where it stands, if it is not.
        """
        key = _key(record)
        if not telemetry.is_used or key is None or record.batch is not None:
            return None
        ended = record.ended_at.timestamp()
        seen = _Sighting(ended - (record.latency or 0.0), ended, _sources(work), place)
        told = self._told.setdefault(key, [])
        before = next((each for each in told if each.is_also(seen)), None) if record.kind != "endpoint" else None
        if before is not None:
            before.sources |= seen.sources
            return before.place
        told.append(seen)
        del told[:-_MOST_ALIKE]
        self._told.move_to_end(key)
        if len(self._told) > _MOST_KEYS:
            self._told.popitem(last=False)
        return None


def _key(record: ModelCall) -> str | None:
    response, failure = record.response, record.failure
    if response is not None and response.id is not None:
        return response.id
    return None if failure is None else f"{failure.type} {record.request.model}"


def _sources(work: Any) -> set[str]:
    """Return who saw a call: who tells of it, and whose spans lie around it that tell nothing for its sake."""
    own = work.seen
    if isinstance(work, OpenStep):
        sources, span, node = {_OURS}, own, work.parent
    else:
        sources, span, node = {own.source}, own.above, own.node
    while span is not None and telemetry.lies_in(span, node) and span.state() != "step":
        if span.has_call or span.is_around:
            sources.add(span.source)
        span = span.above
    return sources


sightings = Sightings()
