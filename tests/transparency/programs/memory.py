"""What is kept alive, and for how long."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from contextvars import Context, ContextVar
from typing import Any

from observe import SDK, each, following, llm_track, program, settle, show, value


def _dead(*references: Any) -> list[bool]:
    """After llm_track has done its work and the garbage is collected."""
    settle()
    gc.collect()
    return [reference() is None for reference in references]


class Kept:
    """Something of the program that a weak reference can watch."""


@program
async def clients_and_answers(sdk: SDK) -> None:
    """Dropped clients, answers, raw responses and their arguments are collected."""
    client = sdk.client()
    answer = await value(sdk.ask(client))
    raw = await value(sdk.ask_raw(client))
    references = [weakref.ref(item) for item in (client, answer, raw, raw.http_response)]
    show("alive", [reference() is not None for reference in references])
    del client, answer, raw
    show("dead", _dead(*references))


@program
async def streams(sdk: SDK) -> None:
    """Dropped streams, read, half read and unread, are collected with their clients."""
    for number in (0, 2, 100):
        client = sdk.client()
        stream = await value(sdk.ask(client, stream=True))
        references = [weakref.ref(item) for item in (client, stream, stream.response)]
        async for _ in each(stream):
            number -= 1
            if number <= 0:
                break
        if sdk.asynchronous:
            await stream.close()
        del client, stream
        show("dead", _dead(*references))


@program
async def exhausted_streams_without_collector(sdk: SDK) -> None:
    """A stream that was read to its end is freed at once, without the collector, and so is an answer."""
    client = sdk.mocked(lambda request: sdk.reply())
    await value(sdk.ask(client))
    settle()
    gc.collect()
    answer = await value(sdk.ask(client))
    settle()
    show("count", sys.getrefcount(answer))
    reference = weakref.ref(answer)
    del answer
    show("answer", reference() is None)
    stream = await value(sdk.ask(sdk.client(), stream=True))
    async for _ in each(stream):
        pass
    reference = weakref.ref(stream)
    settle()
    del stream
    show("stream", reference() is None)


@program
async def errors(sdk: SDK) -> None:
    """Errors, and what their tracebacks hold, are freed once they were handled."""
    kept = Kept()
    reference = weakref.ref(kept)

    async def fails(kept: Kept) -> None:
        await value(sdk.ask(sdk.client("e400")))

    try:
        await fails(kept)
    except Exception as error:  # noqa: BLE001
        caught = weakref.ref(error)
    del kept
    show("dead", _dead(reference, caught))


VARIABLE: ContextVar[Kept] = ContextVar("kept")


@program
def context_values() -> None:
    """Values of context variables and arguments of tracked functions are not kept longer than they were."""

    @llm_track.track_llm
    def tracked(kept: Kept) -> Kept:
        VARIABLE.set(kept)
        return kept

    @llm_track.track_llm
    def steps(kept: Kept) -> Any:
        yield kept
        yield kept

    kept = Kept()
    reference = weakref.ref(kept)
    Context().run(tracked, kept)
    half = steps(kept)
    next(half)
    show("alive", _dead(reference))
    del kept, half
    show("dead", _dead(reference))


@program
def tracked_functions() -> None:
    """A tracked function that is dropped is collected with all that it closes over."""

    def made(kept: Kept) -> Any:
        return llm_track.track_llm(lambda: kept)

    kept = Kept()
    reference = weakref.ref(kept)
    function = made(kept)
    show("same", function() is kept)
    del kept, function
    show("dead", _dead(reference))


@program
async def finalizers(sdk: SDK) -> None:
    """Finalizers of clients and streams run in the same order, at the same moments."""
    client = sdk.mocked(lambda request: sdk.reply())
    weakref.finalize(client, print, "client gone")
    answer = await value(sdk.ask(client))
    weakref.finalize(answer, print, "answer gone")
    settle()
    print("drop answer")
    del answer
    print("drop client")
    del client
    gc.collect()
    print("end")


@program
async def eager_collector(sdk: SDK) -> None:
    """A collector that runs at every other moment finds nothing that is still in use."""
    client = sdk.client()
    before = gc.get_threshold()
    gc.set_threshold(20, 2, 2)
    gc.enable()
    show("answer", await value(sdk.ask(client)))
    show("chunks", [chunk async for chunk in each(await value(sdk.ask(client, stream=True)))])
    gc.disable()
    gc.set_threshold(*before)


@program
async def garbage_while_the_worker_starts(sdk: SDK) -> None:
    """Streams that the collector finds while llm_track starts its own thread do not stop the program."""
    client = sdk.client()
    for _ in range(2):
        stream = await value(sdk.ask(client, stream=True))
        await following(stream)
        if sdk.asynchronous:
            await stream.response.aclose()
        del stream

    def collect(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is threading.Thread.__init__.__code__:
            gc.collect()

    sys.setprofile(collect)
    try:
        answer = await value(sdk.ask(client))
    finally:
        sys.setprofile(None)
        show("answer", answer)
