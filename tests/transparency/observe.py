"""What a program of this suite is written with: clients of every flavour, and one canonical text for all it can see.

A program is a function marked with `program`; its docstring is the sentence that it proves.  With a parameter ``sdk``
it runs once for each flavour: OpenAI and Anthropic, synchronous and not.  Such programs are written once, as
``async def`` without a suspension of their own, and in a synchronous flavour they are driven without an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loopback import answer, frames

PROVIDER, REFUSED, VARIANT = (os.environ.get(name, "") for name in ("PROVIDER", "REFUSED", "VARIANT"))
QUESTION = [{"role": "user", "content": "What is two plus two?"}]
ABSENT_EXIT = 77


class NotInThisVersion(BaseException):
    """The installed SDK or Python has no such thing."""


@dataclass(frozen=True)
class Program:
    """One program, and how its two runs may differ."""

    run: Callable[..., Any]
    faulty: bool = False
    """llm_track is expected to log a fault of its own."""
    captures: bool = False
    """Its events are kept, to be looked at by a test."""
    processes: int = 1
    """How many processes it makes its calls in."""
    silent: bool = False
    """None of its events is dropped for want of a key: it makes none, or says itself where they go."""


PROGRAMS: dict[str, Program] = {}


def program(function: Any = None, **options: Any) -> Any:
    """Mark a function as a program of the suite."""
    if function is None:
        return lambda marked: program(marked, **options)
    PROGRAMS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = Program(function, **options)
    return function


class _NoSpan:
    def __enter__(self) -> _NoSpan:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    async def __aenter__(self) -> _NoSpan:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    def __call__(self, function: Any) -> Any:
        return function

    def set(self, **known: Any) -> None:
        """Forget it."""


class _NotThere:
    """What stands where llm_track would, in the run without it."""

    def track_llm(self, function: Any = None, /, **options: Any) -> Any:
        return function if function is not None else lambda decorated: decorated

    def llm_span(self, *args: Any, **options: Any) -> _NoSpan:
        return _NoSpan()

    def ignore(self, *args: Any, **options: Any) -> None:
        return None

    autopatch = unpatch = configure = flush = ignore


llm_track: Any = _NotThere() if VARIANT == "plain" else importlib.import_module("llm_track")


# --- flavours ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SDK:
    """One SDK, synchronous or not."""

    name: str
    asynchronous: bool

    def __str__(self) -> str:
        return f"{self.name}, {'async' if self.asynchronous else 'sync'}"

    @property
    def module(self) -> Any:
        return importlib.import_module(self.name)

    @property
    def openai(self) -> bool:
        return self.name == "openai"

    @property
    def client_class(self) -> Any:
        return getattr(self.module, ("Async" if self.asynchronous else "") + ("OpenAI" if self.openai else "Anthropic"))

    @property
    def http(self) -> Any:
        """The HTTP library under this version of the SDK."""
        base = importlib.import_module(f"{self.name}._base_client")
        return getattr(base, "httpx2", None) or base.httpx

    def base_url(self, mode: str = "ok", host: str = PROVIDER) -> str:
        return f"{host}/{mode}/v1" if self.openai else f"{host}/{mode}"

    def client(self, mode: str = "ok", *, kind: Any = None, **options: Any) -> Any:
        given = {"api_key": "sk-test", "base_url": self.base_url(mode), "max_retries": 0, **options}
        return (kind or self.client_class)(**given)

    def transport(self, handler: Callable[[Any], Any], **options: Any) -> Any:
        """An HTTP client whose requests are answered by a function."""
        kind = self.http.AsyncClient if self.asynchronous else self.http.Client
        return kind(transport=self.http.MockTransport(handler), **options)

    def mocked(self, handler: Callable[[Any], Any], **options: Any) -> Any:
        client = self.client(http_client=self.transport(handler), **options)
        client._platform = "Linux"  # else it asks a thread, which takes any number of turns of the loop
        return client

    def piecewise(self, log: Callable[[str], Any] = lambda told: None) -> Any:
        """A client whose streams come piece by piece, each after one turn of the loop, with no network or thread."""
        base = self.http.AsyncByteStream if self.asynchronous else self.http.SyncByteStream
        sent = frames("chat_completions" if self.openai else "messages", {})

        class Pieces(base):  # type: ignore[misc, valid-type]
            def __iter__(self) -> Any:
                for number, piece in enumerate(sent):
                    log(f"pulled {number}")
                    yield piece

            async def __aiter__(self) -> Any:
                for number, piece in enumerate(sent):
                    await asyncio.sleep(0)
                    log(f"pulled {number}")
                    yield piece

            def close(self) -> None:
                log("closed")

            async def aclose(self) -> None:
                await asyncio.sleep(0)
                log("closed")

        def handler(request: Any) -> Any:
            return self.http.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces())

        return self.mocked(handler)

    def stalled(self) -> Any:
        """A client that is never answered."""
        return self.mocked(lambda request: asyncio.sleep(60))

    def resource(self, client: Any) -> Any:
        return client.chat.completions if self.openai else client.messages

    def arguments(self, **more: Any) -> dict[str, Any]:
        model = {"model": "gpt-4o"} if self.openai else {"model": "claude-test", "max_tokens": 64}
        return {**model, "messages": QUESTION, **more}

    def ask(self, client: Any, **more: Any) -> Any:
        return self.resource(client).create(**self.arguments(**more))

    def ask_raw(self, client: Any, **more: Any) -> Any:
        return self.resource(client).with_raw_response.create(**self.arguments(**more))

    def ask_streaming(self, client: Any, **more: Any) -> Any:
        return self.resource(client).with_streaming_response.create(**self.arguments(**more))

    def manager(self, client: Any, **more: Any) -> Any:
        """The SDK's own helper for streams."""
        resource = self.resource(client)
        if not hasattr(resource, "stream"):
            resource = client.beta.chat.completions if self.openai else resource
        return resource.stream(**self.arguments(**more))

    @property
    def path(self) -> str:
        return "/chat/completions" if self.openai else "/v1/messages"

    @property
    def answer_class(self) -> Any:
        types = importlib.import_module(f"{self.name}.types")
        return importlib.import_module("openai.types.chat").ChatCompletion if self.openai else types.Message

    def reply(self, **changes: Any) -> Any:
        """A whole answer, for a mocked transport."""
        body = answer("chat_completions" if self.openai else "messages", {})
        return self.http.Response(200, json={**body, **changes})


FLAVOURS = [SDK(name, asynchronous) for name in ("openai", "anthropic") for asynchronous in (False, True)]


async def value(result: Any) -> Any:
    """Await what has to be awaited."""
    return await result if inspect.isawaitable(result) else result


async def each(stream: Any) -> AsyncIterator[Any]:
    """Iterate over either kind of iterable."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def following(iterator: Any) -> Any:
    """The next item of either kind of iterator."""
    return await iterator.__anext__() if hasattr(iterator, "__anext__") else next(iterator)


@contextlib.asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter either kind of context manager."""
    if hasattr(manager, "__aenter__"):
        async with manager as inner:
            yield inner
    else:
        with manager as inner:
            yield inner


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never suspends, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a synchronous flavour has nothing to wait for")


def run(chosen: Program) -> None:
    """Run a program, in every flavour if it has any."""
    if "sdk" not in inspect.signature(chosen.run).parameters:
        run_one(chosen.run(), asynchronous=True)
        return
    absent = 0
    for sdk in FLAVOURS:
        print("=====", sdk)
        try:
            run_one(chosen.run(sdk), asynchronous=sdk.asynchronous)
        except NotInThisVersion:
            absent += 1
    if absent == len(FLAVOURS):
        raise NotInThisVersion


def run_one(result: Any, *, asynchronous: bool) -> None:
    """Finish what a program has begun."""
    if inspect.iscoroutine(result):
        asyncio.run(result) if asynchronous else drive(result)
    gc.collect()


# --- what can be seen -------------------------------------------------------------------------------------------------

_NEVER_SHARED = {
    re.compile(r"0x[0-9a-fA-F]+"): "<address>",
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"): "<uuid>",
    re.compile(r"cancel scope [0-9a-f]+"): "cancel scope",
    re.compile(r"'Task-\d+'"): "'Task'",
}


def clean(text: str) -> str:
    """The text without what no two runs share."""
    for pattern, name in _NEVER_SHARED.items():
        text = pattern.sub(name, text)
    return text


def show(label: str, *seen: Any) -> None:
    """Print values in full: their types, and all that they say of themselves."""
    print(f"{label}:", " | ".join(clean(text_of(item)) for item in seen))


def text_of(item: Any) -> str:
    """One line for one value."""
    if item is None or isinstance(item, (str, int, float, bytes)):
        return repr(item)
    if isinstance(item, type):
        return name_of(item)
    if isinstance(item, BaseException):
        return error_text(item)
    if isinstance(item, (list, tuple)):
        return f"{type(item).__name__}[{', '.join(map(text_of, item))}]"
    if hasattr(item, "model_fields_set"):
        return model_text(item)
    return f"{name_of(type(item))} {item!r}"


def name_of(kind: type) -> str:
    """The full name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def model_text(item: Any) -> str:
    """Everything that a pydantic model shows."""
    parts = [name_of(type(item)), repr(item), sorted(item.model_fields_set), item.model_extra]
    parts += [item.model_dump(mode="json", warnings=False), item.model_dump_json(exclude_unset=True, warnings=False)]
    parts += [to_dict() if (to_dict := getattr(item, "to_dict", None)) else None, getattr(item, "_request_id", None)]
    return " ~ ".join(map(str, parts))


def kinds(item: Any) -> list[str]:
    """Every class that ``isinstance`` confirms."""
    assert all(isinstance(item, base) for base in type(item).__mro__)
    return [name_of(base) for base in item.__class__.__mro__]


_ATTRIBUTES = ("status_code", "code", "param", "type", "request_id", "body", "message", "doc", "pos", "name", "obj")


def error_text(error: BaseException, depth: int = 0, *, frames: bool = True) -> str:
    """Everything that an exception shows, and what it was raised from."""
    said = [f"{name}={getattr(error, name)!r}" for name in _ATTRIBUTES if hasattr(error, name)]
    parts = [" < ".join(map(name_of, type(error).__mro__[:3])), repr(error), str(error), repr(error.args), *said]
    parts += [f"notes={getattr(error, '__notes__', None)}", f"suppresses={error.__suppress_context__}"]
    parts.append(f"frames={frames_of(error) if frames else 'not looked at'}")
    for relation in ("__cause__", "__context__"):
        other = getattr(error, relation)
        if other is not None and depth < 6:
            parts.append(f"{relation}=({error_text(other, depth + 1, frames=frames)})")
    return " ~ ".join(parts)


_OWN = os.sep + "llm_track"
_MOST_ADDED_FRAMES = 2
_WAITING = os.path.join("concurrent", "futures", "_base.py")  # its line tells whether the answer came first: a race


def frames_of(error: BaseException) -> str:
    """The functions of a traceback; those of llm_track are not shown, but each of its layers adds two at most."""
    trace, shown, added = error.__traceback__, [], 0
    while trace is not None:
        code = trace.tb_frame.f_code
        added = added + 1 if os.path.dirname(code.co_filename).endswith(_OWN) else 0
        if not added:
            shown.append(code.co_name if code.co_filename.endswith(_WAITING) else f"{code.co_name}:{trace.tb_lineno}")
        if added > _MOST_ADDED_FRAMES:
            shown.append("one too many of llm_track")
        trace = trace.tb_next
    return " ".join(shown)


@contextlib.contextmanager
def raises(label: str, *, frames: bool = True) -> Iterator[None]:
    """Show what the block raises, or that it raises nothing; ``frames=False`` where a body has not begun."""
    try:
        yield
    except NotInThisVersion:
        raise
    except BaseException as error:  # noqa: BLE001  the exception is what there is to see
        print(f"{label}:", clean(error_text(error, frames=frames)))
    else:
        print(f"{label}: nothing raised")


def attempt(label: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Show what a function returns, or that it fails: what never worked may fail in another way."""
    try:
        result = function(*args, **kwargs)
    except Exception:  # noqa: BLE001
        print(f"{label}: fails")
        return None
    show(label, result)
    return result


def need(owner: Any, name: str) -> Any:
    """The attribute of that name, in versions that have it."""
    for part in name.split("."):
        if not hasattr(owner, part):
            raise NotInThisVersion(f"{owner!r} has no {part}")
        owner = getattr(owner, part)
    return owner


@contextlib.contextmanager
def all_warnings() -> Iterator[None]:
    """Print each warning of the block."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    for item in caught:
        print("warning:", item.category.__name__, clean(str(item.message)))


class _Printer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print("log:", record.name, record.levelname, clean(record.getMessage()))


def print_logs(level: int, *names: str) -> None:
    """Print what these loggers say from now on."""
    for name in names:
        logging.getLogger(name).addHandler(_Printer())
        logging.getLogger(name).setLevel(level)


def stop_printing_logs() -> None:
    """Have all loggers be as they were."""
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, _Printer)]


def settle() -> None:
    """Have llm_track work off all that it was given, so that what it keeps can be told from what it has yet to do."""
    llm_track.flush()
    sys.stdout.flush()
