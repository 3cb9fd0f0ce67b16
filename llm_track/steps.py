"""A span of the trace as the engine holds it: who it belongs to, what it was given, what it gave, how it ended."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from llm_track import worker
from llm_track._guard import attempt, say_once
from llm_track.failures import failure_of
from llm_track.records import Identity, Record, Span, SpanKind
from llm_track.settling import OpenStep
from llm_track.snapshot import snapshot


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, copied; the worker finds out their names."""

    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]

    def named(self) -> dict[str, Any]:
        """Return the arguments by name, without the object or class that a method belongs to."""
        try:
            named = dict(inspect.signature(self.function).bind(*self.args, **self.kwargs).arguments)
        except (TypeError, ValueError):  # no signature, or a call that failed by itself
            return {"args": self.args, **self.kwargs}
        return {name: value for name, value in named.items() if name not in ("self", "cls")}


class SpanStep(OpenStep):
    """A span while it is open."""

    __slots__ = ("input", "name", "output", "own_metadata")

    def __init__(self, name: str, kind: SpanKind, identity: Identity | None) -> None:
        super().__init__(kind, identity, worker.put)
        self.name = name
        self.input: Any = None
        self.output: Any = None
        self.own_metadata: dict[str, Any] = {}

    def given(self) -> Any:
        """Return what the step was given; arguments by their names."""
        return self.input.named() if isinstance(self.input, Arguments) else self.input

    def forget(self) -> None:
        """Let go of what the step was given and gave."""
        super().forget()
        self.input = self.output = None

    def record(self) -> Record:
        """Return what happened, on the worker."""
        return Span(
            name=self.name,
            kind=self.kind,
            input=self.given(),
            output=self.output,
            **self.shared(),
        )

    def shared(self) -> dict[str, Any]:
        """Return the fields that every record has."""
        return {
            "span_id": self.id,
            "trace_id": self.trace_id,
            "parent_id": self.parent_id,
            "identity": _with(self.identity, self.own_metadata),
            "ended_at": datetime.fromtimestamp(self.ended_at, timezone.utc),
            "latency": self.latency,
            "outcome": self.outcome,
            "failure": failure_of(self.error) if self.error is not None and self.outcome != "closed_early" else None,
        }


def _with(identity: Identity, metadata: Mapping[str, Any]) -> Identity:
    return inherit(identity, metadata=metadata) if metadata else identity


def inherit(
    outer: Identity,
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    groups: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    no_log: bool = False,
) -> Identity:
    """Return the identity inside a span: what it names itself, else what the enclosing one named."""
    groups, metadata = _mapping("groups", groups), _mapping("metadata", metadata)
    return Identity(
        user_id=outer.user_id if user_id is None else user_id,
        session_id=outer.session_id if session_id is None else session_id,
        groups={**outer.groups, **groups} if groups else outer.groups,
        metadata={**outer.metadata, **attempt(snapshot, metadata, otherwise={})} if metadata else outer.metadata,
        no_log=outer.no_log or attempt(bool, no_log, otherwise=True),
    )


def _mapping(name: str, value: Any) -> dict[str, Any]:
    """An argument that cannot be used is left out, and all others count: user and silence must not depend on it."""
    if value is None:
        return {}
    usable: dict[str, Any] | None = attempt(dict, value, otherwise=None) if isinstance(value, Mapping) else None
    if usable is None:
        say_once(f"llm_track ignores {name} of type {type(value).__name__}: it must be a dict, like {{'plan': 'pro'}}.")
    return usable or {}


def end(step: OpenStep, error: BaseException | None) -> None:
    """End a span with the exception that leaves it, if any."""
    if error is None:
        step.settle("completed")
    elif isinstance(error, GeneratorExit):
        step.settle("closed_early", error)
    else:
        step.fail(error)
