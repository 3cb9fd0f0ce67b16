"""`track_llm`: a function as a step of the trace, whatever kind of function it is."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, ParamSpec, TypeVar, overload

from llm_track import budgets, context, stepping
from llm_track._guard import attempt, guarded
from llm_track.config import settings
from llm_track.formats import Format
from llm_track.homemade import HomemadeCall
from llm_track.hooks import Hook, Unstarted, named
from llm_track.records import SpanKind
from llm_track.settling import OpenStep
from llm_track.snapshot import snapshot
from llm_track.steps import Arguments, SpanStep, end, inherit

P = ParamSpec("P")
T = TypeVar("T")

_OPEN = guarded("open the span of a function")
_CLOSE = guarded("keep the output of a function")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What was asked of `track_llm`."""

    name: str | None = None
    kind: SpanKind = "span"
    captures_input: bool = True
    captures_output: bool = True
    model: str | None = None
    provider: str | None = None
    format: Format | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    budget: float | None = None


@overload
def track_llm(function: Callable[P, T], /) -> Callable[P, T]: ...
@overload
def track_llm(
    *,
    name: str | None = None,
    kind: SpanKind = "span",
    capture_input: bool = True,
    capture_output: bool = True,
    model: str | None = None,
    provider: str | None = None,
    format: Format | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    groups: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    no_log: bool = False,
    content: bool | str | Iterable[str] | None = None,
    flags: Any = None,
    prompt: Any = None,
    budget_usd: float | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def track_llm(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    kind: SpanKind = "span",
    capture_input: bool = True,
    capture_output: bool = True,
    model: str | None = None,
    provider: str | None = None,
    format: Format | None = None,
    budget_usd: float | None = None,
    **given: Any,
) -> Any:
    """Make every call of a function a step of the trace.

    For functions, coroutine functions, generators, async generators, methods, class and static methods.  The decorated
    function keeps its signature, its kind and its name; it can be copied and pickled.  The step lasts while the
    function runs: for the block of a ``@contextmanager`` use `llm_span` inside it.

    Args:
        name: what the step is called; default: the function's qualified name.
        kind: ``"span"``, ``"tool"``, ``"agent"``, or ``"generation"`` for a function that asks a model by itself.
        capture_input, capture_output: whether arguments and result are part of the event.
        model, provider: for ``kind="generation"``: what the event says where the JSON does not.
        format: for ``kind="generation"``: a module of `llm_track.formats` that reads what the function returns: the
            provider's JSON, or an iterator of its chunks.
        budget_usd: what the calls inside one call of the function may cost, in US dollars, as in `llm_span`.
        given: ``user_id``, ``session_id``, ``groups``, ``metadata``, ``no_log``, ``content``, ``flags`` and
            ``prompt`` as in `llm_span`.

    >>> @track_llm(kind="tool")
    ... def search(query: str) -> list[str]:
    ...     return [query]
    """
    tracking = Tracking(
        name=name,
        kind=kind,
        captures_input=capture_input,
        captures_output=capture_output,
        model=model,
        provider=provider,
        format=format,
        given=given,
        budget=budgets.limit(budget_usd),
    )
    inherit(context.NOBODY, **given)  # a misspelt argument is an error here, where the function is written
    if function is not None:
        return decorate(function, tracking)
    return lambda decorated: decorate(decorated, tracking)


def decorate(function: Callable[P, T], tracking: Tracking) -> Callable[P, T]:
    """Wrap a function, or what a ``classmethod`` or ``staticmethod`` holds."""
    hook: Any
    if isinstance(function, (classmethod, staticmethod)):
        hook = type(function)(_hook(function.__func__, tracking))
    else:
        hook = _hook(function, tracking)
        hook = _IMPLICIT.get(getattr(function, "__name__", ""), lambda same: same)(hook)
    tracked: Callable[P, T] = hook
    return tracked


def _hook(function: Callable[..., Any], tracking: Tracking) -> Any:
    hook: Any = Hook(function, _wrapper(tracking, function))
    hook._self_made_by = _hook, tracking
    return hook


_IMPLICIT: dict[str, Callable[[Any], Any]] = {
    "__new__": staticmethod,
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
}
"""Methods whose kind Python knows by their name, but only as long as they are plain functions."""


def _wrapper(tracking: Tracking, function: Callable[..., Any]) -> Callable[..., Any]:
    gave = _gave(tracking)
    if _is_lazy(function):  # its body runs later, and so does the span

        def later(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            unstarted = Unstarted()
            return _run(wrapped(*args, **kwargs), unstarted, lambda: _open(tracking, wrapped, args, kwargs), gave)

        return later

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        node = _open(tracking, wrapped, args, kwargs)
        if node is None:
            return wrapped(*args, **kwargs)
        before = context.place(node)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            end(node, error)
            raise
        finally:
            context.swap(before)
        held = _references(result)
        if isinstance(result, _LAZY) and held <= _OURS and _is_unstarted(result):  # it hands out the work of another
            return _run(result, Unstarted(dropped=lambda: end(node, None)), lambda: node, gave)
        gave(node, result)
        end(node, None)
        return result

    return wrapper


def _is_lazy(function: Callable[..., Any]) -> bool:
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    )


_LAZY = (CoroutineType, GeneratorType, AsyncGeneratorType)


def _references(value: Any) -> int:
    return sys.getrefcount(value)


def _references_of_ours() -> int:
    """How many references a value has that one function alone holds; Python versions count differently."""
    value = object()
    return _references(value)


_OURS = _references_of_ours()


def _is_unstarted(result: Any) -> bool:
    """Tell whether what a function hands out is unstarted and held by nobody else: then nobody can miss it."""
    if isinstance(result, CoroutineType):
        return inspect.getcoroutinestate(result) == inspect.CORO_CREATED
    return isinstance(result, GeneratorType) and inspect.getgeneratorstate(result) == inspect.GEN_CREATED


def _run(inner: Any, unstarted: Unstarted, opened: stepping.Opener, gave: stepping.Closer) -> Any:
    if isinstance(inner, GeneratorType) and inner.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return named(stepping.run_iterable_coroutine(inner, opened, gave), inner)
    if isinstance(inner, GeneratorType):
        return named(stepping.run_generator(inner, opened, gave), inner)
    if isinstance(inner, AsyncGeneratorType):
        return named(stepping.run_async_generator(inner, opened, gave), inner)
    return named(stepping.run_coroutine(unstarted.hold(inner), opened, gave), inner)


def _open(
    tracking: Tracking, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> OpenStep | None:
    """Open the span of a function; one that asks a model by itself is refused by a budget that is spent."""
    step = _opened(tracking, function, args, kwargs)
    if budgets.in_use and step is not None and step.kind == "generation":
        budgets.admit(step)
    return step


def _opened(
    tracking: Tracking, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> OpenStep | None:
    with _OPEN:
        if not settings().enabled:
            return None
        outer = context.current()
        identity = inherit(outer.identity if outer is not None else context.NOBODY, **tracking.given)
        name = str(tracking.name or getattr(function, "__qualname__", type(function).__qualname__))
        if tracking.kind == "generation":
            step: SpanStep = HomemadeCall(name, outer, identity, tracking.provider, tracking.model, tracking.format)
        else:
            step = SpanStep(name, tracking.kind, outer, identity)
        step.budget = budgets.opened(tracking.budget, name)
        if tracking.captures_input:
            step.input = attempt(_arguments, function, args, kwargs, otherwise=None)
        return step
    return None


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return Arguments(function, snapshot(args), snapshot(kwargs))


def _gave(tracking: Tracking) -> stepping.Closer:
    def gave(node: OpenStep, result: Any) -> None:
        with _CLOSE:
            if tracking.captures_output and isinstance(node, SpanStep):
                node.output = _joined(snapshot(result)) if node.kind != "generation" else snapshot(result)

    return gave


def _joined(result: Any) -> Any:
    """What a generator of text yielded is read as one text."""
    if isinstance(result, list) and len(result) > 1 and all(isinstance(item, str) for item in result):
        return "".join(result)
    return result
