"""SIGTERM: what is left is delivered first, where that was asked for, and the process ends as it would have."""

from __future__ import annotations

import signal
import time

import pytest

from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.sinks.receiver import Receiver
from tests.test_worker import names, run

PROGRAM = """
import os, signal, sys, time, llm_track
{before}
llm_track.configure(flush_on_sigterm={asked}, exit_seconds=30)
{after}
with llm_track.llm_span("ended"): pass
span = llm_track.llm_span("open").__enter__()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
OWN = 'signal.signal(signal.SIGTERM, lambda *_: (print("own"), sys.exit(7)))'


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.mark.parametrize("asked", [True, False])
def test_sigterm_delivers_first_where_that_was_asked_for(receiver, asked):
    """Ended and open spans are sent, and the process is ended by the signal, as its parent sees; else nothing is."""
    done = run(PROGRAM.format(before="", after="", asked=asked), receiver.url)
    assert done.returncode == -signal.SIGTERM
    assert names(receiver) == (["ended", "open"] if asked else [])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_programs_own_handler_stays(receiver, when):
    """A handler of the program's own, set before or after, is the one that runs; its exit delivers."""
    own = {"before": "", "after": ""} | {when: OWN}
    done = run(PROGRAM.format(asked=True, **own), receiver.url)
    assert (done.returncode, done.stdout) == (7, "own\n")
    assert names(receiver) == ["ended", "open"]


def test_the_variable_is_enough(receiver):
    """With LLM_TRACK_FLUSH_ON_SIGTERM nothing has to be called but what records."""
    program = """
        import os, signal, time, llm_track
        with llm_track.llm_span("ended"): pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """
    assert run(program, receiver.url, LLM_TRACK_FLUSH_ON_SIGTERM="1").returncode == -signal.SIGTERM
    assert names(receiver) == ["ended"]


def test_in_another_thread_one_line_says_that_it_cannot_be(receiver):
    """Only the main thread may set a handler: elsewhere the program runs on, and one line says what to do."""
    program = """
        import threading, llm_track
        thread = threading.Thread(target=llm_track.configure, kwargs={"flush_on_sigterm": True})
        thread.start(); thread.join()
        """
    done = run(program, receiver.url)
    assert done.returncode == 0
    assert "only the main thread may ask for that" in done.stderr


HANGS = """
import os, signal, time, llm_track
from contextlib import nullcontext
from llm_track import worker
worker.EXIT_SECONDS = 2.0
llm_track.configure(flush_on_sigterm=True, exit_seconds=1)
for number in range(300):
    with llm_track.llm_span("ended"): pass
worker.make_events(30)
with {held}:
    print(time.monotonic(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(100)
"""


@pytest.mark.parametrize("held", ["nullcontext()", "worker.current().sink.delivery.outbox._changed"])
def test_the_end_by_sigterm_comes_in_bounded_time(held):
    """Where PostHog hangs, the signal ends the process after `exit_seconds`, be it that it struck amid something for
    which delivery has to wait: then after so long as making events may take, too."""
    with Faulty(faulty.HANGS) as host:
        done = run(HANGS.format(held=held), host.url)
        ended = time.monotonic()
    assert done.returncode == -signal.SIGTERM
    assert ended - float(done.stdout) < 25.0
    assert host.stored == []
    assert "Traceback" not in done.stderr


FIRST_PROCESS = """
import os, signal, llm_track
own, kill = os.getpid(), os.kill
os.getpid, os.kill = lambda: 1, lambda *_: None  # of number 1 the system lets SIGTERM pass
llm_track.configure(flush_on_sigterm=True, exit_seconds=30)
for name in ("first", "second"):
    with llm_track.llm_span(name): pass
    kill(own, signal.SIGTERM)
    print(llm_track.stats()["delivered"])
with llm_track.llm_span("third"): pass
"""


def test_the_first_process_of_a_container_goes_on(receiver, tmp_path):
    """SIGTERM does not end process number 1: what it has is delivered, each time, and what comes later is as ever."""
    done = run(FIRST_PROCESS, receiver.url, LLM_TRACK_SPOOL=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n2\n", "")
    assert names(receiver) == ["first", "second", "third"]


TWICE = """
import os, signal, threading, time, llm_track
llm_track.configure(flush_on_sigterm=True, exit_seconds=2)
with llm_track.llm_span("ended"): pass
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


def test_a_second_sigterm_says_nothing_twice(receiver):
    """Who is told twice to end ends as soon, and says once what is lost."""
    receiver.refusing["/batch/"] = 503
    done = run(TWICE, receiver.url)
    assert done.returncode == -signal.SIGTERM
    assert done.stderr.count("could not deliver 1 events") == 1


LOGGING = """
import logging, os, signal, time, llm_track
llm_track.configure(flush_on_sigterm=True, exit_seconds=1)
with llm_track.llm_span("ended"): pass
handler = logging.StreamHandler()
logging.getLogger("llm_track").addHandler(handler)
with handler.lock:
    print(time.monotonic(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_sigterm_amid_a_line_of_the_log_ends_as_soon(receiver):
    """The signal may strike while the program writes into its log: the end waits for nobody, and says what is lost."""
    receiver.refusing["/batch/"] = 503
    done = run(LOGGING, receiver.url)
    assert done.returncode == -signal.SIGTERM
    assert time.monotonic() - float(done.stdout) < 9.0  # and not 11 and more
    assert "could not deliver 1 events" in done.stderr


INTERRUPTED = """
import os, signal, threading, time, llm_track
signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background ignores it
llm_track.configure(exit_seconds=60)
with llm_track.llm_span("ended"): pass
llm_track.flush(0.1)

def interrupt():
    time.sleep(3)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
"""


def test_who_interrupts_the_end_is_told_what_is_lost(receiver):
    """Ctrl-C while the last events are delivered ends that, and says how many were not."""
    receiver.refusing["/batch/"] = 503
    began = time.monotonic()
    done = run(INTERRUPTED, receiver.url)
    assert time.monotonic() - began < 50.0
    assert "could not deliver 1 events" in done.stderr
