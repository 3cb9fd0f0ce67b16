"""Where the program stands, under every way of running code."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import re
import sys
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest

from llm_track import current_trace_id, llm_span
from llm_track.context import current, new_id, owner
from llm_track.testing import capture_events


def names_and_parents(events):
    """Return {name: name of its parent, or None}."""
    names = {event.uuid: event.properties["$ai_span_name"] for event in events}
    return {names[event.uuid]: names.get(event.properties.get("$ai_parent_id")) for event in events}


def test_an_id_is_a_random_uuid_of_version_four():
    """Ids are UUIDs of version 4, as PostHog's event uuids must be, and do not repeat."""
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", each) for each in ids
    )


def test_nesting_follows_the_blocks():
    """A span inside a span has it as parent, shares its trace, and nothing is current after the blocks."""
    with capture_events() as events:
        assert current_trace_id() is None
        with llm_span("outer") as outer, llm_span("inner") as inner:
            assert inner.trace_id == outer.trace_id == current_trace_id()
        assert current() is None
    assert names_and_parents(events) == {"inner": "outer", "outer": None}
    assert [event.name for event in events] == ["$ai_span", "$ai_trace"]


def test_identity_is_inherited_and_added_to():
    """User and session come from the nearest span that names them; groups and metadata add up."""
    with capture_events() as events:
        with (
            llm_span("a", user_id="u1", session_id="s1", groups={"company": "acme"}, metadata={"plan": "pro", "x": 1}),
            llm_span("b", user_id="u2", groups={"team": "red"}, metadata={"x": 2}),
        ):
            pass
    inner, outer = events
    assert (inner.distinct_id, outer.distinct_id) == ("u2", "u1")
    assert inner.properties["$ai_session_id"] == "s1"
    assert inner.groups == {"company": "acme", "team": "red"}
    assert (inner.properties["plan"], inner.properties["x"], outer.properties["x"]) == ("pro", 2, 1)


def test_no_log_silences_everything_inside():
    """A span with no_log sends no event, and neither does anything inside it."""
    with capture_events() as events, llm_span("secret", no_log=True), llm_span("inside"):
        pass
    assert events == []


def test_a_span_in_a_generator_does_not_leak_into_the_consumer():
    """While a generator is paused inside a span, the consumer's own spans are not inside it."""

    def numbers():
        with llm_span("generator"):
            yield 1
            with llm_span("within"):
                pass
            yield 2

    with capture_events() as events, llm_span("consumer"):
        for number in numbers():
            with llm_span(f"work {number}"):
                pass
    assert names_and_parents(events) == {
        "within": "generator",
        "generator": "consumer",
        "work 1": "consumer",
        "work 2": "consumer",
        "consumer": None,
    }


def test_a_span_in_an_async_generator_does_not_leak_into_the_consumer():
    """The same for an async generator, also for tasks it starts itself, which are inside."""

    async def child():
        with llm_span("child"):
            await asyncio.sleep(0)

    async def numbers():
        async with llm_span("generator"):
            await asyncio.gather(child())
            yield 1
            yield 2

    async def main():
        async for number in numbers():
            with llm_span(f"work {number}"):
                await asyncio.sleep(0)

    with capture_events() as events:
        asyncio.run(main())
    assert names_and_parents(events) == {"child": "generator", "generator": None, "work 1": None, "work 2": None}


def test_a_span_in_a_context_manager_is_meant_for_the_block():
    """A generator behind @contextmanager or @asynccontextmanager lends its span to the block of the with statement."""

    @contextmanager
    def request():
        with llm_span("request"):
            yield

    @asynccontextmanager
    async def job():
        async with llm_span("job"):
            yield

    async def main():
        async with job():
            with llm_span("step"):
                pass

    with capture_events() as events:
        with request(), llm_span("handler"):
            pass
        asyncio.run(main())
    assert names_and_parents(events) == {"handler": "request", "request": None, "step": "job", "job": None}


def test_a_generator_stepped_from_another_context_ends_quietly(caplog, recwarn):
    """A span opened in one context and closed in another ends once, and disturbs neither context."""

    def numbers():
        with llm_span("generator"):
            yield 1
            yield 2

    with capture_events() as events:
        generator = numbers()
        contextvars.copy_context().run(next, generator)
        with llm_span("here"):
            contextvars.copy_context().run(generator.close)
            assert current() is not None
        assert current() is None
    assert names_and_parents(events) == {"generator": None, "here": None}
    assert "different Context" not in caplog.text
    assert not recwarn.list


def test_an_async_generator_finalised_by_the_loop_ends_quietly():
    """An async generator left in the middle ends its span once when the loop finalises it, without an error."""

    async def numbers():
        async with llm_span("generator"):
            yield 1
            yield 2

    async def main(errors):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    errors = []
    gc.collect()  # what earlier tests left, some of which would close itself in this loop
    with capture_events() as events:
        asyncio.run(main(errors))
    assert errors == []
    assert [event.properties["llm_outcome"] for event in events] == ["closed_early"]


def test_gather_and_threads_with_a_copied_context_keep_the_place():
    """Tasks under gather and threads started with copy_context are inside the span, each with its own stack."""

    async def work(name):
        with llm_span(name):
            await asyncio.sleep(0.001)

    async def main():
        with llm_span("gathered"):
            await asyncio.gather(*(work(f"task {number}") for number in range(20)))

    def in_thread():
        with llm_span("in thread"):
            pass

    with capture_events() as events:
        asyncio.run(main())
        with llm_span("threaded"):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(in_thread,))
            thread.start()
            thread.join()
    parents = names_and_parents(events)
    assert all(parents[f"task {number}"] == "gathered" for number in range(20))
    assert parents["in thread"] == "threaded"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup came with Python 3.11")
def test_a_task_group_keeps_the_place():
    """Tasks of a task group are inside the span that starts them."""

    async def work():
        with llm_span("task"):
            await asyncio.sleep(0)

    async def main():
        with llm_span("group"):
            async with asyncio.TaskGroup() as group:
                group.create_task(work())

    with capture_events() as events:
        asyncio.run(main())
    assert names_and_parents(events) == {"task": "group", "group": None}


def test_a_thousand_tasks_never_mix_their_users():
    """Under a thousand concurrent tasks each event has the user of its own task."""

    async def work(number):
        with llm_span("outer", user_id=f"user {number}", metadata={"number": number}):
            await asyncio.sleep(0)
            with llm_span("inner"):
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(work(number) for number in range(1000)))

    with capture_events() as events:
        asyncio.run(main())
    assert len(events) == 2000
    assert all(event.distinct_id == f"user {event.properties['number']}" for event in events)


def test_outside_of_a_model_call_nobody_owns_a_call():
    """A span owns no model call; only an enclosing model call does."""
    with llm_span("span"):
        assert owner(current()) is None


def test_a_consumers_tasks_are_not_inside_a_paused_async_generator():
    """Tasks and threads that the consumer starts while the generator is paused are the consumer's own."""

    async def numbers():
        async with llm_span("generator", user_id="alice"):
            await asyncio.gather(step("inside"))
            yield 1

    async def step(name):
        with llm_span(name):
            await asyncio.sleep(0)

    async def main():
        async for _ in numbers():
            await asyncio.create_task(step("task"))
            await asyncio.gather(step("gathered"))
            await asyncio.to_thread(asyncio.run, step("thread"))

    with capture_events() as events:
        asyncio.run(main())
    users = {event.properties["$ai_span_name"]: event.distinct_id for event in events}
    assert users == {"inside": "alice", "generator": "alice", "task": None, "gathered": None, "thread": None}
