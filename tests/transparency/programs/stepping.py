"""Generators, async generators and coroutines, step by step, tracked and not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from threading import Thread
from typing import Any

from observe import all_warnings, llm_track, program, raises, show

tracked = llm_track.track_llm


@tracked
def talkative(log: list[str]) -> Any:
    """A generator that answers everything."""
    value = None
    try:
        while value != "stop":
            try:
                value = yield value
                log.append(f"sent {value!r}")
            except ValueError as error:
                log.append(f"thrown {error!r} {error.__context__!r}")
                value = "survived"
        return "returned"
    finally:
        log.append("left")


@tracked
def stubborn(how: str) -> Any:
    """A generator that does not take closing well."""
    try:
        yield 1
    except GeneratorExit as error:
        show("closing", how, error.__context__)
        if how == "raise":
            raise RuntimeError("mine") from None
        if how == "context":
            raise RuntimeError("mine")  # noqa: B904  the context is what there is to see
        if how == "yield":
            yield 2
        if how == "return":
            return
        raise


@program
def sending_and_throwing() -> None:
    """Send, throw, return values and errors pass through a tracked generator in both directions."""
    log: list[str] = []
    talk = talkative(log)
    with raises("too early"):
        talk.send("early")
    show("steps", next(talk), talk.send("hello"), talk.throw(ValueError("soft")), next(talk))
    with raises("stop"):
        talk.send("stop")
    with raises("over"):
        next(talk)
    for error in (LookupError("hard"), StopIteration(3), GeneratorExit(), KeyboardInterrupt(), StopAsyncIteration()):
        talk = talkative(log)
        next(talk)
        with raises(type(error).__name__):
            talk.throw(error)
        with raises("unstarted", frames=False):
            talkative(log).throw(type(error)("before"))
    show("log", log)


@program
def closing() -> None:
    """Closing a tracked generator runs its body's end at once, and errors of that end come out as they were."""
    log: list[str] = []
    talk = talkative(log)
    talk.close()
    talk = talkative(log)
    next(talk)
    show("closed", talk.close(), talk.close(), log)
    for how in ("raise", "context", "yield", "return", "pass"):
        steps, thrown = stubborn(how), stubborn(how)
        show("both", next(steps), next(thrown))
        with raises(how):
            steps.close()
        with raises(f"thrown, {how}"):
            show("thrown", thrown.throw(GeneratorExit("mine")))
    steps = stubborn("return")
    next(steps)
    del steps
    gc.collect()


@program
def delegating() -> None:
    """Tracked generators delegate to each other, are iterated inside themselves and return through yield from."""

    @tracked
    def inner(number: int) -> Any:
        got = yield number
        return f"{got} of {number}"

    @tracked
    def outer() -> Any:
        results = []
        for number in range(2):
            results.append((yield from inner(number)))
        return results

    steps = outer()
    show("steps", next(steps), steps.send("first"))
    with raises("end"):
        steps.send("second")

    @tracked
    def itself() -> Any:
        yield next(steps_of_itself[0])

    steps_of_itself = [itself()]
    with raises("running"):
        next(steps_of_itself[0])
    with raises("body"):
        list(tracked(lambda: (1 // number for number in (1, 0)))())


@tracked
async def async_talkative(log: list[str]) -> Any:
    """An async generator that answers everything."""
    value = None
    try:
        while value != "stop":
            try:
                await asyncio.sleep(0)
                value = yield value
                log.append(f"sent {value!r}")
            except ValueError as error:
                log.append(f"thrown {error!r} {error.__context__!r}")
                value = "survived"
    finally:
        await asyncio.sleep(0)
        log.append("left")


@tracked
async def async_stubborn(how: str) -> Any:
    """An async generator that does not take closing well."""
    try:
        yield 1
    except GeneratorExit as error:
        show("closing", how, error.__context__)
        await asyncio.sleep(0)
        if how == "raise":
            raise RuntimeError("mine")  # noqa: B904  the context is what there is to see
        if how == "yield":
            yield 2
        if how == "return":
            return
        raise


@program
async def async_sending_and_throwing() -> None:
    """Send, throw and errors pass through a tracked async generator in both directions."""
    log: list[str] = []
    talk = async_talkative(log)
    with raises("too early"):
        await talk.asend("early")
    show("steps", await talk.__anext__(), await talk.asend("hello"), await talk.athrow(ValueError("soft")))
    with raises("stop"):
        await talk.asend("stop")
    with raises("over"):
        await talk.__anext__()
    ends = (GeneratorExit(), StopIteration(3), StopAsyncIteration(), asyncio.CancelledError())
    for error in (LookupError("hard"), *ends):
        talk = async_talkative(log)
        await talk.__anext__()
        with raises(type(error).__name__):
            await talk.athrow(error)
        with raises("unstarted", frames=False):
            await async_talkative(log).athrow(type(error)("before"))
    show("log", log)


@program
async def async_closing() -> None:
    """Closing a tracked async generator awaits its body's end, and errors of that end come out as they were."""
    log: list[str] = []
    talk = async_talkative(log)
    await talk.aclose()
    talk = async_talkative(log)
    await talk.__anext__()
    show("closed", await talk.aclose(), await talk.aclose(), log)
    for how in ("raise", "yield", "return", "pass"):
        steps = async_stubborn(how)
        await steps.__anext__()
        with raises(how):
            await steps.aclose()
    steps = async_talkative(log)
    first, second = asyncio.ensure_future(steps.__anext__()), asyncio.ensure_future(steps.__anext__())
    for step in (first, second):
        with raises("at once"):
            show("step", await step)
    await steps.aclose()


@program
def async_generators_left_open() -> None:
    """Tracked async generators that are dropped, in a cycle or open at the loop's end are closed without complaint."""
    kept: list[Any] = []
    log: list[str] = []

    async def main() -> None:
        def complain(loop: object, told: dict[str, Any]) -> None:
            log.append(f"{told['message']} {type(told.get('exception')).__name__}"[:60])

        asyncio.get_running_loop().set_exception_handler(complain)
        for _ in range(2):
            talk = async_talkative(log)
            await talk.__anext__()
            kept.append(talk)
        cycle = [async_talkative(log)]
        cycle.append(cycle)
        await cycle[0].__anext__()
        del cycle, talk
        gc.collect()
        async for _ in async_talkative(log):
            break
        for _ in range(10):
            await asyncio.sleep(0)
        log.append("end of main")

    asyncio.run(main())
    show("log", log)


@program
def coroutines_by_hand() -> None:
    """A tracked coroutine can be sent to, thrown into, closed, and driven without an event loop."""

    class Pause:
        def __await__(self) -> Any:
            return (yield "paused")

    @tracked
    async def waits(log: list[Any]) -> str:
        try:
            log.append(await Pause())
            return "done"
        except ValueError as error:
            return f"caught {error}"
        finally:
            log.append("left")

    log: list[Any] = []
    work = waits(log)
    show("started", work.send(None))
    with raises("returned"):
        work.send("hello")
    with raises("again"):
        work.send(None)
    work = waits(log)
    work.send(None)
    with raises("thrown"):
        work.throw(ValueError("mine"))
    work = waits(log)
    work.send(None)
    show("closed", work.close())
    with raises("unstarted", frames=False):
        waits(log).throw(ValueError("early"))
    waits(log).close()
    show("log", log)


@program(silent=True)
def never_awaited() -> None:
    """A tracked coroutine that nobody awaits warns once, with the name of its function."""

    @tracked
    async def forgotten() -> None:
        print("never here")

    async def also_forgotten() -> None:
        print("never here")

    with all_warnings():
        forgotten()
        gc.collect()
        tracked(lambda: also_forgotten())
        gc.collect()


VARIABLE: ContextVar[str] = ContextVar("mine", default="default")


@program
def context_variables() -> None:
    """Context variables that a tracked body sets are seen where they were, and no context is reported as different."""

    @tracked
    def sets() -> Any:
        VARIABLE.set("in the body")
        yield VARIABLE.get()
        yield VARIABLE.get()

    steps = sets()
    show("first", next(steps), VARIABLE.get())
    VARIABLE.set("outside")
    show("second", next(steps))
    for _ in range(2):
        steps = sets()
        next(steps)
        for function in (lambda steps=steps: next(steps, None), steps.close):
            thread = Thread(target=function)
            thread.start()
            thread.join()

    @tracked
    async def sets_later() -> str:
        VARIABLE.set("in the task")
        await asyncio.sleep(0)
        return VARIABLE.get()

    async def main() -> None:
        show("awaited", await sets_later(), VARIABLE.get())
        VARIABLE.set("main")
        show("task", await asyncio.create_task(sets_later()), VARIABLE.get())

    asyncio.run(main())


@contextmanager
def opened(name: str) -> Any:
    """A block with a span inside."""
    with llm_track.llm_span(name):
        print("enter", name)
        try:
            yield name
        finally:
            print("exit", name)


@program
def context_managers() -> None:
    """Spans inside context managers, exit stacks and tracked managers nest, fail and unwind in the same order."""
    with opened("a") as left, opened("b") as right:
        print(left, right)
    with raises("error"), opened("c"):
        raise ValueError("mine")
    with raises("stack"), ExitStack() as stack:
        for name in "de":
            stack.enter_context(opened(name))
        stack.callback(print, "callback")
        raise KeyError("mine")
    managed = tracked(opened)
    with managed("f"):
        print("inside")

    @opened("g")
    def decorated() -> str:
        return "decorated"

    show("decorated", decorated(), decorated.__name__)

    @contextmanager
    @tracked
    def swallows() -> Any:
        try:
            yield
        except ValueError:
            print("swallowed")

    with swallows():
        raise ValueError


@program
async def async_context_managers() -> None:
    """Async context managers with spans inside nest, fail, are cancelled and unwind in the same order."""

    @asynccontextmanager
    async def later(name: str) -> Any:
        async with llm_track.llm_span(name):
            await asyncio.sleep(0)
            try:
                yield name
            finally:
                print("exit", name)

    async with later("a"), later("b"):
        await asyncio.sleep(0)
    with raises("error"):
        async with later("c"):
            raise ValueError("mine")
    with raises("timeout"):
        async with later("d"):
            await asyncio.wait_for(asyncio.sleep(5), 0.01)


def _spanned(function: Callable[..., Any]) -> Callable[..., Any]:
    return llm_track.llm_span("named", user_id="u")(function)


@program
async def spans_as_decorators() -> None:
    """A span used as a decorator leaves values, errors, generators and coroutines alone, and can be used again."""
    show("value", _spanned(lambda left: left + 1)(1), list(_spanned(lambda: (yield 1))()))

    @_spanned
    async def later(left: int) -> int:
        await asyncio.sleep(0)
        return 1 // left

    show("later", await later(1), later.__name__)
    with raises("error"):
        await later(0)
    span = llm_track.llm_span("again")
    for _ in range(2):
        with span:
            span.set(output=1, metadata={"a": 1})
