"""A span of the trace as the engine holds it: who it belongs to, what it was given, what it gave, how it ended."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from llm_track import policies, worker
from llm_track._guard import attempt, say_once
from llm_track.budgets import Budget
from llm_track.context import Node
from llm_track.errors import ConfigurationError
from llm_track.failures import failure_of, hold_back
from llm_track.records import Failure, Identity, Policy, Record, Span, SpanKind
from llm_track.settling import OpenStep
from llm_track.snapshot import jsonable, snapshot

_begun: OrderedDict[str, None] = OrderedDict()
"""Traces that an outermost step of this process stands for.  Others give us a trace that has no such step of ours: then
the first one is the trace, and the next ones lie directly under it."""
_MOST_BEGUN = 10_000


def begins(trace_id: str) -> bool:
    """Tell whether no outermost step of this process stands for the trace yet; from now on one does."""
    if trace_id in _begun:
        return False
    _begun[trace_id] = None
    if len(_begun) > _MOST_BEGUN:
        _begun.popitem(last=False)  # at once: other threads begin traces, too
    return True


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

    __slots__ = ("budget", "input", "is_first", "name", "output", "own_metadata")

    def __init__(self, name: str, kind: SpanKind, parent: Node | None, identity: Identity | None) -> None:
        super().__init__(kind, parent, identity, worker.put)
        self.name = name
        self.input: Any = None
        self.output: Any = None
        self.own_metadata: dict[str, Any] = {}
        self.budget: Budget | None = None
        self.is_first = self.parent_id is not None or begins(self.trace_id)
        """Whether it may be the trace itself, if nothing is around it: of several in one trace only the first is."""

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
            "parent_id": self.parent_id if self.is_first else self.trace_id,
            "identity": _with(self.belonging(), self.own_metadata),
            "ended_at": datetime.fromtimestamp(self.ended_at, timezone.utc),
            "latency": self.latency,
            "outcome": self.outcome,
            "failure": self._failure(),
        }

    def _failure(self) -> Failure | None:
        if self.error is None or self.outcome == "closed_early":
            return None
        failure = failure_of(self.error)
        hold_back(self.error, self.belonging())
        return failure


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
    content: Any = None,
    flags: Any = None,
    prompt: Any = None,
) -> Identity:
    """Return the identity inside a span: what it names itself, else what the enclosing one named."""
    groups, metadata = _mapping("groups", groups), _mapping("metadata", metadata)
    return Identity(
        user_id=outer.user_id if user_id is None else user_id,
        session_id=outer.session_id if session_id is None else session_id,
        groups={**outer.groups, **groups} if groups else outer.groups,
        metadata={**outer.metadata, **attempt(snapshot, metadata, otherwise={})} if metadata else outer.metadata,
        no_log=outer.no_log or attempt(bool, no_log, otherwise=True),
        content=outer.content if content is None else policies.narrower(outer.content, _policy(content)),
        flags=outer.flags if flags is None else _flags(flags),
        prompt=outer.prompt if prompt is None else _prompt(prompt),
    )


def _flags(flags: Any) -> Any:
    """Return flags that the client can make properties of, or a copy of the flags with their values."""
    if isinstance(flags, Mapping):
        return jsonable(attempt(dict, flags, otherwise={}))
    if all(callable(attempt(getattr, flags, name, None, otherwise=None)) for name in ("get_flag", "only")):
        return flags
    say_once(
        f"llm_track ignores flags of type {type(flags).__name__}: give what posthog.evaluate_flags() returned, or a "
        "dict like {'new-prompt': 'variant-b'}."
    )
    return None


def _prompt(prompt: Any) -> tuple[str, int | str | None] | None:
    """Return the name and the version of a prompt: a text, a pair, or an object or a dict with both.

    A prompt that stands in the program because PostHog could not be asked has no name, and no prompt is told.
    """
    if isinstance(prompt, str):
        return prompt, None
    if isinstance(prompt, tuple) and len(prompt) == 2:
        name, version = prompt
    elif isinstance(prompt, Mapping):
        name, version = (attempt(prompt.get, key, otherwise=None) for key in ("name", "version"))
    else:
        name, version = (attempt(getattr, prompt, key, None, otherwise=None) for key in ("name", "version"))
    if isinstance(name, str) and name:
        return name, version if type(version) in (int, str) else None
    if name is not None or not attempt(hasattr, prompt, "prompt", otherwise=False):
        say_once(
            f"llm_track ignores a prompt of type {type(prompt).__name__}: give its name, a pair of name and version, "
            "or what posthog's Prompts.get(..., with_metadata=True) returned."
        )
    return None


def _policy(content: Any) -> Policy:
    """A policy that cannot be understood lets nothing leave: what it was meant to hold back, nobody knows."""
    try:
        return policies.policy(content)
    except ConfigurationError as error:
        say_once(f"llm_track sends no content of a span: {error}")
        return policies.NOTHING


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
