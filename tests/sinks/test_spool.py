"""The spool: what is in it outlives its process, belongs to one process at a time, and breaks alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from llm_track.sinks import lines, outbox, spool, spool_files
from llm_track.sinks.outbox import Outbox
from llm_track.sinks.parcels import Parcel, Project
from llm_track.sinks.shelf import Shelf, digest, projects_left
from llm_track.sinks.spool import Spool
from llm_track.sinks.spool_files import InUseError, adopt
from llm_track.tallies import Tally
from tests.sinks.parcelled import PROJECT, parcel
from tests.sinks.receiver import Receiver
from tests.sinks.test_outbox import balance, spooled
from tests.test_worker import names, run, start


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


def files(folder: Path) -> list[str]:
    """Return the endings of the names in a folder, sorted."""
    return sorted(path.name.partition(".")[2] for path in folder.iterdir() if path.is_file())


def left_behind(folder: Path, number: int = 3) -> list[Parcel]:
    """Leave events in a spool as a process that ended."""
    made = [parcel(number=each) for each in range(number)]
    box = spooled(folder)
    for each in made:
        box.put(box.line(PROJECT), each)
    box.close()
    return made


def taken_over(box: Outbox) -> list[str]:
    """Return the uuids of what an outbox finds in its spool."""
    line = box.line(PROJECT)
    assert line.spool is not None
    line.spool.look_around()
    box.load(line)
    with box.hurry():
        return [each.uuid for each in box.take(line) or []] if len(line) else []


def test_what_a_process_leaves_the_next_one_sends_in_order(tmp_path):
    """The rows of an ended process are taken over, in order, and are gone with its file once they are delivered."""
    made = left_behind(tmp_path)
    box = spooled(tmp_path)
    line = box.line(PROJECT)
    assert line.spool is not None
    line.spool.look_around()
    box.load(line)
    with box.hurry():
        batch = box.take(line) or []
    assert [each.uuid for each in batch] == [each.uuid for each in made]
    assert [each.packed for each in batch] == [each.packed for each in made]
    assert (box.tally["adopted"], box.waiting()) == (3, 0)
    box.settle(line, batch, "delivered")
    balance(box, 0)
    assert files(tmp_path) == []


def test_files_are_for_the_user_alone_and_hold_no_key(tmp_path):
    """Directory and files cannot be read by others, whatever the umask, and the project's key is in none of them."""
    before = os.umask(0)
    try:
        left_behind(tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"phc_test" not in path.read_bytes()


def test_a_living_process_is_left_alone(tmp_path):
    """A file that another one has open is not taken over."""
    first, second = spooled(tmp_path), spooled(tmp_path)
    first.put(first.line(PROJECT), parcel())
    assert taken_over(second) == []
    (path,) = tmp_path.glob("*.spool")
    with pytest.raises(InUseError):
        adopt(path)
    first.close()
    assert len(taken_over(second)) == 1
    second.close()


def test_another_project_or_host_is_left_alone(tmp_path):
    """What was meant for another key, or another host, is not sent with this one."""
    left_behind(tmp_path)
    for other in (Project("phc_other", PROJECT.host), Project(PROJECT.key, "http://127.0.0.1:10")):
        tally = Tally()
        shelf = Shelf(tmp_path, 2**30, other, tally)
        box = Outbox(tally, lambda project, shelf=shelf: Spool(shelf, project, is_configured=True))
        (line := box.line(other)).spool.look_around()
        assert line.spool.unread() == 0
    assert digest(PROJECT) in next(tmp_path.glob("*.spool")).name


def test_the_project_that_a_call_named_is_noted(tmp_path):
    """Nobody else knows the key of a project that a call named: it is in the file, and the next process sends there."""
    named, tally = Project("phc_named", "http://127.0.0.1:10"), Tally()
    shelf = Shelf(tmp_path, 2**30, PROJECT, tally)
    box = Outbox(tally, lambda project: Spool(shelf, project, is_configured=project == PROJECT))
    box.put(box.line(named), parcel())
    assert projects_left(shelf) == []
    box.close()
    assert projects_left(shelf) == [named]
    box = Outbox(tally, lambda project: Spool(shelf, project, is_configured=project == PROJECT))
    (line := box.line(named)).spool.look_around()
    assert line.spool.unread() == 1
    box.close()


@pytest.mark.parametrize("damage", ["garbage", "cut", "no tables", "other columns"])
def test_a_broken_file_costs_no_other(tmp_path, caplog, damage):
    """A file that cannot be read is put aside, counted and told of; the others are sent.  One without tables was never
    finished, and is removed; one of another version is left to that."""
    left_behind(tmp_path, 40)
    (broken,) = tmp_path.glob("*.spool")
    whole = broken.read_bytes()
    left_behind(tmp_path, 2)
    if damage in ("garbage", "cut"):
        broken.write_bytes(b"\xff" * len(whole) if damage == "garbage" else whole[: len(whole) // 2])
    else:
        broken.unlink()
        with sqlite3.connect(broken) as connection:
            connection.execute("create table parcels (x)" if damage == "other columns" else "create table x (y)")
    os.utime(broken, (1, 1))
    box = spooled(tmp_path)
    found = taken_over(box)
    assert len(found) == 2
    is_broken = damage in ("garbage", "cut")
    assert (box.tally["quarantined_files"], len(list(tmp_path.glob("*.broken")))) == (is_broken, is_broken)
    assert broken.exists() is (damage == "other columns")
    assert ("put it aside" in caplog.text) is is_broken
    assert ("left where it is" in caplog.text) is (damage == "other columns")
    box.close()


def test_a_file_that_is_being_made_is_not_taken_for_one_that_was_left(tmp_path):
    """An empty file may be a moment old: it is removed only later."""
    young, old = (tmp_path / f"{digest(PROJECT)}-1-{name}.spool" for name in ("young", "old"))
    young.touch()
    old.touch()
    os.utime(old, (1, 1))
    box = spooled(tmp_path)
    assert taken_over(box) == []
    assert (young.exists(), old.exists()) == (True, False)
    box.close()


def test_a_full_disk_is_memory_again_with_one_warning(tmp_path, caplog, monkeypatch):
    """What cannot be written waits in memory and is delivered from there; the disk is tried again later."""
    box = spooled(tmp_path)
    line = box.line(PROJECT)
    monkeypatch.setattr(spool, "_TRY_AGAIN", 0.0)

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as while_full:
        while_full.setattr(spool_files.SpoolFile, "append", full)
        for _ in range(3):
            box.put(line, parcel())
    box.put(line, parcel())
    assert (box.tally["spooled"], len(line), box.kept()) == (1, 4, 1)
    assert caplog.text.count("cannot write into the spool") == 1
    with box.hurry():
        box.settle(line, box.take(line) or [], "delivered")
    balance(box, 4)
    box.close()


def test_where_there_is_no_directory_events_wait_in_memory(tmp_path, caplog):
    """A path that cannot be a directory costs no event."""
    (tmp_path / "file").touch()
    box = spooled(tmp_path / "file" / "below")
    box.put(box.line(PROJECT), parcel())
    assert len(box.line(PROJECT)) == 1
    assert "cannot write into the spool" in caplog.text


def test_a_row_that_cannot_be_deleted_is_deleted_later(tmp_path):
    """What was sent leaves the disk as soon as the disk lets it, at the latest when the file is closed."""
    box = spooled(tmp_path)
    line = box.line(PROJECT)
    box.put(line, parcel())
    file = line.spool._own  # type: ignore[union-attr]
    connection, file._connection = file._connection, sqlite3.connect(":memory:")
    with box.hurry():
        box.settle(line, box.take(line) or [], "delivered")
    file._connection = connection
    assert connection.execute("select count(*) from parcels").fetchone() == (1,)
    box.close()
    assert files(tmp_path) == []


def test_a_file_that_is_removed_under_its_process_is_made_anew(tmp_path, caplog):
    """What was in it is sent from memory; what comes later is in a new file."""
    box = spooled(tmp_path)
    line = box.line(PROJECT)
    box.put(line, parcel())
    for path in tmp_path.iterdir():
        path.unlink()
    line.spool.look_around()  # type: ignore[union-attr]
    box.put(line, parcel())
    assert len(list(tmp_path.glob("*.spool"))) == 1
    assert "was removed" in caplog.text
    with box.hurry():
        batch = box.take(line) or []
        assert len(batch) == 2
        box.settle(line, batch, "delivered")
    balance(box, 2)
    box.close()


def test_a_full_spool_drops_the_oldest_and_errors_last(tmp_path, caplog, monkeypatch):
    """Above its size the oldest that are not in memory make room, those of errors last, and the counts stay exact."""
    monkeypatch.setattr(Shelf, "is_full", lambda *_: box.tally["spooled"] - box.tally["dropped_spool_full"] > 50)
    monkeypatch.setattr(outbox, "_LOADED", 5)
    for module in (outbox, lines):
        monkeypatch.setattr(module, "KEPT", 10)
    box = spooled(tmp_path)
    line = box.line(PROJECT)
    for number in range(100):
        box.put(line, parcel(is_error=20 <= number < 25))
        balance(box, number + 1)
    assert box.tally["dropped_spool_full"] >= 40
    assert caplog.text.count("is full: the oldest events make room") == 1
    found: list[Parcel] = []
    with box.hurry():
        while line.spool.unread() or len(line):  # type: ignore[union-attr]
            box.load(line)
            found += (batch := box.take(line) or [])
            box.settle(line, batch, "delivered")
    assert sum(each.is_error for each in found) == 5
    balance(box, 100)
    box.close()


PREFORK = """
    import os, sys, time, llm_track
    with llm_track.llm_span("before"): pass
    deadline = time.monotonic() + 30
    while not llm_track.stats().get("spooled") and time.monotonic() < deadline: time.sleep(0.01)
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            with llm_track.llm_span(f"child {number}"): pass
            if number == 0: llm_track.flush(1); os._exit(0)
            if number == 1: sys.exit(0)
            break  # ends as programs end
        children.append(child)
    else:
        for child in children: os.waitpid(child, 0)
        with llm_track.llm_span("after"): pass
"""


def test_forks_and_their_ends_leave_the_spool_whole(receiver, tmp_path):
    """Parent and children each have a file; however a child ends, the parent's stays, and each event arrives once."""
    receiver.refusing["/batch/"] = 503
    settings = {"LLM_TRACK_SPOOL": str(tmp_path), "LLM_TRACK_EXIT_SECONDS": "0.5"}
    done = run(PREFORK, receiver.url, **settings)
    assert done.returncode == 0, done.stderr
    assert receiver.events == []
    receiver.refusing.clear()
    assert start(["-m", "llm_track", "replay", str(tmp_path)], receiver.url).returncode == 0
    assert names(receiver) == ["after", "before", "child 0", "child 1", "child 2"]


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_process_that_ends_at_once_leaves_its_events(receiver, tmp_path, ending):
    """`os._exit` waits until what was recorded is in the spool; what is there survives `kill -9`."""
    receiver.refusing["/batch/"] = 503
    program = f"""
        import os, llm_track
        from llm_track import worker
        for number in range(20):
            with llm_track.llm_span(f"s{{number:02}}"): pass
        if "kill" in {ending!r}: worker.make_events(30)
        {ending}
        """
    run(program, receiver.url, LLM_TRACK_SPOOL=str(tmp_path))
    receiver.refusing.clear()
    assert start(["-m", "llm_track", "replay", str(tmp_path)], receiver.url).returncode == 0
    assert names(receiver) == [f"s{number:02}" for number in range(20)]
    assert list(tmp_path.iterdir()) == []


def test_a_program_without_a_spool_has_the_systems_own_exit():
    """`os._exit` is replaced only where a spool was asked for."""
    assert run("import os, llm_track\nllm_track.configure()\nprint(os._exit.__module__)", "").stdout == "posix\n"
