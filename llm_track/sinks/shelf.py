"""The directory of a spool: which files are in it, how large they are, and where goes what nobody takes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from llm_track import clock
from llm_track._guard import logger, say_once
from llm_track.masking import safe_url
from llm_track.sinks import spool_files
from llm_track.sinks.parcels import Project
from llm_track.sinks.spool_files import SUFFIX, InUseError, SpoolFile
from llm_track.tallies import Tally

_MOST_REFUSED = 1_000
"""So many events that PostHog refuses are kept, to be looked at."""


class Shelf:
    """The folder, and what is common to the files in it."""

    def __init__(
        self, folder: Path, most_bytes: int, project: Project, tally: Tally, *, takes_all: bool = False
    ) -> None:
        self.folder = folder
        self.takes_all = takes_all
        """Whether files of other keys and hosts are sent to this project, too."""
        self.tally = tally
        self.name = digest(project)
        self._most_bytes = most_bytes
        self._bytes, self._measured = 0, 0.0

    def is_full(self, more: int, opened: Iterable[SpoolFile]) -> bool:
        """Tell whether there is no room for so many bytes more.

        Of files that are open here, what is used of them counts: what is delivered leaves room for what comes.
        """
        if clock.monotonic() - self._measured > 1.0:
            used = {str(file.path): file.used() for file in opened}
            found = [each for each in _entries(self.folder) if each.name.endswith(SUFFIX)]
            self._bytes = sum(used.get(each.path) or _size(each) for each in found)
            self._measured = clock.monotonic()
        self._bytes += more
        return self._bytes > self._most_bytes

    def gave_back(self, number: int) -> None:
        """Note that so many bytes are free again."""
        self._bytes -= number

    def left_behind(self) -> list[Path]:
        """Return the files of this project's processes, living ones included."""
        found = [each.path for each in _entries(self.folder) if each.name.endswith(SUFFIX)]
        return sorted(Path(path) for path in found if self.takes_all or os.path.basename(path).startswith(self.name))

    def quarantine(self, uuid: str, packed: bytes, why: str) -> None:
        """Keep an event that nobody takes in a file of its own, for people to look at."""
        folder = self.folder / "quarantine"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if len(_entries(folder)) < _MOST_REFUSED:
                descriptor = os.open(folder / f"{_safe(uuid)}.zz", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
                with open(descriptor, "wb") as file:
                    file.write(packed)
        except OSError as error:
            say_once(f"llm_track could not keep an event in {folder}: {type(error).__name__}.")
        logger.debug("llm_track put event %s aside: %s", uuid, why)

    def set_aside(self, path: Path) -> None:
        """Put a broken file where nobody takes it for a whole one."""
        self.tally.add("quarantined_files")
        try:
            aside = spool_files.set_aside(path)
        except OSError as error:
            say_once(f"llm_track can neither read nor rename {path}: {type(error).__name__}.")
            return
        logger.warning(
            "llm_track found a broken file in the spool and put it aside as %s: the events in it that were not sent "
            "are not sent. All others are.",
            aside,
        )


def projects_left(shelf: Shelf) -> list[Project]:
    """Return the projects that calls named whose events processes left behind."""
    found = []
    for path in shelf.left_behind():
        if "+" in path.name:
            try:
                file = spool_files.adopt(path)
            except (InUseError, OSError, sqlite3.Error):
                continue
            found.append(file.project())
            file.close()
    return list(dict.fromkeys(project for project in found if project is not None))


def digest(project: Project) -> str:
    """Return a name for a project that does not tell its key."""
    host = safe_url(project.host or "https://us.i.posthog.com")
    return hashlib.sha256(f"{project.key}\n{host}".encode()).hexdigest()[:16]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if each.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _safe(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter == "-")[:64] or "event"
