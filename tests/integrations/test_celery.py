"""Celery: tasks belong to who sends them, in a worker of this process and in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from llm_track import current_trace_id, llm_span
from llm_track.context import current
from llm_track.testing import capture_events

from .conftest import environment, needed

celery, signals, testing = needed("celery", "celery.signals", "celery.contrib.testing.worker")
follow, integrations, posthog = needed("llm_track.integrations.celery", "posthog.integrations.celery", "posthog")

SECONDS = 60


@pytest.fixture
def app():
    """An application whose broker is the memory of this process, with a worker that runs."""
    made = celery.Celery("app", broker="memory://", backend="cache+memory://", set_as_current=False)
    made.conf.task_default_queue = "tests"

    @made.task(name="where")
    def where():
        with llm_span("task"):
            return current_trace_id()

    @made.task(name="fails", bind=True, max_retries=1)
    def fails(self):
        with llm_span(f"try {self.request.retries}"):
            pass
        raise self.retry(countdown=0, exc=ValueError("no"))

    made.fails, made.where = fails, where
    follow.follow()
    with testing.start_worker(made, perform_ping_check=False, pool="solo"):
        yield made
    follow.unfollow()


def parents(events):
    """Return {name of a step: name of the step around it}."""
    names = {event.uuid: event.properties["$ai_span_name"] for event in events}
    return {names[event.uuid]: names.get(event.properties.get("$ai_parent_id")) for event in events}


def test_a_task_belongs_to_who_sends_it(app):
    """A task has the trace, the step and the user that sent it; one from outside has its own trace."""
    with capture_events() as events:
        with llm_span("sender", user_id="u") as span:
            assert app.where.delay().get(timeout=SECONDS) == span.trace_id
        assert app.where.delay().get(timeout=SECONDS) != span.trace_id
    task, _, alone = events
    assert parents([task, events[1]]) == {"task": "sender", "sender": None}
    assert (task.distinct_id, alone.distinct_id, alone.name) == ("u", None, "$ai_trace")


def test_a_chain_and_a_retry_stay_in_the_trace(app):
    """What a task sends, as its chain or its own retry, belongs to the same step, and nothing is left open."""
    with capture_events() as events, llm_span("sender") as span:
        chained = celery.chain(app.where.si(), app.where.si()).apply_async().get(timeout=SECONDS)
        with pytest.raises(ValueError, match="no"):
            app.fails.delay().get(timeout=SECONDS)
    assert chained == span.trace_id
    assert parents(events) == {"task": "sender", "try 0": "sender", "try 1": "sender", "sender": None}
    until = time.monotonic() + SECONDS
    while follow._open and time.monotonic() < until:  # a task has its result before it has ended
        time.sleep(0.01)
    assert follow._open == {}


@pytest.mark.parametrize("follows", [True, False])
def test_posthogs_own_integration_says_who_asks(app, receiver, follows):
    """With posthog's integration for Celery a step of a task belongs to the user and the session that its sender's
    scope named, whether or not ``follow`` keeps the trace as well."""
    if not follows:
        follow.unfollow()
    client = posthog.Posthog("phc_test", host=receiver.url)
    integration = integrations.PosthogCeleryIntegration(client=client, capture_task_lifecycle_events=False)
    integration.instrument()
    try:
        with capture_events() as events:
            for user in ("u_1", "u_2"):
                with posthog.new_context(fresh=True):
                    posthog.identify_context(user)
                    posthog.set_context_session(f"session-of-{user}")
                    app.where.delay().get(timeout=SECONDS)
            told = events.settle()
    finally:
        integration.uninstrument()
        client.shutdown()
    assert [event.distinct_id for event in told] == ["u_1", "u_2"]
    assert [event.properties["$session_id"] for event in told] == ["session-of-u_1", "session-of-u_2"]


def test_a_task_that_runs_at_once_stays_where_it_is(app):
    """A task that is applied in the program itself is inside the span around, and leaves it as it was."""
    with capture_events() as events, llm_span("sender"):
        app.where.apply()
        assert current().name == "sender"
    assert parents(events) == {"task": "sender", "sender": None}


def test_no_task_is_touched_that_need_not_be(app):
    """A task sent outside of every span has no header of ours, and after unfollow() none has."""
    sent = []

    def see(headers=None, **_):
        sent.append("llm_track" in headers)

    signals.before_task_publish.connect(see)
    app.where.delay().get(timeout=SECONDS)
    follow.follow()
    with capture_events(), llm_span("sender"):
        app.where.delay().get(timeout=SECONDS)
        follow.unfollow()
        app.where.delay().get(timeout=SECONDS)
    assert sent == [False, True, False]


TASKS = """
    import time
    import celery, llm_track
    from llm_track.integrations import celery as integration
    integration.follow()
    folders = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
    app = celery.Celery("tasks", broker="filesystem://", backend="file://results")
    app.conf.broker_transport_options = folders

    @app.task
    def work(name):
        with llm_track.llm_span(name):
            return name

    @app.task(bind=True, autoretry_for=(ValueError,), default_retry_delay=0, max_retries=1)
    def again(self):
        with llm_track.llm_span(f"try {self.request.retries}"):
            raise ValueError("no")

    @app.task
    def long(name):
        with llm_track.llm_span(name):
            with llm_track.llm_span(f"in {name}"):
                open(f"{name} is on", "w").close()
            time.sleep(2 if name == "last" else 100)
"""


@pytest.fixture
def run(receiver, tmp_path):
    """Run a program beside a worker, which is told to stop when the program has ended; return the events by name."""
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))
    for folder in ("messages", "control", "results"):
        (tmp_path / folder).mkdir()
    clean = environment(receiver, tmp_path)

    def runs(program, *options):
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-l", "WARNING"]
        command += ["--without-mingle", *options]
        worker = subprocess.Popen(command, cwd=tmp_path, env=clean, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        code = "import os, time, tasks, llm_track\n" + textwrap.dedent(program)
        try:
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, timeout=60, check=False
            )
        finally:
            worker.send_signal(signal.SIGTERM)
            _, errors = worker.communicate(timeout=60)
        assert done.returncode == 0, (done.stderr, errors)
        sent = {event["properties"]["$ai_span_name"]: event for event in receiver.events}
        assert len(sent) == len(receiver.events)
        return sent

    return runs


def test_the_processes_of_a_worker_deliver(run):
    """A worker that forks its processes tells of every task, in the trace of the program that sent it."""
    sent = run(
        """
        with llm_track.llm_span("sender", user_id="u"):
            results = [tasks.work.delay(f"task {number}") for number in range(4)]
            print([result.get(timeout=50) for result in results])
        """
    )
    assert sorted(sent) == ["sender", *(f"task {number}" for number in range(4))]
    sender = sent.pop("sender")["properties"]["$ai_span_id"]
    assert {(event["properties"]["$ai_parent_id"], event["distinct_id"]) for event in sent.values()} == {(sender, "u")}


def test_tasks_that_end_in_other_ways_are_told_once(run):
    """Tasks in threads, tried again, or still running when the worker is told to stop, are told once each, in the trace
    of who sent them."""
    sent = run(
        """
        with llm_track.llm_span("sender"):
            tasks.again.delay().get(timeout=50, propagate=False)
            for name in ("1", "2"): tasks.work.delay(name).get(timeout=50)
            tasks.long.delay("last")
        while not os.path.exists("last is on"): time.sleep(0.05)
        """,
        "--pool",
        "threads",
    )
    assert sorted(sent) == ["1", "2", "in last", "last", "sender", "try 0", "try 1"]
    assert len({event["properties"]["$ai_trace_id"] for event in sent.values()}) == 1


def test_a_task_that_lasts_too_long_is_told(run):
    """A task that meets its soft time limit has failed; what was recorded in one that meets the hard one arrives where
    Celery lets the process end by itself."""
    sent = run(
        """
        with llm_track.llm_span("sender"):
            tasks.long.apply_async(("soft",), soft_time_limit=4).get(timeout=50, propagate=False)
            tasks.long.apply_async(("hard",), time_limit=4).get(timeout=50, propagate=False)
        """
    )
    assert {"sender", "soft", "in soft"} <= sent.keys() <= {"sender", "soft", "in soft", "hard", "in hard"}
    assert sent["soft"]["properties"]["$ai_error_type"] == "SoftTimeLimitExceeded"
    assert len({event["properties"]["$ai_trace_id"] for event in sent.values()}) == 1
