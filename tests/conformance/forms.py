"""The forms in which a program may call a model and read, or not read, its answer."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llm_track.formats import Format, chat_completions, messages, responses
from llm_track.records import Outcome

from .clients import Clients, method
from .server import CaseServer, Run

WHOLE = "Lisbon."


@dataclass(frozen=True)
class Api:
    """One API of one SDK, and the hand-written cases that it is called with."""

    name: str
    sdk: str
    path: str
    root: str
    case: str
    stream_case: str
    format: Format
    helpers: str
    """Where the SDK keeps ``parse`` and ``stream``, in the order in which it is looked for."""
    client: str = ""
    """The method of `Clients` that makes a client, if it is not called as the SDK."""

    def answer(self, streamed: bool) -> dict[str, Any]:
        """Return the answer of the case; without the ids of HTTP, and to be changed at will."""
        name = self.stream_case if streamed else self.case
        answer: dict[str, Any] = _case(name)["answers"][0]
        return answer

    def arguments(self, streamed: bool) -> dict[str, Any]:
        """Return what the API is called with."""
        given: dict[str, Any] = _case(self.case)["calls"][0]["arguments"]
        return given | ({"stream": True} if streamed else {})

    def response_id(self, streamed: bool) -> str:
        """Return the provider's id of the answer."""
        case = _case(self.stream_case if streamed else self.case)
        return str(case["expect"][0]["properties"]["$ai_response_id"])


def _case(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    return case


APIS = {
    api.name: api
    for api in (
        Api(
            name="chat",
            sdk="openai",
            path="chat.completions",
            root="/v1",
            case="openai_chat_plain",
            stream_case="openai_chat_stream_no_usage",
            format=chat_completions,
            helpers="chat.completions beta.chat.completions",
        ),
        Api(
            name="chat_with_usage",
            sdk="openai",
            client="openai_itself",
            path="chat.completions",
            root="/v1",
            case="openai_chat_plain",
            stream_case="openai_chat_stream_usage",
            format=chat_completions,
            helpers="chat.completions beta.chat.completions",
        ),
        Api(
            name="responses",
            sdk="openai",
            path="responses",
            root="/v1",
            case="openai_responses_plain",
            stream_case="openai_responses_stream",
            format=responses,
            helpers="responses",
        ),
        Api(
            name="messages",
            sdk="anthropic",
            path="messages",
            root="",
            case="anthropic_messages_plain",
            stream_case="anthropic_messages_stream",
            format=messages,
            helpers="messages",
        ),
    )
}


class AbsentError(Exception):
    """The installed version of an SDK lacks what a form needs."""


@dataclass
class Scene:
    """One test's API, its client and its answers."""

    api: Api
    clients: Clients
    server: CaseServer
    run: Run | None = None

    def __post_init__(self) -> None:
        self.mode = self.clients.mode

    def client(self, answers: list[dict[str, Any]], **options: Any) -> Any:
        """Return a client that will get these answers."""
        self.run = self.server.play(answers)
        return self.client_at(self.run.url, **options)

    def client_at(self, url: str, **options: Any) -> Any:
        """Return a client of an address."""
        return getattr(self.clients, self.api.client or self.api.sdk)(url + self.api.root, **options)

    def find(self, client: Any, *paths: str) -> Any:
        """Return the first of these methods that the SDK has."""
        found = next((found for path in paths if (found := method(client, path)) is not None), None)
        if found is None:
            raise AbsentError(paths)
        return found

    async def ask(self, client: Any = None, *, streamed: bool = False, form: str = "create") -> Any:
        """Call the API and return what the SDK returns."""
        client = client or self.client([self.api.answer(streamed)])
        return await self.mode.call(self.find(client, f"{self.api.path}.{form}"), **self.api.arguments(streamed))

    async def ask_held(self, *, gzip: bool = False, **options: Any) -> Any:
        """Ask for a stream whose end does not come."""
        answer = self.api.answer(True)
        words_begin = next(n for n, event in enumerate(answer["events"]) if "Lis" in json.dumps(event))
        held = answer | {"hold_after": words_begin + 1, "gzip": gzip}
        return await self.ask(self.client([held], **options), streamed=True)

    def helper(self, client: Any, name: str) -> Any:
        """Return a helper of the SDK, called without ``stream``."""
        function = self.find(client, *(f"{path}.{name}" for path in self.api.helpers.split()))
        return lambda: function(**self.api.arguments(False))

    def streaming_response(self, streamed: bool) -> Any:
        """Return the context manager of ``with_streaming_response``."""
        client = self.client([self.api.answer(streamed)])
        create = self.find(client, f"{self.api.path}.with_streaming_response.create")
        return self.mode.within(create(**self.api.arguments(streamed)))


Body = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Form:
    """One way to call, and how its event must end."""

    body: Body
    outcome: Outcome = "completed"
    streamed: bool = False
    status: int = 200
    only: tuple[str, ...] = field(default=("chat", "chat_with_usage", "responses", "messages"))
    whole: bool = False
    """Whether the answer had arrived although the call did not end well."""
    asynchronous: bool = False
    """Whether only an asynchronous client can do it."""


FORMS: dict[str, Form] = {}


def form(**expected: Any) -> Callable[[Body], Body]:
    """Enter a function into `FORMS`."""

    def enter(body: Body) -> Body:
        FORMS[body.__name__] = Form(body, **expected)
        return body

    return enter


@form()
async def plain(scene: Scene) -> None:
    await scene.ask()


@form()
async def with_options(scene: Scene) -> None:
    await scene.ask(scene.client([scene.api.answer(False)]).with_options(timeout=9.0))


@form()
async def copied(scene: Scene) -> None:
    await scene.ask(scene.client([scene.api.answer(False)]).copy())


@form()
async def parsed(scene: Scene) -> None:
    await scene.mode.call(scene.helper(scene.client([scene.api.answer(False)]), "parse"))


@form(only=("messages",))
async def beta(scene: Scene) -> None:
    client = scene.client([scene.api.answer(False)])
    await scene.mode.call(scene.find(client, "beta.messages.create"), **scene.api.arguments(False))


@form(only=("messages",), streamed=True)
async def beta_stream(scene: Scene) -> None:
    client = scene.client([scene.api.answer(True)])
    create = scene.find(client, "beta.messages.create")
    await scene.mode.items(await scene.mode.call(create, **scene.api.arguments(True)))


@form(streamed=True)
async def stream_read(scene: Scene) -> None:
    await scene.mode.items(await scene.ask(streamed=True))


@form(streamed=True)
async def stream_read_twice(scene: Scene) -> None:
    stream = await scene.ask(streamed=True)
    await scene.mode.items(stream)
    assert await scene.mode.items(stream) == []


@form(streamed=True)
async def stream_read_then_closed(scene: Scene) -> None:
    stream = await scene.ask(streamed=True)
    await scene.mode.items(stream)
    await scene.mode.call(stream.close)


@form(streamed=True, outcome="closed_early")
async def stream_closed_early(scene: Scene) -> None:
    stream = await scene.ask_held()
    await scene.mode.first(stream)
    await scene.mode.call(stream.close)


@form(streamed=True)
async def stream_as_context_manager(scene: Scene) -> None:
    async with scene.mode.within(await scene.ask(streamed=True)) as stream:
        await scene.mode.items(stream)


@form(streamed=True, outcome="closed_early")
async def stream_context_left_early(scene: Scene) -> None:
    async with scene.mode.within(await scene.ask_held()) as stream:
        await scene.mode.first(stream)


@form(streamed=True, outcome="closed_early")
async def stream_abandoned(scene: Scene) -> None:
    stream = await scene.ask_held()
    await scene.mode.first(stream)
    del stream
    await scene.mode.collect_garbage()


@form(streamed=True, outcome="never_read")
async def stream_dropped_unread(scene: Scene) -> None:
    stream = await scene.ask_held()
    del stream
    await scene.mode.collect_garbage()


@form(streamed=True, outcome="never_read")
async def stream_closed_unread(scene: Scene) -> None:
    await scene.mode.call((await scene.ask_held()).close)


@form(streamed=True, outcome="closed_early")
async def stream_left_by_exception(scene: Scene) -> None:
    async def read() -> None:
        async with scene.mode.within(await scene.ask_held()) as stream:
            await scene.mode.first(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()


@form(streamed=True)
async def stream_bytes_read(scene: Scene) -> None:
    response = (await scene.ask(streamed=True)).response
    await scene.mode.items(response.aiter_bytes() if scene.mode.prefix else response.iter_bytes())


@form(streamed=True, outcome="broken")
async def stream_timed_out(scene: Scene) -> None:
    stream = await scene.ask_held(timeout=0.2)
    with pytest.raises(Exception, match=r"timed out|^$"):
        await scene.mode.items(stream)


@form(streamed=True)
async def stream_compressed(scene: Scene) -> None:
    await scene.mode.items(await scene.ask(scene.client([scene.api.answer(True) | {"gzip": True}]), streamed=True))


@form(streamed=True, outcome="closed_early")
async def stream_compressed_closed_early(scene: Scene) -> None:
    stream = await scene.ask_held(gzip=True)
    await scene.mode.first(stream)
    await scene.mode.call(stream.close)


@form()
async def compressed(scene: Scene) -> None:
    await scene.ask(scene.client([scene.api.answer(False) | {"gzip": True}]))


@form(streamed=True, outcome="broken")
async def stream_broken(scene: Scene) -> None:
    answer = scene.api.answer(True)
    stream = await scene.ask(scene.client([answer | {"cut_after": len(answer["events"]) - 2}]), streamed=True)
    with pytest.raises(Exception, match=r"peer closed connection|Connection error"):
        await scene.mode.items(stream)


@form(streamed=True)
async def manager_read(scene: Scene) -> None:
    client = scene.client([scene.api.answer(True)])
    async with scene.mode.within(scene.helper(client, "stream")()) as stream:
        await scene.mode.items(stream)


@form(streamed=True)
async def manager_until_done(scene: Scene) -> None:
    client = scene.client([scene.api.answer(True)])
    async with scene.mode.within(scene.helper(client, "stream")()) as stream:
        await scene.mode.call(stream.until_done)


@form(streamed=True)
async def manager_final(scene: Scene) -> None:
    client = scene.client([scene.api.answer(True)])
    async with scene.mode.within(scene.helper(client, "stream")()) as stream:
        names = ("get_final_completion", "get_final_response", "get_final_message")
        await scene.mode.call(scene.find(stream, *names))


@form(streamed=True, outcome="closed_early")
async def manager_left_early(scene: Scene) -> None:
    answer = scene.api.answer(True)
    client = scene.client([answer | {"hold_after": 4}])
    async with scene.mode.within(scene.helper(client, "stream")()) as stream:
        await scene.mode.first(stream)


@form(streamed=True, outcome="never_read")
async def manager_left_unread(scene: Scene) -> None:
    client = scene.client([scene.api.answer(True) | {"hold_after": 1}])
    async with scene.mode.within(scene.helper(client, "stream")()):
        pass


@form()
async def raw(scene: Scene) -> None:
    response = await scene.ask(form="with_raw_response.create")
    await scene.mode.call(response.parse)


@form()
async def raw_unparsed(scene: Scene) -> None:
    await scene.ask(form="with_raw_response.create")


@form(streamed=True)
async def raw_stream(scene: Scene) -> None:
    response = await scene.ask(streamed=True, form="with_raw_response.create")
    await scene.mode.items(await scene.mode.call(response.parse))


@form(streamed=True, outcome="never_read")
async def raw_stream_unparsed(scene: Scene) -> None:
    response = await scene.ask(streamed=True, form="with_raw_response.create")
    del response
    await scene.mode.collect_garbage()


@form()
async def streaming_response_parsed(scene: Scene) -> None:
    async with scene.streaming_response(False) as response:
        await scene.mode.call(response.parse)


@form()
async def streaming_response_lines(scene: Scene) -> None:
    async with scene.streaming_response(False) as response:
        await scene.mode.items(response.iter_lines())


def reading_form(name: str) -> Body:
    """Return a form that reads a streaming response by one of its methods."""

    async def body(scene: Scene) -> None:
        async with scene.streaming_response(False) as response:
            read = scene.find(response, name)
            await (scene.mode.items(read()) if name.startswith("iter_") else scene.mode.call(read))

    return body


for _name in ("iter_bytes", "iter_text", "read", "json", "text"):
    FORMS[f"streaming_response_{_name}"] = Form(reading_form(_name))


@form(outcome="never_read")
async def streaming_response_unread(scene: Scene) -> None:
    async with scene.streaming_response(False):
        pass


@form(streamed=True)
async def streaming_response_stream(scene: Scene) -> None:
    async with scene.streaming_response(True) as response:
        await scene.mode.items(await scene.mode.call(response.parse))


@form(streamed=True)
async def streaming_response_stream_lines(scene: Scene) -> None:
    async with scene.streaming_response(True) as response:
        await scene.mode.items(response.iter_lines())


def error_form(status: int, kind: str) -> Body:
    """Return a form whose provider answers every attempt with an error."""

    async def body(scene: Scene) -> None:
        error = {"type": "error", "error": {"type": "some_error", "message": "Not so"}}
        answer = {"status": status, "headers": {"retry-after-ms": "1"}, "json": error}
        with pytest.raises(Exception, match="Not so") as caught:
            await scene.ask(scene.client([answer], max_retries=1))
        assert kind in [parent.__name__ for parent in type(caught.value).__mro__]

    return body


for _status, _kind in {
    400: "BadRequestError",
    401: "AuthenticationError",
    429: "RateLimitError",
    500: "InternalServerError",
}.items():
    FORMS[f"error_{_status}"] = Form(error_form(_status, _kind), outcome="failed", status=_status)


class Unlike(BaseModel):
    """What no answer of the cases looks like."""

    population: int


@form(outcome="failed", whole=True)
async def parse_refused(scene: Scene) -> None:
    parse = scene.find(scene.client([scene.api.answer(False)]), f"{scene.api.path}.parse")
    known = signature(parse).parameters
    shape = next(name for name in ("response_format", "text_format", "output_format") if name in known)
    with pytest.raises(ValidationError):
        await scene.mode.call(parse, **scene.api.arguments(False), **{shape: Unlike})


@form(outcome="failed")
async def json_broken(scene: Scene) -> None:
    half = {"base64": base64.b64encode(b'{"id": ').decode(), "headers": {"content-type": "application/json"}}
    with pytest.raises(json.JSONDecodeError):
        await scene.ask(scene.client([half]))


@form(outcome="broken")
async def page_instead_of_json(scene: Scene) -> None:
    page = {"base64": base64.b64encode(b"<html>Sign in</html>").decode(), "headers": {"content-type": "text/html"}}
    await scene.ask(scene.client([page]))


@form(outcome="failed", status=400, streamed=True)
async def stream_refused_by_provider(scene: Scene) -> None:
    error = {"status": 400, "json": {"error": {"message": "Not so"}}}
    with pytest.raises(Exception, match="Not so"):
        await scene.ask(scene.client([error]), streamed=True)


@form()
async def recovered_by_retry(scene: Scene) -> None:
    error = {"status": 500, "headers": {"retry-after-ms": "1"}, "json": {"error": {"message": "Not so"}}}
    await scene.ask(scene.client([error, scene.api.answer(False)], max_retries=1))


@form(outcome="failed", status=0)
async def connection_refused(scene: Scene) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(Exception, match="Connection error"):
            await scene.ask(scene.client_at(f"http://127.0.0.1:{unused.getsockname()[1]}"))


@form(outcome="failed", status=0)
async def timed_out(scene: Scene) -> None:
    with pytest.raises(Exception, match="timed out"):
        await scene.ask(scene.client([scene.api.answer(False) | {"delay": 5}], timeout=0.1))


@form(outcome="cancelled", status=0, asynchronous=True)
async def task_cancelled(scene: Scene) -> None:
    client = scene.client([scene.api.answer(False) | {"delay": 5}])
    task = asyncio.ensure_future(scene.ask(client))
    while not scene.run.requests:
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@form(outcome="cancelled", streamed=True, asynchronous=True)
async def task_cancelled_while_reading(scene: Scene) -> None:
    stream = await scene.ask_held()
    reading = asyncio.Event()

    async def read() -> None:
        async for _ in stream:
            reading.set()

    task = asyncio.ensure_future(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await scene.mode.call(stream.close)
