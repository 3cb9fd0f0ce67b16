"""The one place that catches everything."""

from __future__ import annotations

import asyncio
import logging

import pytest

from llm_track import ConfigurationError, _guard, stats
from llm_track._guard import faults, guarded


@pytest.fixture(autouse=True)
def _no_faults_before():
    before = dict(faults)
    faults.clear()
    yield
    faults.clear()
    faults.update(before)


class LeakyError(Exception):
    """An exception whose text holds what a prompt may hold."""


def fail(text="my prompt: canary"):
    raise LeakyError(text)


def test_a_block_without_fault_passes():
    """A guard changes nothing when nothing goes wrong."""
    with guarded("do nothing"):
        reached = True
    assert reached
    assert not faults


@pytest.mark.usefixtures("without_pytest")
@pytest.mark.parametrize("background", [False, True])
def test_in_production_faults_are_swallowed_logged_once_and_counted(caplog, background):
    """Each kind of fault gives one warning, is counted each time, and appears in `stats()`."""
    with caplog.at_level(logging.WARNING, logger="llm_track"):
        for _ in range(3):
            with guarded("read a thing", background=background):
                fail()
        with guarded("read a thing", background=background):
            raise KeyError("other kind")
    assert faults == {"read a thing: LeakyError": 3, "read a thing: KeyError": 1}
    assert [record.getMessage().split(" at ")[0] for record in caplog.records] == [
        "llm_track could not read a thing (LeakyError",
        "llm_track could not read a thing (KeyError",
    ]
    assert stats()["fault: read a thing: LeakyError"] == 3
    assert not _guard.raised_in_background


@pytest.mark.usefixtures("without_pytest")
def test_the_warning_names_the_place_and_not_the_text(caplog):
    """The log says type, file and line of the fault and repeats nothing of its text, which may hold a prompt."""
    with caplog.at_level(logging.WARNING, logger="llm_track"), guarded("read a thing"):
        fail()
    message = caplog.records[0].getMessage()
    assert f"(LeakyError at test_guard.py:{fail.__code__.co_firstlineno + 1})" in message
    assert "canary" not in caplog.text
    assert caplog.records[0].exc_info is None


@pytest.mark.usefixtures("without_pytest")
def test_the_words_of_llm_track_itself_are_repeated(caplog):
    """A wrong setting in the environment is found out late; the message about it is ours, and says what to write."""
    with caplog.at_level(logging.WARNING, logger="llm_track"), guarded("read the settings"):
        raise ConfigurationError("enabled is 'perhaps'; write true or false.")
    assert "(ConfigurationError enabled is 'perhaps'; write true or false.)" in caplog.text


@pytest.mark.usefixtures("without_pytest")
def test_an_error_without_a_traceback_is_reported_too(caplog):
    """A fault that was never raised has no line, and is reported nevertheless."""
    with caplog.at_level(logging.WARNING, logger="llm_track"):
        assert guarded("read a thing").__exit__(LeakyError, LeakyError("canary"), None) is True
    assert "(LeakyError at an unknown line)" in caplog.text


def test_what_a_developer_should_know_is_said_once(monkeypatch, caplog):
    """The same hint is logged once per process, and another one still is."""
    monkeypatch.setattr(_guard, "_said", set())
    for text in ("100 % of it", "100 % of it", "another"):
        _guard.say_once(text)
    assert [record.getMessage() for record in caplog.records] == ["100 % of it", "another"]


def test_under_pytest_a_fault_is_raised():
    """Nobody develops against a fault that production would hide."""
    with pytest.raises(LeakyError, match="canary"), guarded("read a thing"):
        fail()
    assert not faults


def test_pytest_is_known_by_its_variable(monkeypatch):
    """Guards raise while pytest says that a test runs, and swallow as soon as it does not."""
    assert _guard.under_pytest()
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with guarded("read a thing"):
        fail()
    assert faults == {"read a thing: LeakyError": 1}


def test_under_pytest_a_fault_of_the_background_is_kept():
    """A thread has nobody to raise to: the fault is kept for the test to find."""
    with guarded("read a thing", background=True):
        fail()
    (kept,) = _guard.raised_in_background
    _guard.raised_in_background.clear()
    assert isinstance(kept, LeakyError)


@pytest.mark.usefixtures("without_pytest")
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_ends_a_program_is_never_swallowed(kind, background):
    """An interrupt, an exit and a cancellation pass through every guard, uncounted."""
    with pytest.raises(kind), guarded("read a thing", background=background):
        raise kind
    assert not faults


@pytest.mark.usefixtures("without_pytest")
def test_a_guard_may_be_shared_and_nested():
    """One instance serves many blocks, also inside each other; the inner one takes the fault."""
    guard, steps = guarded("read a thing"), []
    with guard:
        with guard:
            steps.append("inner")
            fail()
        steps.append("outer")
    assert steps == ["inner", "outer"]
    assert faults == {"read a thing: LeakyError": 1}
