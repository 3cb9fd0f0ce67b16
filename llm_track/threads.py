"""A task given to a thread pool inside a span stays inside the span.

`asyncio.to_thread` and tasks carry their context along by themselves; `ThreadPoolExecutor.submit` does not.  Only the
current span is carried, and what `llm_track.set_content` says, never the program's own context variables: those stay
as the program knows them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_track import context, policies
from llm_track._guard import guarded
from llm_track.config import settings
from llm_track.following import Following
from llm_track.records import Policy

_FOLLOW = guarded("carry a span into a thread pool")


def _submit(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    node = agreed = None
    with _FOLLOW:
        agreed = policies.agreed() if args else None
        node = context.current() if args and settings().follow_threads else None
    if node is None and agreed is None:
        return wrapped(*args, **kwargs)
    return wrapped(inside, node, agreed, *args, **kwargs)


def inside(
    node: context.Node | None, agreed: Policy | None, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a function inside of a step, and under what was agreed to, of another thread."""
    limit = policies.agree(agreed)
    before = None if node is None else context.place(node)
    try:
        return function(*args, **kwargs)
    finally:
        if node is not None:
            context.swap(before)
        policies.agree(limit)


_following = Following({"concurrent.futures.thread": {"ThreadPoolExecutor.submit": _submit}})
follow, unfollow = _following.follow, _following.unfollow
