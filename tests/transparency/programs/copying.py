"""What can be copied and pickled."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

from observe import SDK, attempt, each, kinds, llm_track, program, raises, show, value


def _again(item: Any) -> Any:
    return pickle.loads(pickle.dumps(item))


HOW = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": _again}


def _all_ways(label: str, item: Any, look: Any = type) -> None:
    for how, function in HOW.items():
        attempt(f"{label}, {how}", lambda function=function: look(function(item)))


@program(silent=True)
async def methods_of_clients(sdk: SDK) -> None:
    """Methods of clients, of classes and of resources copy and pickle as far as they did."""
    client = sdk.mocked(lambda request: sdk.reply())
    _all_ways("request", client.request, lambda made: (made.__name__, made.__func__ is client.request.__func__))
    _all_ways("create", sdk.resource(client).create, lambda made: made.__name__)
    _all_ways("class request", sdk.client_class.request, lambda made: (made.__qualname__, callable(made)))
    _all_ways("base request", sdk.client_class.__mro__[1].request, lambda made: made.__qualname__)
    _all_ways("client", client)
    _all_ways("resource", sdk.resource(client))
    show("partial", partial(client.request, stream=False).func.__name__)


@program
async def copies_that_work(sdk: SDK) -> None:
    """A copied method and a copied client can be called."""
    client = sdk.mocked(lambda request: sdk.reply())
    for made in (copy.copy(sdk.resource(client).create), copy.copy(sdk.resource(client)).create):
        show("answer", await value(made(**sdk.arguments())))
    for function in (copy.copy, copy.deepcopy):
        with raises(function.__name__):
            show("answer", await value(sdk.ask(function(client))))


@program
async def answers(sdk: SDK) -> None:
    """Answers and chunks copy, deep copy and pickle to equal ones of the same type."""
    client = sdk.client()
    answer = await value(sdk.ask(client))
    chunks = [chunk async for chunk in each(await value(sdk.ask(client, stream=True)))]
    for item in (answer, chunks[1], chunks):
        _all_ways("answer", item, lambda made, item=item: (made, made == item, made is item))


@program
async def raw_answers_and_streams(sdk: SDK) -> None:
    """Raw responses, HTTP responses, streams and errors copy and pickle as far as they did, read or not."""
    client = sdk.mocked(lambda request: sdk.reply())
    raw = await value(sdk.ask_raw(client))
    _all_ways("raw", raw)
    _all_ways("http", raw.http_response, lambda made: (made.status_code, made.content, kinds(made)))
    stream = await value(sdk.ask(sdk.client(), stream=True))
    _all_ways("stream", stream)
    _all_ways("unread", stream.response, lambda made: (type(made), made.is_closed, type(made.stream)))
    _all_ways("bytes", stream.response.stream)
    show("chunks", [chunk async for chunk in each(stream)])
    _all_ways("read", stream.response, lambda made: (type(made), made.is_closed, type(made.stream)))
    try:
        await value(sdk.ask(sdk.client("e400")))
    except Exception as error:  # noqa: BLE001
        _all_ways("error", error)


@llm_track.track_llm
def doubled(number: int) -> int:
    """Twice the number."""
    return 2 * number


@llm_track.track_llm(kind="tool")
async def later(number: int) -> int:
    return 2 * number


@llm_track.track_llm
def counted(number: int) -> Any:
    yield from range(number)


class Work:
    """With tracked methods of every kind."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @llm_track.track_llm
    def times(self, number: int) -> int:
        return self.factor * number

    @llm_track.track_llm
    @classmethod
    def made(cls, factor: int) -> Work:
        return cls(factor)

    @classmethod
    @llm_track.track_llm
    def outer_made(cls, factor: int) -> Work:
        return cls(factor)

    @llm_track.track_llm
    @staticmethod
    def plus(left: int, right: int) -> int:
        return left + right

    @staticmethod
    @llm_track.track_llm
    def outer_plus(left: int, right: int) -> int:
        return left + right


@program
def tracked_functions() -> None:
    """Tracked functions copy to themselves and pickle by name, as functions do."""
    for function in (doubled, later, counted):
        _all_ways(function.__name__, function, lambda made, function=function: (made.__qualname__, made is function))
    show("by name", pickle.dumps(doubled), _again(doubled)(4), _again([doubled, doubled])[1] is doubled)
    _all_ways("partial", partial(doubled, 3), lambda made: made())
    _all_ways("local", llm_track.track_llm(lambda number: number), lambda made: made(1))


@program
def tracked_methods() -> None:
    """Tracked methods copy and pickle with their object, and from their class by name."""
    work = Work(3)
    _all_ways("method", work.times, lambda made: (made(2), type(made.__self__), made.__self__ is work))
    for name in ("times", "made", "outer_made", "plus", "outer_plus"):
        _all_ways(f"{name} of the class", getattr(Work, name), lambda made: made.__qualname__)
        _all_ways(f"{name} of an object", getattr(work, name), lambda made: made.__qualname__)
    _all_ways("object", work, lambda made: made.times(2))
    show("works", copy.copy(Work.made)(2).factor, copy.copy(Work.plus)(1, 2), copy.deepcopy(work.times)(5))


class Callable:
    """An object that can be called."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, number: int) -> int:
        self.calls.append(number)
        return len(self.calls)


@program
def tracked_callables() -> None:
    """A tracked callable object and a tracked partial copy to new ones and pickle, as they did."""
    tracked = llm_track.track_llm(Callable())
    show("called", tracked(7), tracked.calls)
    _all_ways("object", tracked, lambda made: (made.calls, made.calls is tracked.calls, made is tracked, made(1)))
    _all_ways("partial", llm_track.track_llm(partial(divmod, 7)), lambda made: (made(2), made.args))


@program
def for_other_processes() -> None:
    """Tracked functions and methods pickle as multiprocessing does it, by their name."""
    for function, arguments in ((doubled, (2,)), (Work(3).times, (2,)), (Work.plus, (1, 2)), (Work.made, (4,))):
        pickled = ForkingPickler.dumps(function)
        show("again", pickle.loads(pickled)(*arguments))
    show("by name", bytes(ForkingPickler.dumps(doubled)))


@program(silent=True)
def pools() -> None:
    """The submit method of a thread pool copies and pickles as far as it did."""
    with ThreadPoolExecutor(1) as pool:
        _all_ways("bound", pool.submit, lambda made: made.__name__)
        _all_ways("class", ThreadPoolExecutor.submit, lambda made: made.__qualname__)
        with raises("called"):
            show("result", copy.copy(pool.submit)(int, "7").result())
