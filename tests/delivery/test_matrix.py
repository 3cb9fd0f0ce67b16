"""Every scenario, with a spool and without: each event arrives once, or is counted as lost, to the last one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.delivery.running import play
from tests.delivery.scenarios import SCENARIOS
from tests.delivery.verdicts import Outcome, wrong

AT_ONCE = 6
"""Scenarios that run at the same time: most of them wait most of the time."""
ROWS = [
    pytest.param(
        scenario,
        spooled,
        id=f"{scenario.name}, {'spool' if spooled else 'memory'}",
        marks=pytest.mark.skipif(not scenario.can_be_played, reason=f"{scenario.needs} is not installed"),
    )
    for scenario in SCENARIOS
    for spooled in (True, False)
    if (scenario.spool if spooled else scenario.plain) is not None
]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, bool], Future[Outcome]]]:
    """The outcomes of the scenarios that were asked for, which run beside each other."""
    asked = [item.callspec.params for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            (given["scenario"].name, given["spooled"]): pool.submit(play, given["scenario"], spooled=given["spooled"])
            for given in asked
            if given["scenario"].can_be_played
        }
        yield running
        for future in running.values():
            future.cancel()


@pytest.mark.parametrize(("scenario", "spooled"), ROWS)
def test_every_event_is_accounted_for(outcomes, scenario, spooled):
    """What the scenario promises is kept; `proves` says what that is."""
    outcome = outcomes[scenario.name, spooled].result()
    found = wrong(scenario, outcome)
    assert found == [], f"{scenario.proves}: {found}\n{outcome.log}"
