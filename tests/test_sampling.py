"""Which traces are sent when not all are."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.records import Event
from llm_track.sampling import keep

RATES = st.floats(0, 1)


def an_event(trace_id: str, span_id: str = "s", **properties: object) -> Event:
    return Event(name="$ai_span", uuid=span_id, trace_id=trace_id, distinct_id=None, properties=properties)


@given(st.uuids(), st.lists(st.text(), min_size=2), RATES)
def test_a_trace_is_kept_as_a_whole(trace, spans, rate):
    """All events of a trace get the same answer."""
    assert len({keep(an_event(str(trace), span), rate) for span in spans}) == 1


def test_the_answer_is_the_same_in_every_process():
    """The answer depends on nothing but id and rate, so that the services of one trace agree: these stay for ever."""
    traces = [f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(10)]
    assert [keep(an_event(trace), 0.5) for trace in traces] == EXPECTED


EXPECTED = [True, True, False, False, True, True, False, False, True, True]


@given(st.uuids(), RATES)
def test_errors_are_always_kept(trace, rate):
    """An event that is an error is sent at any rate."""
    assert keep(an_event(str(trace), **{"$ai_is_error": True}), rate)


@given(st.uuids(), RATES, RATES)
def test_a_higher_rate_keeps_what_a_lower_one_keeps(trace, one, other):
    """Raising the rate never loses a trace."""
    low, high = sorted((one, other))
    assert keep(an_event(str(trace)), low) <= keep(an_event(str(trace)), high)


@given(st.uuids())
def test_the_ends_of_the_scale(trace):
    """At 1.0 every trace is kept, at 0.0 none."""
    assert keep(an_event(str(trace)), 1.0)
    assert not keep(an_event(str(trace)), 0.0)


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.9])
def test_about_the_share_is_kept(rate):
    """Of many traces the share that was asked for is kept, within what chance allows."""
    many = 20_000
    kept = sum(keep(an_event(str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % 2**128))), rate) for number in range(many))
    assert abs(kept / many - rate) < 0.02
