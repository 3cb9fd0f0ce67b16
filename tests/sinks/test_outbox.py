"""Where events wait: in order, within bounds, each in one place, and every one accounted for."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_track.sinks import lines, outbox
from llm_track.sinks.lines import Line
from llm_track.sinks.outbox import Outbox
from llm_track.sinks.parcels import Project
from llm_track.sinks.shelf import Shelf
from llm_track.sinks.spool import Spool
from llm_track.tallies import Tally
from tests.sinks.parcelled import PROJECT, parcel

DOWN = ConnectionError("down")


def plain() -> Outbox:
    return Outbox(Tally(), lambda project: None)


def spooled(folder: Path, tally: Tally | None = None, most_bytes: int = 2**30) -> Outbox:
    tally = Tally() if tally is None else tally
    shelf = Shelf(folder, most_bytes, PROJECT, tally)
    return Outbox(tally, lambda project: Spool(shelf, project, is_configured=True))


def balance(box: Outbox, admitted: int) -> None:
    """Check that each admitted event is in exactly one count."""
    names = ("delivered", "waiting", "quarantined", "dropped_outbox_full", "dropped_spool_full", "lost_in_broken_spool")
    assert admitted + box.tally["adopted"] == sum(box.tally[name] for name in names), box.tally.numbers()


def test_a_batch_waits_for_others_and_goes_when_it_is_full():
    """One event waits for up to a second; a hundred go at once, no more than a hundred together."""
    box = plain()
    line = box.line(PROJECT)
    box.put(line, parcel())
    assert 0.0 < (line.seconds_to_go(in_a_hurry=False) or 0.0) <= lines.LINGER
    assert line.seconds_to_go(in_a_hurry=True) == 0.0
    for _ in range(150):
        box.put(line, parcel())
    assert line.seconds_to_go(in_a_hurry=False) == 0.0
    assert [len(box.take(line) or []) for _ in range(2)] == [100, 51]


def test_a_request_has_no_more_bytes_than_the_client_sends_at_once(monkeypatch):
    """A batch ends before it is larger than what the client would cut; large events go among themselves."""
    monkeypatch.setattr(lines, "BATCH_BYTES", 3_000)
    box = plain()
    line = box.line(PROJECT)
    for number in range(4):
        box.put(line, parcel(text="x" * 1_000, is_large=number == 3))
    with box.hurry():
        assert [len(box.take(line) or []) for _ in range(3)] == [2, 1, 1]


def test_the_oldest_go_first_where_there_is_no_room_and_errors_last(monkeypatch, caplog):
    """What is too much goes, the oldest first, those of errors last; each is counted, and one line says so."""
    monkeypatch.setattr(outbox, "MOST_EVENTS", 4)
    box = plain()
    line = box.line(PROJECT)
    made = [parcel(is_error=number in (0, 1)) for number in range(8)]
    for each in made:
        box.put(line, each)
    with box.hurry():
        left = {each.uuid for each in box.take(line) or []}
    assert left == {made[0].uuid, made[1].uuid, made[6].uuid, made[7].uuid}
    assert box.tally["dropped_outbox_full"] == 4
    balance(box, 8)
    assert caplog.text.count("the oldest go from now on") == 1


def test_bytes_are_a_bound_too(monkeypatch):
    """So many bytes wait at most, of all projects together; the project with the most gives way."""
    monkeypatch.setattr(outbox, "MOST_BYTES", 20_000)
    box = plain()
    large, small = box.line(PROJECT), box.line(Project("phc_other", None))
    box.put(small, parcel())
    rng = random.Random(1)
    for _ in range(50):
        box.put(large, parcel(noise=rng.randbytes(500).hex()))
    assert sum(line.bytes for line in box.lines()) <= 20_000
    assert (len(small), box.tally["waiting"]) == (1, len(large) + 1)
    balance(box, 51)


def test_after_a_failure_one_batch_asks_and_the_others_wait():
    """While a host takes nothing, only one request is under way, and none before the pause is over."""
    box = plain()
    line = box.line(PROJECT)
    for _ in range(300):
        box.put(line, parcel())
    first, second = box.take(line), box.take(line)
    box.put_back(line, first or [], DOWN)
    box.put_back(line, second or [], DOWN)
    assert 0.0 < (line.seconds_to_go(in_a_hurry=True) or 0.0) < 2.0
    with box.hurry():  # asks at once, whatever failed before
        probe = box.take(line)
        assert probe
        assert line.seconds_to_go(in_a_hurry=True) is None
        box.settle(line, probe, "delivered")
        assert line.seconds_to_go(in_a_hurry=True) == 0.0
    balance(box, 300)


def test_pauses_grow_up_to_half_a_minute():
    """Each failure doubles the pause, within a fifth, from half a second to 30."""
    line = Line(PROJECT, None)
    line.push(parcel())
    pauses = []
    for _ in range(9):
        line.failed(DOWN)
        pauses.append(line.seconds_to_go(in_a_hurry=False) or 0.0)
    for pause, expected in zip(pauses, [0.5, 1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert expected * 0.75 < pause <= expected * 1.2


def test_what_posthog_says_about_when_to_come_back_holds():
    """`Retry-After` is kept, up to five minutes, also when everything is in a hurry."""
    box = plain()
    line = box.line(PROJECT)
    box.put(line, parcel())
    for asked, kept in ((7.0, 7.0), (10_000.0, 300.0)):
        error = ConnectionError()
        error.retry_after = asked  # type: ignore[attr-defined]
        line.failed(error)
        with box.hurry():
            assert kept - 1.0 < (line.seconds_to_go(in_a_hurry=True) or 0.0) <= kept


def test_an_event_at_which_a_host_stumbles_lets_others_pass():
    """What failed four times goes to the end of its line."""
    line = Line(PROJECT, None)
    bad = parcel()
    line.push(bad)
    line.push(parcel())
    for _ in range(4):
        (taken,) = [each for each in line.take() if each is bad]
        line.put_back([taken])
    assert line.take()[-1] is bad


def test_nobody_waits_for_room():
    """However full it is, putting an event in takes no lock that a request holds."""
    box = plain()
    line = box.line(PROJECT)
    box.put(line, parcel())
    with box.hurry():
        box.take(line)  # is being sent, for as long as it takes
    done = threading.Event()
    threading.Thread(target=lambda: (box.put(line, parcel()), done.set()), daemon=True).start()
    assert done.wait(30)


def test_waiting_ends_with_the_last_event_or_in_time():
    """`wait` says whether everything was delivered, and gives up where a key is refused."""
    box = plain()
    line = box.line(PROJECT)
    assert box.wait(0.0)
    box.put(line, parcel())
    assert not box.wait(0.05)
    with box.hurry():
        batch = box.take(line)
    box.put_back(line, batch or [], DOWN, is_refused=True)
    assert not box.wait(60.0)


STEPS = st.lists(
    st.sampled_from(["put", "put", "put", "error", "take", "deliver", "fail", "refuse", "load", "look"]), max_size=60
)


@settings(max_examples=60)
@given(steps=STEPS, bound=st.integers(1, 20), has_spool=st.booleans(), rng=st.randoms(use_true_random=False))
def test_every_event_is_in_exactly_one_count(tmp_path_factory, steps, bound, has_spool, rng):
    """Whatever happens in whatever order, the sum of the counts is what was admitted, no event is delivered twice, and
    in the end nothing waits."""
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "MOST_EVENTS", bound)
        patch.setattr(lines, "KEPT", bound + 1)
        patch.setattr(outbox, "KEPT", bound + 1)
        patch.setattr(outbox, "_LOADED", max(bound // 4, 1))
        box = spooled(folder) if has_spool else plain()
        ended = drive(box, steps, rng)
        assert len(ended) == len(set(ended))
        box.close()
    if has_spool:
        assert sum(box.tally[name] for name in ("dropped_outbox_full", "waiting")) == 0
        assert list(folder.glob("*")) == []


def drive(box: Outbox, steps: list[str], rng: random.Random) -> list[str]:
    """Do some steps, then deliver all that is left; return the uuids of what left the outbox."""
    line, moving, ended, admitted = box.line(PROJECT), [], [], 0
    with box.hurry():
        for step in [*steps, *["load", "take", "deliver"] * (len(steps) * 2)]:
            line.hurry()
            if step in ("put", "error"):
                box.put(line, parcel(is_error=step == "error", noise=rng.random()))
                admitted += 1
            elif step == "take" and line.seconds_to_go(in_a_hurry=True) == 0.0:
                moving.append(box.take(line) or [])
            elif step == "load":
                box.load(line)
            elif step == "look" and line.spool is not None:
                line.spool.look_around()
            elif moving and step == "fail":
                box.put_back(line, moving.pop(), DOWN)
            elif moving and step in ("deliver", "refuse"):
                batch = moving.pop()
                ended += [each.uuid for each in batch]
                box.settle(line, batch, "delivered" if step == "deliver" else "quarantined")
            balance(box, admitted)
    return ended
