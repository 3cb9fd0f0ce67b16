"""OpenTelemetry: the GenAI spans of a program as events of PostHog, through the same pipeline as all others.

    from opentelemetry.sdk.trace import TracerProvider
    from llm_track.integrations.otel import SpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())

Model calls become generations and embeddings; agents, tools, chains and retrievers become steps; spans of anything else
are passed over.  A model call that `autopatch` tracks, too, is told once, as `autopatch` saw it.  Of several spans of
one call the innermost tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime, timezone
from importlib import import_module
from typing import Any
from weakref import ref

from llm_track import context, policies, telemetry, worker
from llm_track._guard import guarded
from llm_track.config import settings
from llm_track.formats._json import amount, count
from llm_track.integrations import _otel_spans as spans
from llm_track.masking import safe_url
from llm_track.records import Failure, Identity, ModelCall, Outcome, Place, Record, Span
from llm_track.steps import begins, inherit
from llm_track.surroundings import around
from llm_track.telemetry import Seen, State, open_spans

_Base: Any = import_module("opentelemetry.sdk.trace").SpanProcessor
_START = guarded("see a span of OpenTelemetry begin")
_END = guarded("see a span of OpenTelemetry end")
_MOST_OPEN = 100_000


class SpanProcessor(_Base):  # type: ignore[misc]  # its type is known only where OpenTelemetry is installed
    """Makes events of the GenAI spans that it sees: one for each, when it ends, if it is sampled."""

    def __init__(self) -> None:
        telemetry.is_used = True

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Note where a span begins."""
        with _START:
            if settings().enabled:
                _begin(span)

    def on_end(self, span: Any) -> None:
        """Tell of a span, if it is one of those that matter and nobody else tells."""
        with _END:
            seen = open_spans.pop(span.context.span_id, None)
            if seen is not None:
                _end(seen, span)

    def shutdown(self) -> None:
        """Deliver what has been told."""
        _tell_all()
        worker.flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what has been told; return whether all of it was handed over in time."""
        _tell_all()
        return worker.flush(timeout_millis / 1000)


def _begin(span: Any) -> None:
    above = open_spans.get(span.parent.span_id) if span.parent is not None else None
    node = context.current()
    if node is None and above is not None and above.node is not None and above.node.visible():
        node = above.node
    trace = (node.trace_id if node is not None else "") or (above.trace_id if above is not None else "")
    trace = trace or f"{span.context.trace_id:032x}"
    span_id = span.context.span_id
    alive = ref(span, lambda _: _give_up(span_id))  # many are dropped without an end, with all that they hold
    open_spans[span_id] = Seen(context.new_id(), trace, _source(span), node, above, lambda: _state(alive()))
    if len(open_spans) > _MOST_OPEN:
        _give_up(next(iter(open_spans)))


def _source(span: Any) -> str:
    scope = span.instrumentation_scope
    return "another tracer" if scope is None else str(scope.name)


def _give_up(span_id: int) -> None:
    """Wait no longer for the end of a span; what waits for it is told."""
    with _END:
        seen = open_spans.pop(span_id, None)
        if seen is not None:
            seen.end(None)
            _release(seen, _tell)


def _state(span: Any) -> State:
    """Tell what an open span stands for; some of OpenInference say so only when they end."""
    if span is None:
        return None
    kind = spans.kind(span.attributes or {})
    if kind is None:
        return "maybe" if _source(span).startswith("openinference.") else None
    return "call" if kind in spans.CALLS else "step"


def _end(seen: Seen, span: Any) -> None:
    kind = spans.kind(span.attributes or {}) if span.context.trace_flags.sampled else None
    told = seen.end(None if kind is None else "call" if kind in spans.CALLS else "step")
    if told and kind is not None:
        _tell(Told(seen, span, kind))
    _release(seen, _tell)


def _tell(told: Told) -> None:
    """Tell of a span as soon as it is known in which step it lies."""
    undecided = told.seen.undecided()
    if undecided is None:
        worker.put(told)
    else:
        undecided.waiting.append(told)
        if undecided.state() != "maybe":  # it has ended meanwhile, in another thread
            _release(undecided, _tell)


def _release(seen: Seen, tell: Callable[[Told], object]) -> None:
    """Go on with what waits for a span."""
    with suppress(IndexError):
        while True:
            tell(seen.waiting.pop(0))


def _tell_all() -> None:
    for seen in list(open_spans.values()):
        _release(seen, worker.put)


class Told:
    """A span that has ended and is to be an event."""

    __slots__ = ("_agreed", "_kind", "_span", "context", "seen", "surroundings", "told")

    untold = "told_elsewhere"

    def __init__(self, seen: Seen, span: Any, kind: str) -> None:
        copied = copy_context()
        self.context: Context | None = copied
        self.surroundings = around(copied)
        self.told: Place | None = None
        self._agreed = policies.agreed()
        self.seen = seen
        self._span: Any = span
        self._kind = kind

    def forget(self) -> None:
        """Let go of the span."""
        self.context = self._span = None

    def record(self) -> Record:
        """Return what happened, on the worker."""
        span, attributes, events = self._span, dict(self._span.attributes or {}), list(self._span.events or ())
        if self._kind not in spans.CALLS:
            name, given, gave = spans.step(attributes)
            shared = self._shared(attributes, events)
            if shared["parent_id"] is None and not begins(shared["trace_id"]):
                shared["parent_id"] = shared["trace_id"]
            return Span(name=name or span.name, kind=self._kind, input=given, output=gave, **shared)
        shared = self._shared(attributes, events)
        return ModelCall(
            kind="embedding" if self._kind == "embedding" else "generation",
            name=span.name,
            provider=spans.provider(attributes),
            base_url=safe_url(spans.base_url(attributes) or ""),
            request=spans.request(attributes, events, self._kind),
            response=spans.response(attributes, events),
            time_to_first_token=_first_token(span, attributes, events),
            http_status=200 if shared["failure"] is None else shared["failure"].http_status,
            **shared,
        )

    def _shared(self, attributes: Mapping[str, Any], events: list[Any]) -> dict[str, Any]:
        span, seen = self._span, self.seen
        failure = _failure(span, attributes, events)
        return {
            "span_id": seen.id,
            "trace_id": seen.trace_id,
            "parent_id": telemetry.nearest(seen.node, seen.above),
            "identity": self._identity(attributes),
            "ended_at": datetime.fromtimestamp(span.end_time / 1e9, timezone.utc),
            "latency": max(span.end_time - span.start_time, 0) / 1e9,
            "outcome": _outcome(failure),
            "failure": failure if _outcome(failure) != "closed_early" else None,
        }

    def _identity(self, attributes: Mapping[str, Any]) -> Identity:
        """Who asked: the steps of ours around come first, then what the span says."""
        node = self.seen.node
        outer = node.belonging() if node is not None else context.NOBODY
        said = spans.belongs(attributes)
        for name in ("user_id", "session_id"):
            said[name] = None if getattr(outer, name) is not None else said[name]
        return replace(inherit(outer, **said), content=policies.narrower(outer.content, self._agreed))


def _failure(span: Any, attributes: Mapping[str, Any], events: list[Any]) -> Failure | None:
    if span.status is None or span.status.status_code.name != "ERROR":
        return None
    raised = next((dict(event.attributes or {}) for event in reversed(events) if event.name == "exception"), {})
    kind = str(attributes.get("error.type") or raised.get("exception.type") or "Error")
    status = count(attributes.get("http.response.status_code")) or (int(kind) if kind.isdecimal() else None)
    trace = raised.get("exception.stacktrace")
    return Failure(
        message=str(raised.get("exception.message") or span.status.description or kind),
        type=kind.rpartition(".")[2],
        http_status=status,
        stack_trace=trace if isinstance(trace, str) else None,
    )


def _outcome(failure: Failure | None) -> Outcome:
    if failure is None:
        return "completed"
    if failure.type in ("CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit"):
        return "cancelled"
    return "closed_early" if failure.type == "GeneratorExit" else "failed"


def _first_token(span: Any, attributes: Mapping[str, Any], events: list[Any]) -> float | None:
    """Seconds to the first chunk: GenAI conventions have an attribute for it, the others have events."""
    said = attributes.get("gen_ai.response.time_to_first_chunk")
    if said is not None:
        return amount(said)
    at = next((event.timestamp for event in events if event.name in _CHUNKS), None)
    return None if at is None else max(at - span.start_time, 0) / 1e9


_CHUNKS = ("First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk")
