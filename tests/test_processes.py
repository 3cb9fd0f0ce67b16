"""Spans and other processes: what `multiprocessing` and process pools run belongs to who asked for it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
import pickle
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from operator import add

import pytest

import llm_track
from llm_track import autopatch, leaving, llm_span, pools, processes, unpatch
from llm_track.context import current
from llm_track.headers import read
from llm_track.processes import Carried, Heading
from llm_track.propagation import RemoteStep
from llm_track.testing import capture_events
from tests.sinks.receiver import Receiver
from tests.test_worker import start

METHODS = ["fork", "spawn", "forkserver"]
HOOKED = [
    (ProcessPoolExecutor, "submit"),
    (multiprocessing.process.BaseProcess, "start"),
    *(
        (multiprocessing.pool.Pool, name)
        for name in ("apply_async", "_map_async", "imap", "imap_unordered", "terminate")
    ),
]


@pytest.fixture
def receiver():
    """A PostHog on loopback that keeps what it is sent."""
    with Receiver() as running:
        yield running


@pytest.fixture
def patched():
    """Hook, and leave no hook behind."""
    unpatch()
    originals = [vars(owner)[name] for owner, name in HOOKED]
    autopatch("openai")
    yield originals
    unpatch()
    assert [vars(owner)[name] for owner, name in HOOKED] == originals


def ran(receiver, tmp_path, program, *arguments):
    """Run a program and return its events by name: the name of the parent, the user; all from one trace or not."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(program))
    done = start([str(path), *arguments], receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    sent = [event["properties"] for event in receiver.events]
    names = {each["$ai_span_id"]: each["$ai_span_name"] for each in sent}
    assert len(names) == len(sent)
    return {
        each["$ai_span_name"]: (names.get(each.get("$ai_parent_id")), each["distinct_id"]) for each in told(receiver)
    }


def told(receiver):
    """Return the properties of the events, and who they are of."""
    return [{**event["properties"], "distinct_id": event["distinct_id"]} for event in receiver.events]


HEAD = """
    import multiprocessing, multiprocessing.util, sys, time
    from concurrent.futures import ProcessPoolExecutor
    import llm_track
    from llm_track import llm_span

    def work(name, again=None):
        with llm_span(name):
            return name

    class Worker(multiprocessing.get_context(sys.argv[1]).Process):
        def run(self):
            work("subclass")
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_process_belongs_to_who_starts_it(receiver, tmp_path, method):
    """A process with a target, and one with its own run, is inside the span it was started in; a later one is not."""
    events = ran(
        receiver,
        tmp_path,
        """
        if __name__ == "__main__":
            llm_track.autopatch()
            method = multiprocessing.get_context(sys.argv[1])
            with llm_span("parent", user_id="u"):
                children = [method.Process(target=work, args=("target",)), Worker()]
                for child in children: child.start()
                assert not any("_llm_track" in vars(child) for child in children)
            llm_track.flush(30)  # no fork amid the import of the client, however long that takes
            children.append(method.Process(target=work, args=("later",)))
            children[-1].start()
            for child in children: child.join()
            assert [child.exitcode for child in children] == [0, 0, 0]
        """,
        method,
    )
    assert {name: event for name, event in events.items() if name != "later"} == {
        "parent": (None, "u"),
        "target": ("parent", "u"),
        "subclass": ("parent", "u"),
    }
    assert events["later"][0] is None
    assert events["later"][1] != "u"


@pytest.mark.parametrize("method", METHODS)
def test_a_task_of_an_executor_belongs_to_who_submits_it(receiver, tmp_path, method):
    """submit and map of a ProcessPoolExecutor carry the span in which they are called, not the one of its start."""
    events = ran(
        receiver,
        tmp_path,
        """
        if __name__ == "__main__":
            llm_track.autopatch()
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
                with llm_span("first", user_id="u"):
                    assert pool.submit(work, "submitted", again=1).result() == "submitted"
                assert pool.submit(work, "alone").result() == "alone"
                with llm_span("second", user_id="v"):
                    assert list(pool.map(work, ["mapped 1", "mapped 2"])) == ["mapped 1", "mapped 2"]
        """,
        method,
    )
    assert {name: event for name, event in events.items() if name != "alone"} == {
        "first": (None, "u"),
        "submitted": ("first", "u"),
        "second": (None, "v"),
        "mapped 1": ("second", "v"),
        "mapped 2": ("second", "v"),
    }
    assert events["alone"][0] is None
    assert events["alone"][1] not in ("u", "v")


@pytest.mark.parametrize("method", METHODS)
def test_a_task_of_a_pool_belongs_to_who_gives_it_and_is_told(receiver, tmp_path, method):
    """Every way to give a Pool work carries the span; its events arrive although the block ends the workers."""
    events = ran(
        receiver,
        tmp_path,
        """
        if __name__ == "__main__":
            llm_track.autopatch()
            with llm_span("first", user_id="u"):
                pool = multiprocessing.get_context(sys.argv[1]).Pool(2)
                with pool:
                    assert pool.apply(work, ("apply",)) == "apply"
                    assert pool.apply_async(func=work, args=("async",)).get() == "async"
                    assert pool.map(work, ["map 1", "map 2", "map 3"]) == ["map 1", "map 2", "map 3"]
                    assert pool.starmap(work, [("star", 1)]) == ["star"]
                    assert list(pool.imap(work, ["imap"], chunksize=2)) == ["imap"]
                    assert list(pool.imap_unordered(work, ["unordered"])) == ["unordered"]
                    import contextvars
                    outside = contextvars.Context().run(pool.apply, work, ("alone",))
        """,
        method,
    )
    inside = ["apply", "async", "map 1", "map 2", "map 3", "star", "imap", "unordered"]
    assert {name: event for name, event in events.items() if name != "alone"} == {
        "first": (None, "u"),
        **dict.fromkeys(inside, ("first", "u")),
    }
    assert events["alone"][0] is None
    assert events["alone"][1] != "u"


def test_a_pool_that_is_busy_ends_as_it_did(receiver, tmp_path):
    """A pool whose tasks are not done is ended at once, as without us."""
    ran(
        receiver,
        tmp_path,
        """
        import pathlib, time

        def later(path):
            time.sleep(2)
            pathlib.Path(path).touch()

        if __name__ == "__main__":
            llm_track.autopatch()
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(work, ("x",))
                pool.apply_async(later, (__file__ + ".done",))
            assert not pathlib.Path(__file__ + ".done").exists()
        """,
        "spawn",
    )


HANG = """
    def hang(first):
        try:
            open(first, "x").close()
        except FileExistsError:
            time.sleep(1000)

    def hangs_when_it_leaves(priority, _=None):
        multiprocessing.util.Finalize(None, time.sleep, (1000,), exitpriority=priority)
        return "done"

    llm_track.processes.EXIT_SECONDS = 1000  # so that who waits in vain is found out
"""


@pytest.mark.parametrize("method", METHODS)
def test_nobody_waits_for_workers_that_have_nothing_to_deliver(receiver, tmp_path, method):
    """A pool whose workers recorded nothing ends at once, inside of spans too, however long they take to leave."""
    events = ran(
        receiver,
        tmp_path,
        HANG
        + """
    if __name__ == "__main__":
        llm_track.autopatch()
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            assert pool.apply(hangs_when_it_leaves, (10,)) == "done"
        with llm_span("span"), multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            assert pool.apply(hangs_when_it_leaves, (10,)) == "done"
        """,
        method,
    )
    assert events.keys() == {"span"}


@pytest.mark.parametrize("method", METHODS)
def test_workers_are_waited_for_until_they_have_delivered_and_no_longer(receiver, tmp_path, method):
    """Beside a worker that never comes to its first task, another delivers, and is not waited for after that."""
    events = ran(
        receiver,
        tmp_path,
        HANG
        + """
    if __name__ == "__main__":
        llm_track.autopatch()
        with multiprocessing.get_context(sys.argv[1]).Pool(2, hang, (__file__ + ".first",)) as pool:
            with llm_span("parent"):
                assert pool.map(work, ["1", "2", "3"]) == ["1", "2", "3"]
            assert pool.apply(hangs_when_it_leaves, (-10,)) == "done"
        """,
        method,
    )
    assert {name: parent for name, (parent, _) in events.items()} == {"parent": None, **dict.fromkeys("123", "parent")}


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_come_and_go_deliver(receiver, tmp_path, method):
    """Workers that leave after each task deliver, and so does one that has an open step and nothing else."""
    events = ran(
        receiver,
        tmp_path,
        """
        left = []

        def leave_open(name):
            left.append(llm_span(name))
            left[0].__enter__()

        if __name__ == "__main__":
            llm_track.autopatch()
            with multiprocessing.get_context(sys.argv[1]).Pool(2, maxtasksperchild=1) as pool:
                assert pool.map(work, [str(each) for each in range(6)], chunksize=1)
            with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
                pool.apply(leave_open, ("open",))
            child = multiprocessing.get_context(sys.argv[1]).Process(target=leave_open, args=("process",))
            child.start()
            child.join()
        """,
        method,
    )
    assert events.keys() == {*"012345", "open", "process"}


def test_what_is_said_of_a_step_in_a_pool_arrives(receiver, tmp_path):
    """Feedback alone, given in a worker that has opened no step, is delivered before the pool ends."""
    path = tmp_path / "program.py"
    program = """
    if __name__ == "__main__":
        llm_track.autopatch()
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            pool.apply(llm_track.feedback, ("trace-1", "good"))
    """
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(program))
    done = start([str(path), "fork"], receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["event"] for event in receiver.events] == ["$ai_feedback"]


def test_a_worker_that_says_nothing_more_is_waited_for_in_bounded_time():
    """A worker that was killed with its events is not waited for, and one that hangs as long as there is time."""
    debts = pools._Debts()
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(1000,))
    process.start()
    debts.writer.send_bytes(leaving.OWES + str(process.pid).encode())
    debts.wait([process], 0.1)
    assert process.is_alive()
    process.kill()
    debts.wait([process], 1000)
    process.join()


def test_no_log_and_content_go_along(receiver, tmp_path):
    """What is silent or held back here is so in the other process."""
    events = ran(
        receiver,
        tmp_path,
        """
        def tell(name):
            with llm_span(name) as span:
                span.set(output="some words")

        if __name__ == "__main__":
            llm_track.autopatch()
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
                with llm_span("silent", no_log=True):
                    pool.submit(tell, "unheard").result()
                llm_track.set_content(False)
                pool.submit(tell, "quiet").result()
        """,
        "spawn",
    )
    assert events.keys() == {"quiet"}
    assert "some words" not in str(told(receiver))


def test_what_cannot_be_pickled_is_refused_as_without_us(patched):
    """A function that does not pickle raises the same error, in a process and in a pool."""
    with capture_events(), llm_span("span"), ProcessPoolExecutor(1) as pool:
        ours = pool.submit(lambda: 1).exception()
    unpatch()
    with ProcessPoolExecutor(1) as pool:
        alone = pool.submit(lambda: 1).exception()
    assert type(ours) is type(alone)
    autopatch("openai")
    with capture_events(), llm_span("span"), pytest.raises(TypeError, match="fn"), ProcessPoolExecutor(1) as pool:
        pool.submit()


def test_nothing_is_changed_outside_of_spans(patched, monkeypatch):
    """Without a span, or with follow_threads=False, a pool is given the very function."""
    given = []
    monkeypatch.setattr(processes, "inside", lambda *args: pytest.fail("a task was carried"))

    def wrapped(*args, **kwargs):
        given.append((args, kwargs))

    for method in (processes._submit, processes._give):
        method(wrapped, None, (add, 1), {})
    llm_track.configure(follow_threads=False)
    with capture_events(), llm_span("span"):
        for method in (processes._submit, processes._give):
            method(wrapped, None, (add, 1), {})
    assert given == [((add, 1), {})] * 4


def test_a_pool_of_threads_is_followed_too(patched):
    """The threads that look like a Pool of processes carry the span, and nothing outside of it."""

    def here(_=None):
        return getattr(current(), "name", None)

    with capture_events(), multiprocessing.pool.ThreadPool(1) as pool:
        with llm_span("span"):
            assert (pool.apply(here), pool.map(here, [1]), list(pool.imap(here, [1]))) == ("span", ["span"], ["span"])
        assert pool.apply(here) is None
        with pytest.raises(TypeError):
            pool.apply_async()


def test_a_carried_function_pickles_as_the_function_does():
    """It comes back as itself, and calls the function inside of the step."""
    with capture_events(), llm_span("span") as span:
        carried = pickle.loads(pickle.dumps(Carried(llm_track.inject({}), add)))
        assert carried(1, 2) == 3
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Carried({}, lambda: 1))
    assert read(carried.headers).span_id == span.id


def test_a_process_object_that_is_copied_elsewhere_changes_nothing():
    """The span arrives in a process that is starting, and in no other that unpickles it."""
    assert pickle.loads(pickle.dumps(Heading({"x-posthog-distinct-id": "u"}))) is None
    assert not isinstance(current(), RemoteStep)
