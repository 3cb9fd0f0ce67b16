"""What the client does on threads of its own."""

from __future__ import annotations

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
