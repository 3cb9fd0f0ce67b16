"""`with llm_span` inside generators: inside is what the block's frame calls, whoever takes the next step."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import pytest
from hypothesis import given, strategies

from llm_track import bodies, llm_span, track_llm
from llm_track.context import current
from llm_track.testing import capture_events


def stepped(generator, run=lambda step: contextvars.Context().run(step)):
    """Take every step of a generator in a context of its own; return what it yielded."""
    items, end = [], object()
    while (item := run(lambda: next(generator, end))) is not end:
        items.append(item)
    return items


def elsewhere(step):
    """Run a step in a new thread, which starts with an empty context."""
    results = []
    thread = threading.Thread(target=lambda: results.append(step()))
    thread.start()
    thread.join()
    return results[0]


def parents(events):
    """Return [(name, name of its parent, user)] in the order of ending."""
    names = {event.uuid: event.properties["$ai_span_name"] for event in events}
    return [
        (names[event.uuid], names.get(event.properties.get("$ai_parent_id")), event.distinct_id) for event in events
    ]


def mark(name):
    with llm_span(name):
        pass


def answer(user):
    with llm_span("answer", user_id=user):
        mark("first")
        yield 1
        mark("second")
        with llm_span("part"):
            mark("third")
            yield 2
            mark("fourth")
        mark("fifth")


class Entering:
    """A context manager of the program's own that opens a span."""

    def __init__(self, user):
        self.span = llm_span("answer", user_id=user)

    def __enter__(self):
        return self.span.__enter__()

    def __exit__(self, *error):
        self.span.__exit__(*error)


@contextmanager
def lending(user):
    with llm_span("answer", user_id=user) as span:
        yield span


@contextmanager
def stacked(user):
    with ExitStack() as stack:
        yield stack.enter_context(lending(user))


def answer_through(manager):
    """The same generator, its outer span opened by a context manager around it."""

    def answering(user):
        with manager(user):
            mark("first")
            yield 1
            mark("second")
            with ExitStack() as stack:
                stack.enter_context(llm_span("part"))
                mark("third")
                yield 2
                mark("fourth")
            mark("fifth")

    return answering


ANSWERS = pytest.mark.parametrize("answer", [answer, *map(answer_through, (Entering, lending, stacked))])

INSIDE = [("first", "answer"), ("second", "answer"), ("third", "part"), ("fourth", "part")]
INSIDE += [("part", "answer"), ("fifth", "answer"), ("answer", None)]


@ANSWERS
@pytest.mark.parametrize("run", [lambda step: contextvars.Context().run(step), elsewhere, lambda step: step()])
def test_a_block_covers_every_step_of_its_generator(run, answer):
    """Each step belongs to the block, whether it runs in the first step's context, another one or another thread."""
    with capture_events() as events:
        assert stepped(answer("u1"), run) == [1, 2]
    assert parents(events) == [(name, parent, "u1") for name, parent in INSIDE]


@ANSWERS
def test_generators_that_take_turns_keep_their_users(answer):
    """Two generators stepped by turns, in fresh contexts or in one, do not mix, and neither owns its consumer."""
    with capture_events() as events:
        for run in (contextvars.Context().run, lambda step, *args: step(*args)):
            one, two = answer("u1"), answer("u2")
            for generator in (one, two) * 3:
                run(next, generator, None)
                assert current() is None
    users = {event.distinct_id: [] for event in events}
    for event in events:
        users[event.distinct_id].append(event.properties["$ai_span_name"])
    assert users == {"u1": [name for name, _ in INSIDE] * 2, "u2": [name for name, _ in INSIDE] * 2}


def test_one_object_in_several_generators_is_a_span_in_each():
    """A span object that generators share opens a step in each, and closes the step of the one that ends."""
    shared = llm_span("shared")

    def steps(name, count):
        with shared:
            for _ in range(count):
                mark(name)
                yield
            shared.set(output=name)

    with capture_events() as events:
        long, short = steps("long", 3), steps("short", 1)
        for generator in (long, short, short, long, long, long):
            contextvars.Context().run(next, generator, None)
    outputs = {event.uuid: event.properties["$ai_output_state"] for event in events if event.name == "$ai_trace"}
    assert [outputs[event.uuid] for event in events if event.uuid in outputs] == ["short", "long"]
    inside = [event for event in events if event.uuid not in outputs]
    assert all(outputs[event.properties["$ai_parent_id"]] == event.properties["$ai_span_name"] for event in inside)


def test_the_consumers_span_is_not_inside_a_generator_and_not_around_its_next_step():
    """The consumer's spans stay its own; what the body does belongs to the body, not to who steps it."""
    with capture_events() as events:
        generator = answer("u1")
        contextvars.Context().run(next, generator)
        with llm_span("consumer", user_id="u2"):
            mark("before")
            next(generator)
            mark("after")
        generator.close()
    assert ("before", "consumer", "u2") in parents(events)
    assert ("after", "consumer", "u2") in parents(events)
    assert ("second", "answer", "u1") in parents(events)
    assert current() is None


def test_a_tracked_generator_inside_a_block_is_the_nearer_one():
    """A step of a `@track_llm` generator made elsewhere is nearer than the block of the generator that steps it."""

    @track_llm
    def tracked():
        yield mark("early")
        yield mark("late")

    def outer(inner):
        with llm_span("outer"):
            yield next(inner)
            yield next(inner)

    with capture_events() as events:
        inner = tracked()
        next(inner)
        contextvars.Context().run(next, outer(inner))
        inner.close()
    (parent,) = [parent for name, parent, _ in parents(events) if name == "late"]
    assert parent.endswith("tracked")


def test_a_span_that_ends_before_the_generator_it_stepped_is_over():
    """A consumer's span that ends while a generator's block is current leaves nothing behind."""
    with capture_events() as events:
        generator = answer("u1")
        with llm_span("consumer", user_id="u2"):
            next(generator)
        mark("later")
        generator.close()
        mark("last")
    assert ("later", None, None) in parents(events)
    assert ("last", None, None) in parents(events)


def test_a_thread_pool_fed_by_a_later_step_is_inside():
    """What a later step hands to a thread pool belongs to the block."""
    from concurrent.futures import ThreadPoolExecutor

    import llm_track

    def body(pool):
        with llm_span("block"):
            yield 1
            pool.submit(mark, "pooled").result()
            yield 2

    llm_track.autopatch()
    with capture_events() as events, ThreadPoolExecutor(1) as pool:
        stepped(body(pool))
    assert ("pooled", "block") in [(name, parent) for name, parent, _ in parents(events)]


@asynccontextmanager
async def lending_async(name):
    async with llm_span(name) as span:
        await asyncio.sleep(0)
        yield span


@asynccontextmanager
async def stacked_async(name):
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(lending_async(name))


@pytest.mark.parametrize("manager", [llm_span, lending_async, stacked_async])
def test_an_async_generator_stepped_by_many_tasks_is_inside_at_each_step(manager):
    """Each `anext` in a task of its own: the body's calls belong to its block, the tasks' own do not."""

    async def body():
        async with manager("block"):
            mark("first")
            yield 1
            await asyncio.sleep(0)
            mark("second")
            yield 2
            mark("third")

    async def one_step(generator):
        mark("task")
        return await anext(generator, None)

    async def main():
        generator = body()
        for _ in range(3):
            await contextvars.Context().run(asyncio.create_task, one_step(generator))

    with capture_events() as events:
        asyncio.run(main())
    assert {(name, parent) for name, parent, _ in parents(events)} == {
        ("first", "block"),
        ("second", "block"),
        ("third", "block"),
        ("block", None),
        ("task", None),
    }


def test_an_abandoned_generator_is_collected_and_ends_its_span():
    """A generator in a cycle of references, dropped in the middle of its block, is collected, and the span ends."""

    class Owner:
        def stream(self):
            with llm_span("block"):
                yield 1

        def start(self):
            self.generator = self.stream()
            next(self.generator)

    with capture_events() as events:
        owner = Owner()
        contextvars.Context().run(owner.start)
        gone = weakref.ref(owner)
        del owner
        gc.collect()
        assert gone() is None
    assert [event.properties["llm_outcome"] for event in events] == ["closed_early"]


def test_no_block_is_remembered_after_its_end():
    """The table of open blocks is empty again when all blocks have ended, also after an exception in the body."""

    def broken():
        with llm_span("block"):
            yield 1
            raise LookupError

    with capture_events():
        generator = broken()
        contextvars.Context().run(next, generator)
        assert len(bodies.open_blocks) == 1
        with pytest.raises(LookupError):
            contextvars.Context().run(next, generator)
        stepped(answer("u1"))
    assert bodies.open_blocks == {}


def test_a_span_closed_in_another_thread_is_over_where_it_was_entered():
    """A span entered in one thread and closed in another does not lend its user to what the first does next."""
    with capture_events() as events:
        span = llm_span("job", user_id="u1").__enter__()
        elsewhere(lambda: span.__exit__(None, None, None))
        mark("next")

        async def task():
            mark("task")

        asyncio.run(task())
    assert parents(events) == [("job", None, "u1"), ("next", None, None), ("task", None, None)]


@given(strategies.lists(strategies.tuples(strategies.integers(0, 3), strategies.booleans()), max_size=25))
def test_any_order_of_steps_keeps_users_apart(turns):
    """However generators take turns, in shared or fresh contexts, each mark has its own generator's user."""

    def forever(user):
        with llm_span("outer", user_id=user):
            while True:
                with llm_span("inner"):
                    mark(user)
                    yield
                    mark(user)

    with capture_events() as events:
        generators = [forever(f"u{number}") for number in range(4)]
        for number, fresh in turns:
            if fresh:
                contextvars.Context().run(next, generators[number])
            else:
                next(generators[number])
            assert current() is None
        for generator in generators:
            generator.close()
    marks = [event for event in events if event.properties["$ai_span_name"].startswith("u")]
    assert [event.distinct_id for event in marks] == [event.properties["$ai_span_name"] for event in marks]
    assert sys.getrefcount(generators[0]) < 5
