"""One file of the spool: what one bad row of it costs, how much of it counts, and what becomes of one that is gone."""

from __future__ import annotations

import random
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_track import clock
from llm_track.config import Settings
from llm_track.sinks import posthog, shelf, spool_files
from llm_track.sinks.parcels import Parcel, Project, pack
from llm_track.sinks.shelf import Shelf, digest
from llm_track.sinks.spool import Spool
from llm_track.tallies import Tally
from tests.sinks.parcelled import PROJECT, message, parcel
from tests.sinks.receiver import Receiver
from tests.sinks.test_outbox import balance, spooled


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what carriers do by themselves."""
    until = clock.monotonic() + 30.0
    while not condition():
        assert clock.monotonic() < until
        time.sleep(0.02)


def left_for(folder: Path, project: Project, number: int) -> list[Parcel]:
    """Leave events for a project in one file of a spool, as a process that ended."""
    made = [pack(message(number=each)) for each in range(number)]
    file = spool_files.create(folder, digest(project), None)
    for each in made:
        file.append(each, is_kept=False)
    file.leave()
    return made


LACKING = zlib.compress(b'{"properties": {}}').hex()
GARBAGE = {
    "bytes that are no event": "packed = randomblob(300)",
    "nothing": "packed = null",
    "a text": "packed = 'garbage'",
    "a huge number": "packed = 35184372088832",
    "an event that lacks everything": f"packed = x'{LACKING}'",
    "the uuid of another event": "uuid = 'garbage'",
    "a uuid that is no text": "uuid = cast(x'fffe' as text)",
    "a time that is none": "since = 'garbage'",
    "a time without end": "since = 9e999",
    "a size that is none": "size = 'garbage'",
    "a size without end": "size = 9e999",
}


@pytest.mark.parametrize("garbage", list(GARBAGE))
def test_a_row_of_garbage_costs_no_other(receiver, tmp_path, garbage):
    """One row in which something is garbage is put aside and counted; all others of its file arrive, each once."""
    project = Project("phc_test", receiver.url)
    made = left_for(tmp_path, project, 7)
    (path,) = tmp_path.glob("*.spool")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"update parcels set {GARBAGE[garbage]} where id = 4")
    sink = posthog.build(Settings(api_key=project.key, host=project.host, spool=str(tmp_path)))
    assert sink is not None
    assert sink.delivery is not None
    eventually(lambda: sink.tally["delivered"] + sink.tally["quarantined"] >= 7)
    whole = [each.uuid for each in made if each is not made[3]]
    assert sorted(event["uuid"] for event in receiver.events) == sorted(whole)
    assert (sink.tally["quarantined"], sink.tally["adopted"]) == (1, 7)
    balance(sink.delivery.outbox, 0)
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    sink.close()
    assert list(tmp_path.glob("*.spool*")) == []


@pytest.mark.parametrize("most_bytes", [64 * 1024, 256 * 1024])
def test_a_spool_that_was_emptied_takes_events_again(tmp_path, monkeypatch, most_bytes):
    """The cap counts what is used: a file that was full takes as many events once those in it are delivered, however
    small the cap is."""
    seconds = count(10, 2)
    monkeypatch.setattr(shelf, "clock", SimpleNamespace(monotonic=lambda: next(seconds)))  # measures each time
    box = spooled(tmp_path, most_bytes=most_bytes)
    line = box.line(PROJECT)
    rng = random.Random(1)
    stored = [0]
    for _ in range(3):
        for _ in range(most_bytes // 2_000):
            box.put(line, parcel(noise=rng.randbytes(2_000).hex()))
        stored.append(box.tally["spooled"])
        assert next(tmp_path.glob("*.spool")).stat().st_size <= most_bytes + 16 * 1024
        with box.hurry():
            while batch := box.take_now(line):
                box.settle(line, batch, "delivered")
    first, *others = [after - before for before, after in pairwise(stored)]
    assert first >= most_bytes // 2 // 4096
    assert others == [first, first]
    assert box.tally["dropped_spool_full"] == 0
    box.close()


def test_a_file_that_vanished_is_not_made_anew(tmp_path, monkeypatch, caplog):
    """A file that its heir finds, and that somebody else has sent and removed meanwhile, is not there again, and
    nothing is said of it."""
    left_for(tmp_path, PROJECT, 2)
    (path,) = tmp_path.glob("*.spool")
    really = spool_files.adopt

    def too_late(found: Path) -> spool_files.SpoolFile:
        spool_files.remove(found)
        return really(found)

    monkeypatch.setattr(spool_files, "adopt", too_late)
    box = spooled(tmp_path)
    (line := box.line(PROJECT)).spool.look_around()
    assert line.spool.unread() == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        really(path)
    assert list(tmp_path.iterdir()) == []
    assert caplog.text == ""


def test_events_in_files_that_are_not_open_make_room_first(tmp_path):
    """Above its cap a spool drops what others left before what this process makes, also of files that it has not opened
    for want of descriptors; a file that is emptied so is removed."""
    for _ in range(12):
        left_for(tmp_path, PROJECT, 3)
    tally = Tally()
    spool = Spool(Shelf(tmp_path, 1, PROJECT, tally), PROJECT, is_configured=True)
    spool.look_around()
    while spool.load(100, 2**20):
        pass
    assert [spool.store(parcel(), has_room=False) for _ in range(6)] == ["disk"] * 6
    assert tally["dropped_spool_full"] == 6
    assert spool.kept() == 6
    assert len(list(tmp_path.glob("*.spool"))) == 12 - 2 + 1
    spool.close()
