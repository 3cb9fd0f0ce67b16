"""From a record to a sink: its form, whether it is one of those that are sent, what of it may leave and what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import replace
from functools import partial

from llm_track import places, processors, properties, sizing
from llm_track._guard import guarded
from llm_track.config import settings
from llm_track.records import Event, ModelCall, Place, Record, Remark
from llm_track.sampling import Sampler
from llm_track.settling import Finished
from llm_track.sightings import sightings
from llm_track.sinks import Sink
from llm_track.snapshot import jsonable
from llm_track.surroundings import Surroundings, within
from llm_track.tallies import Tally


def deliver(
    record: Record | None, work: Finished, sampler: Sampler, sink: Callable[[], Sink | None], tally: Tally
) -> Place | None:
    """Send what a record of some work makes; return where what it tells of stands.  Each event is counted once."""
    if record is None:
        tally.add(work.untold)
        return None
    record = _placed(record, work.surroundings)
    place = places.told(record)
    before = sightings.before(record, work, place) if isinstance(record, ModelCall) else None
    if before is not None:
        tally.add("told_elsewhere")
        return before
    places.memory.note(record, place)
    for made, context in _events(record, work.context or Context(), sampler, tally):
        became = "dropped_fault"
        with guarded("turn a call into an event", background=True):
            became = emit(sink(), made, context)
        tally.add(became)
    return place


def _placed(record: Record, around: Surroundings | None) -> Record:
    """Return a record that belongs to whom posthog's own scope names, as far as nobody else said so."""
    return record if around is None else replace(record, identity=within(record.identity, around))


def _events(record: Record, context: Context, sampler: Sampler, tally: Tally) -> Iterator[tuple[Event, Context]]:
    """Yield what is sent when a record comes: its event, those that were held back for it, or nothing.

    What is not sent is counted.
    """
    made = properties.event(record)
    if made.no_log:
        tally.add("no_log")
        return
    chosen = settings()
    passed, left_out = sampler.passed(made, context, chosen, ends=_ends_its_trace(record))
    if left_out:
        tally.add("sampled_out", left_out)
    chain = [*processors.built_in(chosen), *chosen.processors] if passed else []
    for each, its_context in passed:
        kept = processors.run(chain, each)
        if kept is None:
            tally.add("dropped_by_processor")
        else:
            yield kept, its_context


def _ends_its_trace(record: Record) -> bool:
    """Tell whether nothing more is to come of a trace.  Nobody knows for one that the program names: calls share it."""
    if isinstance(record, Remark) or record.parent_id is not None:
        return False
    return not isinstance(record, ModelCall) or record.labels.trace_id is None


def emit(sink: Sink | None, made: Event, context: Context) -> str:
    """Give an event to a sink, in the context of the call that it describes; return what became of it."""
    if sink is None:
        return "dropped_no_key"
    taken = False
    made, length = _measured(made)
    if length > (most := context.run(sink.largest, made)):
        made = _fitting(made, most)
        length = sizing.size(made)
    if length > sizing.LARGEST_EVENT:
        taken = context.run(sink.emit, made, large=True)
        made = made if taken else _fitting(made, sizing.LARGEST_EVENT)  # no thread for it starts any more, say
    taken = taken or context.run(sink.emit, made)
    return "admitted" if taken else "dropped_refused_by_client"


def _measured(made: Event) -> tuple[Event, int]:
    """Return an event and its length; what a processor of the program put there that is no JSON is made some."""
    try:
        return made, sizing.size(made)
    except (TypeError, ValueError, RecursionError):
        made = replace(made, properties=jsonable(made.properties))
        return made, sizing.size(made)


def _fitting(made: Event, most: int) -> Event:
    cut = processors.run([partial(sizing.fit, most=most)], made)
    return made if cut is None else cut  # to fit an event never drops it
