"""What a host says about when to come back, in headers that are huge or make no sense."""

from __future__ import annotations

import math

import pytest

from llm_track.config import Settings
from llm_track.sinks.lines import Line
from llm_track.sinks.posthog import build
from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.sinks.parcelled import PROJECT, parcel
from tests.sinks.test_carriers import counted, emit
from tests.sinks.test_spool_files import eventually

FOR_EVER = "Fri, 31 Dec 9999 23:59:59"


@pytest.mark.parametrize(
    "asked", ["nan", "-5", "-inf", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "31 Feb", f"{FOR_EVER} -0000"]
)
def test_a_header_that_makes_no_sense_is_not_obeyed(asked):
    """Events are delivered by a later attempt, and none is lost."""
    with Faulty(faulty.status(429, 2, Retry_After=asked)) as host:
        to = build(Settings(api_key="phc_test", host=host.url))
        assert to is not None
        made = emit(to, 3)
        assert to.flush(60.0)
        assert sorted(event.uuid for event in host.stored) == sorted(made)
        assert counted(to, 3)["retried"] > 0  # in however many requests they came
        to.close()


@pytest.mark.parametrize("asked", [math.nan, -math.inf, -5.0, 0.0, "soon", None])
def test_a_time_that_is_none_shortens_no_pause(asked):
    """The next attempt comes as after any failure: not at once, and no later."""
    line = Line(PROJECT, None)
    line.push(parcel())
    error = ConnectionError()
    error.retry_after = asked  # type: ignore[attr-defined]
    line.failed(error)
    assert 0.2 < (line.seconds_to_go(in_a_hurry=True) or 0.0) <= 0.6
    line.hurry()
    assert line.seconds_to_go(in_a_hurry=True) == 0.0


@pytest.mark.parametrize("asked", ["inf", "1e999", "9" * 30, f"{FOR_EVER} GMT"])
def test_a_header_that_asks_for_ages_is_obeyed_for_five_minutes(asked):
    """However long a host asks for, the next attempt comes within five minutes, and nothing is lost meanwhile."""
    with Faulty(faulty.status(429, Retry_After=asked)) as host:
        to = build(Settings(api_key="phc_test", host=host.url))
        assert to is not None
        assert to.delivery is not None
        emit(to, 3)
        eventually(lambda: to.tally["retried"] == 3)
        assert not to.flush(0.5)
        line = to.delivery.outbox.line(to.delivery.project)
        assert line.is_failing
        assert 200.0 < (line.seconds_to_go(in_a_hurry=True) or 0.0) <= 300.0
        assert counted(to, 3)["waiting"] == 3
        to.close()
