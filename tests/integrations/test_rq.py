"""RQ: jobs belong to who enqueues them, in workers that run them themselves and in those that fork."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest

from llm_track import current_trace_id, llm_span
from llm_track.context import current
from llm_track.testing import capture_events

from .conftest import environment, needed

rq, fakeredis = needed("rq", "fakeredis")
follow = needed("llm_track.integrations.rq")[0]


def where():
    """A job: a step that returns its trace."""
    with llm_span("job"):
        return current_trace_id()


def fails():
    """A job that fails."""
    raise ValueError("no")


@pytest.fixture
def queue():
    """A queue, while jobs are followed."""
    from rq.job import Job

    originals = [vars(Job)[name] for name in ("create", "perform")]
    follow.follow()
    follow.follow()
    yield rq.Queue(connection=fakeredis.FakeStrictRedis())
    follow.unfollow()
    assert [vars(Job)[name] for name in ("create", "perform")] == originals


def work(queue):
    """Run what is in the queue."""
    rq.SimpleWorker([queue], connection=queue.connection).work(burst=True)


def test_a_job_belongs_to_who_enqueues_it(queue):
    """A job has the trace, the step and the user that enqueued it; one from outside has its own trace."""
    with capture_events() as events:
        with llm_span("sender", user_id="u") as span:
            job = queue.enqueue(where, meta={"own": 1})
        alone = queue.enqueue(where)
        work(queue)
        assert current() is None
    assert job.meta.keys() == {"own", "llm_track"}
    assert alone.meta == {}
    by_trace = {event.trace_id: event for event in events if event.properties["$ai_span_name"] == "job"}
    inside, outside = by_trace.pop(span.trace_id), by_trace.popitem()[1]
    assert (inside.properties["$ai_parent_id"], inside.distinct_id) == (span.id, "u")
    assert (outside.name, outside.distinct_id) == ("$ai_trace", None)


def test_a_job_that_fails_leaves_nothing_open(queue):
    """After a job that raised, the next one is where it belongs, and the error is RQ's as ever."""
    with capture_events(), llm_span("sender"):
        failed = queue.enqueue(fails)
    with capture_events() as events:
        last = queue.enqueue(where)
        work(queue)
    assert failed.get_status(refresh=True) == "failed"
    assert "no" in failed.latest_result().exc_string
    assert (last.get_status(refresh=True), events[0].name) == ("finished", "$ai_trace")


def test_a_queue_that_runs_jobs_at_once_stays_in_the_span():
    """A queue that is not asynchronous runs a job inside the span around."""
    follow.follow()
    try:
        queue = rq.Queue(is_async=False, connection=fakeredis.FakeStrictRedis())
        with capture_events() as events, llm_span("sender") as span:
            queue.enqueue(where)
            assert current().name == "sender"
    finally:
        follow.unfollow()
    assert events[0].properties["$ai_parent_id"] == span.id


def test_meta_that_is_none_of_ours_is_let_be(queue):
    """A job whose meta nobody can read as headers runs all the same."""
    job = queue.enqueue(where, meta={"llm_track": 7})
    with capture_events() as events:
        work(queue)
    assert (job.get_status(refresh=True), events[0].name) == ("finished", "$ai_trace")


CONNECTION = """
    import sys, redis, rq

    class Connection(redis.Redis):
        def client_list(self, *_, **__):  # the server of the test knows no clients
            return []

        def client_info(self):
            return {"addr": "127.0.0.1:1"}

    connection = Connection(port=int(sys.argv[1]))
    queue = rq.Queue(connection=connection)
"""
SENDS = """
    import llm_track, jobs
    with llm_track.llm_span("sender", user_id="u"):
        queue.enqueue(jobs.job, "job")
        queue.enqueue(jobs.again, retry=rq.Retry(max=1))
        queue.enqueue(jobs.long, job_timeout=15)
        queue.enqueue(jobs.stops_the_worker, 0)
"""
WORKS = """
    for _ in range(2):
        getattr(rq, sys.argv[2], rq.Worker)([queue], connection=connection).work(burst=True)
"""
JOBS = """
    import os, signal, time
    import llm_track, rq
    from llm_track.integrations import rq as integration
    integration.follow()

    def job(name):
        with llm_track.llm_span(name):
            pass

    def again():
        left = rq.get_current_job().retries_left
        with llm_track.llm_span(f"{left} left"):
            raise ValueError("no")

    def long():
        with llm_track.llm_span("long"):
            time.sleep(100)

    def stops_the_worker(_):
        with llm_track.llm_span("last"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.5)
"""


@pytest.mark.parametrize(("kind", "first"), [("Worker", "import jobs\n"), ("SpawnWorker", "")])
def test_the_process_of_a_job_delivers(receiver, tmp_path, kind, first):
    """A worker that makes a process for each job tells of it, although that leaves without any exit hook: of jobs that
    are tried again, that last too long and amid which the worker is told to stop, and whether or not the worker itself
    knows of us.  All are in the trace of who enqueued them."""
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    clean = environment(receiver, tmp_path)
    try:
        for program in (SENDS, WORKS):
            code = (first if program is WORKS else "") + textwrap.dedent(CONNECTION) + textwrap.dedent(program)
            command = [sys.executable, "-W", "ignore", "-c", code, str(server.server_address[1]), kind]
            done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=240, check=False)
            assert done.returncode == 0, done.stderr
    finally:
        server.shutdown()
        server.server_close()
    sent = {event["properties"]["$ai_span_name"]: event for event in receiver.events}
    assert len(sent) == len(receiver.events)
    assert sorted(sent) == ["0 left", "1 left", "job", "last", "long", "sender"]
    sender = sent.pop("sender")["properties"]["$ai_span_id"]
    assert {(event["properties"]["$ai_parent_id"], event["distinct_id"]) for event in sent.values()} == {(sender, "u")}
