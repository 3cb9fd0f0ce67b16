"""Events that are made when the interpreter already ends: in Python 3.12 no thread starts any more by then."""

from __future__ import annotations

import time

import pytest

from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.test_worker import run

LAST_WORDS = """
import atexit, threading, time, llm_track
import posthog  # takes long where much else runs
llm_track.configure(exit_seconds={seconds})

def last():
    for number in range(40):
        with llm_track.llm_span(f"last {{number}}"): pass
    started = True
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        started = False
    print(time.monotonic(), started, flush=True)

atexit.register(last)
"""


def test_what_exit_hooks_make_arrives():
    """What a hook makes when no thread has run before is delivered, one by one where no thread starts any more."""
    with Faulty() as host:
        done = run(LAST_WORDS.format(seconds=30), host.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(event.name for event in host.stored) == sorted(f"last {number}" for number in range(40))
    assert (len(host.requests) < 40) is done.stdout.endswith("True\n")


@pytest.mark.parametrize("fault", [faulty.HANGS, faulty.always(seconds=0.4)], ids=["hangs", "slow"])
def test_the_end_comes_in_bounded_time(fault):
    """Where PostHog hangs, or takes longer for all of it than `exit_seconds`, what is left is told, and nothing waits
    longer: neither for an answer nor for the next event's."""
    with Faulty(fault) as host:
        done = run(LAST_WORDS.format(seconds=2), host.url)
        ended = time.monotonic()
        host.heal()
        assert host.settle()
    since, starts_threads = done.stdout.split()
    assert done.returncode == 0
    assert ended - float(since) < 12.0
    assert starts_threads == "True" or 1 <= len(host.requests) < 20
    assert "could not deliver" in done.stderr or len(host.stored) == 40
