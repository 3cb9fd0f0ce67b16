"""The spool: what is on its way, on the disk, so that it outlives the process; decision 15 tells why it is so.

Each process writes into a file of its own.  Whoever finds the file of a process that ended sends what is in it, from
where it lies.  Files of different projects, and of different hosts, have different names and never meet.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from llm_track import clock, forking
from llm_track._guard import logger, say_once
from llm_track.sinks import spool_files
from llm_track.sinks.parcels import Parcel, Project
from llm_track.sinks.shelf import Shelf, digest
from llm_track.sinks.spool_files import InUseError, SpoolFile

_TRY_AGAIN = 5.0
"""Seconds after which a disk that was full is tried again."""
_PART = 20
"""Of what waits on a disk that is full, one in so many makes room at a time."""
_MOST_OPEN = 8
"""So many files are open at a time: each takes two descriptors, of which a program may have as few as 256."""
_YOUNG = 5.0
"""Seconds during which an empty file may be one that is being made."""
_KEPT_ELSEWHERE = "llm_track cannot write into the spool %s (%s): events wait in memory until it can."


Stored = Literal["memory", "disk", "nowhere"]


class Spool:
    """The files of one project that this process has open."""

    def __init__(self, shelf: Shelf, project: Project, *, is_configured: bool) -> None:
        self._shelf = shelf
        self._project = project
        self._noted = None if is_configured else project
        """What a file has to say whose events are for a project that a call named."""
        self.is_configured = is_configured
        self._prefix = shelf.name if is_configured else f"{shelf.name}+{digest(project)}"
        self._lock = forking.ordered(threading.RLock())
        self._own: SpoolFile | None = None
        self._files: list[SpoolFile] = []
        """All that are open; the own one is among them."""
        self._not_before = 0.0
        self._has_more = False
        """Whether files of other processes are left that there was no room to open."""
        self._is_closed = False

    def store(self, parcel: Parcel, *, has_room: bool) -> Stored:
        """Write an event; return where it is: in memory as well, as it is to be sent soon, or alone, as the disk cannot
        be written to; on the disk; or nowhere, as there is no room."""
        with self._lock:
            if self._is_closed or clock.monotonic() < self._not_before:
                return "memory"
            try:
                if self._shelf.is_full(len(parcel.packed), self._files) and not self._make_room():
                    return "memory" if has_room else self._nowhere()
                file = self._own_file()
                is_kept = has_room and not file.unread
                file.append(parcel, is_kept=is_kept)
            except (sqlite3.Error, OSError) as error:
                self._degrade(error)
                return "memory"
            self._shelf.tally.add("spooled")
            return "memory" if is_kept else "disk"

    def _own_file(self) -> SpoolFile:
        if self._own is None:
            self._shelf.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own = spool_files.create(self._shelf.folder, self._prefix, self._noted)
            self._files.insert(0, self._own)
        return self._own

    def _make_room(self) -> bool:
        """Drop some of the oldest, those of errors last; false if there are none but those in memory."""
        unread = [file for file in self._files if file.unread]
        for file in [file for file in unread if file.is_adopted] or self._another() or unread:
            try:
                dropped, weight = file.drop_oldest(max(file.unread // _PART, 1))
            except sqlite3.Error as error:
                self._degrade(error)
                continue
            self._shelf.gave_back(weight)
            tally = self._shelf.tally
            tally.add(*(("adopted", dropped) if file.is_adopted else ("waiting", -dropped)))
            if tally.add("dropped_spool_full", dropped) == dropped:
                self._say_full()
            self._delete(file, ())  # closes it if nothing is left
            return True
        return False

    def _another(self) -> list[SpoolFile]:
        """Open one more file that a process left, for its events to make room: they are older than what comes."""
        number = len(self._files)
        for path in self._shelf.left_behind() if self._has_more else ():
            self._adopt_if_meant(path)
            if len(self._files) > number:
                return self._files[number:]
        return []

    def _nowhere(self) -> Stored:
        if self._shelf.tally.add("dropped_spool_full") == 1:
            self._say_full()
        return "nowhere"

    def _say_full(self) -> None:
        logger.warning(
            "The spool %s is full: the oldest events make room for new ones, those of errors last. They are counted "
            "in llm_track.stats(); llm_track.configure(spool_bytes=...) says how large it may be.",
            self._shelf.folder,
        )

    def _degrade(self, error: Exception) -> None:
        self._not_before = clock.monotonic() + _TRY_AGAIN
        say_once(_KEPT_ELSEWHERE % (self._shelf.folder, error))

    def load(self, most: int, most_bytes: int) -> list[Parcel]:
        """Read the next events that are not in memory."""
        with self._lock:
            for file in list(self._files):
                try:
                    found, unreadable = file.load(most, most_bytes) if file.unread else ([], {})
                    self._drop_unreadable(file, unreadable)
                except sqlite3.Error:
                    self._lose(file)
                    continue
                if found:
                    for name in ("adopted", "waiting", "waiting_adopted") if file.is_adopted else ():
                        self._shelf.tally.add(name, len(found))
                    return found
        return []

    def _drop_unreadable(self, file: SpoolFile, rows: dict[int, bytes]) -> None:
        for row, packed in rows.items():
            self._shelf.quarantine(f"{file.path.stem}-{row}", packed, "a row that cannot be read")
        if rows:
            file.delete(rows)
            self._shelf.tally.add("quarantined", len(rows))
            self._shelf.tally.add(*(("adopted", len(rows)) if file.is_adopted else ("waiting", -len(rows))))

    def _lose(self, file: SpoolFile) -> None:
        """Let go of a file that cannot be read."""
        self._files.remove(file)
        self._shelf.tally.add("lost_in_broken_spool", file.unread)
        self._shelf.tally.add(*(("adopted", file.unread) if file.is_adopted else ("waiting", -file.unread)))
        if file is self._own:
            self._own = None
        try:
            file.close()
        except (sqlite3.Error, OSError) as error:
            logger.debug("llm_track could not close %s: %s", file.path, error)
        self._shelf.set_aside(file.path)

    def unread(self) -> int:
        """Return how many events are not in memory; a file that has yet to be opened counts as one."""
        can_open = self._has_more and len(self._files) < _MOST_OPEN
        return sum(file.unread for file in self._files) + can_open

    def kept(self) -> int:
        """Return how many events of this process are on the disk."""
        return self._own.left if self._own is not None else 0

    def delete(self, parcels: Iterable[Parcel]) -> None:
        """Take note that events are done with."""
        rows: dict[int, tuple[SpoolFile, list[int]]] = {}
        for parcel in parcels:
            if parcel.file is not None:
                rows.setdefault(id(parcel.file), (parcel.file, []))[1].append(parcel.row or 0)
        with self._lock:
            for file, done in rows.values():
                self._delete(file, done)

    def _delete(self, file: SpoolFile, rows: Sequence[int]) -> None:
        if file not in self._files:  # it broke
            return
        try:
            file.delete(rows)
            if file.is_adopted and file.left <= 0:
                self._files.remove(file)
                file.close()
        except (sqlite3.Error, OSError) as error:
            say_once(f"llm_track could not delete events from the spool {file.path} ({error}); it tries again.")

    def look_around(self) -> None:
        """Open some of what processes left behind, and see whether the own file is still there."""
        with self._lock:
            if self._is_closed:
                return
            self._miss()
            for file in list(self._files):
                self._delete(file, ())
                if file in self._files:
                    file.shrink()
        self._has_more = False
        for path in self._shelf.left_behind():
            with self._lock:  # for one at a time: forks and the worker wait for it
                if self._is_closed:
                    return
                if len(self._files) >= _MOST_OPEN:
                    self._has_more = True
                    return
                self._adopt_if_meant(path)

    def _is_meant(self, name: str) -> bool:
        """Tell whether a file's events go where this spool's go."""
        if not self._shelf.takes_all:
            return name.startswith(f"{self._prefix}-")
        named = name.partition("+")[2].partition("-")[0]
        return named == digest(self._project) or (self.is_configured and not named)

    def _miss(self) -> None:
        if self._own is not None and not self._own.is_there():
            logger.warning("The spool file %s was removed: llm_track makes a new one.", self._own.path)
            self._own = None

    def _adopt_if_meant(self, path: Path) -> None:
        is_open = path in _inherited_paths or any(path == file.path for file in self._files)
        if self._is_meant(path.name) and not is_open:
            self._adopt(path)

    def _adopt(self, path: Path) -> None:
        is_young = True
        try:
            is_young = time.time() - os.stat(path).st_mtime < _YOUNG
            if is_young and os.stat(path).st_size == 0:
                return
            self._files.append(spool_files.adopt(path))
        except (InUseError, FileNotFoundError):
            return
        except sqlite3.OperationalError as error:
            self._not_ours(path, error, is_young=is_young)
        except (sqlite3.Error, TypeError):
            self._shelf.set_aside(path)
        else:
            if not self._files[-1].left:
                self._files.pop().close()

    def _not_ours(self, path: Path, error: sqlite3.OperationalError, *, is_young: bool) -> None:
        """A file that was begun, and has no tables, or one that may not be read, or that is gone."""
        if "no such table" in str(error):
            if not is_young:
                spool_files.remove(path)
            return
        if path.exists():
            say_once(f"llm_track cannot open {path} in the spool ({error}); it is left where it is.")

    def close(self) -> None:
        """Close all files, for good; those that are empty are removed."""
        with self._lock:
            self._is_closed = True
            for file in self._files:
                try:
                    file.close()
                except (sqlite3.Error, OSError) as error:
                    logger.debug("llm_track could not close %s: %s", file.path, error)
            self._files.clear()
            self._own = None

    def inherit(self) -> None:
        """In a child: never close what the parent has open, nor open it again."""
        for file in self._files:
            _inherited_paths.add(file.path)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(file._connection))
        self._files, self._own, self._is_closed = [], None, True


_inherited_paths: set[Path] = set()
