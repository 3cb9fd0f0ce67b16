"""A task given to another process inside a span belongs to the span: `multiprocessing` and `ProcessPoolExecutor`.

What goes along are the headers of `llm_track.inject`.  A process that is started belongs to who starts it, and so does
each task that a pool is given; the workers of a pool belong to nobody, whoever was there when they were started.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from llm_track import context, policies, pools, threads
from llm_track._guard import guarded
from llm_track.config import settings
from llm_track.following import Following
from llm_track.headers import read
from llm_track.propagation import RemoteStep, extract, inject
from llm_track.worker import EXIT_SECONDS

_CARRY = guarded("carry a span into another process")
_ARRIVE = guarded("take over the span of another process")
_LEAVE = guarded("let the workers of a pool deliver what they have recorded")
_OF_POOLS = ("multiprocessing.pool", "concurrent.futures.process")
"""The modules of what the workers of pools run."""


class Carried:
    """A function that is called elsewhere as if it were called here; it pickles if the function does."""

    __slots__ = ("function", "headers")

    def __init__(self, headers: dict[str, str], function: Callable[..., Any]) -> None:
        self.headers = headers
        self.function = function

    def __reduce__(self) -> Any:
        return Carried, (self.headers, self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return inside(self.headers, self.function, *args, **kwargs)


class Heading:
    """Lies in a process object while that is started; where it is unpickled, the child stands inside the span."""

    __slots__ = ("headers",)

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def __reduce__(self) -> Any:
        return arrive, (self.headers,)


def arrive(headers: dict[str, str]) -> None:
    """Stand inside the step that headers name for as long as this process lives, if it is one that is starting."""
    with _ARRIVE:
        process = sys.modules["multiprocessing.process"].current_process()
        if getattr(process, "_inheriting", False):
            context.place(RemoteStep(read(headers)))


def inside(headers: dict[str, str], function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function inside of the step that headers name."""
    with extract(headers):
        return function(*args, **kwargs)


def _headers() -> dict[str, str]:
    headers: dict[str, str] = {}
    with _CARRY:
        if settings().follow_threads:
            inject(headers)
    return headers


def _submit(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    headers = _headers() if args else None
    return wrapped(inside, headers, *args, **kwargs) if headers else wrapped(*args, **kwargs)


def _give(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give a task to a `multiprocessing.Pool`, or to the threads that look like one."""
    function = args[0] if args else kwargs.get("func")
    if callable(function):
        carried = _in_thread(function) if type(instance).__name__ == "ThreadPool" else _in_process(function)
        if args:
            args = (carried, *args[1:])
        else:
            kwargs = {**kwargs, "func": carried}
    return wrapped(*args, **kwargs)


def _in_process(function: Callable[..., Any]) -> Callable[..., Any]:
    headers = _headers()
    return Carried(headers, function) if headers else function


def _in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    with _CARRY:
        node, agreed = context.current(), policies.agreed()
        if settings().follow_threads and (node, agreed) != (None, None):
            return partial(threads.inside, node, agreed, function)
    return function


def _start(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module = getattr(getattr(instance, "_target", None), "__module__", None)
    if module in _OF_POOLS:
        return _start_worker(wrapped, instance, args, kwargs, kills=module == _OF_POOLS[0])
    headers = _headers()
    if not headers:
        return wrapped(*args, **kwargs)
    held = vars(instance)
    held["_llm_track"] = Heading(headers)
    try:
        return wrapped(*args, **kwargs)
    finally:
        held.pop("_llm_track", None)


def _start_worker(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, kills: bool
) -> Any:
    """Start a worker of a pool outside of every step; of a pool that kills its workers, with what to say first."""
    before, agreed = context.swap(None), policies.agree(None)
    try:
        with _LEAVE:
            if kills and settings().enabled:
                pools.lend(instance)
        return wrapped(*args, **kwargs)
    finally:
        pools.take_back(instance)
        context.swap(before)
        policies.agree(agreed)


def _end(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """End a pool whose ``with`` block ends, when workers that have no task any more have delivered.

    The pool would kill them, with all that they have yet to deliver.  It does so later with those that do not.
    """
    with _LEAVE:
        if type(instance).__name__ != "ThreadPool" and instance._state == "RUN" and not instance._cache:
            pools.let_deliver(instance, EXIT_SECONDS)
    return wrapped(*args, **kwargs)


_following = Following(
    {
        "concurrent.futures.process": {"ProcessPoolExecutor.submit": _submit},
        "multiprocessing.process": {"BaseProcess.start": _start},
        "multiprocessing.pool": {
            "Pool.apply_async": _give,
            "Pool._map_async": _give,
            "Pool.imap": _give,
            "Pool.imap_unordered": _give,
            "Pool.terminate": _end,
        },
    }
)
follow, unfollow = _following.follow, _following.unfollow
