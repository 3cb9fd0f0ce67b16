"""Cancellation, timeouts and groups of tasks."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from observe import SDK, NotInThisVersion, all_warnings, each, llm_track, need, program, raises, show, value

tracked = llm_track.track_llm
ASYNC = [SDK(name, asynchronous=True) for name in ("openai", "anthropic")]


@tracked
async def asked(sdk: SDK, client: Any = None) -> Any:
    """One call."""
    return await sdk.ask(client or sdk.client())


@tracked
async def read(sdk: SDK, client: Any = None) -> list[Any]:
    """One stream."""
    stream = await sdk.ask(client or sdk.client(), stream=True)
    return [chunk async for chunk in stream]


@tracked
async def read_unhurried(sdk: SDK) -> list[Any]:
    """One stream that takes its time."""
    return [chunk async for chunk in await sdk.ask(sdk.piecewise(), stream=True)]


@program
async def cancelled_at_every_step() -> None:
    """A task that is cancelled after any number of turns of the loop ends in the same state, without a warning."""
    for sdk in ASYNC:
        with all_warnings():
            for turns in range(16):
                task = asyncio.create_task(read_unhurried(sdk))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel("enough")
                with raises(f"after {turns}", frames=turns > 0):
                    show("done", len(await task))
                show("task", task.done(), task.cancelled())
            gc.collect()


@program
async def swallowed_cancellations() -> None:
    """A tracked coroutine that swallows its cancellation, or cleans up slowly, goes on as it did."""

    @tracked
    async def swallows() -> str:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError as error:
            await asyncio.sleep(0)
            return f"swallowed {error.args}"
        return "never"

    @tracked
    async def cleans_up() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(0)
            print("cleaned up")

    for work in (swallows(), cleans_up()):
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        task.cancel("enough")
        with raises("task"):
            show("result", await task)
        show("cancelled", task.cancelled(), task.cancelling() if hasattr(task, "cancelling") else None)


@program
async def timeouts_of_tasks() -> None:
    """wait_for and timeout blocks end a call, a stream and a tracked function with the same error."""
    for sdk in ASYNC:
        for work in (asked(sdk, sdk.stalled()), read(sdk, sdk.stalled()), sdk.ask(sdk.stalled())):
            with raises("wait_for"):
                await asyncio.wait_for(work, 0.3)
        if hasattr(asyncio, "timeout"):
            with raises("timeout"):
                async with asyncio.timeout(0.3), llm_track.llm_span("block"):
                    await asked(sdk, sdk.stalled())
        show("after", await asyncio.wait_for(asked(sdk), 10))


@program
async def gathered() -> None:
    """Calls, streams and failures gathered together give the same results in the same order."""
    for sdk in ASYNC:
        work = [
            asked(sdk),
            read(sdk),
            asked(sdk, sdk.client("e400")),
            sdk.ask(sdk.client()),
            sdk.ask(sdk.client("e500")),
        ]
        for result in await asyncio.gather(*work, return_exceptions=True):
            show("result", type(result) if isinstance(result, Exception) else result)
        with raises("first error"):
            await asyncio.gather(asked(sdk, sdk.client("e401")), asked(sdk))
        done = [await finished for finished in asyncio.as_completed([asked(sdk), asked(sdk)])]
        show("equal", done[0] == done[1])


@program
async def groups_of_tasks() -> None:
    """A task group with a failing call cancels its siblings and raises the same group of errors."""
    group_of = need(asyncio, "TaskGroup")
    for sdk in ASYNC:
        with raises("group"):
            async with group_of() as group:
                group.create_task(asked(sdk, sdk.client("e401")))
                slow = group.create_task(asked(sdk, sdk.stalled()))
        show("slow", slow.cancelled())
        async with group_of() as group:
            tasks = [group.create_task(asked(sdk), name=f"t{number}") for number in range(2)]
        show("names", [task.get_name() for task in tasks], tasks[0].result() == tasks[1].result())


@program
async def anyio_scopes() -> None:
    """Cancel scopes and task groups of anyio end calls and tracked functions as they did."""
    import anyio

    for sdk in ASYNC:
        with anyio.move_on_after(0.3) as scope:
            await asked(sdk, sdk.stalled())
        show("scope", scope.cancel_called)
        with raises("fail after"), anyio.fail_after(0.3):
            await read(sdk, sdk.stalled())
        async with anyio.create_task_group() as group:
            group.start_soon(_printed, asked, sdk)
            group.start_soon(_printed, read, sdk)
        show("shielded", await _shielded(anyio, sdk))


async def _printed(work: Callable[..., Awaitable[Any]], sdk: SDK) -> None:
    result = await work(sdk)
    assert result
    await asyncio.sleep(0)


async def _shielded(anyio: Any, sdk: SDK) -> Any:
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True):
            return await asked(sdk)


@program(silent=True)
async def never_awaited_calls() -> None:
    """A call or request that is never awaited warns as it did, and one that is closed does not."""
    with all_warnings():
        for sdk in ASYNC:
            client = sdk.client()
            sdk.ask(client)
            gc.collect()
            client.post(sdk.path, cast_to=object, body={})
            gc.collect()
            sdk.ask(client).close()
            sdk.ask_raw(client).close()
        task = asyncio.create_task(asked(ASYNC[0]))
        task.cancel()
        await asyncio.wait([task])
        show("task", task.cancelled())
        gc.collect()


@program
def interrupted() -> None:
    """KeyboardInterrupt and SystemExit inside tracked functions and calls leave loop and program as they did."""
    for error in (KeyboardInterrupt("mine"), SystemExit(4)):

        @tracked
        async def stops(error: BaseException = error) -> None:
            await asyncio.sleep(0)
            raise error

        @tracked
        def stops_at_once(error: BaseException = error) -> None:
            raise error

        with raises("loop"):
            asyncio.run(stops())
        with raises("function"):
            stops_at_once()
        for sdk in (SDK("openai", False), SDK("anthropic", False)):

            def handler(request: Any, error: BaseException = error) -> Any:
                raise error

            with raises("call"):
                sdk.ask(sdk.mocked(handler))


@program
async def tasks_of_the_program() -> None:
    """The current task, its name and its context variables are the program's own inside calls and tracked functions."""
    mine: ContextVar[str] = ContextVar("mine")

    @tracked
    async def looks() -> None:
        task = asyncio.current_task()
        show("inside", task.get_name(), mine.get(), len(asyncio.all_tasks()))
        mine.set("changed")

    mine.set("outer")
    task = asyncio.create_task(looks(), name="named")
    await task
    show("outer", mine.get())
    await looks()
    show("after", mine.get())
    for sdk in ASYNC:

        def handler(request: Any, sdk: SDK = sdk) -> Any:
            show("transport", asyncio.current_task().get_name(), mine.get())
            mine.set("set by the transport")
            return sdk.reply()

        await asyncio.create_task(_call(sdk, handler, mine), name="caller")
        show("unchanged", mine.get())


async def _call(sdk: SDK, handler: Any, mine: Any) -> None:
    await sdk.ask(sdk.mocked(handler))
    show("seen", mine.get())


@program
async def order_of_effects(sdk: SDK) -> None:
    """Effects before, inside and after calls and streams interleave in the same order."""

    def handler(request: Any) -> Any:
        print("transport")
        return sdk.reply()

    @tracked
    async def step(number: int) -> None:
        print("begin", number)
        await value(sdk.ask(sdk.mocked(handler)))
        print("end", number)

    if not sdk.asynchronous:
        await step(1)
        raise NotInThisVersion
    await asyncio.gather(*(step(number) for number in range(3)))
    first = each(await value(sdk.ask(sdk.client(), stream=True)))
    async for chunk in first:
        print(type(chunk).__name__)
