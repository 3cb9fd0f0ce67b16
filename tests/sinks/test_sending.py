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


GREEN = "from gevent import monkey\nmonkey.patch_all()\n"
FORKS = """
import os, sys, threading, llm_track

llm_track.configure(api_key="phc_test", host=sys.argv[1])


def deliver(name):
    with llm_track.llm_span(name):
        pass
    assert llm_track.flush(60)


deliver("before")
child = os.fork()
if not child:
    print([each.name for each in threading.enumerate() if each.name != "MainThread"], flush=True)
    deliver("child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
deliver("after")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
@pytest.mark.parametrize("patched", ["", GREEN], ids=["threads", "gevent"])
def test_a_forked_child_uses_nothing_of_the_clients_of_its_parent(patched: str) -> None:
    """Parent and child never speak on one connection; and under gevent the client starts no thread in the child, which
    would run all that goes on in the parent."""
    if patched:
        pytest.importorskip("gevent")
    with Receiver() as receiver:
        command = [sys.executable, "-c", patched + FORKS, receiver.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    if patched:
        assert said.stdout == "[]\n", said.stderr
    spoke = {each["body"]["batch"][0]["properties"]["$ai_span_name"]: each["peer"] for each in receiver.requests}
    assert set(spoke) == {"before", "child", "after"}
    assert spoke["child"] not in (spoke["before"], spoke["after"])
