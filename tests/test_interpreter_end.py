"""Events that are made when the interpreter already ends: from Python 3.12 on no thread starts any more by then."""

from __future__ import annotations

import sys
import time

import pytest

from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.test_worker import run

LAST_WORDS = """
import atexit, sys, time, llm_track
llm_track.configure(exit_seconds={seconds})

def last():
    for number in range(40):
        with llm_track.llm_span(f"last {{number}}"): pass
    print(time.monotonic(), flush=True)

atexit.register(last)
"""


def test_what_exit_hooks_make_arrives():
    """What a hook makes when no thread has run before is delivered, one by one where no thread starts any more."""
    with Faulty() as host:
        done = run(LAST_WORDS.format(seconds=30), host.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(event.name for event in host.stored) == sorted(f"last {number}" for number in range(40))
    is_by_threads = len(host.requests) < 40
    assert is_by_threads is (sys.version_info < (3, 12))


@pytest.mark.parametrize("fault", [faulty.HANGS, faulty.always(seconds=0.4)], ids=["hangs", "slow"])
def test_the_end_comes_in_bounded_time(fault):
    """Where PostHog hangs, or takes longer for all of it than `exit_seconds`, what is left is told, and nothing waits
    longer: neither for an answer nor for the next event's."""
    with Faulty(fault) as host:
        done = run(LAST_WORDS.format(seconds=2), host.url)
        took = time.monotonic() - float(done.stdout)
        host.heal()
        assert host.settle()
    assert done.returncode == 0
    assert took < 12.0
    if sys.version_info >= (3, 12):
        assert 1 <= len(host.requests) < 20
        assert f"could not deliver {40 - len(host.stored)} events" in done.stderr or fault is faulty.HANGS
