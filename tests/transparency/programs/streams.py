"""What streams give, in every way of reading, leaving and dropping them."""

from __future__ import annotations

import asyncio
import gc
import gzip
import threading
from pathlib import Path
from typing import Any

from loopback import frames
from observe import SDK, NotInThisVersion, each, entered, following, kinds, need, program, raises, show, value


async def _opened(sdk: SDK, mode: str = "ok", **more: object) -> object:
    return await value(sdk.ask(sdk.client(mode), stream=True, **more))


async def _piecewise(sdk: SDK) -> object:
    """A stream that owes nothing to a network."""
    return await value(sdk.ask(sdk.piecewise(), stream=True))


async def _closed(sdk: SDK, stream: object) -> None:
    await value(stream.close())
    show("closed", stream.response.is_closed)


@program
async def chunks_in_order(sdk: SDK) -> None:
    """A stream is the SDK's own and gives the same chunks in the same order, with usage only if asked for."""
    stream = await _opened(sdk)
    show("stream", kinds(stream), stream.response.status_code, isinstance(stream, sdk.module.AsyncStream))
    chunks = [chunk async for chunk in each(stream)]
    show("chunks", chunks)
    show("after", stream.response.is_closed, stream.response.is_stream_consumed, [item async for item in each(stream)])
    again = [chunk async for chunk in each(await _opened(sdk))]
    show("equal", again == chunks, [left is right for left, right in zip(again, chunks, strict=True)])
    if sdk.openai:
        show("usage", [chunk async for chunk in each(await _opened(sdk, stream_options={"include_usage": True}))])


@program
async def legacy_and_response_streams(sdk: SDK) -> None:
    """Streams of legacy completions and of the Responses API give what they gave."""
    client = sdk.client()
    completions = need(client, "completions" if sdk.openai else "no_such_thing")
    stream = await value(completions.create(model="c", prompt="p", stream=True))
    show("completions", [chunk async for chunk in each(stream)])
    if hasattr(client, "responses"):
        stream = await value(client.responses.create(model="gpt-4o", input="hi", stream=True))
        show("responses", [event async for event in each(stream)])
        async with entered(client.responses.stream(model="gpt-4o", input="hi")) as events:
            show("helper", [event async for event in each(events)], await value(events.get_final_response()))


@program
async def left_early(sdk: SDK) -> None:
    """A stream that is left with break, closed at once, closed twice or closed in the middle is closed as it was."""
    stream = await _piecewise(sdk)
    async for chunk in each(stream):
        show("chunk", chunk)
        break
    show("open", stream.response.is_closed)
    await _closed(sdk, stream)
    await _closed(sdk, stream)
    with raises("read on"):
        show("rest", [chunk async for chunk in each(stream)])
    never = await _piecewise(sdk)
    await _closed(sdk, never)
    with raises("read closed"):
        show("rest", [chunk async for chunk in each(never)])


@program
async def blocks(sdk: SDK) -> None:
    """A stream used as a context manager is itself inside, and closed after the block however that ends."""
    stream = await _opened(sdk)
    async with entered(stream) as inner:
        show("same", inner is stream, await following(inner))
    show("closed", stream.response.is_closed)
    with raises("block"):
        async with entered(await _opened(sdk)) as stream:
            async for chunk in each(stream):
                raise ValueError(f"mine {type(chunk).__name__}")
    show("closed", stream.response.is_closed)
    async with entered(await _opened(sdk)) as stream:
        show("all", len([chunk async for chunk in each(stream)]))


@program
async def one_by_one(sdk: SDK) -> None:
    """Reading item by item, from two iterators and past the end gives the same items and the same end."""
    stream = await _piecewise(sdk)
    show("first", await following(stream))
    iterator = stream.__aiter__() if sdk.asynchronous else iter(stream)
    show("iterator", type(iterator), iterator is stream)
    show("second", await following(iterator))
    show("third", await following(stream))
    show("rest", [item async for item in each(iterator)])
    for source in (stream, iterator, stream):
        with raises("past the end"):
            await following(source)


@program
async def helper_events(sdk: SDK) -> None:
    """The stream helper gives the same events and the same final answer, whichever way it is asked."""
    client = sdk.client()
    manager = sdk.manager(client)
    show("manager", kinds(manager))
    async with entered(manager) as stream:
        show("stream", kinds(stream))
        async for event in each(stream):
            show("event", getattr(event, "type", None), event)
        final = stream.get_final_completion if sdk.openai else stream.get_final_message
        show("final", await value(final()), await value(final()))
    async with entered(sdk.manager(client)) as stream:
        await value(stream.until_done())
        final = stream.get_final_completion if sdk.openai else stream.get_final_message
        show("final", await value(final()))
    async with entered(sdk.manager(client)) as stream:
        await following(stream)
        await value(stream.close())
    show("response", stream.response.is_closed if not sdk.openai else None)


@program
async def helper_texts(sdk: SDK) -> None:
    """The helper's stream of texts, its snapshot and its final text are what they were, whole, in part and unread."""
    if sdk.openai:
        raise NotInThisVersion
    client = sdk.client()
    async with entered(sdk.manager(client)) as stream:
        show("texts", [text async for text in each(stream.text_stream)], await value(stream.get_final_text()))
    async with entered(sdk.manager(client)) as stream:
        async for text in each(stream.text_stream):
            show("text", text)
            break
        show("snapshot", stream.current_message_snapshot, stream.request_id if hasattr(stream, "request_id") else None)
    async with entered(sdk.manager(client)) as stream:
        show("unread", kinds(stream))
    raw = await value(client.messages.create(**sdk.arguments(stream=True)))
    show("raw", [event.type async for event in each(raw)])


@program
async def two_at_once(sdk: SDK) -> None:
    """Two streams read in turns, with calls in between, do not mix."""
    left, right = await _piecewise(sdk), await _piecewise(sdk)
    for number in range(3):
        show("turn", number, await following(left), await following(right))
        await value(sdk.ask(sdk.client()))
    show("rest", [item async for item in each(right)], [item async for item in each(left)])


async def _turns(sdk: SDK) -> None:
    """Let the loop finish what finalizers have begun."""
    for _ in range(30 if sdk.asynchronous else 0):
        await asyncio.sleep(0)


_OURS = str(Path(__file__).parents[3] / "llm_track") + "/"


def _listen(complaints: list[str]) -> None:
    """Keep what the loop complains of, save what the SDK's own chain of generators says, in an order that is chance."""

    def complain(_: object, told: dict[str, Any]) -> None:
        code = getattr(told.get("asyncgen"), "ag_code", None)
        if code is None or code.co_filename.startswith(_OURS):
            complaints.append(str(told))

    asyncio.get_running_loop().set_exception_handler(complain)


@program
async def dropped(sdk: SDK) -> None:
    """A stream that is dropped unread, in part or read to its end makes no noise and leaves the next call alone."""
    complaints: list[str] = []
    if sdk.asynchronous:
        _listen(complaints)
    stream = await _piecewise(sdk)
    del stream
    gc.collect()
    await _turns(sdk)
    stream = await _piecewise(sdk)
    await following(stream)
    del stream
    gc.collect()
    await _turns(sdk)
    show("complaints", complaints)
    print("answer", (await value(sdk.ask(sdk.client()))).id)


@program
def read_in_another_thread() -> None:
    """A stream that is opened in one thread and read in others gives its chunks, and nobody complains of contexts."""
    for name in ("openai", "anthropic"):
        sdk = SDK(name, asynchronous=False)
        stream = sdk.ask(sdk.client(), stream=True)

        def read(stream: object = stream) -> None:
            show("chunk", next(stream))

        for _ in range(3):
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        show("rest", list(stream))


@program
async def read_in_another_task(sdk: SDK) -> None:
    """A stream that is opened in one task and read or closed in others behaves as it did."""
    if not sdk.asynchronous:
        raise NotInThisVersion
    stream = await _opened(sdk)
    for _ in range(2):
        show("chunk", await asyncio.create_task(following(stream)))
    await asyncio.create_task(stream.close())
    show("closed", stream.response.is_closed)
    pieces = await asyncio.gather(*[_all(stream) for stream in [await _opened(sdk), await _opened(sdk)]])
    show("equal", pieces[0] == pieces[1], len(pieces[0]))


async def _all(stream: object) -> list[object]:
    return [chunk async for chunk in stream]


_KEPT: list[object] = []


@program
def open_at_the_end_of_the_loop() -> None:
    """Streams that are still open when their event loop ends are closed with no other complaint than the SDK's own."""
    complaints: list[str] = []

    async def main(sdk: SDK) -> None:
        _listen(complaints)
        _KEPT.extend([await _piecewise(sdk), await _piecewise(sdk)])
        show("chunk", await following(_KEPT[-1]))

    for name in ("openai", "anthropic"):
        asyncio.run(main(SDK(name, asynchronous=True)))
    show("complaints", complaints)


@program
async def what_http_sees(sdk: SDK) -> None:
    """The HTTP response of a stream counts bytes, knows its time and can be read below the SDK, as it could."""
    stream = await _opened(sdk)
    response = stream.response
    show("before", response.is_closed, response.is_stream_consumed, response.num_bytes_downloaded, kinds(response))
    show("stream", kinds(response.stream), isinstance(response.stream, sdk.http.AsyncByteStream))
    content = await value(response.aread() if sdk.asynchronous else response.read())
    show("content", content, response.text == content.decode(), response.is_closed)
    show("elapsed", response.elapsed.total_seconds() > 0)
    show("chunks", [chunk async for chunk in each(stream)])


@program
async def compressed_answers(sdk: SDK) -> None:
    """Answers and streams in gzip decode as they did."""
    route = "chat_completions" if sdk.openai else "messages"

    def handler(request: object) -> object:
        body = gzip.compress(b"".join(frames(route, {})))
        headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        return sdk.http.Response(200, headers=headers, content=body)

    stream = await value(sdk.ask(sdk.mocked(handler), stream=True))
    show("chunks", [chunk async for chunk in each(stream)])


@program
async def streams_of_a_transport(sdk: SDK) -> None:
    """A transport's own byte stream is pulled piece by piece, only when the program reads, and closed once."""
    for most in (2, 100):
        stream = await value(sdk.ask(sdk.piecewise(print), stream=True))
        print("opened")
        async for chunk in each(stream):
            print("read", type(chunk).__name__)
            most -= 1
            if not most:
                await value(stream.close())
                break
