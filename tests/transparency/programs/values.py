"""What calls return, and in which forms."""

from __future__ import annotations

import logging
import random
import tempfile
from pathlib import Path

from observe import (
    PROVIDER,
    QUESTION,
    SDK,
    all_warnings,
    drive,
    each,
    entered,
    kinds,
    need,
    print_logs,
    program,
    raises,
    show,
    stop_printing_logs,
    value,
)

TOOL = {"type": "object", "properties": {"left": {"type": "integer"}}}


def _tools(sdk: SDK) -> list[dict]:
    if sdk.openai:
        return [{"type": "function", "function": {"name": "add", "parameters": TOOL}}]
    return [{"name": "add", "input_schema": TOOL}]


@program
async def plain_answer(sdk: SDK) -> None:
    """An answer has the same type, fields and values, whether it is prose, a tool call or cut short."""
    client = sdk.client()
    for more in ({}, {"tools": _tools(sdk)}, {"n": 2} if sdk.openai else {"system": "Be brief."}):
        answer = await value(sdk.ask(client, **more))
        show("answer", answer, kinds(answer), answer == await value(sdk.ask(client, **more)))
    for mode in ("nousage", "nullchoices"):
        show(mode, await value(sdk.ask(sdk.client(mode))))


@program
async def arguments_of_every_kind(sdk: SDK) -> None:
    """Headers, queries, extra bodies, timeouts, tuples, generators and omitted arguments arrive unchanged."""
    client = sdk.client()
    omitted = getattr(sdk.module, "NOT_GIVEN", None)
    given = [
        {"extra_headers": {"x-mine": "1"}, "extra_query": {"q": "1"}, "extra_body": {"mine": {"deep": [1]}}},
        {"messages": tuple(QUESTION), "timeout": 5.0},
        {"messages": (message for message in QUESTION)},
        {"tools": omitted, "tool_choice": omitted},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"user": "u"} if sdk.openai else {"metadata": {"user_id": "u"}},
    ]
    for more in given:
        show(",".join(more), await value(sdk.ask(client, **more)))


@program
async def endpoints(sdk: SDK) -> None:
    """Embeddings, completions, responses, moderations, counts, binary content and lists are what they were."""
    client = sdk.client()
    if sdk.openai:
        show("embedding", await value(client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")))
        show("completion", await value(client.completions.create(model="c", prompt="p")))
        show("moderation", await value(client.moderations.create(input="x")))
        speech = await value(client.audio.speech.create(model="tts-1", voice="alloy", input="hi"))
        show("speech", type(speech), speech.content, await value(speech.read()) if hasattr(speech, "aread") else None)
        if hasattr(client, "responses"):
            show("response", await value(client.responses.create(model="gpt-4o", input="hi")))
    elif hasattr(client.messages, "count_tokens"):
        show("count", await value(client.messages.count_tokens(model="claude-test", messages=QUESTION)))
    listed = need(client, "models").list()
    page = await value(listed)
    show("list", type(listed), type(page), page.data, page.has_next_page())


@program
async def structured_answers(sdk: SDK) -> None:
    """A parsed answer is an instance of the program's own class."""
    from pydantic import BaseModel

    class Sum(BaseModel):
        answer: int

    client = sdk.client()
    completions = need(client, "chat.completions" if sdk.openai else "no_such_thing")
    completions = completions if hasattr(completions, "parse") else need(client, "beta.chat.completions")
    parsed = await value(completions.parse(**sdk.arguments(response_format=Sum)))
    show("parsed", parsed, parsed.choices[0].message.parsed, isinstance(parsed.choices[0].message.parsed, Sum))


@program
async def raw_responses(sdk: SDK) -> None:
    """A raw response reads in every form: status, headers, text, JSON, bytes and parsed, once and twice."""
    for mode in ("ok", "nullchoices"):
        raw = await value(sdk.ask_raw(sdk.client(mode)))
        show("raw", kinds(raw), raw.status_code, sorted(raw.headers.items()), raw.http_version, raw.method)
        for name in ("text", "content", "read", "json", "is_closed", "retries_taken", "request_id"):
            found = getattr(raw, name, "no such thing")
            show(name, await value(found() if callable(found) else found))
        first, second = await value(raw.parse()), await value(raw.parse())
        show("parsed", first, first is second, await value(raw.parse(to=sdk.answer_class)), raw.url.path)
        http = raw.http_response
        show("http", kinds(http), http.is_stream_consumed, http.num_bytes_downloaded)
    with raises("raw failure"):
        await value(sdk.ask_raw(sdk.client("e400")))


@program
async def raw_streams(sdk: SDK) -> None:
    """A raw response that streams parses into the SDK's own stream, and its HTTP response reads as bytes or lines."""
    raw = await value(sdk.ask_raw(sdk.client(), stream=True))
    stream = await value(raw.parse())
    show("raw", kinds(raw), kinds(stream), raw.http_response.is_closed)
    show("chunks", [chunk async for chunk in each(stream)], raw.http_response.is_closed)
    for reading in ("iter_bytes", "iter_lines", "iter_raw"):
        raw = await value(sdk.ask_raw(sdk.client(), stream=True))
        read = getattr(raw.http_response, "a" + reading if sdk.asynchronous else reading)
        pieces = [piece async for piece in each(read())]
        show(reading, pieces if reading == "iter_lines" else b"".join(pieces), raw.http_response.is_stream_consumed)
        with raises("again"):
            [piece async for piece in each(read())]


@program
async def streaming_responses(sdk: SDK) -> None:
    """A streaming response reads in every form inside its block and is closed after it."""
    for method in ("read", "text", "json", "parse", "iter_bytes", "iter_text", "iter_lines", "close"):
        manager = sdk.ask_streaming(sdk.client())
        show("manager", kinds(manager))
        async with entered(manager) as response:
            show(method, kinds(response), response.status_code, response.is_closed)
            result = getattr(response, method)()
            if method.startswith("iter_"):
                show("pieces", [piece async for piece in each(result)])
            else:
                show("result", await value(result))
        show("closed", response.is_closed, response.http_response.is_stream_consumed)


@program
async def streaming_responses_of_streams(sdk: SDK) -> None:
    """A streaming response of a stream gives its lines, its chunks or nothing, and may be left early or by an error."""

    async def read(response: object, how: str) -> None:
        if how == "lines":
            show(how, [line async for line in each(response.iter_lines())])
        elif how == "chunks":
            show(how, [chunk async for chunk in each(await value(response.parse()))])
        elif how == "some":
            async for chunk in each(await value(response.parse())):
                show(how, chunk)
                break
        elif how == "raise":
            raise ValueError("mine")

    for how in ("lines", "chunks", "some", "none", "raise"):
        with raises(how):
            async with entered(sdk.ask_streaming(sdk.client(), stream=True)) as response:
                await read(response, how)
        show("closed", response.is_closed)


@program
async def file_of_a_response(sdk: SDK) -> None:
    """Binary content is written to a file byte for byte."""
    speech = need(sdk.client(), "audio.speech" if sdk.openai else "no_such_thing")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound")
        async with entered(speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hi")) as response:
            await value(response.stream_to_file(path))
        show("file", path.read_bytes(), kinds(response))


@program
async def derived_clients(sdk: SDK) -> None:
    """Clients made by with_options and copy behave as they did, and so do clients used as context managers."""
    client = sdk.client("e500")
    for derived in (client.with_options(timeout=3.0), client.copy(base_url=sdk.base_url()), client.copy(max_retries=1)):
        show("derived", kinds(derived), derived.max_retries, str(derived.timeout), derived.api_key)
        with raises("asked"):
            show("answer", await value(sdk.ask(derived)))
    async with entered(sdk.client()) as opened:
        show("opened", await value(sdk.ask(opened)), opened.is_closed())
    show("closed", opened.is_closed())
    with raises("asked when closed"):
        await value(sdk.ask(opened))


@program
def module_level_client() -> None:
    """The client that is the openai module itself works and fails as it did."""
    import openai

    for mode in ("ok", "e401"):
        openai.api_key, openai.base_url, openai.max_retries = "sk-test", f"{PROVIDER}/{mode}/v1/", 0
        if hasattr(openai, "_reset_client"):
            openai._reset_client()
        with raises(mode):
            show("answer", openai.chat.completions.create(model="gpt-4o", messages=QUESTION))
        with raises("stream"):
            show("chunks", list(openai.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)))


@program
async def transport_and_hooks(sdk: SDK) -> None:
    """The program's own transport and event hooks run in the same order and see the same requests."""

    def handler(request: object) -> object:
        print("transport", request.method, request.url.path, request.content, sorted(request.headers))
        return sdk.reply()

    async def on_request(request: object) -> None:
        print("request hook", request.url.path)

    async def on_response(response: object) -> None:
        print("response hook", response.status_code, response.is_stream_consumed)
        await value(response.aread() if sdk.asynchronous else response.read())

    def sync(hook: object) -> object:
        return hook if sdk.asynchronous else lambda seen: drive(hook(seen))

    hooks = {"request": [sync(on_request)], "response": [sync(on_response)]}
    client = sdk.client(http_client=sdk.transport(handler, event_hooks=hooks))
    print("before")
    show("answer", await value(sdk.ask(client)))
    raw = await value(sdk.ask_raw(client))
    show("raw", raw.status_code, await value(raw.parse()))
    print("after")


@program
async def below_the_resources(sdk: SDK) -> None:
    """The generic post, get and request methods take any class to cast to."""
    client = sdk.client()
    body = sdk.arguments()
    for cast_to in (dict, object, sdk.http.Response, sdk.answer_class):
        with raises(str(cast_to.__name__)):
            answer = await value(client.post(sdk.path, cast_to=cast_to, body=body))
            show("post", answer if cast_to is not sdk.http.Response else (answer.status_code, answer.content))
    stream_class = sdk.module.AsyncStream if sdk.asynchronous else sdk.module.Stream
    stream = await value(
        client.post(
            sdk.path, cast_to=object, body={**body, "stream": True}, stream=True, stream_cls=stream_class[object]
        )
    )
    show("chunks", type(stream), [chunk async for chunk in each(stream)])
    with raises("nothing given"):
        await value(client.request())


def _flaky(sdk: SDK) -> object:
    """A client whose first request fails."""
    answers = [sdk.http.Response(500, json={}, headers={"retry-after-ms": "1"}), sdk.reply()]
    return sdk.mocked(lambda request: answers.pop(0), max_retries=2)


@program
async def logs_and_warnings(sdk: SDK) -> None:
    """The SDK and its HTTP library log and warn the same, retries included."""
    print_logs(logging.INFO, "openai", "anthropic", "httpx", "httpx2")
    random.seed(7)
    with all_warnings():
        await value(sdk.ask(sdk.client()))
        await value(sdk.ask(_flaky(sdk)))
        with raises("exhausted"):
            await value(sdk.ask(sdk.client("e500", max_retries=1)))
        if not sdk.openai:
            await value(sdk.ask(sdk.client(), model="claude-2.1"))
    stop_printing_logs()


@program
async def random_numbers(sdk: SDK) -> None:
    """The program's random numbers are the ones it would have drawn anyway."""
    random.seed(3)
    drawn = [random.random()]
    await value(sdk.ask(sdk.client()))
    drawn.append(random.random())
    show("drawn", drawn)


@program
async def later_changes_of_the_request(sdk: SDK) -> None:
    """A program may change or empty what it sent, and finds it as it left it."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    options = {"include_usage": True}
    more = {"stream_options": options} if sdk.openai else {"metadata": {"user_id": "u"}}
    stream = await value(sdk.ask(sdk.client(), messages=messages, stream=True, **more))
    messages[0]["content"][0]["text"] = "changed"
    messages.append({"role": "assistant", "content": "later"})
    show("chunks", [chunk async for chunk in each(stream)])
    show("kept", str(messages), str(more))


@program
async def subclasses_of_clients(sdk: SDK) -> None:
    """A subclass that overrides request or _process_response is called as it was, in the same order."""

    class Mine(sdk.client_class):
        def request(self, cast_to: object, options: object, **more: object) -> object:
            print("request", getattr(cast_to, "__name__", cast_to), options.method, sorted(more))
            return super().request(cast_to, options, **more)

    class Processing(sdk.client_class):
        def _process_response(self, **given: object) -> object:
            print("process", sorted(given))
            return super()._process_response(**given)

    class Replacing(sdk.client_class):
        def request(self, *args: object, **kwargs: object) -> object:
            async def later() -> str:
                return "mine"

            return later() if sdk.asynchronous else "mine"

    for kind in (Mine, Processing, Replacing):
        client = sdk.client(kind=kind)
        show(kind.__name__, await value(sdk.ask(client)), [base.__name__ for base in kind.__mro__])
