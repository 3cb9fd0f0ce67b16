"""What a PostHog integration adds to the caller's thread for one synchronous call of LiteLLM, side by side.

    python tests/benchmarks/litellm_callbacks.py [ROUNDS]

Each round runs every contender in a process of its own, interleaved, so that a noisy machine is noisy for all: LiteLLM
alone, LiteLLM's own ``posthog`` callback, and llm_track.  Both send to a receiver on loopback.  The figures are medians
over the rounds, in microseconds per call: the CPU time of the calling thread, as the lower quartile of the calls of a
process, which the other threads disturb least; the CPU time of the process and the time on the clock, as means.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENDERS = ("alone", "posthog", "llm_track")
CALLS = 300
PROGRAM = """
import sys, time, json
contender, calls = sys.argv[1], int(sys.argv[2])
import litellm
if contender == "posthog":
    litellm.success_callback = ["posthog"]
elif contender == "llm_track":
    import llm_track
    llm_track.autopatch()
def call():
    litellm.completion(model="openai/gpt-4o-mini", messages=[{"role": "user", "content": "hi"}], mock_response="hello",
                       metadata={"user_id": "u"})
for _ in range(50):
    call()
time.sleep(0.5)
process, wall, marks = time.process_time(), time.perf_counter(), [time.thread_time()]
for _ in range(calls):
    call()
    marks.append(time.thread_time())
wall = time.perf_counter() - wall
thread = sorted(after - before for before, after in zip(marks, marks[1:]))[calls // 4]
time.sleep(1.5)
process = time.process_time() - process
print(json.dumps({"thread": thread * 1e6, "process": process / calls * 1e6, "wall": wall / calls * 1e6}))
"""


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(rounds: int) -> None:
    """Run the rounds and print a table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "POSTHOG_API_KEY": "phc_benchmark",
        "POSTHOG_API_URL": f"http://127.0.0.1:{server.server_address[1]}",
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name in CONTENDERS if number % 2 == 0 else reversed(CONTENDERS):
            command = [sys.executable, "-c", PROGRAM, name, str(CALLS)]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[name].append(json.loads(ran.stdout.splitlines()[-1]))
    for name in CONTENDERS:
        figures = {key: statistics.median(each[key] for each in found[name]) for key in ("thread", "process", "wall")}
        alone = {key: statistics.median(each[key] for each in found["alone"]) for key in figures}
        print(
            name.ljust(12), *(f"{key} {value:8.0f} us ({value - alone[key]:+7.0f})" for key, value in figures.items())
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
