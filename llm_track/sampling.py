"""Which traces are sent when not all are: a share of them by their ids, and every one with something to look at.

Whether a trace is in the share depends on its id alone, so that all processes agree.  One with an error in it, one that
is slow or costly, and one that somebody gave feedback on is kept whatever its id is.  That is often known only when
most of its events have passed, so the events of a trace that is not in the share are held back until its outermost step
ends, within bounds, and are sent if the trace turns out to be kept.

The weight on the event (``llm_sample_weight``) makes sums of weights true counts, whatever is counted:

- an event that is sent because its trace is in the share stands for all that are not: its weight is 1 / rate;
- one that is sent in any case, as its trace is known to be kept by then, stands for itself: 1;
- one that was held back and is sent to complete the picture stands for nothing: 0.  In the traces of the share the same
  event has gone out before, with the weight 1 / rate, and speaks for it.

So the expected weight of every event is 1: ``rate * 1/rate + (1 - rate) * 0``, or ``1``.  That holds whatever is lost
of what is held back, as its weight is 0.  At a rate of 0 no event speaks for others, and what is left out is unknown.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from contextvars import Context
from dataclasses import replace
from typing import Any

from llm_track import pricing, properties
from llm_track.config import Settings
from llm_track.properties import costs
from llm_track.records import Event

Passed = list[tuple[Event, Context]]
"""Events to be sent, each with the context of its call."""

MOST_TRACES = 10_000
"""Of so many traces it is remembered what became of them; those seen longest ago are forgotten first."""
MOST_HELD = 10_000
"""So many events are held back at once, ..."""
MOST_BYTES = 32 * 2**20
"""... of so many bytes of JSON."""


def is_in_share(trace_id: str, rate: float) -> bool:
    """Tell whether a trace is in the share, at a rate from 0.0 to 1.0; the answer is the same everywhere."""
    return zlib.crc32(trace_id.encode("utf-8", "replace")) / 2**32 < rate


class _Trace:
    """What is known of a trace, and its events that are held back."""

    __slots__ = ("cost", "held", "is_kept", "is_over", "size")

    def __init__(self) -> None:
        self.is_kept = False
        self.is_over = False
        """Whether its outermost step has ended."""
        self.cost = 0.0
        """In US dollars, as far as it is known."""
        self.held: Passed = []
        self.size = 0
        """Of what is held back, in bytes of JSON."""


class Sampler:
    """Decides on events as they come; used by the worker's thread only."""

    def __init__(self) -> None:
        self.held = 0
        """How many events are held back."""
        self._size = 0
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._holding: OrderedDict[str, _Trace] = OrderedDict()
        """Those with events that are held back, the one that began first at the front."""

    def passed(self, event: Event, context: Context, chosen: Settings, *, ends: bool) -> tuple[Passed, int]:
        """Return what is to be sent now, with its weights, and how many events were left out for good.

        Args:
            event: the next event.
            context: the context that it is to be sent in.
            chosen: the settings in force.
            ends: whether nothing more is to come of its trace: it is the outermost step.
        """
        rate = chosen.sample_rate
        if rate >= 1.0:
            return [(event, context)], 0
        trace, forgotten = self._of(event.trace_id)
        trace.is_kept = self._is_notable(event, trace, chosen) or trace.is_kept
        trace.is_over = trace.is_over or ends
        if trace.is_kept:
            sent = [(_weighed(each, 0), its) for each, its in self._released(event.trace_id, trace)]
            return [*sent, (_weighed(event, 1), context)], forgotten
        if is_in_share(event.trace_id, rate):
            return [(_weighed(event, 1 / rate), context)], forgotten
        if trace.is_over:
            return [], forgotten + len(self._released(event.trace_id, trace)) + 1
        return [], forgotten + self._hold(event, context, trace)

    def _of(self, trace_id: str) -> tuple[_Trace, int]:
        """Return what is known of a trace, and how many events were left out with one that is forgotten for it."""
        trace = self._traces.setdefault(trace_id, _Trace())
        self._traces.move_to_end(trace_id)
        if len(self._traces) <= MOST_TRACES:
            return trace, 0
        oldest, forgotten = self._traces.popitem(last=False)
        return trace, len(self._released(oldest, forgotten))

    def _is_notable(self, event: Event, trace: _Trace, chosen: Settings) -> bool:
        said = event.properties
        if said.get(properties.IS_ERROR) is True or event.name == properties.FEEDBACK:
            return True
        seconds, dollars = chosen.keep_slower_than, chosen.keep_costlier_than
        if dollars is not None:
            trace.cost += _cost(event, chosen)
        is_slow = seconds is not None and (said.get(properties.LATENCY) or 0.0) >= seconds
        return is_slow or (dollars is not None and trace.cost >= dollars)

    def _hold(self, event: Event, context: Context, trace: _Trace) -> int:
        """Hold an event back; return how many of the traces that began first had to make room for it."""
        size = len(json.dumps(event.properties, default=str))
        trace.held.append((event, context))
        trace.size += size
        self.held += 1
        self._size += size
        self._holding[event.trace_id] = trace
        left_out = 0
        while self.held > MOST_HELD or self._size > MOST_BYTES:
            oldest = next(iter(self._holding))
            left_out += len(self._released(oldest, self._holding[oldest]))
        return left_out

    def _released(self, trace_id: str, trace: _Trace) -> Passed:
        """Hold nothing of a trace back any longer; return what was."""
        if not trace.held:
            return trace.held
        del self._holding[trace_id]
        released, trace.held = trace.held, []
        self.held -= len(released)
        self._size -= trace.size
        trace.size = 0
        return released


def _weighed(event: Event, weight: float) -> Event:
    return replace(event, properties={**event.properties, properties.WEIGHT: weight})


def _cost(event: Event, chosen: Settings) -> float:
    """Return what a call cost, as it says itself or by the prices that are known; 0.0 where nobody knows."""
    if event.name not in properties.COSTED:
        return 0.0
    said: Any = costs.total(event.properties)
    if said is None:
        embedding, batched = event.name == properties.EMBEDDING, event.batch is not None
        known = pricing.known_cost(
            event.properties, chosen.prices, embedding=embedding, batched=batched, at=event.timestamp
        )
        said = costs.total(known or {})
    return float(said or 0.0)
