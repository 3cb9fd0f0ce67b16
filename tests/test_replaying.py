"""`llm-track replay`: what is in a spool is counted, shown and sent, as fast as one likes, and nothing else happens."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from llm_track import cli, replaying
from llm_track.sinks.outbox import Outbox
from llm_track.sinks.parcels import Project
from llm_track.sinks.shelf import Shelf
from llm_track.sinks.spool import Spool
from llm_track.tallies import Tally
from tests.sinks.parcelled import PROJECT, parcel
from tests.sinks.receiver import Receiver
from tests.sinks.test_spool import digest, left_behind
from tests.sinks.test_spool_files import left_for
from tests.test_worker import run, start


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


def fill(folder: Path, receiver: Receiver, number: int) -> None:
    """Leave the events of a process that could not send them."""
    receiver.refusing["/batch/"] = 503
    program = f"import llm_track\nfor n in range({number}):\n    with llm_track.llm_span(str(n)): pass"
    run(program, receiver.url, LLM_TRACK_SPOOL=str(folder), LLM_TRACK_EXIT_SECONDS="0.2")
    receiver.refusing.clear()
    receiver.requests.clear()


def replay(folder: Path, receiver: Receiver, *options: str):
    return start(["-m", "llm_track", "replay", str(folder), *options], receiver.url)


def test_what_is_there_is_sent_once(receiver, tmp_path):
    """A dry run counts and changes nothing; a run sends each event once and leaves nothing; another finds nothing."""
    fill(tmp_path, receiver, 230)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.spool")}
    dry = replay(tmp_path, receiver, "--dry-run")
    assert (dry.returncode, dry.stdout, dry.stderr) == (1, f"230 events in 1 files of {tmp_path}\n", "")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.spool")} == before
    assert receiver.requests == []
    wet = replay(tmp_path, receiver)
    assert (wet.returncode, wet.stderr) == (0, "")
    assert "230 delivered" in wet.stdout
    assert len({event["uuid"] for event in receiver.events}) == len(receiver.events) == 230
    assert list(tmp_path.iterdir()) == []
    assert replay(tmp_path, receiver, "--dry-run").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such limit")
def test_very_many_files_take_few_descriptors(receiver, tmp_path):
    """What a hundred processes left is sent, by one that may open 40 files, those of the program and its client among
    them."""
    for _ in range(100):
        left_for(tmp_path, Project("phc_test", receiver.url), 3)
    program = """
import resource, sys
from llm_track import cli
import posthog  # opens files of its own
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
sys.exit(cli.main(["replay", sys.argv[1]]))
"""
    done = start(["-c", program, str(tmp_path)], receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len({event["uuid"] for event in receiver.events}) == len(receiver.events) == 300
    assert list(tmp_path.iterdir()) == []


def test_a_rate_is_kept(receiver, tmp_path):
    """With a rate of 20 a second the second half of 40 events comes a second later at the earliest."""
    fill(tmp_path, receiver, 40)
    done = replay(tmp_path, receiver, "--rate", "20")
    assert done.returncode == 0
    assert [len(request["body"]["batch"]) for request in receiver.requests] == [20, 20]
    seconds = float(done.stdout.partition("delivered in ")[2].partition(" s")[0])
    assert seconds >= 1.0


def test_what_is_for_another_key_needs_to_be_asked_for(receiver, tmp_path):
    """Events of another key are told of, and sent with this one only on request."""
    left_behind(tmp_path)
    done = replay(tmp_path, receiver)
    assert done.returncode == 0
    assert "3 events are for another key or host" in done.stdout
    assert receiver.events == []
    assert replay(tmp_path, receiver, "--all").returncode == 0
    assert len(receiver.events) == 3


def test_all_is_also_what_is_for_projects_that_calls_named(receiver, tmp_path):
    """What processes with another key had for a project that calls named goes there, at one rate with the rest."""
    main, named = Project("phc_other", receiver.url), Project("phc_named", receiver.url)
    shelf = Shelf(tmp_path, 2**30, main, Tally())
    box = Outbox(shelf.tally, lambda project: Spool(shelf, project, is_configured=project == main))
    for project in (main, named):
        for _ in range(20):
            box.put(box.line(project), parcel())
    box.leave()
    assert replay(tmp_path, receiver, "--dry-run", "--all").stdout == f"40 events in 2 files of {tmp_path}\n"
    done = replay(tmp_path, receiver, "--all", "--rate", "20")
    assert (done.returncode, done.stderr) == (0, "")
    sent = Counter(key for each in receiver.requests for key in [each["body"]["api_key"]] * len(each["body"]["batch"]))
    assert sent == {"phc_named": 20, "phc_test": 20}
    assert float(done.stdout.partition("delivered in ")[2].partition(" s")[0]) >= 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_posthog_that_takes_nothing_is_given_up(receiver, tmp_path, monkeypatch, capsys):
    """Where nothing is delivered for a while, what is left stays, and the exit code says so."""
    left_behind(tmp_path)
    monkeypatch.setattr(replaying, "_STUCK_SECONDS", 0.5)
    monkeypatch.setenv("POSTHOG_API_KEY", PROJECT.key)
    monkeypatch.setenv("POSTHOG_API_URL", str(PROJECT.host))
    assert cli.main(["replay", str(tmp_path)]) == 1
    assert "0 delivered" in (said := capsys.readouterr().out)
    assert "3 left" in said
    assert replaying.look(tmp_path, digest(PROJECT), takes_all=False).events == 3


@pytest.mark.parametrize(
    ("key", "folder", "words"),
    [("", ".", "POSTHOG_API_KEY is not set"), ("phc_test", "nowhere", "nowhere is no directory")],
)
def test_what_is_missing_is_said(monkeypatch, capsys, key, folder, words):
    """Without a key, or where there is no directory, one line says so, and the exit code is 2."""
    monkeypatch.setenv("POSTHOG_API_KEY", key)
    assert cli.main(["replay", folder]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "many"])
def test_a_rate_that_is_none_is_refused(capsys, rate):
    """A rate must be a number above 0."""
    with pytest.raises(SystemExit):
        cli.main(["replay", ".", "--rate", rate])
    assert "is no number above 0" in capsys.readouterr().err


def test_the_bar_grows():
    """The bar says how much of how many is done."""
    assert replaying.bar(0, 0).startswith("[....")
    assert replaying.bar(50, 100) == "[###############...............]  50 %  50 of 100"
    assert replaying.bar(7, 7).startswith("[##############################] 100 %")
