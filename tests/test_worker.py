"""The way of events out of real processes: delivery, exit, fork, and what `stats` says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import llm_track
from llm_track import worker
from llm_track.testing import capture_events
from tests.sinks.receiver import Receiver

ROOT = Path(__file__).parent.parent


@pytest.fixture
def receiver():
    """A PostHog on loopback that keeps what it is sent."""
    with Receiver() as running:
        yield running


def run(program, host, **environment):
    """Run a program in a process of its own, sending to a host; return it when it has ended."""
    return start(["-c", textwrap.dedent(program)], host, **environment)


def start(arguments, host, **environment):
    """Run Python in a process of its own; return it when it has ended."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("POSTHOG", "LLM_TRACK", "PYTEST"))
    }
    clean |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_API_URL": host, "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, *arguments],
        env={name: value for name, value in clean.items() if value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names(receiver):
    """Return the names of the spans that arrived, sorted."""
    return sorted(event["properties"]["$ai_span_name"] for event in receiver.events)


def test_a_program_that_ends_at_once_loses_nothing(receiver):
    """The event of a program that ends right after its only span arrives."""
    done = run("import llm_track\nwith llm_track.llm_span('last'): pass", receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(receiver) == ["last"]


@pytest.mark.parametrize("ending", ["raise ValueError('x')", "import sys; sys.exit(3)"])
def test_a_program_that_fails_loses_nothing(receiver, ending):
    """An uncaught exception and sys.exit deliver what was recorded, and keep their exit code."""
    done = run(f"import llm_track\nwith llm_track.llm_span('last'): pass\n{ending}", receiver.url)
    assert done.returncode == (3 if "exit" in ending else 1)
    assert names(receiver) == ["last"]


def test_a_span_that_is_open_at_the_end_is_sent(receiver):
    """A span that nobody closes is settled when the program ends, as cancelled."""
    run("import llm_track\nspan = llm_track.llm_span('open').__enter__()", receiver.url)
    assert [event["properties"]["llm_outcome"] for event in receiver.events] == ["cancelled"]


def test_a_forked_child_sends_its_own_and_nothing_twice(receiver):
    """Parent and child each send what they recorded; the child's span has the parent's as its parent."""
    run(
        """
        import llm_track, os
        with llm_track.llm_span("parent"):
            with llm_track.llm_span("before"): pass
            child = os.fork()
            if not child:
                with llm_track.llm_span("child"): pass
                llm_track.flush()
                os._exit(0)
            os.waitpid(child, 0)
        """,
        receiver.url,
    )
    assert names(receiver) == ["before", "child", "parent"]
    by_name = {event["properties"]["$ai_span_name"]: event["properties"] for event in receiver.events}
    assert by_name["child"]["$ai_parent_id"] == by_name["parent"]["$ai_span_id"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_lose_nothing(receiver, tmp_path, method):
    """Processes and process pools deliver before they leave, although they leave without running exit hooks."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            from concurrent.futures import ProcessPoolExecutor
            import llm_track

            def work(name):
                with llm_track.llm_span(name): pass

            if __name__ == "__main__":
                with llm_track.llm_span("parent"): pass
                method = multiprocessing.get_context(sys.argv[1])
                children = [method.Process(target=work, args=(f"child {number}",)) for number in range(3)]
                for child in children: child.start()
                for child in children: child.join()
                with ProcessPoolExecutor(2, mp_context=method) as pool:
                    list(pool.map(work, [f"pooled {number}" for number in range(20)]))
            """
        )
    )
    done = start([str(program), method], receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    expected = ["parent", *(f"child {number}" for number in range(3)), *(f"pooled {number}" for number in range(20))]
    assert names(receiver) == sorted(expected)


SPANS = """
import time, llm_track
for number in range({}):
    with llm_track.llm_span('last'): pass
while not llm_track.stats()["admitted"]:  # from Python 3.12 on no thread of the client would start after the end
    time.sleep(0.02)
"""


@pytest.mark.parametrize("number", [1, 300])
def test_a_dead_posthog_delays_the_end_by_a_bounded_time(number):
    """A PostHog that cannot be reached holds up the end of a program for some seconds; one line says what was lost."""
    start = time.monotonic()
    done = run("import posthog\n" + SPANS.format(number), "http://127.0.0.1:9")
    assert done.returncode == 0
    assert time.monotonic() - start < 15
    (line,) = done.stderr.splitlines()
    assert f"could not deliver {number} events" in line


def test_a_slow_posthog_is_waited_for_while_it_takes_events(receiver):
    """A PostHog that takes batch after batch, each within the time that is waited for an answer, gets them all."""
    receiver.seconds = 1.2
    done = run(SPANS.format(350), receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(receiver.events) == 350


def test_without_a_key_one_line_says_what_to_do():
    """Without a key the program runs on; one log line names the variable and what to do."""
    program = """
        import llm_track
        for _ in range(3):
            with llm_track.llm_span("x"): pass
        llm_track.flush()
        print(llm_track.stats()["dropped_no_key"])
        """
    done = run(program, "", POSTHOG_API_KEY="")
    assert done.stdout.strip() == "3"
    assert done.stderr.count("POSTHOG_API_KEY is not set") == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_import_and_autopatch_load_no_sdk_and_no_client():
    """import llm_track; autopatch() loads no provider SDK, no posthog, no duckdb and no price list."""
    program = """
        import sys, llm_track
        llm_track.autopatch()
        heavy = {"openai", "anthropic", "posthog", "duckdb", "genai_prices", "httpx", "httpx2", "rich"}
        print(sorted(heavy & set(sys.modules)))
        """
    assert run(program, "").stdout.strip() == "[]"


def test_a_burst_of_spans_arrives_whole(receiver):
    """Ten thousand spans in one burst all arrive, each once."""
    program = """
        import llm_track
        for number in range(10_000):
            with llm_track.llm_span("burst"): pass
        llm_track.flush(60)
        """
    run(program, receiver.url)
    assert len(receiver.events) == len({event["uuid"] for event in receiver.events}) == 10_000


def test_the_users_own_client_is_used_and_not_shut_down(receiver):
    """configure(client=...) sends through that client, which works on after llm_track.shutdown()."""
    program = f"""
        import llm_track, posthog
        client = posthog.Posthog("phc_own", host={receiver.url!r})
        llm_track.configure(client=client)
        with llm_track.llm_span("mine"): pass
        llm_track.shutdown()
        client.capture("still alive", distinct_id="u")
        client.flush()
        """
    assert run(program, "http://127.0.0.1:9").stderr == ""
    assert sorted(event["event"] for event in receiver.events) == ["$ai_trace", "still alive"]


def test_stats_say_what_became_of_the_events():
    """Dropped, silenced, sampled and admitted events are counted by name."""
    before = llm_track.stats()
    with capture_events(), llm_track.llm_span("quiet", no_log=True):
        pass
    llm_track.configure(processors=[lambda event: None])
    with capture_events(), llm_track.llm_span("dropped"):
        pass
    llm_track.configure(sample_rate=0.0)
    with capture_events(), llm_track.llm_span("sampled"):
        pass
    llm_track.configure()
    with capture_events(), llm_track.llm_span("admitted"):
        pass
    after = llm_track.stats()
    for name in ("no_log", "dropped_by_processor", "sampled_out", "admitted"):
        assert after[name] == before.get(name, 0) + 1


def test_a_client_that_is_still_being_built_when_the_program_ends_delivers(receiver):
    """However long the client takes to be built, a program that ends meanwhile waits for it, and loses nothing."""
    done = run(
        """
        import atexit, time, threading, llm_track
        register = atexit.register
        begun = threading.Event()
        def slowly(hook, *args, **kwargs):
            register(hook, *args, **kwargs)
            if type(getattr(hook, "__self__", None)).__name__ == "Posthog":  # the client has yet to be whole
                begun.set()
                time.sleep(1.0)
        atexit.register = slowly
        with llm_track.llm_span("last"): pass
        begun.wait(30)
        """,
        receiver.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert names(receiver) == ["last"]


def test_an_import_that_never_ends_does_not_keep_the_program_from_ending():
    """Ctrl-C amid an import may leave Python's import lock closed: the program ends all the same, and says what
    was not sent."""
    done = run(
        """
        import sys, threading, time, llm_track
        from llm_track import worker
        class Hanging:
            def find_spec(name, path=None, target=None):
                if name == "posthog": time.sleep(3600)
        sys.meta_path.insert(0, Hanging)
        worker.EXIT_SECONDS = 1.0
        with llm_track.llm_span("last"): pass
        """,
        "http://127.0.0.1:9",
    )
    assert done.returncode == 0
    assert "could not deliver 1 events" in done.stderr


def test_a_full_queue_drops_and_counts(monkeypatch, caplog):
    """When too much waits, new events are counted as dropped, with one log line, and nobody is blocked."""
    fresh = worker._Worker()
    monkeypatch.setattr(worker, "LONGEST_QUEUE", 0)
    for _ in range(3):
        fresh.put(object())
    assert fresh.tally["dropped_queue_full"] == 3
    assert len([record for record in caplog.records if "drops events" in record.message]) == 1


def test_a_client_that_raises_does_not_stop_the_next_event(without_pytest, caplog):
    """An exception of the client is logged once and counted; later events still go out."""

    class Client:
        calls = 0

        def capture(self, name, **given):
            Client.calls += 1
            raise OSError("broken client")

        def flush(self, timeout_seconds):
            raise OSError("broken flush")

    llm_track.configure(client=Client())
    for _ in range(3):
        with llm_track.llm_span("x"):
            pass
    assert not llm_track.flush(10.0)
    worker._worker.sink = worker._worker.sink_settings = None
    assert Client.calls == 3
    assert caplog.text.count("could not turn a call into an event") == 1


def test_what_many_threads_have_the_worker_do_is_no_event_that_is_left():
    """However many threads ask at once, what they asked for and is done does not wait for its delivery."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with capture_events(), ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: [worker.put(int) for _ in range(10_000)], range(4)))
            assert worker.flush(60)
            assert worker._worker.waiting() == 0
    finally:
        sys.setswitchinterval(before)


def test_events_can_be_read_as_json():
    """Every property of an event is plain JSON."""
    with capture_events() as events, llm_track.llm_span("x", metadata={"when": object()}) as span:
        span.set(output={1: {2, 3}, "nan": float("nan")})
    json.dumps(events[0].properties, allow_nan=False)


def test_a_processor_that_exits_costs_its_event_and_no_other(receiver):
    """SystemExit in a processor ends neither the worker nor the program: the content goes, later events arrive."""
    done = run(
        """
        import sys, llm_track
        def processor(event):
            if event.properties["$ai_span_name"] == "bad": sys.exit(9)
            return event
        llm_track.configure(processors=[processor])
        for name in ("one", "bad", "two"):
            with llm_track.llm_span(name) as span: span.set(output="said")
        print(llm_track.flush())
        """,
        receiver.url,
    )
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert {
        event["properties"]["$ai_span_name"]: event["properties"]["$ai_output_state"] for event in receiver.events
    } == {
        "one": "said",
        "bad": None,
        "two": "said",
    }


def test_what_is_not_delivered_at_the_end_is_said(receiver):
    """A processor that hangs delays the end by a bounded time, and a log line says how many events were not sent."""
    start_time = time.monotonic()
    done = run(
        """
        import time, llm_track
        llm_track.configure(processors=[lambda event: time.sleep(60)])
        for number in range(5):
            with llm_track.llm_span(f"s{number}"): pass
        """,
        receiver.url,
    )
    assert done.returncode == 0
    assert "could not deliver 5 events before the program ended" in done.stderr
    assert time.monotonic() - start_time < 20


def test_a_refused_key_is_not_waited_for(receiver):
    """A key that PostHog refuses is said at once, nobody waits for it at the end, and what is lost is counted."""
    receiver.statuses = [401] * 20
    done = run(
        """
        import llm_track
        for number in range(3):
            with llm_track.llm_span(f"s{number}"): pass
        print(llm_track.flush(30), llm_track.stats()["waiting"])
        """,
        receiver.url,
    )
    assert done.stdout == "False 3\n"
    refused, lost = done.stderr.splitlines()
    assert "refuses the project key (401)" in refused
    assert "could not deliver 3 events" in lost


SLOW = """
import time
import llm_track
from llm_track import worker
llm_track.configure(processors=[lambda event: (time.sleep(0.2), event)[1]])
worker.ANSWER_SECONDS = 0.5
for _ in range(8):
    with llm_track.llm_span("step"):
        pass
"""


def test_a_program_that_ends_on_a_slow_machine_waits_for_its_events(receiver):
    """While calls are still being turned into events, the end of the program waits, although none was taken yet."""
    done = run(SLOW, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(receiver.events) == 8


def test_a_processor_that_flushes_waits_for_nothing():
    """What runs on the worker cannot wait for it: `flush` says at once that not all is delivered."""
    said = []
    program_processors = [lambda event: said.append(llm_track.flush(60)) or event]
    with capture_events() as events:
        llm_track.configure(processors=program_processors)
        began = time.monotonic()
        with llm_track.llm_span("step"):
            pass
        assert worker.make_events(120.0)
    assert (said, len(events)) == ([False], 1)
    assert time.monotonic() - began < 55.0
