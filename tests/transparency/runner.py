"""Runs programs in one variant, each in a process of its own, and prints what came of them as JSON.

``runner.py FOLDER NAME...``; the variant is in the environment: ``plain`` without llm_track, ``first`` with
``autopatch()`` before the SDKs are imported, ``after`` with ``autopatch()`` after that.  The SDKs are imported once;
each program runs in a fork.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import json
import os
import ssl
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import observe

LONGEST_SECONDS = 60
AT_ONCE = 3


def prepare(variant: str, modules: set[str]) -> None:
    """Import the SDKs and the programs, with or without llm_track."""
    if variant == "first":
        observe.llm_track.autopatch()
    for name in ("openai", "anthropic"):
        importlib.import_module(name)
    if variant == "after":
        observe.llm_track.autopatch()
    warm_up()
    for name in sorted(modules):
        importlib.import_module(f"programs.{name}")
    gc.disable()  # when it would run is chance; programs that are about the collector call it
    gc.collect()
    gc.freeze()


def warm_up() -> None:
    """Do once what each client and each first use of an SDK would do again in every program, short of a call."""
    ssl.SSLContext.load_verify_locations = lambda *args, **kwargs: None  # type: ignore[method-assign]  all is loopback
    importlib.import_module("anyio._backends._asyncio")
    for sdk in observe.FLAVOURS:
        client = sdk.client()
        client.platform_headers()
        sdk.resource(client)
        for name in ("with_raw_response", "with_streaming_response", "create"):
            getattr(sdk.resource(client), name)
        sdk.answer_class.model_rebuild(force=True)


def in_child(name: str, folder: Path) -> NoReturn:
    """Run one program with its output in files, note what llm_track made of it, and leave."""
    for descriptor, kind in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / kind, os.O_WRONLY | os.O_CREAT), descriptor)
    faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
    chosen = observe.PROGRAMS[name]
    status = 0
    try:
        if chosen.captures and observe.VARIANT != "plain":
            run_captured(chosen, folder)
        else:
            observe.run(chosen)
    except observe.NotInThisVersion:
        status = observe.ABSENT_EXIT
    except BaseException:  # noqa: BLE001  a program that fails is an outcome
        traceback.print_exc()
        status = 1
    leave(status, folder)


def leave(status: int, folder: Path) -> NoReturn:
    """Leave as an interpreter does, short of taking apart all that was imported."""
    observe.settle()
    gc.collect()
    atexit._run_exitfuncs()
    if observe.VARIANT != "plain":
        (folder / "stats").write_text(json.dumps(observe.llm_track.stats()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_captured(chosen: observe.Program, folder: Path) -> None:
    """Run a program and keep its events."""
    from llm_track.testing import capture_events

    with capture_events() as events:
        observe.run(chosen)
    (folder / "events").write_text(json.dumps([dict(event.properties) for event in events], default=str))


def outcome(name: str, folder: Path, status: int) -> dict[str, Any]:
    """What the parent learns from a program that has ended."""

    def read(kind: str) -> str:
        path = folder / kind
        return path.read_text() if path.exists() else ""

    chosen = observe.PROGRAMS[name]
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "stdout": read("stdout"),
        "stderr": read("stderr"),
        "stats": json.loads(read("stats") or "{}"),
        "events": json.loads(read("events") or "[]"),
        "faulty": chosen.faulty,
        "captures": chosen.captures,
        "keyless": 0 if chosen.silent or chosen.captures else chosen.processes,
    }


def main(scratch: Path, names: list[str]) -> None:
    """Fork once for each program, a few at a time."""
    prepare(observe.VARIANT, {name.partition(".")[0] for name in names})
    running: dict[int, str] = {}
    outcomes = {}
    for name in [*names, *[None] * AT_ONCE]:
        if len(running) == AT_ONCE or (name is None and running):
            child, status = os.wait()
            ended = running.pop(child)
            outcomes[ended] = outcome(ended, scratch / ended, status)
        if name is not None:
            (scratch / name).mkdir()
            child = os.fork()
            if child == 0:
                in_child(name, scratch / name)
            running[child] = name
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
