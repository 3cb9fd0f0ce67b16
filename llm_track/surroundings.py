"""What posthog's own contexts say of a step: whose it is, in which session, and the tags that all events have there.

A scope of posthog's can change at any time, and the worker comes to it late: it is read when a step begins, which is
when somebody asks, and once more when the step ends, for what was not known before.  Where posthog is not imported, or
no scope is open, nothing of it is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass, replace
from sys import modules
from typing import Any

from llm_track._guard import attempt
from llm_track.records import Identity


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a scope says."""

    user_id: str | None
    session_id: str | None
    tags: Mapping[str, Any]


def around(context: Context, before: Surroundings | None = None) -> Surroundings | None:
    """Return what posthog's scope around a context says, beside what it said ``before``; ``None`` without a scope."""
    contexts = modules.get("posthog.contexts")
    if contexts is None:
        return before
    stack: ContextVar[Any] | None = getattr(contexts, "_context_stack", None)
    if stack is not None and context.get(stack) is None:
        return before
    now = attempt(context.run, _read, contexts, otherwise=None)
    if now is None or before is None:
        return now or before
    return Surroundings(
        now.user_id if before.user_id is None else before.user_id,
        now.session_id if before.session_id is None else before.session_id,
        now.tags,
    )


def _read(contexts: Any) -> Surroundings:
    return Surroundings(contexts.get_context_distinct_id(), contexts.get_context_session_id(), contexts.get_tags())


def within(identity: Identity, said: Surroundings | None) -> Identity:
    """Return whose a step is: what spans and the call itself say, else what posthog's scope says.

    The session of a scope is that of the user's browser: PostHog finds its replay by ``$session_id``, and it is the
    conversation of the step if nobody named another.
    """
    if said is None:
        return identity
    session = {} if said.session_id is None else {"$session_id": said.session_id}
    return replace(
        identity,
        user_id=said.user_id if identity.user_id is None else identity.user_id,
        session_id=said.session_id if identity.session_id is None else identity.session_id,
        metadata={**said.tags, **session, **identity.metadata},
    )
