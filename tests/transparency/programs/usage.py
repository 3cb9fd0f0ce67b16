"""Token counts that llm_track asks for on its own: OpenAI's own hosts, behind a mocked transport."""

from __future__ import annotations

import importlib
import json
from typing import Any

from loopback import chat_chunks, event
from observe import SDK, NotInThisVersion, each, entered, program, raises, show, value

HOST = "https://api.openai.com/v1"


def _pieces(sdk: SDK, sent: list[bytes]) -> Any:
    """A body that is not there yet."""

    async def later() -> Any:
        for piece in sent:
            yield piece

    return later() if sdk.asynchronous else iter(sent)


def _openai(sdk: SDK, *, refuses: bool = False, at_once: bool = False) -> Any:
    """A client of OpenAI's own host, which sends usage only when asked."""
    if not sdk.openai:
        raise NotInThisVersion

    def handler(request: Any) -> Any:
        body = json.loads(request.content)
        if refuses and "stream_options" in body:
            return sdk.http.Response(400, json={"error": {"message": "Unknown parameter: 'stream_options'."}})
        chunks = chat_chunks(body, legacy=not request.url.path.endswith("chat/completions"))
        sent = [*map(event, chunks), event("[DONE]")]
        content = b"".join(sent) if at_once else _pieces(sdk, sent)
        return sdk.http.Response(200, headers={"content-type": "text/event-stream"}, content=content)

    return sdk.client(base_url=HOST, http_client=sdk.transport(handler))


@program(captures=True)
async def chunks_without_usage(sdk: SDK) -> None:
    """A chat stream of OpenAI's own host shows no sign of the usage that llm_track asked for."""
    client = _openai(sdk)
    stream = await value(sdk.ask(client, stream=True))
    chunks = [chunk async for chunk in each(stream)]
    for chunk in chunks:
        show("chunk", chunk, sorted(chunk.model_fields_set), chunk.to_dict(), chunk.usage, chunk.choices[0].delta)
        show("json", chunk.to_json(), sorted(chunk.model_dump(exclude_unset=True)), repr(chunk))
    show("end", len(chunks), stream.response.is_closed)


@program(captures=True)
async def usage_that_was_asked_for(sdk: SDK) -> None:
    """A program that says itself whether it wants usage gets exactly what it says."""
    client = _openai(sdk)
    for options in ({"include_usage": True}, {"include_usage": False}, {"include_obfuscation": False}, None):
        stream = await value(sdk.ask(client, stream=True, stream_options=options))
        show("chunks", str(options), [chunk async for chunk in each(stream)])
    for body in ({"stream_options": {"include_usage": True}}, {"mine": 1}):
        stream = await value(sdk.ask(client, stream=True, extra_body=body))
        show("extra", str(body), [chunk async for chunk in each(stream)])


@program(captures=True)
async def legacy_chunks_without_usage(sdk: SDK) -> None:
    """A stream of legacy completions of OpenAI's own host shows no sign of usage either."""
    stream = await value(_openai(sdk).completions.create(model="gpt-3.5-turbo-instruct", prompt="p", stream=True))
    show("chunks", [chunk async for chunk in each(stream)])


@program(captures=True)
async def helpers_without_usage(sdk: SDK) -> None:
    """The stream helper's events, snapshots and final answer show no sign of usage."""
    async with entered(sdk.manager(_openai(sdk))) as stream:
        async for told in each(stream):
            show("event", told.type, told)
        final = await value(stream.get_final_completion())
    show("final", final, final.usage, sorted(final.model_fields_set))


@program(captures=True)
async def every_way_of_reading(sdk: SDK) -> None:
    """Reading with next, leaving early, closing and reading on shows no sign of usage."""
    client = _openai(sdk)
    async with entered(await value(sdk.ask(client, stream=True))) as stream:
        async for chunk in each(stream):
            show("chunk", chunk)
            break
        show("rest", [chunk async for chunk in each(stream)])
    with raises("closed"):
        show("more", [chunk async for chunk in each(stream)])


@program(captures=True)
async def raw_bytes_are_not_touched(sdk: SDK) -> None:
    """Raw and streaming responses of OpenAI's own host have the bytes that the program asked for."""
    client = _openai(sdk)
    raw = await value(sdk.ask_raw(client, stream=True))
    show("raw", [chunk async for chunk in each(await value(raw.parse()))])
    async with entered(sdk.ask_streaming(client, stream=True)) as response:
        show("lines", [line async for line in each(response.iter_lines())])


@program(captures=True)
async def bodies_that_were_read_before(sdk: SDK) -> None:
    """A stream whose whole body a transport or an event hook has read already shows no sign of usage either."""
    stream = await value(sdk.ask(_openai(sdk, at_once=True), stream=True))
    show("chunks", [chunk async for chunk in each(stream)])


@program(captures=True)
async def options_stay_as_they_were(sdk: SDK) -> None:
    """Dicts and lists that the program sends are not edited and are sent as they are."""
    client = _openai(sdk)
    mine: dict[str, Any] = {"stream_options": {}, "messages": [{"role": "user", "content": "hi"}]}
    before = json.dumps(mine)
    stream = await value(client.chat.completions.create(model="m", stream=True, **mine))
    show("chunks", [chunk async for chunk in each(stream)])
    body = {"model": "m", "stream": True, **mine}
    kind = sdk.module.AsyncStream if sdk.asynchronous else sdk.module.Stream
    chunk = importlib.import_module("openai.types.chat").ChatCompletionChunk
    stream = await value(client.post(sdk.path, cast_to=chunk, body=body, stream=True, stream_cls=kind[chunk]))
    show("posted", [chunk async for chunk in each(stream)], json.dumps(body))
    show("unedited", json.dumps(mine) == before)


@program(captures=True)
async def endpoints_that_refuse(sdk: SDK) -> None:
    """A host that turns out not to know the option answers the program as if it had never been asked."""
    client = _openai(sdk, refuses=True)
    for _ in range(2):
        with raises("call"):
            show("chunks", [chunk async for chunk in each(await value(sdk.ask(client, stream=True)))])
