"""Locks that forks wait for."""

from __future__ import annotations

import threading

from llm_track import forking


def test_a_lock_that_stays_closed_holds_up_one_fork_and_no_more(monkeypatch):
    """A fork waits for what is done in a moment; what is not, as a slow processor, is not waited for every time."""
    monkeypatch.setattr(forking, "_SECONDS", 0.5)
    lock = threading.RLock()
    watched = forking.ordered(lock)
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holds.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(60)
    waited = [watched._seconds]
    for _ in range(2):
        assert not watched.acquire()
        waited.append(watched._seconds)
    assert waited == [0.5, forking._SECONDS_AGAIN, forking._SECONDS_AGAIN]
    done.set()
    thread.join()
    assert watched.acquire()
    watched.release()
    assert watched._seconds == 0.5
