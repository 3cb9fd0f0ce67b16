"""Where a call or a step stands: its trace, its id, who it belongs to; for what is said of it afterwards.

A response object or a span leads to its call or step, and so to its place.  What does not is found by an id: that of a
trace, or one that the provider gave its answer.  The worker remembers those of the last calls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.policies import narrower
from llm_track.records import Identity, Labels, ModelCall, Place, Record, Remark
from llm_track.settling import OpenStep
from llm_track.surroundings import within

_MOST = 10_000
"""How many traces, and how many ids of answers, are remembered."""


def of(step: OpenStep) -> Place:
    """Return the place of a call or a step, whether or not it has ended."""
    return step.told or _of_untold(step)


def _of_untold(step: OpenStep) -> Place:
    """Work it out as the worker will; where the worker has done so meanwhile, what this was made of may be gone."""
    trace_id, identity, around = step.trace_id, step.belonging(), step.surroundings
    if isinstance(step, Call):
        said = labels(step)
        trace_id, identity = trace_of(step, said), both(identity, said.identity)
    is_model_call = isinstance(step, Call) and step.reading.kind != "endpoint"
    place = Place(
        trace_id=trace_id, span_id=step.id, is_model_call=is_model_call, identity=_bare(within(identity, around))
    )
    return step.told or place


def told(record: Record) -> Place:
    """Return the place that an event has."""
    return Place(
        trace_id=record.trace_id,
        span_id=record.span_id,
        is_model_call=isinstance(record, ModelCall) and record.kind != "endpoint",
        identity=_bare(record.identity),
    )


def _bare(identity: Identity) -> Identity:
    return replace(identity, metadata={})


def labels(call: Call) -> Labels:
    """Return what the program says of a call; what an attempt must not tell, as a router has it, the call must not."""
    said = Labels(identity=Identity(no_log=True))
    with guarded("read what a program says of a call", background=True):
        tells = call.reading.labels
        said = tells() if tells is not None else Labels()
    for each in call.attempts:
        outer, inner = said.identity, labels(each).identity
        is_silent, content = outer.no_log or inner.no_log, narrower(outer.content, inner.content)
        outer = replace(outer, user_id=outer.user_id or inner.user_id, no_log=is_silent, content=content)
        said = replace(said, identity=outer)
    return said


def trace_of(call: Call, said: Labels) -> str:
    """Return the trace of a call: that of the spans around it, else the one that the program names."""
    return call.trace_id if call.parent is not None else said.trace_id or call.trace_id


def both(nearer: Identity, further: Identity | None) -> Identity:
    """Who a call belongs to that two sides tell of: the nearer comes first; silence on either side is silence."""
    if further is None:
        return nearer
    return replace(
        nearer,
        user_id=further.user_id if nearer.user_id is None else nearer.user_id,
        session_id=further.session_id if nearer.session_id is None else nearer.session_id,
        groups={**further.groups, **nearer.groups},
        metadata={**further.metadata, **nearer.metadata},
        no_log=further.no_log or nearer.no_log,
        content=narrower(further.content, nearer.content),
        flags=further.flags if nearer.flags is None else nearer.flags,
        prompt=further.prompt if nearer.prompt is None else nearer.prompt,
    )


class Memory:
    """The places of the last calls by the ids that they are known by.  Written by the worker's thread only."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, Place] = OrderedDict()
        self._answers: OrderedDict[str, Place | None] = OrderedDict()
        """By the provider's ids; ``None`` for an id that two answers had, as small servers give the same again."""

    def note(self, record: Record, place: Place) -> None:
        """Remember a place by the ids of its trace and of its answer."""
        if isinstance(record, Remark):
            return
        self._trace(place)
        if isinstance(record, ModelCall):
            for given in {record.response.id if record.response is not None else None, record.request_id} - {None}:
                self._answer(str(given), place)

    def _trace(self, place: Place) -> None:
        """The outermost step of a trace ends last, and says most of it; it may leave the user to those inside."""
        before, identity = self._traces.get(place.trace_id), place.identity
        if before is not None and identity.user_id is None:
            identity = replace(identity, user_id=before.identity.user_id)
        self._traces[place.trace_id] = Place(trace_id=place.trace_id, identity=identity)
        self._traces.move_to_end(place.trace_id)
        _limit(self._traces)

    def _answer(self, given: str, place: Place) -> None:
        """Only a model call has answers; a step that fetches or begins one has it until the call is known."""
        before = self._answers.get(given, place)
        if given in self._answers and not place.is_model_call:
            return
        is_other = before is None or (before.is_model_call and before.span_id != place.span_id)
        self._answers[given] = None if is_other else place
        self._answers.move_to_end(given)
        _limit(self._answers)

    def trace(self, trace_id: str) -> Place | None:
        """Return the place of a trace as a whole."""
        return self._traces.get(trace_id)

    def answer(self, given: Iterable[str]) -> Place | None:
        """Return the place of the answer that has one of some ids."""
        return next((place for each in given if (place := self._answers.get(each)) is not None), None)


def _limit(remembered: OrderedDict[str, Place] | OrderedDict[str, Place | None]) -> None:
    if len(remembered) > _MOST:
        remembered.popitem(last=False)


memory = Memory()
