"""How many bytecodes llm_track adds to what the caller's thread runs: `python -m tests.benchmarks.bytecodes`.

Times depend on the machine and on what else it does; the number of bytecodes does not.  A program makes each kind of
call once, after it has made it some times before, and counts what its thread runs, the SDK included; it does so without
llm_track and with it, and the difference is what llm_track costs.  Transports are mocks: what is counted is the work of
the caller, and no network is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHUNKS = 100
PROGRAM = """
import gc, json, sys, threading

import openai
try:
    import httpx2 as httpx
    httpx = httpx if issubclass(openai.DefaultHttpxClient, httpx.Client) else None
except ImportError:
    httpx = None
if httpx is None:
    import httpx

import llm_track
import posthog  # in both programs: what is imported fills caches of `typing` that the SDK uses for each chunk

TRACKS, CHUNKS = sys.argv[1] == "with", int(sys.argv[2])
if TRACKS:
    llm_track.configure(api_key="phc_benchmark", host="http://127.0.0.1:9", exit_seconds=0.01)
    llm_track.autopatch()

SAID = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini", "usage": None,
         "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
PIECES = [("data: " + json.dumps(CHUNK) + "\\n\\n").encode()] * CHUNKS + [b"data: [DONE]\\n\\n"]


def answer(request):
    asked = json.loads(request.content)
    if asked["model"] == "wrong":
        return httpx.Response(400, json={"error": {"message": "no such model", "type": "invalid_request_error"}})
    if asked.get("stream"):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(PIECES))
    return httpx.Response(200, json=SAID)


client = openai.OpenAI(api_key="sk-x", max_retries=0, http_client=httpx.Client(transport=httpx.MockTransport(answer)))
MESSAGES = [{"role": "user", "content": "hi"}]


def call():
    client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)


def stream():
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True):
        pass


def error():
    try:
        client.chat.completions.create(model="wrong", messages=MESSAGES)
    except openai.BadRequestError:
        pass


def span():
    if TRACKS:
        with llm_track.llm_span("step"):
            pass


def decorated():
    pass


if TRACKS:
    decorated = llm_track.track_llm(decorated)
count = 0


def trace(frame, event, argument):
    global count
    if event == "call":
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
    count += event == "opcode"
    return trace


def watched(work):
    # from Python 3.12 on tracing leaves some out, which monitoring does not
    global count
    count = 0
    if sys.version_info < (3, 12):
        sys.settrace(trace)
        work()
        sys.settrace(None)
        return count
    monitoring, own = sys.monitoring, threading.get_ident()

    def step(code, offset):
        global count
        if threading.get_ident() == own:  # others must not write the number, either
            count += 1

    monitoring.use_tool_id(4, "bytecodes")
    monitoring.register_callback(4, monitoring.events.INSTRUCTION, step)
    monitoring.set_events(4, monitoring.events.INSTRUCTION)
    work()
    monitoring.set_events(4, 0)
    monitoring.free_tool_id(4)
    return count


def counted(work):
    for _ in range(20):
        work()
    gc.collect()
    gc.disable()
    numbers = sorted(watched(work) for _ in range(7))
    gc.enable()
    return numbers[3]  # now and then a cache is filled


print(json.dumps({work.__name__: counted(work) for work in (call, stream, error, span, decorated)}))
"""


def counted(tracks: str) -> dict[str, int]:
    """Return the bytecodes of each kind of call, in a program ``with`` or ``without`` llm_track."""
    command = [sys.executable, "-c", PROGRAM, tracks, str(CHUNKS)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout
    numbers: dict[str, int] = json.loads(said)
    return numbers


def added() -> dict[str, int]:
    """Return what llm_track adds to each; ``chunk``: to each chunk of a stream, beside the call."""
    without, tracked = counted("without"), counted("with")
    more = {name: tracked[name] - number for name, number in without.items()}
    chunks = more.pop("stream") - more["call"]
    return {**more, "chunk": chunks // CHUNKS}


if __name__ == "__main__":
    for name, number in added().items():
        sys.stdout.write(f"{name:10} {number:6}\n")
