"""PostHog's tree rules on events made by hand, and what a person sees of them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from llm_track.demo.store import StoredEvent
from llm_track.demo.tree import Node, Trace, describe, draw, totals, traces

Make = Callable[..., StoredEvent]


def shape(nodes: Iterable[Node]) -> list[Any]:
    """Write a tree as nested lists of span ids."""
    return [[node.event.properties.get("$ai_span_id"), *shape(node.children)] for node in nodes]


def drawn(trace: Trace, width: int = 80, encoding: str = "utf-8") -> str:
    """Print a trace the way a pipe would receive it."""
    out = io.BytesIO()
    text = io.TextIOWrapper(out, encoding=encoding, errors="replace")
    Console(file=text, width=width, highlight=False, markup=False, emoji=False).print(draw(trace))
    text.flush()
    return out.getvalue().decode(encoding)


def test_children_hang_below_their_parents(make: Make) -> None:
    """A node's parent is named by its parent id, and the trace event is the header, not a node."""
    events = [
        make("generation", span_id="b", parent_id="a"),
        make("span", span_id="a", parent_id="head"),
        make("trace", span_id="head", span_name="checkout"),
    ]
    [trace] = traces(events)
    assert shape(trace.roots) == [["a", ["b"]]]
    assert trace.header is events[2]


@pytest.mark.parametrize("parent", [None, "t", "head", "never-arrived"])
def test_what_has_no_known_parent_is_at_the_top(make: Make, parent: str | None) -> None:
    """Missing, unknown, the trace's id and the header's id all mean: directly below the trace."""
    events = [make("trace", span_id="head"), make("generation", span_id="a", parent_id=parent)]
    assert shape(traces(events)[0].roots) == [["a"]]


def test_a_node_without_a_span_id_is_known_by_its_uuid(make: Make) -> None:
    """The event's uuid stands in, so two such nodes do not overwrite each other."""
    parent = make("span", span_name="outer")
    [trace] = traces([parent, make("generation"), make("generation", span_id="c", parent_id=parent.uuid)])
    assert len(trace.roots) == 2
    assert shape(trace.roots[0].children) == [["c"]]


def test_the_older_node_id_wins(make: Make) -> None:
    """A generation id, where one is sent, is the node's id."""
    events = [
        make("generation", generation_id="g", span_id="s"),
        make("span", span_id="x", parent_id="g"),
        make("span", span_id="y", parent_id="s", at=1),
    ]
    assert shape(traces(events)[0].roots) == [["s", ["x"]], ["y"]]


def test_siblings_are_ordered_by_their_beginnings(make: Make) -> None:
    """Events are stamped at their end, so the longer one of two that end together comes first."""
    events = [
        make("span", span_id="short", at=5, latency=1),
        make("span", span_id="long", at=5, latency=3),
        make("span", span_id="first", at=1, latency=0.5),
    ]
    assert shape(traces(events)[0].roots) == [["first"], ["long"], ["short"]]


def test_traces_are_ordered_by_their_beginnings(make: Make) -> None:
    """The trace that began first is shown first, however long it took."""
    events = [
        make("trace", trace_id="late", at=5, latency=1),
        make("trace", trace_id="early", at=9, latency=9),
    ]
    assert [trace.trace_id for trace in traces(events)] == ["early", "late"]


def test_a_cycle_is_left_out_and_harms_nobody(make: Make) -> None:
    """Nodes that are their own ancestors are unreachable, as in PostHog; the rest is shown."""
    events = [
        make("span", span_id="a", parent_id="b"),
        make("span", span_id="b", parent_id="a"),
        make("span", span_id="self", parent_id="self"),
        make("span", span_id="fine"),
    ]
    assert shape(traces(events)[0].roots) == [["fine"]]
    assert traces(events[:3]) == []


def test_other_events_are_no_nodes(make: Make) -> None:
    """Feedback, metrics, exceptions and events without a trace are not part of any tree."""
    events = [make("feedback"), make("metric"), make("span", trace_id=None)]
    assert traces(events) == []


def test_a_trace_without_a_header_speaks_through_its_first_event(make: Make) -> None:
    """Name and user come from the event that finished first."""
    events = [make("span", at=2, span_name="second"), make("span", at=1, user="grace", span_name="first")]
    text = drawn(traces(events)[0])
    assert text.startswith("first\nuser grace\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["trace", "span", "generation", "embedding"]),
            st.sampled_from([None, "a", "b", "c", 7, True, {"not": "an id"}]),
            st.sampled_from([None, "a", "b", "c", "t", 7]),
            st.sampled_from([None, 0, 1.5, "x", float("inf"), float("nan"), 10**400, -3]),
            st.one_of(st.none(), st.text(), st.lists(st.text()), st.dictionaries(st.just("content"), st.text())),
        ),
        max_size=12,
    )
)
def test_any_events_are_drawn_once(make: Make, events: list[tuple[str, object, object, object, object]]) -> None:
    """Whatever arrives, nothing raises, nothing loops and no event is drawn twice."""
    made = [
        make(name, span_id=own, parent_id=parent, latency=number, input_tokens=number, output_choices=output)
        for name, own, parent, number, output in events
    ]
    for trace in traces(made):
        drawn(trace)
        shown = [node.event.uuid for node in trace.nodes()]
        assert len(shown) == len(set(shown))


def test_totals_count_model_calls_only(make: Make) -> None:
    """Tokens and money of spans repeat those of the calls inside, so they are not added."""
    events = [
        make("trace", input_tokens=100, total_cost_usd=9.0),
        make("span", span_id="a", input_tokens=100, total_cost_usd=9.0),
        make("generation", parent_id="a", input_tokens=10, output_tokens=4, total_cost_usd=0.25),
        make("embedding", input_tokens=5),
        make("generation", is_error=True, error="no"),
    ]
    sums = totals(traces(events))
    assert (sums.calls, sums.failed, sums.input_tokens, sums.output_tokens) == (3, 1, 15, 4)
    assert (sums.cost, sums.unpriced) == (0.25, 1)
    assert str(describe(sums)) == "3 model calls, 1 failed, 15 -> 4 tokens, $0.25, 1 not priced"


def test_what_nobody_reported_is_not_shown_as_zero(make: Make) -> None:
    """Without token counts there is no word about tokens, and without a price the call is not priced."""
    sums = totals(traces([make("generation")]))
    assert (sums.input_tokens, sums.output_tokens, sums.cost) == (None, None, None)
    assert str(describe(sums)) == "1 model call, not priced"
    reported = totals(traces([make("generation", input_tokens=0, output_tokens=0, total_cost_usd=0.0)]))
    assert str(describe(reported)) == "1 model call, 0 -> 0 tokens, $0"


def test_a_trace_tells_everything_about_its_calls(make: Make) -> None:
    """A drawn trace holds name, user, session, model, provider, times, tokens, cost and an excerpt."""
    events = [
        make("trace", at=2, span_name="checkout", session_id="s9", latency=2.0),
        make("span", at=1, span_id="a", span_type="tool", span_name="find", latency=0.5),
        make(
            "generation",
            at=2,
            model="m-1",
            provider="openai",
            input_tokens=12,
            output_tokens=3,
            latency=1.25,
            time_to_first_token=0.125,
            total_cost_usd=0.00042,
            output_choices=[{"role": "assistant", "content": [{"type": "text", "text": "Hello\nthere"}]}],
        ),
    ]
    assert [line.rstrip() for line in drawn(traces(events)[0]).splitlines()] == [
        "checkout",
        "user ada, session s9",
        "2.00 s, 1 model call, 12 -> 3 tokens, $0.00042",
        "├── tool find, 0.50 s",
        "└── generation m-1 (openai)",
        "    1.25 s (first token 0.12 s), 12 -> 3 tokens, $0.00042",
        "    > Hello there",
    ]


def test_a_failed_call_shows_its_error(make: Make) -> None:
    """The status and the message stand where the answer would have been; a failure has no price to miss."""
    events = [make("generation", model="m", provider="p", is_error=True, http_status=400, error="too\nlong")]
    text = drawn(traces(events)[0])
    assert "HTTP 400: too long" in text
    assert "HTTP" not in drawn(traces([make("generation", is_error=True, http_status=400, error="400: no")])[0])
    assert "not priced" not in text


def test_a_failed_step_shows_in_the_header(make: Make) -> None:
    """When the outermost span failed, the trace says why."""
    assert "ValueError: no" in drawn(traces([make("trace", is_error=True, error="ValueError: no")])[0])


def test_an_anonymous_user_is_called_so(make: Make) -> None:
    """An event without a person profile has a made-up id, which is not shown as a user."""
    named = make("span", user="0d9f")
    event = dataclasses.replace(named, properties={**named.properties, "$process_person_profile": False})
    assert "\nanonymous\n" in drawn(traces([event])[0])


def test_foreign_text_cannot_command_the_terminal(make: Make) -> None:
    """Escape sequences and markup from a model are printed, not obeyed."""
    hostile = "\x1b[31mred\x1b[0m [bold]b[/bold] \r\x07"
    events = [make("trace", span_name=hostile), make("generation", model=hostile, output_choices=hostile)]
    text = drawn(traces(events)[0])
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]b[/bold]" in text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_it_fits_the_width(make: Make, width: int) -> None:
    """No drawn line is wider than the terminal."""
    events = [
        make("span", span_id="a", span_name="x" * 300),
        make("generation", parent_id="a", output_choices="y " * 90),
    ]
    assert max(map(len, drawn(traces(events)[0], width).splitlines())) <= width


def test_a_terminal_without_unicode_gets_plain_lines(make: Make) -> None:
    """Where only ASCII can be shown, the tree is drawn in ASCII and foreign letters become question marks."""
    text = drawn(traces([make("generation", output_choices="señor 😀")])[0], encoding="ascii")
    assert "`-- generation" in text
    assert "> se?or ?" in text
