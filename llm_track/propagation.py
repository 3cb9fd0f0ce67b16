"""`inject` and `extract`: a trace that goes on in another process.

What travels are two headers of the W3C: ``traceparent``, which any tracer reads, and ``baggage``, which has the exact
ids, who asked, and what may leave.  No event is made here: the step on the other side is told there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any, TypeVar

from llm_track import context, policies, tasks, telemetry
from llm_track._guard import attempt, guarded
from llm_track.bodies import Held
from llm_track.config import settings
from llm_track.headers import LONGEST_NAME, Arrived, digits, key_of, read, write
from llm_track.masking import map_strings, mask_fields, mask_secrets
from llm_track.records import Policy
from llm_track.snapshot import jsonable
from llm_track.steps import inherit

Carrier = TypeVar("Carrier", bound=MutableMapping[str, str])

_INJECT = guarded("write the headers of a trace")
_ENTER = guarded("continue a trace")
_LEAVE = guarded("leave a continued trace")


def inject(carrier: Carrier) -> Carrier:
    """Write where the program stands into the headers of a request or message, for `extract` on the other side.

    Written are ``traceparent`` and ``baggage``: the ids of the trace and of the current step, the user, the session,
    the groups, what may leave (`llm_track.set_content`, ``content``, ``no_log``), and metadata, unless they may not
    leave or are to be redacted, or are too long.  Credentials among them are masked.  What the carrier has in its
    ``baggage`` stays there.  What holds back stands in a header ``x-llm-track``, too, which no other tool writes over.
    Outside of every span nothing is written.

    Args:
        carrier: a mutable mapping of strings, such as the headers of a request to a service of your own: the receiver
            can read who asked.

    Returns:
        The same carrier.

    >>> inject({})
    {}
    """
    with _INJECT:
        node, agreed = context.current(), policies.agreed()
        if node is not None or agreed is not None:
            if node is not None and node.trace_id:
                carrier[key_of(carrier, "traceparent")] = _traceparent(node)
            write(carrier, list(_said(node, agreed)))
    return carrier


def _traceparent(node: context.Node) -> str:
    """The parent that other tracers know: a span of theirs if one is active; ours is in the baggage."""
    if (others := telemetry.traceparent()) is not None:
        return others
    span = node.id.replace("-", "")
    own = node.w3c if isinstance(node, RemoteStep) and node.w3c else digits(span, 16, whole=False)
    return f"00-{digits(node.trace_id.replace('-', ''), 32)}-{own}-01"


def _said(node: context.Node | None, agreed: Policy | None) -> Iterator[tuple[str, str]]:
    """Yield what goes into the baggage, the most important first."""
    identity = node.belonging() if node is not None else context.NOBODY
    allowed = policies.narrower(settings().content, policies.narrower(identity.content, agreed))
    if identity.no_log:
        yield "no_log", "1"
    if allowed is not None and not allowed >= policies.FULL:
        yield "content", ",".join(sorted(allowed)) or "none"
    if node is not None and node.trace_id:
        yield "trace", node.trace_id
        if node.id:
            yield "span", node.id
    for name, value in (("user", identity.user_id), ("session", identity.session_id)):
        if value is not None and (text := str(jsonable(attempt(str, value, otherwise="")))):
            yield name, text[:LONGEST_NAME]
    if identity.groups:
        yield "groups", _json(jsonable(identity.groups))
    if identity.metadata and policies.may_leave("metadata", allowed) and not settings().redact:
        yield "metadata", _json(map_strings(mask_fields(jsonable(identity.metadata)), mask_secrets))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class RemoteStep(context.Node):
    """The step of another process that the code here belongs to.  That process tells of it.

    Its id is empty where nobody said which step that is, and the id of its trace where only a user is known.
    """

    __slots__ = ("w3c",)

    def __init__(self, arrived: Arrived) -> None:
        outer = context.current()
        identity = inherit(outer.identity if outer is not None else context.NOBODY, **arrived.given)
        content = policies.narrower(identity.content, arrived.content)
        super().__init__("span", outer, replace(identity, content=content))
        self.w3c = arrived.w3c
        if arrived.trace_id:
            self.trace_id, self.id = arrived.trace_id, arrived.span_id
        elif outer is not None:
            self.trace_id, self.id = outer.trace_id, outer.id
        else:
            self.trace_id = self.id = ""


class Extracted:
    """What `extract` returns: a context manager, synchronous or not."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._steps: list[RemoteStep] = []
        self._bodies: dict[RemoteStep, tuple[Held, Any]] = {}
        """For a block in a generator: its frame, and what follows the tasks that it starts."""

    def _enter(self, frame: FrameType) -> None:
        with _ENTER:
            if settings().enabled:
                step = RemoteStep(self._arrived)
                held = step.enter(frame)
                if held is not None:
                    self._bodies[step] = held, tasks.follow()
                self._steps.append(step)

    def __enter__(self) -> None:
        self._enter(sys._getframe(1))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _LEAVE:
            here = (node for node in context.entered() if isinstance(node, RemoteStep) and node in self._steps)
            step = next(here, self._steps[-1] if self._steps else None)
            if step is not None:
                self._steps.remove(step)
                step.leave()
                tasks.unfollow(self._bodies.pop(step, (None, None))[1])

    async def __aenter__(self) -> None:
        self._enter(sys._getframe(1))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def extract(headers: Any, *, trusted: bool = True) -> Extracted:
    """Continue the trace of another process: what runs inside the block belongs to its step, and to who asked there.

    Works with ``with`` and ``async with``.  Read are ``traceparent``, ``baggage`` as `inject` writes it, and PostHog's
    own ``x-posthog-distinct-id``, ``x-posthog-session-id`` and ``x-posthog-trace-id`` where the baggage says nothing.
    What holds back content on the other side holds it back here.  Headers that are missing or broken are ignored.

    Args:
        headers: a mapping, or pairs, of names in any case to text or bytes: of a request, of a message, a WSGI
            environment, what `inject` returned.
        trusted: ``False`` for headers from outside, as anybody can write into them who is asking and which step it is:
            then nothing but the trace of ``traceparent`` is taken.

    >>> with extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
    ...     ...
    """
    return Extracted(read(headers, trusted=trusted))
