"""When llm_track itself fails: the program must not notice."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any
from unittest import mock

import openai
from observe import SDK, VARIANT, each, llm_track, program, raises, show, value


async def _everything(sdk: SDK) -> None:
    """Each kind of call, and how it ends."""
    show("answer", await value(sdk.ask(sdk.client())))
    show("chunks", [chunk async for chunk in each(await value(sdk.ask(sdk.client(), stream=True)))])
    raw = await value(sdk.ask_raw(sdk.client()))
    show("raw", raw.status_code, await value(raw.parse()))
    with raises("error"):
        await value(sdk.ask(sdk.client("e400")))
    with llm_track.llm_span("block") as span:
        span.set(output={1, 2}, metadata={"a": object()})

    @llm_track.track_llm
    def tracked(left: int) -> int:
        return left + 1

    show("tracked", tracked(1))


class Unwilling:
    """A client of PostHog that raises whatever is asked of it."""

    def capture(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("no room")

    flush = capture

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


@program(faulty=True, silent=True)
async def processors_that_raise(sdk: SDK) -> None:
    """A processor that raises, returns nonsense or drops everything does not touch the program."""

    def broken(event: Any) -> Any:
        raise ValueError("a broken processor")

    for processor in (broken, lambda event: None, lambda event: "nonsense"):
        llm_track.configure(client=Unwilling(), processors=[processor])
        await _everything(sdk)
        llm_track.flush()


@program(faulty=True, silent=True)
async def clients_that_raise(sdk: SDK) -> None:
    """A client of PostHog that raises does not touch the program."""
    llm_track.configure(client=Unwilling())
    await _everything(sdk)


@program(faulty=True)
async def readers_that_raise(sdk: SDK) -> None:
    """A fault in each step of llm_track leaves every call, stream, error and span as it was."""
    if VARIANT == "plain":
        for _ in range(_STEPS):
            await _everything(sdk)
        return

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a fault of llm_track")

    places = [
        ("llm_track.wrapper", "_start"),
        ("llm_track.wrapper", "_settled_or_watched"),
        ("llm_track.wrapper", "decoder"),
        ("llm_track.tracking", "snapshot"),
        ("llm_track.properties", "event"),
        ("llm_track.reader", "model_call"),
        ("llm_track.spans", "snapshot"),
    ]
    assert len(places) == _STEPS
    for module, name in places:
        with mock.patch.object(importlib.import_module(module), name, broken):
            await _everything(sdk)


_STEPS = 7


@program(faulty=True, silent=True)
def settings_that_are_wrong() -> None:
    """A wrong environment variable does not touch the program."""
    os.environ["LLM_TRACK_SAMPLE_RATE"] = "plenty"
    for name in ("openai", "anthropic"):
        sdk = SDK(name, asynchronous=False)
        show("answer", sdk.ask(sdk.client()), list(sdk.ask(sdk.client(), stream=True)))
        with llm_track.llm_span("block"):
            show("tracked", llm_track.track_llm(divmod)(7, 2))


class Hostile:
    """An object that fails whenever it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look")

    __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"do not look for {name}")


@program
def hostile_values() -> None:
    """Arguments, results, items and errors that cannot be printed, compared or searched pass through as they are."""

    class HostileError(Exception):
        __str__ = __repr__ = Hostile.__repr__

    @llm_track.track_llm
    def passes(given: Any, *more: Any, **named: Any) -> Any:
        return given

    @llm_track.track_llm
    def steps(given: Any) -> Any:
        yield given

    @llm_track.track_llm
    def fails() -> None:
        raise HostileError(Hostile())

    hostile = Hostile()
    cycle: list[Any] = []
    cycle.append(cycle)
    show("same", passes(hostile) is hostile, passes(cycle) is cycle)
    show("nested", passes({"a": hostile}, hostile, b=hostile)["a"] is hostile)
    show("items", [item is hostile for item in steps(hostile)])
    try:
        fails()
    except HostileError as error:
        show("error", type(error), type(error.args[0]))
    with llm_track.llm_span("block", metadata={"a": hostile}) as span:
        span.set(input=hostile, output=[hostile], metadata={"b": hostile})


@program
def watched_values() -> None:
    """Mocks and iterators that are given to tracked functions are neither called nor used up."""

    @llm_track.track_llm
    def passes(given: Any) -> Any:
        return given

    for item in (mock.MagicMock(), mock.Mock(), mock.MagicMock(spec=dict), iter([1, 2])):
        result = passes(item)
        llm_track.flush()
        show("used", result is item, getattr(item, "mock_calls", None), getattr(item, "method_calls", None))
        show("left", list(result) if type(result).__name__ == "list_iterator" else None)


@program
def lazy_values() -> None:
    """Lazy mappings and sequences of the program's own are not loaded by being given to tracked functions."""

    class Lazy(Mapping):
        def __getitem__(self, key: str) -> Any:
            print("loaded", key)
            return key

        def __iter__(self) -> Any:
            print("iterated")
            return iter("ab")

        def __len__(self) -> int:
            return 2

    @llm_track.track_llm
    def passes(given: Any) -> Any:
        return given

    lazy = Lazy()
    show("same", passes(lazy) is lazy)
    llm_track.flush()


@program(faulty=True)
def sdks_without_the_method() -> None:
    """An SDK class that lacks the method which is to be hooked works as it does, and so do the other classes."""

    class Without:
        """A client that has no request."""

        def ask(self) -> str:
            return "asked"

    llm_track.unpatch()
    original, openai.OpenAI = openai.OpenAI, Without
    try:
        with raises("patching"):
            llm_track.autopatch()
        show("works", openai.OpenAI().ask())
    finally:
        openai.OpenAI = original
    for name in ("openai", "anthropic"):
        sdk = SDK(name, asynchronous=False)
        show("answer", sdk.ask(sdk.client()))
