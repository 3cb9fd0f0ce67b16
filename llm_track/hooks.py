"""The object that stands in for a method or function, and the coroutine that it may hold back."""

from __future__ import annotations

from typing import Any

import wrapt


class BoundHook(wrapt.BoundFunctionWrapper[Any, Any]):
    """A hooked method of one object.  It copies and pickles as the bound method it stands for."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self.__self__, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        from copy import deepcopy

        return getattr(deepcopy(self.__self__, memo), self.__name__)


class Hook(wrapt.FunctionWrapper[Any, Any]):
    """A hooked function.  It copies and pickles as a function does: by its name."""

    __bound_function_wrapper__ = BoundHook

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__qualname__

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class Unstarted:
    """A coroutine that nobody awaits yet; it is closed quietly if nobody ever will."""

    __slots__ = ("_awaitable",)

    def __init__(self, awaitable: Any) -> None:
        self._awaitable = awaitable

    def take(self) -> Any:
        """Return the coroutine, to be awaited now."""
        awaitable, self._awaitable = self._awaitable, None
        return awaitable

    def __del__(self) -> None:
        close = getattr(self._awaitable, "close", None)
        if close is not None:
            close()
