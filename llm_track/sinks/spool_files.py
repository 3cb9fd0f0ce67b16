"""One file of the spool: the events of one process, in an SQLite database that this process alone has open.

The lock is SQLite's own, held for as long as the file is open, so it ends with the process however that ends.  What is
committed survives the process; `synchronous=NORMAL` leaves the last moment before a loss of power to the disk.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from llm_track.sinks.parcels import Parcel, Project

SUFFIX = ".spool"
_SIDE = ("-wal", "-shm", "-journal")
_PAGES_KEPT = 2_000
"""So many free pages stay in a file, for the next events; more are given back to the disk."""
_PAGE = 4096
"""Bytes of a page, by default of SQLite."""
_TABLES = """
create table parcels (id integer primary key, uuid text, since real, size integer, is_error integer, is_large integer,
                      packed blob);
create table project (key text, host text);
"""


class InUseError(Exception):
    """A living process has the file."""


class SpoolFile:
    """An open file, for one thread at a time; its methods raise ``sqlite3.Error``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, is_adopted: bool) -> None:
        self.path = path
        self.is_adopted = is_adopted
        self._connection = connection
        self._inode = os.stat(path).st_ino
        self.cursor = 0
        """The last row that was loaded, or that never left the memory."""
        last, left = connection.execute("select coalesce(max(id), 0), count(*) from parcels").fetchone()
        self.last, self.left = int(last), int(left)
        """The last row, and how many there are."""
        self.unread = self.left
        """How many are not in memory."""
        self._owed: list[int] = []
        """Rows that are done with, but could not be deleted yet."""

    def append(self, parcel: Parcel, *, is_kept: bool) -> None:
        """Write an event; ``is_kept``: it stays in memory, too."""
        row = self.last + 1
        values = (row, parcel.uuid, parcel.since, parcel.size, parcel.is_error, parcel.is_large, parcel.packed)
        self._connection.execute("insert into parcels values (?,?,?,?,?,?,?)", values)
        self.last, self.left = row, self.left + 1
        parcel.row, parcel.file = row, self
        if is_kept:
            self.cursor = row
        else:
            self.unread += 1

    def load(self, most: int, most_bytes: int) -> tuple[list[Parcel], dict[int, bytes]]:
        """Read the next events that are not in memory, in order; and the rows that are none."""
        rows = self._connection.execute(
            "select id, uuid, since, size, is_error, is_large, packed from parcels where id > ? order by id limit ?",
            (self.cursor, most),
        )
        found: list[Parcel] = []
        unreadable: dict[int, bytes] = {}
        taken = read = 0
        for row in rows:
            read += 1
            self.cursor = row[0]
            try:
                found.append(self._parcel(*row))
                taken += len(found[-1].packed)
            except (TypeError, ValueError, OverflowError):
                unreadable[row[0]] = repr(row).encode("utf-8", "replace")
            if taken >= most_bytes:
                break
        self.unread = max(self.unread - read, 0) if read else 0
        return found, unreadable

    def _parcel(self, row: int, uuid: Any, since: Any, size: Any, is_error: Any, is_large: Any, packed: Any) -> Parcel:
        if not isinstance(packed, bytes) or not isfinite(since):
            raise ValueError("no event")
        parcel = Parcel(str(uuid), packed, int(size), bool(is_error), bool(is_large), float(since), row, self)
        parcel.is_adopted = self.is_adopted
        return parcel

    def delete(self, rows: Iterable[int]) -> None:
        """Delete events that are done with, now or when the disk lets it be done."""
        self._owed.extend(rows)
        if self._owed:
            with self._connection:
                self._connection.execute("begin")
                self._connection.executemany("delete from parcels where id = ?", [(row,) for row in self._owed])
            self.left -= len(self._owed)
            self._owed.clear()

    def used(self) -> int:
        """Return how many bytes of the file hold something."""
        said = [self._connection.execute(f"pragma {name}").fetchone() for name in ("page_count", "freelist_count")]
        (pages,), (free,) = said
        return int(pages - free) * _PAGE

    def drop_oldest(self, number: int) -> tuple[int, int]:
        """Delete some that are not in memory, the oldest first, those of errors last; return how many, and of how many
        bytes."""
        before = self.used()
        cursor = self._connection.execute(
            "delete from parcels where id in (select id from parcels where id > ? order by is_error, id limit ?)",
            (self.cursor, number),
        )
        self.unread -= cursor.rowcount
        self.left -= cursor.rowcount
        return cursor.rowcount, before - self.used()

    def shrink(self) -> None:
        """Give back to the disk what is no longer needed."""
        (free,) = self._connection.execute("pragma freelist_count").fetchone()
        if free > _PAGES_KEPT:
            self._connection.execute(f"pragma incremental_vacuum({free - _PAGES_KEPT})").fetchall()
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def project(self) -> Project | None:
        """Return the project that the events are for, if that is not the one that the file is named after."""
        found = self._connection.execute("select key, host from project").fetchone()
        return Project(*found) if found else None

    def is_there(self) -> bool:
        """Tell whether the file is still where it was made."""
        try:
            return os.stat(self.path).st_ino == self._inode
        except OSError:
            return False

    def leave(self) -> None:
        """Close the file, and leave it where it is."""
        self._connection.close()

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        is_done_with = self.left - len(self._owed) <= 0
        if self._owed and not is_done_with:
            self.delete(())
        self._connection.close()
        if is_done_with and self.is_there():  # also where the disk is too full to delete rows
            remove(self.path)


def create(folder: Path, prefix: str, project: Project | None) -> SpoolFile:
    """Make a new file in a folder; ``project``: the one to note in it."""
    while True:
        path = folder / f"{prefix}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        connection = _connect(path)
        try:
            connection.execute("pragma auto_vacuum=incremental")
            _lock(connection)
            connection.executescript(_TABLES)
            if project is not None:
                connection.execute("insert into project values (?, ?)", project)
            if os.stat(path).st_ino == inode:
                return SpoolFile(path, connection, is_adopted=False)
        except (InUseError, FileNotFoundError):  # somebody took it for one that was left behind
            pass
        except sqlite3.Error:
            connection.close()
            remove(path)
            raise
        connection.close()


def adopt(path: Path) -> SpoolFile:
    """Open a file that a process left behind.

    Raises:
        InUseError: another process has it.
        sqlite3.DatabaseError: it is broken.
    """
    connection = _connect(path)
    try:
        _lock(connection)
        return SpoolFile(path, connection, is_adopted=True)
    except BaseException:
        connection.close()
        raise


def count(path: Path) -> int:
    """Return how many events a file has that nobody has open; raises as `adopt` does."""
    file = adopt(path)
    file.leave()
    return file.left


def _connect(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"  # a file that is not there any more is not made anew
    connection = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a text that is none costs its row only
    return connection


def _lock(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("pragma locking_mode=exclusive").fetchall()
        connection.execute("pragma journal_mode=wal").fetchall()
        connection.execute("pragma synchronous=normal")
        connection.execute("begin exclusive")
        connection.execute("commit")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise InUseError(str(error)) from error
        raise


def remove(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it."""
    for each in (path, *(path.with_name(path.name + side) for side in _SIDE)):
        each.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a broken file, with what lies beside it, so that nobody takes it for a whole one."""
    aside = path.with_name(path.name + ".broken")
    for side in _SIDE:
        beside = path.with_name(path.name + side)
        if beside.exists():
            os.replace(beside, aside.with_name(aside.name + side))
    os.replace(path, aside)
    return aside
