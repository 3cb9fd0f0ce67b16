"""What introspection finds."""

from __future__ import annotations

import abc
import asyncio
import dataclasses
import enum
import functools
import gc
import inspect
import pydoc
import typing
import weakref
from typing import Any
from unittest import mock

import anthropic
import pydantic
from observe import SDK, attempt, llm_track, need, program, raises, settle, show, value

PREDICATES = [
    getattr(inspect, name)
    for name in [
        "isfunction",
        "ismethod",
        "iscoroutinefunction",
        "isgeneratorfunction",
        "isasyncgenfunction",
        "isroutine",
        "isbuiltin",
        "isclass",
        "ismethoddescriptor",
        "isdatadescriptor",
        "isawaitable",
        "iscoroutine",
        "isgenerator",
        "isasyncgen",
        "iscode",
    ]
]


def _look(label: str, item: Any) -> None:
    show(label, [f"{test.__name__}={test(item)}" for test in PREDICATES], asyncio.iscoroutinefunction(item))
    attempt("signature", lambda: str(inspect.signature(item)))
    attempt("unwrapped signature", lambda: str(inspect.signature(item, follow_wrapped=False)))
    for name in ("name", "qualname", "module", "doc", "defaults", "kwdefaults", "annotations"):
        show(name, str(getattr(item, f"__{name}__", "none")))
    attempt("source", inspect.getsource, item)
    attempt("file", lambda: inspect.getsourcelines(item)[1])
    attempt("module", lambda: inspect.getmodule(item).__name__)
    attempt("hints", lambda: str(typing.get_type_hints(item)))
    attempt("class", lambda: item.__class__.__name__)
    attempt("repr", lambda: repr(item))


@program(silent=True)
async def methods_of_sdks(sdk: SDK) -> None:
    """Signatures, predicates, names and sources of SDK methods are what they were."""
    client = sdk.client()
    _look("create", sdk.resource(client).create)
    for owner in (client, sdk.client_class):
        for name in ("request", "_process_response", "post", "with_options"):
            item = getattr(owner, name)
            show(name, [f"{test.__name__}={test(item)}" for test in PREDICATES], str(inspect.signature(item)))
            show("names", item.__name__, item.__qualname__, item.__module__, str(item.__doc__))
            show("source", len(inspect.getsource(item)))
    show("equal", client.request == client.request, hash(client.request) == hash(client.request))
    show("not equal", client.request != sdk.client().request, client.request.__self__ is client)
    show("class", kinds_of(sdk.client_class), sdk.client_class.__module__)
    show("directory", dir(sdk.client_class))


def kinds_of(kind: type) -> list[str]:
    """The classes of a class."""
    return [base.__qualname__ for base in kind.__mro__]


@program(silent=True)
async def modules_of_sdks(sdk: SDK) -> None:
    """Imported modules keep their loaders, specs and sources, and can be found again."""
    import importlib.resources
    import importlib.util

    module = sdk.module
    show("module", type(module), type(module.__loader__), type(module.__spec__.loader), module.__spec__.name)
    show("same", module.__loader__ is module.__spec__.loader, importlib.import_module(sdk.name) is module)
    show("found", importlib.util.find_spec(sdk.name) is module.__spec__, len(inspect.getsource(module)))
    show("resources", importlib.resources.files(sdk.name).joinpath("py.typed").is_file())


def plain(first: int, *rest: str, key: float = 1.5, **more: Any) -> list[str]:
    """Do something."""
    return [str(first), *rest, str(key), *more]


async def coroutine(first: int) -> int:
    """Do it later."""
    return first


def generator(first: int) -> Any:
    """Do it again and again."""
    yield first


async def async_generator(first: int) -> Any:
    """Do it later again and again."""
    yield first


class Work:
    """Methods of every kind."""

    def method(self, first: int) -> int:
        """Of an object."""
        return first

    async def async_method(self, first: int) -> int:
        """Of an object, later."""
        return first

    @classmethod
    def of_class(cls, first: int) -> str:
        """Of the class."""
        return f"{cls.__name__} {first}"

    @staticmethod
    def of_nobody(first: int) -> int:
        """Of nobody."""
        return first


TRACKED = llm_track.track_llm(plain)
KINDS = (plain, coroutine, generator, async_generator, lambda first: first)


@program(silent=True)
def tracked_functions() -> None:
    """Tracked functions of every kind look like themselves to inspect, typing and pydoc."""
    for function in KINDS:
        tracked = llm_track.track_llm(function)
        _look(function.__name__, tracked)
        show("help", pydoc.plaintext.document(tracked))
        show("inner", tracked.__code__ is function.__code__, tracked.__globals__ is function.__globals__)
        tracked.mine = 1
        show("attribute", function.mine, vars(tracked))


@program(silent=True)
def tracked_methods() -> None:
    """Tracked methods look like themselves from the class and from the object."""
    tracked = {
        name: llm_track.track_llm(item)
        for name, item in vars(Work).items()
        if callable(item) or hasattr(item, "__func__")
    }
    made = type("Work", (Work,), tracked)
    for name in tracked:
        for owner in (made, made()):
            item = getattr(owner, name)
            _look(name, item)
            show("bound to", type(getattr(item, "__self__", None)))


@program
def results_of_tracked_functions() -> None:
    """What tracked functions return is a coroutine, a generator or an async generator with the name of its function."""
    for function in KINDS:
        result = llm_track.track_llm(function)(3)
        show(function.__name__, type(result), [f"{test.__name__}={test(result)}" for test in PREDICATES])
        show("names", getattr(result, "__name__", None), getattr(result, "__qualname__", None))
        for protocol in ("Awaitable", "Coroutine", "Generator", "AsyncGenerator", "Iterator"):
            show(protocol, isinstance(result, getattr(typing, protocol)))
        if inspect.isgenerator(result):
            show("state", inspect.getgeneratorstate(result), next(result), inspect.getgeneratorstate(result))
        if inspect.iscoroutine(result):
            show("state", inspect.getcoroutinestate(result), asyncio.run(result), inspect.getcoroutinestate(result))


@program
async def coroutines_of_sdks(sdk: SDK) -> None:
    """What an SDK method returns before it is awaited is what it was, by type and by name."""
    client = sdk.client()
    results = [sdk.ask(client)] if sdk.asynchronous else []
    results += [client.request(object, _options(sdk))] if sdk.asynchronous else []
    for result in results:
        show("result", [f"{test.__name__}={test(result)}" for test in PREDICATES], result)
        result.close()


def _options(sdk: SDK) -> Any:
    import importlib

    options = importlib.import_module(f"{sdk.name}._models").FinalRequestOptions
    return options.construct(method="post", url=sdk.path, json_data=sdk.arguments())


@program
def other_decorators() -> None:
    """Tracked functions work under and over the decorators of the standard library."""
    cached = functools.lru_cache(llm_track.track_llm(plain))
    show("cache", cached(1, "a"), cached(1, "a"), cached.cache_info(), str(inspect.signature(cached)))
    dispatched = functools.singledispatch(llm_track.track_llm(plain))
    dispatched.register(str, llm_track.track_llm(lambda text: f"text {text}"))
    show("dispatch", dispatched(1), dispatched("a"))
    wrapped = functools.wraps(llm_track.track_llm(plain))(lambda *given: given)
    show("wraps", wrapped.__name__, wrapped(1), str(inspect.signature(wrapped)))
    show("partial", functools.partial(llm_track.track_llm(plain), 1)("b"))
    show("reduce", functools.reduce(llm_track.track_llm(max), [1, 3]))
    twice = llm_track.track_llm(llm_track.track_llm(plain))
    show("twice", twice(1), str(inspect.signature(twice)))
    show("builtin", llm_track.track_llm(len)([1]), llm_track.track_llm(len).__name__, llm_track.track_llm(dict)(a=1))
    show("hash", {llm_track.track_llm(plain): 1}[plain], llm_track.track_llm(plain) == plain)


class Base(abc.ABC):
    """An abstract class with a tracked method."""

    @abc.abstractmethod
    @llm_track.track_llm
    def work(self) -> int: ...


@dataclasses.dataclass
class Data(Base):
    """A data class with tracked methods and a tracked default."""

    number: int = 3
    function: Any = TRACKED

    @llm_track.track_llm
    def work(self) -> int:
        return self.number

    @property
    @llm_track.track_llm
    def half(self) -> float:
        return self.number / 2

    @functools.cached_property
    @llm_track.track_llm
    def double(self) -> int:
        return self.number * 2

    __call__ = llm_track.track_llm(lambda self, more: self.number + more)
    later = functools.partialmethod(llm_track.track_llm(lambda self, more: more), 9)


class Child(Data):
    """A subclass that overrides a tracked method."""

    def work(self) -> int:
        return super().work() + 1


class Model(pydantic.BaseModel):
    """A pydantic model with tracked methods."""

    number: int = 4

    @llm_track.track_llm
    def work(self) -> int:
        return self.number

    @llm_track.track_llm
    @classmethod
    def made(cls) -> Any:
        return cls(number=5)


class Choice(enum.Enum):
    """An enum with a tracked method."""

    ONE = 1

    @llm_track.track_llm
    def work(self) -> int:
        return self.value


@program
def classes_with_tracked_methods() -> None:
    """Abstract, data, pydantic and enum classes, properties and inheritance accept tracked methods."""
    attempt("abstract", Base)
    data = Data()
    show("data", data.work(), data.half, data.double, data(1), data.later(), data == Data(), Data.half.fget.__name__)
    show("model", Model().work(), Model.made(), list(Model.model_fields))
    show("others", list(Choice), Choice.ONE.work(), Child().work())
    show("fields", [item.name for item in dataclasses.fields(Data)], sorted(Base.__abstractmethods__))


@program
def weak_references() -> None:
    """Weak references to tracked functions and weak methods work, and end with what they refer to."""
    work = type("Work", (), {"method": llm_track.track_llm(lambda self: "done")})()
    function = llm_track.track_llm(lambda: None)
    reference = weakref.ref(function)
    show("alive", reference() is function)
    method = weakref.WeakMethod(work.method)
    show("method", method()(), method() == work.method, work.method())
    show("set", len(weakref.WeakSet([function, function])))
    del function, work
    settle()
    gc.collect()
    show("dead", reference(), method())


@program(silent=True)
async def weak_methods_of_clients(sdk: SDK) -> None:
    """A weak reference to a method of a client works."""
    client = sdk.client()
    method = weakref.WeakMethod(client.request)
    show("method", method() == client.request, method().__name__)


@program
async def mocks(sdk: SDK) -> None:
    """Tests that replace SDK methods with mocks, and put them back, get what they got."""
    client = sdk.client()
    with mock.patch.object(sdk.client_class, "request", return_value="faked") as faked:
        show("class", await value(sdk.ask(client)), faked.call_count, type(faked))
    show("back", await value(sdk.ask(client)))
    with mock.patch.object(sdk.client_class, "request", autospec=True) as faked:
        show("spec", type(faked), inspect.iscoroutinefunction(faked))
    with mock.patch.object(client, "request") as faked:
        show("object", type(faked))
    show("gone", "request" in vars(client), await value(sdk.ask(client)))
    spec = mock.create_autospec(sdk.client_class, instance=True)
    with raises("wrong call"):
        spec.request(nonsense=1)
    spec = mock.create_autospec(llm_track.track_llm(plain))
    spec(1)
    with raises("wrong function call"):
        spec()


@program
def validated_calls() -> None:
    """Pydantic's validate_call and the SDKs' own tool decorators accept tracked functions."""

    @pydantic.validate_call
    @llm_track.track_llm
    def add(left: int, right: int = 2) -> str:
        """Add two numbers."""
        return str(left + right)

    show("valid", add("1"), add.__name__)
    attempt("invalid", add, "x")
    show("schema", pydantic.TypeAdapter(add).json_schema() if hasattr(pydantic, "TypeAdapter") else None)
    tool = need(anthropic, "beta_tool")

    @tool
    @llm_track.track_llm
    def subtract(left: int, right: int) -> str:
        """Subtract two numbers.

        Args:
            left: from this
            right: this
        """
        return str(left - right)

    show("tool", subtract.to_dict(), subtract.call({"left": 3, "right": 1}), subtract(3, 1))
