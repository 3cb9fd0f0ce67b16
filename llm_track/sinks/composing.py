"""From an event to what the client is told of it: whose it is, its flags, and the exception behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_track import properties
from llm_track._guard import attempt
from llm_track.chains import parts_of
from llm_track.records import Event
from llm_track.sinks.parcels import Message


def message(event: Event) -> Message:
    """Return what the client is to capture."""
    distinct_id, extra = identity(event)
    return {
        "event": event.name,
        "distinct_id": distinct_id,
        "properties": {**(of_flags(event.flags) or {}), **event.properties, **extra},
        "timestamp": None if event.timestamp is None else event.timestamp.isoformat(),
        "uuid": event.uuid,
        "groups": dict(event.groups) or None,
    }


def identity(event: Event) -> tuple[str, dict[str, Any]]:
    """The user that is known, else nobody: one anonymous id for the whole trace, or for all the results of a batch: of
    an event that two processes send, PostHog keeps one only if all ids agree."""
    if event.distinct_id is not None:
        return event.distinct_id, {}
    return event.batch or event.trace_id, properties.anonymity(event)


def of_flags(flags: Any) -> dict[str, Any] | None:
    """Return the properties that the client makes of a snapshot of flags; ``None`` for what it can make none of, such
    as a stand-in of a test: the client would not take the event."""
    return None if flags is None else attempt(lambda: dict(flags._get_event_properties()), otherwise=None)


def capture_exception(client: Any, event: Event, *, variables: bool) -> dict[str, Any]:
    """Have a client capture the exception behind a failed call, if there is one; return the link to it."""
    if event.exception is None or _has_grown(event.exception, event):
        return {}
    distinct_id, extra = identity(event)
    raised = (type(event.exception), event.exception, event.traceback)
    with alone(variables=variables):
        found = client.capture_exception(
            raised,
            distinct_id=distinct_id,
            properties={**properties.trace_link(event), **extra},
            groups=dict(event.groups) or None,
        )
    return {"$exception_event_id": str(found)} if found is not None else {}


def _has_grown(error: BaseException, event: Event) -> bool:
    """Tell whether there is more to the exception of an event by now than was looked at."""
    if event.seen is None:  # a processor of the program gave the event an exception
        return False
    parts = attempt(parts_of, error, event.traceback, otherwise=None)
    return parts is None or not parts <= event.seen


@contextmanager
def alone(*, variables: bool) -> Iterator[None]:
    """Keep posthog's contexts from adding to an event: what they say of it is in the event, as far as it may leave.

    What they say of the variables that errors are sent with still holds, unless none may leave.
    """
    from posthog import contexts

    if variables and not (
        contexts.get_tags() or contexts.get_context_distinct_id() or contexts.get_context_session_id()
    ):
        yield
        return
    said = {name: getattr(contexts, f"get_{name}_context", lambda: None)() for name in _OF_VARIABLES}
    if not variables:
        said["capture_exception_code_variables"] = False
    with contexts.new_context(fresh=True, capture_exceptions=False):
        for name, value in said.items():
            if value is not None:
                getattr(contexts, f"set_{name}_context")(value)
        yield


_OF_VARIABLES = (
    "capture_exception_code_variables",
    "code_variables_mask_patterns",
    "code_variables_ignore_patterns",
    "code_variables_mask_url_credentials",
    "code_variables_detect_secrets",
)
