"""A task given to a thread pool inside a span stays inside the span.

`asyncio.to_thread` and tasks carry their context along by themselves; `ThreadPoolExecutor.submit` does not.  Only the
current span is carried, never the program's own context variables: those stay as the program knows them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import wrapt

from llm_track import context
from llm_track._guard import guarded
from llm_track.config import settings
from llm_track.hooks import Hook

_FOLLOW = guarded("carry a span into a thread pool")
_MODULE = "concurrent.futures.thread"
_wanted = False
_waiting = False
_undo: Callable[[], None] | None = None


def follow() -> None:
    """Hook `ThreadPoolExecutor.submit`, now or when its module is imported."""
    global _wanted, _waiting
    _wanted = True
    if not _waiting:
        _waiting = True
        wrapt.register_post_import_hook(_hook, _MODULE)
    elif _MODULE in sys.modules:
        _hook(sys.modules[_MODULE])


def unfollow() -> None:
    """Take the hook off again."""
    global _wanted, _undo
    _wanted = False
    if _undo is not None:
        _undo()
        _undo = None


def _hook(module: Any) -> None:
    global _undo
    with guarded("hook ThreadPoolExecutor.submit"):
        executor = module.ThreadPoolExecutor
        original = vars(executor)["submit"]
        if not _wanted or _undo is not None:
            return
        hook = Hook(original, _submit)
        executor.submit = hook

        def undo() -> None:
            if vars(executor).get("submit") is hook:
                executor.submit = original

        _undo = undo


def _submit(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    node = None
    with _FOLLOW:
        node = context.current() if args and settings().follow_threads else None
    if node is None:
        return wrapped(*args, **kwargs)
    return wrapped(_inside, node, *args, **kwargs)


def _inside(node: context.Node, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    before = context.place(node)
    try:
        return function(*args, **kwargs)
    finally:
        context.swap(before)
