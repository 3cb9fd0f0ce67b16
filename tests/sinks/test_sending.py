"""What the client does on threads of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sinks.receiver import Receiver

PROGRAM = """
import sys, threading, llm_track

loaded = []


def listen(event, arguments):
    if event == "import" and type(threading.current_thread()).__module__.startswith("posthog"):
        loaded.append(arguments[0])


sys.addaudithook(listen)
llm_track.configure(api_key="phc_test", host=sys.argv[1])
with llm_track.llm_span("step"):
    pass
print(llm_track.flush(60), loaded)
"""


@pytest.mark.parametrize("status", [200, 400, 503])
def test_the_client_imports_nothing_while_it_sends(status: int) -> None:
    """A request, whatever its answer, imports nothing on the client's own threads, which no fork waits for: a child
    that is made amid an import could never import that module, and would deliver nothing."""
    with Receiver() as receiver:
        receiver.statuses = [status]
        command = [sys.executable, "-c", PROGRAM, receiver.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout == "True []\n", said.stderr
    assert receiver.requests


FORKS = """
import os, sys, threading, llm_track

llm_track.configure(api_key="phc_test", host=sys.argv[1])
with llm_track.llm_span("step"):
    pass
assert llm_track.flush(60)
child = os.fork()
if not child:
    print([thread.name for thread in threading.enumerate()], flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
def test_the_client_starts_no_thread_in_a_forked_child() -> None:
    """A child has no thread of clients of its parent, which the client would start in each: gevent would run all that
    goes on in the parent while it starts."""
    with Receiver() as receiver:
        command = [sys.executable, "-c", FORKS, receiver.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout == "['MainThread']\n", said.stderr
