"""Hooking a function without replacing it: whoever imported it before calls the hook as well.

The function stays the very object that it is.  Its code is exchanged for code that calls the hook, which gets a twin of
the function with the code as it was.  So ``from litellm import completion`` may come before or after.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

_exchanged: WeakKeyDictionary[FunctionType, CodeType] = WeakKeyDictionary()
"""Each function that is hooked, and the code that it was given."""
_HOOK = "the hook"
"""A constant of the code that calls the hook, in whose place the hook itself is put."""


def hook_in_place(function: FunctionType, wrapper: Wrapper, *, is_method: bool = False) -> Callable[[], None]:
    """Have every call of a function go through a wrapper, whoever holds the function.

    Args:
        function: a Python function, ``async`` or not; generator functions are not supported.
        wrapper: called as ``wrapper(function as it was, None, args, kwargs)``, as wrapt calls it.
        is_method: the first argument is an instance: ``wrapper(bound method as it was, instance, args, kwargs)``.

    Returns:
        What takes the hook off again: the function then has its own code, the very object.
    """
    code, twin = function.__code__, _twin(function)

    def hook(*args: Any, **kwargs: Any) -> Any:
        if is_method and args:
            return wrapper(MethodType(twin, args[0]), args[0], args[1:], kwargs)
        return wrapper(twin, None, args, kwargs)

    described = "__signature__" in function.__dict__ or hasattr(function, "__wrapped__")
    if not described:  # else its signature is read off its code
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # any function may have one
    function.__code__ = _exchanged[function] = _calling(hook, code)

    def undo() -> None:
        if is_hooked(function):
            function.__code__ = code
            del _exchanged[function]
            if not described:
                function.__dict__.pop("__signature__", None)

    return undo


def is_hooked(function: Any) -> bool:
    """Tell whether something is a function that has been hooked in place."""
    return isinstance(function, FunctionType) and function.__code__ is _exchanged.get(function)


def _twin(function: FunctionType) -> FunctionType:
    twin = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__dict__.update(function.__dict__)
    twin.__qualname__, twin.__module__, twin.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return twin


def _calling(hook: Callable[..., Any], code: CodeType) -> CodeType:
    """Return code that calls the hook, and is in all else what it stands for: name, place in the source, cells."""
    mark = "_"
    while any(name.startswith(mark) for name in code.co_freevars):  # tracers tell variables apart by their names
        mark += "_"
    template = _template(len(code.co_freevars), bool(code.co_flags & inspect.CO_COROUTINE), mark)
    named = {name: getattr(code, name) for name in _OF_THE_FUNCTION if hasattr(code, name)}
    constants = tuple(hook if constant == _HOOK else constant for constant in template.co_consts)
    return template.replace(co_consts=constants, **named)


_OF_THE_FUNCTION = ("co_freevars", "co_name", "co_qualname", "co_filename", "co_firstlineno")


@cache
def _template(cells: int, is_coroutine: bool, mark: str) -> CodeType:
    """Compile code with as many cells as a function has: Python wants to fill them, and debuggers look into them.

    Cells that the code does not know of are null pointers: who then asks for a frame's variables, as error reporters
    do with every traceback, ends the process.
    """
    names = "".join(f"cell_{number}, " for number in range(cells))
    define, wait = ("async def", "await ") if is_coroutine else ("def", "")
    args, kwargs, hook = (f"{mark}{name}" for name in ("args", "kwargs", "hook"))
    source = (
        f"def around({names}):\n"
        f" {define} hooked(*{args}, **{kwargs}): "
        f"{hook} = {_HOOK!r}; return {wait}{hook}(*{args}, **{kwargs}); ({names})\n"
    )
    (around,) = (each for each in compile(source, "<llm_track>", "exec").co_consts if isinstance(each, CodeType))
    (hooked,) = (each for each in around.co_consts if isinstance(each, CodeType))
    return hooked
