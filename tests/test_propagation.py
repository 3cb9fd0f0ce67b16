"""A trace that goes on in another process: what is written, what is read, and what must not travel."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llm_track
from llm_track import current_trace_id, extract, inject, llm_span, set_content
from llm_track.context import current
from llm_track.testing import capture_events

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def sent(**given_to_span):
    """Return what is injected inside a span, and the span."""
    with llm_span("here", **given_to_span) as span:
        return inject({}), span


def inside(headers, **options):
    """Return the event of a span inside what headers continue."""
    with capture_events() as events, extract(headers, **options), llm_span("there"):
        pass
    return next(event for event in events if event.properties["$ai_span_name"] == "there")


def members(headers):
    """Return the members of baggage that are ours, decoded."""
    pairs = (each.partition("=") for each in headers.get("baggage", "").split(",") if each.startswith("llm_track."))
    return {name.removeprefix("llm_track."): unquote(value) for name, _, value in pairs}


def test_what_another_process_does_belongs_to_the_step_here():
    """A span in another process has the trace, the step here as its parent, the user, the session, groups, metadata."""
    with capture_events():
        headers, span = sent(
            user_id="ü 1", session_id="s_9", groups={"company": "a,b;c=d"}, metadata={"plan": [1, "é"]}
        )
    event = inside(headers)
    assert (event.name, event.trace_id) == ("$ai_span", span.trace_id)
    assert event.properties["$ai_parent_id"] == span.id
    assert (event.distinct_id, event.properties["$ai_session_id"]) == ("ü 1", "s_9")
    assert (event.groups, event.properties["plan"]) == ({"company": "a,b;c=d"}, [1, "é"])
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert headers["traceparent"].split("-")[1] == span.trace_id.replace("-", "")


def test_another_program_continues_the_trace():
    """Headers that a real second process gets as text make its span a part of the trace here."""
    program = (
        "import json, sys, llm_track\n"
        "from llm_track.testing import capture_events\n"
        "with capture_events() as events, llm_track.extract(json.loads(sys.argv[1])), llm_track.llm_span('there'):\n"
        "    trace = llm_track.current_trace_id()\n"
        "print(json.dumps([trace, events[0].properties['$ai_parent_id'], events[0].distinct_id]))\n"
    )
    with capture_events():
        headers, span = sent(user_id="u_1")
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(headers)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [span.trace_id, span.id, "u_1"]


def test_outside_of_every_span_nothing_is_written():
    """inject returns the very carrier, untouched, where no step is open."""
    carrier = {"accept": "text"}
    assert inject(carrier) is carrier
    assert carrier == {"accept": "text"}


def test_no_step_and_no_identity_is_left_behind():
    """After the block the program stands where it stood, and the block itself is no event."""
    with capture_events() as events:
        with extract({"traceparent": TRACEPARENT}) as nothing:
            assert current_trace_id() == TRACE
        assert current() is None
    assert (events, nothing) == ([], None)


def test_the_trace_of_another_tracer_has_its_first_step_as_the_trace():
    """With traceparent alone the outermost step is the trace event, and the next one lies under the trace."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with capture_events() as events, extract({"traceparent": f"00-{trace}-{PARENT}-00"}):
        for name in ("first", "second"):
            with llm_span(name):
                pass
    first, second = events
    assert (first.name, second.name) == ("$ai_trace", "$ai_span")
    assert "$ai_parent_id" not in first.properties
    assert second.properties["$ai_parent_id"] == second.trace_id == first.trace_id == trace


def test_the_parent_of_another_tracer_is_handed_on():
    """Inside of a continued trace, outside of every own step, traceparent names the other tracer's parent again."""
    with extract({"traceparent": TRACEPARENT}):
        assert inject({})["traceparent"] == TRACEPARENT


def test_a_chain_of_processes_is_one_trace():
    """What a second process injects, a third one continues: under the second one's step, with the first one's user."""
    with capture_events():
        headers, first = sent(user_id="u")
        with extract(headers):
            headers, second = sent()
    event = inside(headers)
    assert (event.trace_id, event.properties["$ai_parent_id"], event.distinct_id) == (first.trace_id, second.id, "u")


@pytest.mark.parametrize(
    "form",
    [
        lambda headers: {name.upper(): value for name, value in headers.items()},
        lambda headers: {"HTTP_" + name.upper(): value for name, value in headers.items()} | {"wsgi.input": object()},
        lambda headers: [(name.encode(), value.encode()) for name, value in headers.items()],
        lambda headers: {name: value.encode() for name, value in headers.items()} | {1: 2},
    ],
    ids=["upper", "wsgi", "asgi", "bytes"],
)
def test_headers_come_in_every_form(form):
    """Names in any case, a WSGI environment, the pairs of ASGI and bytes are read."""
    with capture_events():
        headers, span = sent(user_id="u")
    event = inside(form(headers))
    assert (event.trace_id, event.properties["$ai_parent_id"], event.distinct_id) == (span.trace_id, span.id, "u")


def test_baggage_of_others_stays():
    """What a carrier has in its baggage stays, under the carrier's own name for it, and ours is there once."""
    with capture_events(), llm_span("here", user_id="u"):
        carrier = inject(inject({"Baggage": "theirs=1;property, other=x%20y"}))
    assert carrier.keys() == {"Baggage", "traceparent"}
    assert carrier["Baggage"].startswith("theirs=1;property, other=x%20y,llm_track.")
    assert carrier["Baggage"].count("llm_track.user=u") == 1


def test_several_baggage_headers_are_one():
    """Repeated baggage headers are read together, as HTTP has it."""
    with capture_events():
        headers, _ = sent(user_id="u")
    pairs = [("baggage", "theirs=1"), *headers.items()]
    assert inside(pairs).distinct_id == "u"


def test_posthogs_own_headers_name_user_session_and_trace():
    """x-posthog-* are read where the baggage says nothing; without a trace each step inside is its own trace."""
    browser = {"X-POSTHOG-DISTINCT-ID": "browser", "X-PostHog-Session-Id": "s_browser"}
    event = inside(browser)
    assert (event.name, event.distinct_id, event.properties["$ai_session_id"]) == ("$ai_trace", "browser", "s_browser")
    with capture_events() as events, extract(browser):
        assert current_trace_id() is None
        assert "traceparent" not in inject({})
        for _ in range(2):
            with llm_span("each"):
                pass
    assert len({event.trace_id for event in events}) == 2
    assert inside({**browser, "x-posthog-trace-id": "t_1", "traceparent": TRACEPARENT}).trace_id == "t_1"
    with capture_events():
        headers, span = sent(user_id="u")
    event = inside({**browser, "x-posthog-trace-id": "t_1", **headers})
    assert (event.distinct_id, event.trace_id, event.properties["$ai_session_id"]) == ("u", span.trace_id, "s_browser")


def test_who_asks_is_known_in_the_spans_around_too():
    """Headers without a trace, inside of a step, name the user of that step's trace."""
    with (
        capture_events() as events,
        llm_span("outer") as outer,
        extract({"x-posthog-distinct-id": "u"}),
        llm_span("in"),
    ):
        pass
    assert (events[0].trace_id, events[0].properties["$ai_parent_id"]) == (outer.trace_id, outer.id)
    assert events[0].distinct_id == "u"


def test_headers_from_outside_give_the_trace_alone():
    """trusted=False takes the trace of traceparent, and neither user nor step nor silence."""
    with capture_events():
        headers, span = sent(user_id="u", no_log=True, metadata={"plan": "pro"})
    event = inside({**headers, "x-posthog-distinct-id": "v"}, trusted=False)
    assert (event.distinct_id, event.properties.get("$ai_parent_id")) == (None, None)
    assert event.trace_id == span.trace_id.replace("-", "")
    assert "plan" not in event.properties


def test_silence_travels():
    """Inside of no_log, and of what headers of it continue, there is no event."""
    with capture_events():
        headers, _ = sent(no_log=True)
    with capture_events() as events, extract(headers), llm_span("there", no_log=False):
        pass
    assert events == []


@pytest.mark.parametrize("held", ["span", "context", "settings", "unreadable"])
def test_what_is_held_back_here_is_held_back_there(held):
    """A policy of the span, the context or the settings here, or one that nobody can read, holds there too."""
    with capture_events():
        if held == "settings":
            llm_track.configure(content="outputs, errors")
        with llm_span("here", content="outputs, errors" if held == "span" else None):
            if held == "context":
                set_content("outputs, errors")
            headers = inject({})
            set_content(None)
    llm_track.configure(content="full")
    if held == "unreadable":
        headers = {"baggage": "llm_track.content=%ff%00nonsense"}
    with capture_events() as events, extract(headers):
        with llm_span("there", content="full", metadata={"plan": "pro"}) as span:
            span.set(input="what was asked", output="what came back")
    (event,) = events
    assert not {"what was asked", "pro"} & {str(value) for value in event.properties.values()}
    assert ("what came back" in event.properties.values()) == (held != "unreadable")


@pytest.mark.parametrize("over", ["llm_track.user=u", "llm_track.content=inputs%2Coutputs", "theirs=1", None])
def test_silence_travels_where_others_write_over_the_baggage(over):
    """OpenTelemetry sends the baggage that came in instead of ours: what holds back is not lost with it."""
    with capture_events():
        silent, _ = sent(no_log=True)
        narrow, _ = sent(content="outputs")
        with llm_span("again"):
            assert "x-llm-track" not in inject(dict(narrow))
    for headers in (silent, narrow):
        headers.pop("baggage") if over is None else headers.update(baggage=over)
    with capture_events() as events, extract(silent), llm_span("there"):
        pass
    assert events == []
    with capture_events() as events, extract(narrow), llm_span("there") as span:
        span.set(input="what was asked", output="what came back")
    said = list(events.settle()[0].properties.values())
    assert ("what was asked" in said, "what came back" in said) == (False, True)


def test_what_is_said_twice_of_what_may_leave_holds_back_twice():
    """Of two headers, the narrower counts, whichever comes last."""
    with capture_events() as events:
        narrow, _ = sent(content="outputs")
        wide = ("baggage", "llm_track.content=inputs%2Coutputs")
        for pairs in ([*narrow.items(), wide], [wide, *narrow.items()], [wide, ("baggage", narrow["baggage"])]):
            with extract(pairs), llm_span("there") as span:
                span.set(input="what was asked")
    assert "what was asked" not in str([event.properties for event in events])


def test_baggage_that_is_too_long_to_be_read_holds_back_all():
    """What stands behind more than can be read may be silence."""
    long = ",".join(f"k{number}={'v' * 4000}" for number in range(20))
    with capture_events() as events, extract({"baggage": long}), llm_span("there") as span:
        span.set(input="what was asked")
    assert "what was asked" not in str(events.settle()[0].properties)
    with capture_events() as events, extract({"baggage": f"{long},llm_track.no_log=1"}), llm_span("there"):
        pass
    assert events == []


def test_consent_travels_without_a_step():
    """What a context has agreed to is written outside of every span, too."""
    set_content(False)
    headers = inject({})
    set_content(None)
    assert (headers.keys(), members(headers)) == ({"baggage", "x-llm-track"}, {"content": "metadata"})


def test_metadata_do_not_travel_where_they_may_not_leave():
    """Metadata stay here where a policy withholds them, where personal data are redacted, and without credentials."""
    with capture_events():
        assert "metadata" not in members(sent(metadata={"plan": "pro"}, content="none")[0])
        masked = members(sent(metadata={"api_key": "hunter2", "note": "sk-proj-" + "a1B2" * 12})[0])["metadata"]
        assert "hunter2" not in masked
        assert "a1B2" not in masked
        llm_track.configure(redact="emails")
        assert "metadata" not in members(sent(metadata={"mail": "a@b.org"})[0])


def test_what_is_too_long_stays_here():
    """Metadata that make the baggage longer than 8192 bytes are left out whole; ids and silence are written always."""
    with capture_events():
        long, span = sent(metadata={"text": "x" * 9000}, user_id="u" * 500, groups={"company": "acme"})
        with llm_span("here", no_log=True) as full:
            crowded = inject({"baggage": "theirs=" + "y" * 8185})
    assert len(long["baggage"]) <= 8192
    assert members(long).keys() == {"trace", "span", "user", "groups"}
    assert members(long)["user"] == "u" * 200
    assert members(crowded) == {"no_log": "1", "trace": full.trace_id, "span": full.id}
    assert inside(long).trace_id == span.trace_id


@pytest.mark.parametrize(
    "parent",
    [
        "", "nonsense", TRACEPARENT.upper(), f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01", f"{TRACEPARENT}-more", f"00-{TRACE}-{PARENT}", f"0-{TRACE}-{PARENT}-01",
    ],
)  # fmt: skip
def test_a_broken_traceparent_is_ignored(parent):
    """A traceparent that the W3C's rules refuse continues nothing."""
    with extract({"traceparent": parent}):
        assert current_trace_id() is None


def test_a_later_version_of_traceparent_is_read():
    """A version that is yet to come, with more behind, is read as far as it is known, with blanks around it."""
    with extract({"traceparent": f" cc-{TRACE}-{PARENT}-01-what-comes "}):
        assert current_trace_id() == TRACE


HOSTILE = st.one_of(
    st.text(), st.binary(), st.none(), st.integers(), st.lists(st.text()), st.lists(st.binary()),
    st.sampled_from(["trace", "span", "user", "session", "groups", "metadata", "content", "no_log"]).flatmap(
        lambda name: st.text().map(lambda text: f"llm_track.{name}={quote(text, errors='replace')}")
    ),
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["traceparent", "baggage", "x-posthog-distinct-id", "x-other"]), HOSTILE))
def test_hostile_headers_do_no_harm(headers):
    """Whatever headers hold, the block runs, its step is one event or is silent, and ids and names are bounded."""
    with capture_events() as events, extract(headers), llm_span("there"):
        assert len(inject({}).get("baggage", "")) <= 20_000
    assert len(events) <= 1
    for event in events:
        assert re.fullmatch(r"[A-Za-z0-9\-_~.@()!':|]{1,200}", event.trace_id)
        assert len(event.distinct_id or "") <= 200


@pytest.mark.parametrize("headers", [None, 7, "traceparent", [1], [(1, 2, 3)], object()])
def test_what_is_no_mapping_is_ignored(headers):
    """extract raises nothing for what are no headers at all."""
    with extract(headers):
        assert current() is not None


def _breaking():
    yield "baggage", "llm_track.content=metadata"
    raise ValueError("no more headers")


@pytest.mark.parametrize(
    "headers",
    [
        [("baggage", "llm_track.content=metadata"), 3, (), ("a", "b", "c"), None],
        [7, (1, 2), ("baggage", "llm_track.content=metadata")],
        _breaking(),
        {"baggage": ["theirs=1", "llm_track.content=metadata"]},
        {"traceparent": [TRACEPARENT, "nonsense"], "baggage": (b"llm_track.content=metadata",)},
        [(bytearray(b"baggage"), memoryview(b"llm_track.content=metadata"))],
        {"baggage": b"\xff\xfe=\x00,llm_track.content=metadata"},
        {"baggage": "\ud800=%zz,,;=,llm_track.content=metadata;property"},
        {"x-llm-track": "llm_track.content=metadata", "baggage": None},
    ],
)
def test_what_is_broken_beside_it_does_not_widen_what_may_leave(headers):
    """What holds back content is read among headers of which others, before or behind it, cannot be."""
    with capture_events() as events, extract(headers), llm_span("there") as span:
        span.set(output="what came back")
    assert len(events) == 1
    assert "what came back" not in str(events[0].properties)


def test_groups_and_metadata_that_are_no_objects_are_ignored():
    """JSON of another kind, or nested without end, is as if it were not there."""
    for text in ("[1]", "1", "{", "[" * 5000):
        event = inside({"baggage": f"llm_track.groups={quote(text)},llm_track.metadata={quote(text)},llm_track.user=u"})
        assert (event.groups, event.distinct_id) == ({}, "u")


def test_it_works_in_asynchronous_code():
    """`async with` continues the trace, in tasks that the block starts too, and in no other."""

    async def where():
        return current_trace_id()

    async def main():
        async with extract({"traceparent": TRACEPARENT}):
            task = asyncio.create_task(where())
        return await task, await asyncio.create_task(where())

    assert asyncio.run(main()) == (TRACE, None)


def test_the_consumer_of_a_generator_is_never_inside():
    """A block inside a generator covers its steps, and not the code that consumes it."""

    def body():
        with extract({"traceparent": TRACEPARENT}):
            yield current_trace_id()
            yield current_trace_id()

    generator = body()
    assert [next(generator), current_trace_id(), next(generator)] == [TRACE, None, TRACE]
    generator.close()


def test_one_object_can_be_used_again_and_within_itself():
    """What extract returns can be entered many times, also while it is open."""
    continued = extract({"traceparent": TRACEPARENT})
    with continued, continued:
        assert current_trace_id() == TRACE
    with continued:
        assert current_trace_id() == TRACE
    assert current() is None


def test_nothing_is_continued_where_llm_track_is_off():
    """enabled=False makes extract a block like any other."""
    llm_track.configure(enabled=False)
    with extract({"traceparent": TRACEPARENT}):
        assert current() is None


def test_an_id_of_another_kind_travels_as_it_is():
    """A trace id that is no hexadecimal number is in the baggage, and its hash in traceparent."""
    with extract({"x-posthog-trace-id": "order|7"}):
        headers = inject({})
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    with extract(headers):
        assert current_trace_id() == "order|7"
