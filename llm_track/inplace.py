"""Hooking a function without replacing it: whoever imported it before calls the hook as well.

The function stays the very object that it is.  Its code is exchanged for code that calls the hook, which gets a twin of
the function with the code as it was.  So ``from litellm import completion`` may come before or after.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]


def _hooked(*args: Any, **kwargs: Any) -> Any:
    hook: Any = "HOOK"  # a constant of the code, which is exchanged for the hook
    return hook(*args, **kwargs)


async def _hooked_async(*args: Any, **kwargs: Any) -> Any:
    hook: Any = "HOOK"
    return await hook(*args, **kwargs)


def hook_in_place(function: FunctionType, wrapper: Wrapper) -> Callable[[], None]:
    """Have every call of a function go through a wrapper, whoever holds the function.

    Args:
        function: a Python function, ``async`` or not; generator functions are not supported.
        wrapper: called as ``wrapper(function as it was, None, args, kwargs)``.

    Returns:
        What takes the hook off again: the function then has its own code, the very object.
    """
    code, described = function.__code__, "__signature__" in function.__dict__
    twin = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__dict__.update(function.__dict__)
    twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__

    def hook(*args: Any, **kwargs: Any) -> Any:
        return wrapper(twin, None, args, kwargs)

    if not described and not hasattr(function, "__wrapped__"):  # else its signature is read off its code
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # any function may have one
    template = (_hooked_async if inspect.iscoroutinefunction(function) else _hooked).__code__
    exchanged = template.replace(
        co_consts=tuple(hook if constant == "HOOK" else constant for constant in template.co_consts),
        co_freevars=code.co_freevars,  # Python wants as many as the function has cells
        co_name=code.co_name,
    )
    function.__code__ = exchanged

    def undo() -> None:
        if function.__code__ is exchanged:
            function.__code__ = code
            if not described:
                function.__dict__.pop("__signature__", None)

    return undo


def is_hooked(function: FunctionType) -> bool:
    """Tell whether a function has been hooked in place."""
    return function.__code__.co_code in (_hooked.__code__.co_code, _hooked_async.__code__.co_code)
