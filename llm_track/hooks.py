"""The object that stands in for a method or function, and the coroutine that it may hold back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy, deepcopy
from types import FunctionType, MethodType
from typing import Any

import wrapt


class BoundHook(wrapt.BoundFunctionWrapper[Any, Any]):
    """A hooked method of one object or class.  It copies, pickles and prints as the method it stands for."""

    def __new__(cls, *args: Any) -> Any:
        """`weakref.WeakMethod` makes a method anew from its function and its object: then it is looked up again."""
        if len(args) == 2:
            function, home = args
            found = getattr(home, function.__name__, None)
            return found if getattr(found, "__func__", None) is function else MethodType(function, home)
        return super().__new__(cls)

    def __init__(self, *args: Any) -> None:
        if len(args) > 2:
            initialise: Any = super().__init__
            initialise(*args)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        home = getattr(self.__wrapped__, "__self__", None)
        return getattr, (self._self_owner if home is None else home, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        home = getattr(self.__wrapped__, "__self__", None)
        return self if home is None else getattr(deepcopy(home, memo), self.__name__)


class Hook(wrapt.FunctionWrapper[Any, Any]):
    """A hooked function or callable object.  It copies, pickles and prints as what it stands for."""

    __bound_function_wrapper__ = BoundHook

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Functions pickle by their name, which leads back to the hook; an object pickles as it did before.

        ``dill`` takes functions apart instead of naming them; it gets what makes the hook anew.
        """
        if isinstance(self.__wrapped__, FunctionType):
            made_by = getattr(self, "_self_made_by", None)
            return (made_by[0], (self.__wrapped__, made_by[1])) if made_by and _dill_asks() else self.__qualname__
        return _itself, (self.__wrapped__,)

    def __copy__(self) -> Any:
        is_function = isinstance(self.__wrapped__, FunctionType)
        return self if is_function else Hook(copy(self.__wrapped__), self._self_wrapper)

    def __deepcopy__(self, memo: Any) -> Any:
        is_function = isinstance(self.__wrapped__, FunctionType)
        return self if is_function else Hook(deepcopy(self.__wrapped__, memo), self._self_wrapper)


class Opening(wrapt.ObjectProxy[Any]):
    """A context manager that an SDK made, of which entering is the hooked call."""

    _self_around: Callable[[Callable[[], Any]], Any]

    def __enter__(self) -> Any:
        return self._self_around(self.__wrapped__.__enter__)

    def __exit__(self, *raised: Any) -> Any:
        return self.__wrapped__.__exit__(*raised)

    def __aenter__(self) -> Any:
        return self._self_around(self.__wrapped__.__aenter__)

    def __aexit__(self, *raised: Any) -> Any:
        return self.__wrapped__.__aexit__(*raised)


def entered(around: Callable[..., Any]) -> Callable[..., Any]:
    """Return the wrapper of a method that returns a context manager: it asks nothing until that is entered.

    Args:
        around: the wrapper for the entering, which is told the arguments of the method.
    """

    def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        opening = Opening(wrapped(*args, **kwargs))
        opening._self_around = lambda enter: around(lambda *_, **__: enter(), instance, args, kwargs)
        return opening

    return wrapper


def _dill_asks() -> bool:
    """Tell whether the pickler that asks is one of ``dill``, which is written in Python."""
    dill, asking = sys.modules.get("dill"), sys._getframe(2).f_locals.get("self")
    return dill is not None and isinstance(asking, dill.Pickler)


def _itself(value: Any) -> Any:
    return value


def named(outer: Any, inner: Any) -> Any:
    """Return ``outer`` under the name of ``inner``: tasks and warnings show the name of what they run."""
    outer.__name__ = getattr(inner, "__name__", outer.__name__)
    outer.__qualname__ = getattr(inner, "__qualname__", outer.__qualname__)
    return outer


class Unstarted:
    """A coroutine that nobody awaits yet; it is closed quietly if nobody ever will, and ``dropped`` is told."""

    __slots__ = ("_awaitable", "_dropped")

    def __init__(self, dropped: Callable[[], None] | None = None) -> None:
        """Make it before the coroutine: of two that die together, the garbage collector finalises the older first."""
        self._awaitable: Any = None
        self._dropped = dropped

    def hold(self, awaitable: Any) -> Unstarted:
        """Keep a coroutine until it is taken."""
        self._awaitable = awaitable
        return self

    def take(self) -> Any:
        """Return the coroutine, to be awaited now."""
        awaitable, self._awaitable = self._awaitable, None
        return awaitable

    def __del__(self) -> None:
        if self._awaitable is None:
            return
        close = getattr(self._awaitable, "close", None)
        if close is not None:
            close()
        if self._dropped is not None:
            self._dropped()
