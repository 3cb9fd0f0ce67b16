"""Hooking a function in place: it stays what it is, whoever looks at it and however."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_track.inplace import hook_in_place, is_hooked


def plain(one: int, *, two: int = 2) -> tuple[int, int]:
    """Return both."""
    return one, two


def closing(_args: str, hook: str) -> Callable[..., Any]:
    """Return a function with cells that bear the names that a hook would choose for itself."""

    def closed(one: int = 1) -> tuple[str, str, int]:
        if one < 0:
            raise ValueError(one)
        return _args, hook, one

    return closed


async def awaited(one: int) -> int:
    """Return it, after a while."""
    await asyncio.sleep(0)
    return one


class Owner:
    """Has a method."""

    def method(self, one: int, *, two: int = 2) -> tuple[Owner, int, int]:
        """Return all."""
        return self, one, two


Calls = list[tuple[Any, tuple[Any, ...], dict[str, Any]]]


@pytest.fixture
def hooked() -> Iterator[Callable[..., Calls]]:
    """Hook functions, and take the hooks off when the test is over."""
    undo: list[Callable[[], None]] = []

    def hook(function: Any, **how: bool) -> Calls:
        calls: Calls = []

        def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            calls.append((instance, args, kwargs))
            return wrapped(*args, **kwargs)

        undo.append(hook_in_place(function, wrapper, **how))
        return calls

    yield hook
    for each in undo:
        each()


FUNCTIONS = [plain, closing("a", "b"), awaited, Owner.method]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_looks_as_before(function: Any, hooked: Callable[..., Calls]) -> None:
    """Name, module, text, signature, source, pickle, copies and whether it is async are those of the function."""

    def looks() -> list[Any]:
        said = [function.__name__, function.__qualname__, function.__module__, function.__doc__, repr(function)]
        said += [inspect.signature(function), inspect.getsource(function), inspect.getsourcelines(function)[1]]
        said += [inspect.iscoroutinefunction(function), function.__defaults__, function.__kwdefaults__]
        said += [function.__closure__, function.__annotations__, function.__code__.co_name, copy.deepcopy(function)]
        return said if "<locals>" in function.__qualname__ else [*said, pickle.loads(pickle.dumps(function))]

    before = looks()
    hooked(function)
    assert is_hooked(function)
    assert looks() == before


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_comes_off_without_a_trace(function: Any) -> None:
    """After the hook is off the function has its own code, the very object, and no attribute more."""
    code, attributes = function.__code__, dict(vars(function))
    hook_in_place(function, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs))()
    assert function.__code__ is code
    assert vars(function) == attributes
    assert not is_hooked(function)


def test_every_holder_calls_the_hook(hooked: Callable[..., Calls]) -> None:
    """A name, a default and a bound partial that were taken before the hook are hooked too; cells keep their values."""
    closed = closing("a", "b")
    taken = closed
    calls = hooked(closed)
    assert taken(5) == ("a", "b", 5)
    assert calls == [(None, (5,), {})]
    with pytest.raises(ValueError, match="-1"):
        taken(-1)


def test_a_coroutine_function_stays_one(hooked: Callable[..., Calls]) -> None:
    """The hook of an ``async def`` runs when it is awaited, not when it is called."""
    calls = hooked(awaited)
    unstarted = awaited(3)
    assert calls == []
    assert asyncio.run(unstarted) == 3
    assert calls == [(None, (3,), {})]


def test_a_method_gets_its_instance(hooked: Callable[..., Calls]) -> None:
    """The wrapper of a method hears the instance apart from the arguments, and calls it without."""
    owner = Owner()
    bound = owner.method
    calls = hooked(Owner.method, is_method=True)
    assert bound(1, two=3) == (owner, 1, 3)
    assert calls == [(owner, (1,), {"two": 3})]
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        Owner.method()  # type: ignore[call-arg]  # what a program may do wrong


LOOK_INTO_FRAMES = """
import sys, traceback
from tests.test_inplace import closing
from llm_track.inplace import hook_in_place
closed = closing("a", "b")
hook_in_place(closed, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs))
seen = []
def trace(frame, event, arg):
    seen.append(dict(frame.f_locals))
    return trace
sys.settrace(trace)
closed(1)
sys.settrace(None)
try:
    closed(-1)
except ValueError as error:
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "hook = 'b'" in text, text
    print(len(seen) > 3 and "looked")
"""


def test_a_reporter_of_errors_may_look_into_its_frame() -> None:
    """Reading the variables of the hooked frame, as tracers and error reporters do, gives its cells and no crash."""
    ran = subprocess.run([sys.executable, "-c", LOOK_INTO_FRAMES], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (0, "looked"), ran.stderr


def test_tracebacks_name_the_function(hooked: Callable[..., Calls]) -> None:
    """The frame that calls the hook stands in a traceback under the function's own name and file."""
    closed = closing("a", "b")
    hooked(closed)
    with pytest.raises(ValueError, match="-1") as caught:
        closed(-1)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.filename for frame in frames if frame.name == "closed"] == [__file__, __file__]
