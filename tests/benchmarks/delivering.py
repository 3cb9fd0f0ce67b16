"""What the way to PostHog costs: the spool, a replay, events a second at 100 ms round trip, memory with full queues.

    python tests/benchmarks/delivering.py [--only spool|replay|throughput|memory] [--events N] [--rounds N]

Every figure comes from processes of its own that send to a receiver in another process, on loopback; what can be told
beside the official client or beside no spool, is, in the same run.  Events have 2.5 KB of JSON.  Times of the processor
are in microseconds an event.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECEIVER = """
import sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
seconds = float(sys.argv[1])

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        time.sleep(seconds)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
TEXT = """
import json, os, sys, time
number = int(sys.argv[1])
text = (os.urandom(500).hex() + " word" * 240)[:2100]
"""
SPOOL = (
    TEXT
    + """
import llm_track
def make(times):
    for each in range(times):
        with llm_track.llm_span("step") as span:
            span.set(output=text)
make(200)
llm_track.flush(60)
caller, whole = time.thread_time(), time.process_time()
make(number)
caller = time.thread_time() - caller
llm_track.flush(60)
print(json.dumps({"caller": caller / number * 1e6, "process": (time.process_time() - whole) / number * 1e6}))
"""
)
LEAVE = (
    TEXT
    + """
import llm_track
for begun in range(0, number, 5_000):
    for each in range(begun, min(begun + 5_000, number)):
        with llm_track.llm_span("step") as span:
            span.set(output=text)
    llm_track.worker.make_events(300)
os._exit(0)
"""
)
OURS = (
    TEXT
    + """
import uuid
from dataclasses import replace
from llm_track import config
from llm_track.records import Event
from llm_track.sinks.posthog import build
sink = build(config.settings())
properties = {"$ai_output_state": text, "$ai_trace_id": "t", "$ai_span_name": "step"}
events = [Event(name="$ai_span", uuid=str(uuid.uuid4()), trace_id="t", distinct_id="u", properties=properties)
          for _ in range(number)]
began, used = time.perf_counter(), time.process_time()
for each in events:
    sink.emit(each)
is_done = sink.flush(120)
seconds, used = time.perf_counter() - began, time.process_time() - used
print(json.dumps({"a second": is_done * number / seconds, "process": used / number * 1e6}))
"""
)
CLIENTS = (
    TEXT
    + """
from posthog import Posthog
client = Posthog(os.environ["POSTHOG_API_KEY"], host=os.environ["POSTHOG_API_URL"], gzip=True, thread=8,
                 max_queue_size=number)
properties = {"$ai_output_state": text, "$ai_trace_id": "t", "$ai_span_name": "step"}
began, used = time.perf_counter(), time.process_time()
for each in range(number):
    client.capture("$ai_span", distinct_id="u", properties=properties)
client.flush()
seconds, used = time.perf_counter() - began, time.process_time() - used
print(json.dumps({"a second": number / seconds, "process": used / number * 1e6}))
"""
)
MEMORY = (
    TEXT
    + """
import llm_track
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
start = resident()
import posthog
client = resident()
for each in range(number):
    with llm_track.llm_span("step") as span:
        span.set(output=text[:500])
burst = resident()
llm_track.worker.make_events(300)
print(json.dumps({"start": start, "client": client, "burst": burst, "made": resident()}))
os._exit(0)
"""
)


@contextmanager
def receiver(seconds: float = 0.0) -> Iterator[str]:
    """Run a receiver that takes so many seconds for each request; gives its address."""
    with subprocess.Popen([sys.executable, "-c", RECEIVER, str(seconds)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{running.stdout.readline().strip()}"
        finally:
            running.kill()


def measured(program: str, number: int, url: str, **environment: str) -> dict[str, float]:
    """Return what a program says of itself, or nothing."""
    named = {"POSTHOG_API_KEY": "phc_benchmark", "POSTHOG_API_URL": url, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", program, str(number)]
    said = subprocess.run(command, env=os.environ | named, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(said) if said else {}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def spool(number: int, rounds: int) -> None:
    """Print what the caller and the whole process pay for an event, without a spool and with one."""
    found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    with receiver() as url:
        for _ in range(rounds):
            for name, runs in found.items():
                with tempfile.TemporaryDirectory() as folder:
                    given = {"LLM_TRACK_SPOOL": folder} if name == "with" else {}
                    runs.append(measured(SPOOL, number, url, **given))
    for name, runs in found.items():
        said = medians(runs)
        print(f"a span, {name} a spool: caller {said['caller']:.1f} us, whole process {said['process']:.0f} us")


def replay(number: int) -> None:
    """Print how long a replay of so many events takes that a process left."""
    with tempfile.TemporaryDirectory() as folder, receiver() as url:
        measured(LEAVE, number, "http://127.0.0.1:9", LLM_TRACK_SPOOL=folder)
        named = {"POSTHOG_API_KEY": "phc_benchmark", "POSTHOG_API_URL": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "llm_track", "replay", folder]
        subprocess.run([*command, "--dry-run"], env=os.environ | named, check=False)
        began = time.perf_counter()
        subprocess.run([*command, "--all"], env=os.environ | named | {"POSTHOG_API_URL": url}, check=True)
        print(f"llm-track replay, from its start to its end: {time.perf_counter() - began:.1f} s")


def throughput(number: int, rounds: int) -> None:
    """Print how many ready events a second arrive at 100 ms round trip, and the same of the official client alone."""
    found: dict[str, list[dict[str, float]]] = {"llm_track": [], "the client alone, 8 threads": []}
    with receiver(0.1) as url:
        for _ in range(rounds):
            for runs, program in zip(found.values(), (OURS, CLIENTS), strict=True):
                runs.append(measured(program, number, url))
    for name, runs in found.items():
        said = medians(runs)
        print(f"{name}: {said['a second']:,.0f} events a second, {said['process']:.0f} us of processor time an event")


def memory(number: int) -> None:
    """Print how large a process is when PostHog is down and more calls end than may wait."""
    said = measured(MEMORY, number, "http://127.0.0.1:9")
    print(
        f"memory, MiB: {said['start']:.0f} with llm_track, {said['client']:.0f} with the client, {said['burst']:.0f} "
        f"after {number} spans of 500 bytes in a burst, {said['made']:.0f} with what waits of them as events "
        f"({said['made']:.0f} - {said['client']:.0f} = {said['made'] - said['client']:.0f} of llm_track)"
    )


def main() -> None:
    """Print the figures that are asked for."""
    parser = argparse.ArgumentParser(prog="delivering.py")
    parser.add_argument("--only", choices=("spool", "replay", "throughput", "memory"))
    parser.add_argument("--events", type=int, help="instead of as many as the figure is promised for")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.only in (None, "spool"):
        spool(options.events or 3_000, options.rounds)
    if options.only in (None, "replay"):
        replay(options.events or 100_000)
    if options.only in (None, "throughput"):
        throughput(options.events or 10_000, options.rounds)
    if options.only in (None, "memory"):
        memory(options.events or 60_000)


if __name__ == "__main__":
    main()
