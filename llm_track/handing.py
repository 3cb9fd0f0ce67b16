"""What an SDK hands over that it makes itself, around or after the hooked method: a generator, an object of its own.

The method that the program calls is hooked beside the one that asks.  An object that it returns is the answer of the
call that was made meanwhile.  A generator that it returns may ask only when it is read, long after: then the frame of
that generator is on the stack.  The program keeps the SDK's own objects, and while it reads nothing is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import isawaitable
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any
from weakref import ref

import wrapt

from llm_track import answers, context
from llm_track._guard import guarded
from llm_track.calls import Call
from llm_track.hooks import Unstarted, named
from llm_track.providers import Provider, Target
from llm_track.wrapper import Wrapper, call_wrapper, made_wrapper, witness_wrapper

_HAND = guarded("note what an SDK hands over")
_MOST_FRAMES = 60
"""How far up the stack is looked: what an SDK has between what it hands over and what it asks by is much less."""


class _Unread(ref):  # type: ignore[type-arg]  # either kind of generator
    """A weak reference to a generator of which nothing has been read, so that its SDK has not asked yet."""

    __slots__ = ("key",)
    key: int


_unread: dict[int, _Unread] = {}
"""By the `id` of their frame, which lives and dies with them."""


class _Handed:
    """Who what is about to be handed over belongs to, as far as it is known."""

    __slots__ = ("call",)

    def __init__(self) -> None:
        self.call: Call | None = None


def asking(provider: Provider, target: Target, wanted: Callable[[Any], bool]) -> Wrapper:
    """Return the wrapper of a method that asks a model; it does more only for an SDK that hands something over."""
    wrapper = call_wrapper(target.transport or provider, target, wanted)
    return _linking(provider, wrapper) if provider.hands else wrapper


def beside(provider: Provider, target: Target) -> Wrapper | None:
    """Return the wrapper of a method that is no call itself; ``None`` for one that is."""
    if target in provider.hands:
        return _handing
    if target.made is not None:
        return made_wrapper(target.made)
    return witness_wrapper(provider, target.notes) if target.notes is not None else None


def _handing(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap a method that hands the program what it makes of an answer that a hooked method saw, or will see."""
    handed, unstarted = _Handed(), Unstarted()
    result = wrapped(*args, **kwargs)
    if isawaitable(result):
        return named(_awaited(handed, unstarted.hold(result)), result)
    _hand(handed, result)
    return result


async def _awaited(handed: _Handed, unstarted: Unstarted) -> Any:
    result = await unstarted.take()
    _hand(handed, result)
    return result


_HANDING = frozenset({_handing.__code__, _awaited.__code__})


def _hand(handed: _Handed, result: Any) -> None:
    """Note whose answer a result is, or that a generator has yet to ask."""
    with _HAND:
        if handed.call is not None:
            answers.note(handed.call, result)
            return
        frame = _frame_of(result)
        if frame is not None:
            unread = _Unread(result, _gone)
            unread.key = id(frame)
            _unread[unread.key] = unread


def _gone(unread: _Unread, all_unread: dict[int, _Unread] = _unread) -> None:
    """Forget a generator that nobody will read."""
    if all_unread.get(unread.key) is unread:
        del all_unread[unread.key]


def _frame_of(generator: Any) -> FrameType | None:
    """Return the frame of a generator that has not ended; of anything else there is none."""
    if isinstance(generator, GeneratorType):
        return generator.gi_frame
    return generator.ag_frame if isinstance(generator, AsyncGeneratorType) else None


def _linking(provider: Provider, wrapper: Wrapper) -> Wrapper:
    """Return the wrapper of a hooked method that also tells what is around it on the stack whose answer it gets."""

    def link(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        linked = _Linked(wrapped)
        linked._self_provider = provider
        return wrapper(linked, instance, args, kwargs)

    return link


class _Linked(wrapt.ObjectProxy[Any]):
    """The method of an SDK, which is still asynchronous if it was, as budgets ask."""

    _self_provider: Provider

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        with _HAND:
            call = context.current()
            if isinstance(call, Call) and call.provider is self._self_provider and not call.is_attempt:
                _link(call, sys._getframe(1))
        return self.__wrapped__(*args, **kwargs)


def _link(call: Call, frame: FrameType | None) -> None:
    """Tell what is around a call.  Of several calls the last one counts, which gave the answer; a poll gave none."""
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return
        unread = _unread.get(id(frame)) if _unread else None
        if unread is not None and _frame_of(generator := unread()) is frame:
            answers.note(call, generator)
        elif frame.f_code in _HANDING:
            handed = frame.f_locals["handed"]
            if handed.call is None or not call.reading.recalled:
                handed.call = call
        frame = frame.f_back


def is_unread(answer: Any) -> bool:
    """Tell whether something that is no answer of a call is a generator whose SDK asks when it is read."""
    frame = _frame_of(answer)
    unread = _unread.get(id(frame)) if frame is not None else None
    return unread is not None and unread() is answer
