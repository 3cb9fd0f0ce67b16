"""Programs that use OpenTelemetry: its trace id is ours."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llm_track import current_trace_id, extract, inject, llm_span, telemetry
from llm_track.testing import capture_events

trace = pytest.importorskip("opentelemetry.trace", reason="OpenTelemetry is not installed")
CONTEXT = trace.SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, trace.TraceFlags(1))
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def otel():
    """An active span of OpenTelemetry."""
    with trace.use_span(trace.NonRecordingSpan(CONTEXT)):
        yield


def test_a_trace_inside_of_an_active_span_has_its_id(otel):
    """The outermost step takes the trace id of OpenTelemetry, and is the trace event; the next is not."""
    with capture_events() as events:
        with llm_span("first"), llm_span("in"):
            assert current_trace_id() == TRACE
        with llm_span("second"):
            pass
    assert [(event.name, event.trace_id) for event in events] == [
        ("$ai_span", TRACE),
        ("$ai_trace", TRACE),
        ("$ai_span", TRACE),
    ]
    assert "$ai_parent_id" not in events[1].properties


def test_a_step_around_comes_first():
    """A span of OpenTelemetry inside of a step changes nothing, and neither does one that is over or invalid."""
    with capture_events(), llm_span("around") as around, trace.use_span(trace.NonRecordingSpan(CONTEXT)):
        with llm_span("in") as inner:
            assert inner.trace_id == around.trace_id != TRACE
    with capture_events(), trace.use_span(trace.INVALID_SPAN), llm_span("alone") as alone:
        assert len(alone.trace_id) == 36


def test_what_is_injected_is_a_part_of_both(otel):
    """traceparent names the active span, as OpenTelemetry has it; the exact step is in the baggage."""
    with capture_events() as events, llm_span("here") as span:
        headers = inject({})
    assert headers["traceparent"] == f"00-{TRACE}-b7ad6b7169203331-01"
    with capture_events() as events, extract(headers), llm_span("there"):
        pass
    assert (events[0].trace_id, events[0].properties["$ai_parent_id"]) == (TRACE, span.id)


def test_a_library_that_is_broken_does_no_harm(monkeypatch):
    """Where OpenTelemetry cannot say what is active, nothing is."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", object())
    assert (telemetry.active(), telemetry.trace_id(None), telemetry.traceparent()) == (None, None, None)


def test_nothing_is_imported():
    """A program that does not use OpenTelemetry does not load it through us."""
    program = (
        "import sys, llm_track\nllm_track.autopatch()\n"
        "with llm_track.llm_span('x'): llm_track.inject({})\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
