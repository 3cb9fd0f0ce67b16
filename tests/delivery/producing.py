"""What programs that make events are made of.

What they tell, one line of JSON each, is read by `running`: the names of the events that were made, what `stats` says,
and what the receiver shall do next, which they wait for.
"""

from __future__ import annotations

import json
import os
import random
import string
import sys
import time
from collections.abc import Callable
from uuid import uuid4

import llm_track

PATIENCE = 60.0
"""Seconds for whatever must come true."""


def say(**said: object) -> None:
    """Write one line, in one piece: processes share the pipe."""
    sys.stdout.write(json.dumps({"pid": os.getpid(), **said}) + "\n")
    sys.stdout.flush()


def tell() -> None:
    """Say what became of the events of this process."""
    say(stats=llm_track.stats())


def ask(what: str) -> None:
    """Have the receiver do something, and wait until it is done."""
    say(ask=what)
    sys.stdin.readline()


def flush(seconds: float = PATIENCE) -> None:
    """Deliver, and say whether all was delivered."""
    say(flushed=llm_track.flush(seconds))


def make(number: int, *, pause: float = 0.0, word: str = "event", text: str | None = None) -> None:
    """Make events that can be told from all others."""
    prefix = f"{word} {uuid4().hex}"
    for each in range(number):
        with llm_track.llm_span(f"{prefix} {each}") as span:
            if text is not None:
                span.set(output=text)
        time.sleep(pause)
    say(made=[prefix, number])


def until(condition: Callable[[], object]) -> None:
    """Wait for something that must come true."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def taken(number: int) -> None:
    """Wait until so many events of this process are in its outbox, without delivering them."""
    until(lambda: llm_track.stats().get("admitted", 0) >= number)


def pause(number: int) -> None:
    """Let a second pass, in which so many events come to lie where a crash does not reach them."""
    time.sleep(1.0)
    taken(number)


def noise(size: int) -> str:
    """Return words that cannot be compressed by much."""
    letters = random.choices(string.ascii_letters, k=size)
    letters[7::8] = " " * len(letters[7::8])
    return "".join(letters)
