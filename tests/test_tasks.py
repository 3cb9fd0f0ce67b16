"""Tasks and threads started while a generator's block is open: each belongs to who started it."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

import llm_track
from llm_track import bodies, context, llm_span, track_llm
from llm_track.testing import capture_events


def users(events):
    """Return {name: user} of the marks."""
    return {event.properties["$ai_span_name"]: event.distinct_id for event in events}


def mark(name):
    with llm_span(name):
        pass


async def work(name):
    """Something that a task does, with marks before and after it lets others run."""
    mark(f"{name} begins")
    for _ in range(6):
        await asyncio.sleep(0)
    mark(f"{name} ends")


def depth():
    """How many entries the stack of this context has."""
    count, entry = 0, context._current.get()
    while entry is not None:
        count, entry = count + 1, entry[2]
    return count


async def fan_out():
    """An answer that starts work, yields while it runs, and waits for more."""
    async with llm_span("answer", user_id="alice"):
        task = asyncio.create_task(work("body's task"))
        yield 1
        await asyncio.gather(work("gathered"), asyncio.wait_for(work("waited for"), 5))
        await asyncio.to_thread(mark, "threaded")
        yield 2
        await task


async def consume(answers):
    with llm_span("consumer", user_id="bob"):
        tasks = []
        async for number in answers:
            mark(f"consumer {number}")
            tasks.append(asyncio.create_task(work(f"consumer's task {number}")))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)


FACTORIES = [None, lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options)]
if hasattr(asyncio, "eager_task_factory"):
    FACTORIES.append(asyncio.eager_task_factory)


@pytest.mark.parametrize("factory", FACTORIES)
def test_tasks_of_the_body_are_the_bodys_and_tasks_of_the_consumer_the_consumers(factory):
    """Whatever the generator does meanwhile, and whichever task factory the program has; the factory is put back."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        await consume(fan_out())
        assert loop.get_task_factory() is factory

    with capture_events() as events:
        asyncio.run(main())
    found = users(events)
    assert {name for name, user in found.items() if user == "alice"} == {
        "answer",
        "body's task begins",
        "body's task ends",
        "gathered begins",
        "gathered ends",
        "waited for begins",
        "waited for ends",
        "threaded",
    }
    assert {user for name, user in found.items() if name.startswith("consumer")} == {"bob"}


def test_tasks_of_trio_belong_to_who_starts_them():
    """The same on trio, for nurseries of the body and of the consumer, and no instrument is left behind."""

    async def job(name):
        mark(f"{name} begins")
        await trio.sleep(0.01)
        mark(f"{name} ends")

    async def answers():
        with llm_span("answer", user_id="alice"):
            yield 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(job, "alice's task")
            await trio.to_thread.run_sync(mark, "alice's thread")
            yield 2
            mark("alice's end")

    async def main():
        with llm_span("consumer", user_id="bob"):
            async with trio.open_nursery() as nursery:
                async for number in answers():
                    nursery.start_soon(job, f"consumer's task {number}")
                    await trio.to_thread.run_sync(mark, f"consumer's thread {number}")
        return "task_spawned" in trio._core._run.GLOBAL_RUN_CONTEXT.runner.instruments

    with capture_events() as events:
        assert trio.run(main) is False
    found = users(events)
    assert len(found) == 12
    assert {
        name: user for name, user in found.items() if name.startswith(("answer", "alice")) != (user == "alice")
    } == {}


def test_a_task_factory_that_the_program_sets_meanwhile_stays():
    """A factory that the program sets while a block is open is not taken away when the block ends."""

    def programs(loop, coroutine, **options):
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main():
        loop = asyncio.get_running_loop()
        async for _ in fan_out():
            loop.set_task_factory(programs)
        assert loop.get_task_factory() is programs

    with capture_events():
        asyncio.run(main())


def test_a_task_with_a_context_of_its_own_keeps_it():
    """A context that the program gives to a task is not touched."""
    if not hasattr(asyncio, "TaskGroup"):
        pytest.skip("tasks take a context from Python 3.11 on")

    async def answers():
        async with llm_span("answer", user_id="alice"):
            await asyncio.create_task(work("own"), context=contextvars.Context())
            yield

    async def main():
        async for _ in answers():
            pass

    with capture_events() as events:
        asyncio.run(main())
    assert users(events)["own begins"] is None


def test_work_in_a_thread_pool_stays_the_blocks_while_the_generator_is_paused():
    """What a block gave to a thread pool is its own, also when it runs during a step of the consumer."""

    def answers(pool):
        with llm_span("answer", user_id="alice"):
            yield pool.submit(mark, "early")
            yield pool.submit(mark, "late")

    llm_track.autopatch()
    with capture_events() as events, ThreadPoolExecutor(1) as pool, llm_span("consumer", user_id="bob"):
        for future in answers(pool):
            future.result()
            pool.submit(mark, "consumer's").result()
    assert users(events) == {
        "early": "alice",
        "late": "alice",
        "answer": "alice",
        "consumer's": "bob",
        "consumer": "bob",
    }


def test_a_loop_that_a_block_runs_keeps_the_users_of_its_tasks():
    """A generator that runs an event loop gives its user to the tasks it starts there, not to tasks of others."""
    loop = asyncio.new_event_loop()

    def answers():
        with llm_span("answer", user_id="alice"):
            yield loop.run_until_complete(work("first"))
            yield loop.run_until_complete(work("second"))

    with capture_events() as events:
        with llm_span("other", user_id="bob"):
            other = loop.create_task(work("other"))
        steps = answers()
        contextvars.Context().run(next, steps)
        contextvars.Context().run(next, steps)
        steps.close()
        loop.run_until_complete(other)
    loop.close()
    found = users(events)
    assert {found[name] for name in ("first begins", "first ends", "second begins", "second ends")} == {"alice"}
    assert {found["other begins"], found["other ends"]} == {"bob"}


def test_a_context_manager_that_passes_on_a_generator_lends_its_span():
    """A span inside a generator that a context manager delegates to is around the block of the with statement."""

    def inner():
        with llm_span("lent", user_id="alice"):
            yield

    @contextmanager
    def lending():
        yield from inner()

    async def inner_async():
        async with llm_span("lent", user_id="alice"):
            yield

    @asynccontextmanager
    async def lending_async():
        async for item in inner_async():
            yield item

    async def main():
        async with lending_async():
            mark("async")

    with capture_events() as events:
        with lending():
            mark("sync")
        asyncio.run(main())
    assert set(users(events).values()) == {"alice"}


def test_what_awaits_is_no_generator():
    """A span in an `__await__` method or a function of `types.coroutine` covers the tasks awaited in it."""

    class Answer:
        def __await__(self):
            with llm_span("answer", user_id="alice"):
                yield from asyncio.gather(work("gathered")).__await__()
                mark("after")

    async def main():
        await Answer()

    with capture_events() as events:
        asyncio.run(main())
    assert set(users(events).values()) == {"alice"}


def test_a_span_in_a_tracked_coroutine_lasts_over_its_awaits():
    """Inside `@track_llm async def` a span is still around what comes after an await, and over when it ends."""

    @track_llm
    async def answer():
        with llm_span("part", user_id="alice"):
            await asyncio.sleep(0)
            mark("inside")
            await asyncio.gather(work("gathered"))
        mark("after")

    async def main():
        await asyncio.gather(answer(), answer())
        mark("outside")

    with capture_events() as events:
        asyncio.run(main())
    found = users(events)
    assert {found[name] for name in ("part", "inside", "gathered begins", "gathered ends")} == {"alice"}
    assert (found["after"], found["outside"]) == (None, None)


def block():
    with llm_span("block"):
        yield 1
        yield 2


def replaced():
    stream = None
    for _ in range(50):
        stream = block()
        next(stream)
    return stream


def zipped():
    for _ in range(50):
        list(zip(block(), block(), strict=True))


def outlived():
    streams = []
    for _ in range(50):
        with llm_span("job"):
            stream = block()
            next(stream)
        streams = [*streams[-1:], stream]


def longest():
    for _ in range(50):
        list(itertools.zip_longest(block(), itertools.islice(block(), 1)))


@pytest.mark.parametrize("use", [replaced, zipped, outlived, longest])
def test_nothing_piles_up_in_a_context(use):
    """However many generators with blocks are used in one context, its stack stays short."""

    def run():
        use()
        once = depth()
        use()
        return once, depth()

    with capture_events():
        assert max(contextvars.Context().run(run)) <= 4
    assert bodies.open_blocks == {}
