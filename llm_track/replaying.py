"""`llm-track replay`: send what processes left in a spool, and show how far that is."""

from __future__ import annotations

import sqlite3
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from llm_track import clock, config
from llm_track._guard import under_pytest
from llm_track.config import Settings
from llm_track.errors import ConfigurationError
from llm_track.sinks import spool_files
from llm_track.sinks.parcels import Project
from llm_track.sinks.posthog import Delivery
from llm_track.sinks.shelf import digest
from llm_track.sinks.spool_files import SUFFIX, InUseError

_WIDTH = 30
"""Characters of the bar."""
_IDLE_SECONDS = 3.0
"""How long nothing may be found before it is believed that others have taken it."""
_STUCK_SECONDS = 30.0
"""How long nothing may be delivered before it is given up: what is left stays in the spool."""


@dataclass
class Found:
    """What lies in a folder."""

    events: int = 0
    files: int = 0
    foreign: int = 0
    """Events for other keys or hosts."""
    in_use: int = 0
    broken: int = 0


def run(folder: Path, *, dry_run: bool, rate: float | None, takes_all: bool) -> int:
    """Replay a folder; return the exit code: 0 if nothing is left of it, 1 if something is, 2 if it cannot be begun."""
    try:
        settings = _settings(folder)
    except ConfigurationError as error:
        print(f"llm-track replay: {error}", file=sys.stderr)
        return 2
    found = look(folder, digest(Project(settings.api_key or "", settings.host)), takes_all=takes_all)
    _tell(found, folder)
    if dry_run or not found.events:
        return 0 if not found.events and not found.broken else int(dry_run)
    return _replay(settings, found, rate, takes_all=takes_all)


def _settings(folder: Path) -> Settings:
    settings = config.settings()
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no directory.")
    if not settings.api_key:
        raise ConfigurationError("POSTHOG_API_KEY is not set; it says which project the events are for.")
    return replace(settings, spool=str(folder), client=None)


def look(folder: Path, name: str, *, takes_all: bool) -> Found:
    """Count what lies in a folder, and change nothing.

    Args:
        folder: the spool.
        name: how the files of the own project begin.
        takes_all: whether those of others count, too.
    """
    found = Found()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            number = spool_files.count(path)
        except InUseError:
            found.in_use += 1
            continue
        except (sqlite3.Error, OSError, TypeError):
            found.broken += 1
            continue
        if takes_all or path.name.startswith(name):
            found.events += number
            found.files += 1
        else:
            found.foreign += number
    return found


def _tell(found: Found, folder: Path) -> None:
    print(f"{found.events} events in {found.files} files of {folder}")
    if found.in_use:
        print(f"{found.in_use} files belong to processes that run: these send them")
    if found.foreign:
        print(f"{found.foreign} events are for another key or host: set POSTHOG_API_KEY and POSTHOG_API_URL, or --all")
    if found.broken:
        print(f"{found.broken} files cannot be read, and are put aside as *.broken when they are replayed")


def _replay(settings: Settings, found: Found, rate: float | None, *, takes_all: bool) -> int:
    delivery = Delivery(settings, rate=rate, takes_all=takes_all)
    delivery.begin()
    began = clock.monotonic()
    try:
        _watch(delivery, found.events)
    finally:
        delivery.outbox.close()
    seconds = clock.monotonic() - began
    delivered, refused = delivery.tally["delivered"], delivery.tally["quarantined"]
    left = look(Path(settings.spool or ""), digest(delivery.project), takes_all=takes_all)
    print(f"{delivered} delivered in {seconds:.1f} s, {refused} quarantined, {left.events} left")
    if left.in_use:
        print(f"{left.in_use} files belong to processes that run: these send them")
    return 1 if left.events else 0


def _watch(delivery: Delivery, of: int) -> None:
    """Show how far it is until all is done, or nothing happens any more, or others took the rest."""
    shows = sys.stderr.isatty() and not under_pytest()
    last, since = 0, clock.monotonic()

    def done() -> int:
        return delivery.tally["delivered"] + delivery.tally["quarantined"]

    while (number := done()) < of and clock.monotonic() - since < _STUCK_SECONDS:
        if clock.monotonic() - since > _IDLE_SECONDS and not delivery.tally["waiting"]:
            break
        if number != last:
            last, since = number, clock.monotonic()
        if shows:
            print(f"\r{bar(number, of)}", end="", file=sys.stderr, flush=True)
        time.sleep(0.05)
    if shows:
        print(f"\r{bar(done(), of)}", file=sys.stderr)


def bar(number: int, of: int) -> str:
    """Return a bar that says how much is done.

    >>> bar(50, 100)
    '[###############...............]  50 %  50 of 100'
    """
    part = min(number / max(of, 1), 1.0)
    full = round(part * _WIDTH)
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%}".replace("%", " %") + f"  {number} of {of}"
