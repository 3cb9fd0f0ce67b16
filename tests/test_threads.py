"""Spans and thread pools."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

import llm_track
from llm_track import autopatch, llm_span, unpatch
from llm_track.context import current
from llm_track.testing import capture_events

own = contextvars.ContextVar("own", default="unset")


@pytest.fixture(autouse=True)
def patched():
    """Hook, and leave no hook behind."""
    unpatch()
    original = vars(ThreadPoolExecutor)["submit"]
    autopatch()
    yield
    unpatch()
    assert vars(ThreadPoolExecutor)["submit"] is original


def here():
    """Return the name of the current step, and the program's own context variable."""
    node = current()
    return (getattr(node, "name", None), own.get())


def test_a_task_given_to_a_pool_inside_a_span_is_inside_it():
    """submit, map and run_in_executor carry the span; a task given outside of a span carries nothing."""

    async def main():
        return await asyncio.get_running_loop().run_in_executor(None, here)

    with capture_events(), ThreadPoolExecutor(1) as pool:
        with llm_span("span"):
            assert pool.submit(here).result() == ("span", "unset")
            assert list(pool.map(lambda _: here(), [1])) == [("span", "unset")]
            assert asyncio.run(main()) == ("span", "unset")
        assert pool.submit(here).result() == (None, "unset")


def test_the_programs_own_context_variables_do_not_travel():
    """Only the span is carried: a context variable of the program is as unset in the pool as without llm_track."""
    own.set("mine")
    with capture_events(), ThreadPoolExecutor(1) as pool, llm_span("span"):
        assert pool.submit(here).result() == ("span", "unset")


def test_results_and_exceptions_come_back_as_they_are():
    """The future gives the very result and the very exception of the task."""
    error = ValueError("x")

    def fail():
        raise error

    with capture_events(), ThreadPoolExecutor(1) as pool, llm_span("span"):
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        assert pool.submit(fail).exception() is error
        with pytest.raises(TypeError, match="fn"):
            pool.submit()


def test_following_can_be_switched_off():
    """follow_threads=False leaves submit as it was."""
    llm_track.configure(follow_threads=False)
    with capture_events(), ThreadPoolExecutor(1) as pool, llm_span("span"):
        assert pool.submit(here).result() == (None, "unset")
