"""Events that are made when the interpreter already ends: in Python 3.12 no thread starts any more by then."""

from __future__ import annotations

import re
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


LATE = """
import atexit

def late():
    for number in range(5):
        with llm_track.llm_span(f"late {{number}}"): pass

atexit.register(late)  # hooks run in reverse order: this one after those of llm_track
import llm_track
llm_track.configure(exit_seconds={seconds})
{early}
"""
EARLY = """
with llm_track.llm_span("early"): pass
"""


@pytest.mark.parametrize("early", ["", EARLY], ids=["nothing before", "something before"])
def test_what_hooks_make_that_run_after_ours_arrives(early):
    """A hook that was registered before llm_track was imported runs when all seems delivered: its events are, too."""
    with Faulty() as host:
        done = run(LATE.format(seconds=30, early=early), host.url)
    assert (done.returncode, done.stderr) == (0, "")
    expected = [f"late {number}" for number in range(5)] + (["early"] if early else [])
    assert sorted(event.name for event in host.stored) == sorted(expected)


def test_what_such_hooks_make_in_vain_is_told():
    """Where PostHog takes nothing, the late events hold up the end no longer, all in all, and are told as lost; one
    that just becomes an event may be counted twice at that moment."""
    with Faulty(faulty.status(503)) as host:
        began = time.monotonic()
        done = run(LATE.format(seconds=1, early=EARLY), host.url)
        assert time.monotonic() - began < 30.0
    assert done.returncode == 0
    assert max(map(int, re.findall(r"could not deliver (\d+) events", done.stderr))) in (6, 7)
