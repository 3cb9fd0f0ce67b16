"""Following a stream object that is its own iterator, or a bare generator, from its first chunk to its end.

There is no iterator inside such an object to replace, so its class gets hooks on the methods that pull from it; they
do nothing for objects that nobody follows.  Generators are the business of `generators`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from types import AsyncGeneratorType, FunctionType, GeneratorType
from typing import Any

from llm_track import context, generators
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.wire.pulled import Pulled

_FOLLOW = guarded("follow a stream")


class _Following:
    """One stream object and its call."""

    __slots__ = ("call", "inside", "keep", "key", "pulled", "reference", "stamp")

    def __init__(self, call: Call, stream: Any) -> None:
        self.call = call
        self.pulled = call.pulled = Pulled(about=call.provider.about(stream))
        self.keep, self.stamp = self.pulled.pieces.append, self.pulled.times.append
        self.inside = False
        """Whether a hooked method runs: one class may pull through the method of another."""
        self.key = key = id(stream)

        def dropped(_: Any) -> None:
            _followed.pop(key, None)
            with _FOLLOW:
                call.stop()

        self.reference = weakref.ref(stream, dropped)


_followed: dict[int, _Following] = {}
"""By their `id`, the stream objects that are being followed."""
_hooked: weakref.WeakKeyDictionary[type, dict[str, tuple[Any, Any]]] = weakref.WeakKeyDictionary()
"""Each class with hooks: its methods as they were, and the hooks."""


def is_stream(result: Any) -> bool:
    """Tell whether a result has yet to be pulled out, piece by piece."""
    return hasattr(type(result), "__next__") or hasattr(type(result), "__anext__")


def pursue(call: Call, result: Any) -> Any:
    """Settle the call when a stream ends, breaks, is closed or dropped; return what the program gets."""
    if isinstance(result, (GeneratorType, AsyncGeneratorType)):
        return generators.pursue(call, result)
    for name, hook in _HOOKS.items():
        _hook(type(result), name, hook)
    _followed[id(result)] = _Following(call, result)
    return result


def release() -> None:
    """Take the hooks off all classes again."""
    for owner, methods in list(_hooked.items()):
        for name, (method, hook) in methods.items():
            if vars(owner).get(name) is hook:
                setattr(owner, name, method)
    _hooked.clear()


def _hook(kind: type, name: str, hook: Callable[[Any], Any]) -> None:
    """Hook the method on the class that defines it."""
    owner = next((parent for parent in kind.__mro__ if name in vars(parent)), None)
    method = vars(owner)[name] if owner is not None else None
    if owner is None or not isinstance(method, FunctionType) or name in _hooked.get(owner, {}):
        return
    outer = wraps(method)(hook(method))
    setattr(owner, name, outer)
    _hooked.setdefault(owner, {})[name] = (method, outer)


def _taken(stream: Any) -> _Following | None:
    """Return what follows a stream, unless a hook that called this one already sees to it."""
    following = _followed.get(id(stream))
    return None if following is None or following.inside else following


def _next(method: Any) -> Any:
    def pull(self: Any) -> Any:
        following = _taken(self)
        if following is None:
            return method(self)
        following.inside = True
        before = context.place(following.call)  # the SDK may ask its provider only now
        try:
            piece = method(self)
        except BaseException as error:
            _ended(following, error)
            raise
        finally:
            following.inside = False
            context.swap(before)
        following.keep(piece)
        following.stamp(perf_counter())
        return piece

    return pull


def _anext(method: Any) -> Any:
    async def pull(self: Any) -> Any:
        following = _taken(self)
        if following is None:
            return await method(self)
        following.inside = True
        before = context.place(following.call)
        try:
            piece = await method(self)
        except BaseException as error:
            _ended(following, error)
            raise
        finally:
            following.inside = False
            context.restore(following.call, before)
        following.keep(piece)
        following.stamp(perf_counter())
        return piece

    return pull


def _close(method: Any) -> Any:
    def close(self: Any) -> Any:
        _closed(self)
        return method(self)

    return close


def _aclose(method: Any) -> Any:
    async def aclose(self: Any) -> Any:
        _closed(self)
        return await method(self)

    return aclose


_HOOKS: dict[str, Callable[[Any], Any]] = {
    "__next__": _next,
    "__anext__": _anext,
    "close": _close,
    "aclose": _aclose,
}


def _closed(stream: Any) -> None:
    following = _taken(stream)
    if following is not None:
        with _FOLLOW:
            following.call.stop()


def _ended(following: _Following, error: BaseException) -> None:
    _followed.pop(following.key, None)
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        following.pulled.ended = True
        following.call.finish()
    else:
        following.call.fail(error)
