"""`set_content`: what may leave of the calls that follow, as a user agrees to it or takes that back."""

from __future__ import annotations

from collections.abc import Iterable

from llm_track import context, policies


def set_content(allowed: bool | str | Iterable[str] | None) -> None:
    """Say what may leave of the calls and steps of this context from now on.

    It holds for this task, request or thread, for the tasks that it starts, and for what it gives to thread pools; the
    steps that are open around it are narrowed, too, as a whole.  It can hold back what the settings and the enclosing
    spans allow, and never allows more than they do.

    Args:
        allowed: ``False``: no content, only counts, times and metadata; ``True`` or ``None``: no limit but theirs; or a
            policy as the setting ``content`` of `llm_track.configure`.

    Raises:
        ConfigurationError: for what is no policy; nothing is changed then.

    >>> set_content(False)
    """
    limit = None if allowed is None or allowed is True else policies.policy(allowed)
    policies.agree(limit)
    node = context.current()
    for each in () if node is None else node.around():
        each.content = policies.narrower(each.content, limit)
