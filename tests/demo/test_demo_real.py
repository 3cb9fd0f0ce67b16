"""The demo with the real model: the whole of it, and what happens when the model dies or is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest

from llm_track import demo
from llm_track.demo.calls import Assistant, Attempt
from llm_track.demo.model import MODEL_NAME, LocalModel, ModelError, weights
from llm_track.demo.store import EventStore, StoredEvent

pytestmark = pytest.mark.model


@pytest.fixture(scope="module", autouse=True)
def model_installed() -> None:
    """Skip without the model, except where it is promised: there a missing model is a failure."""
    problem = demo.missing_parts()
    if problem and os.environ.get("LLM_TRACK_TEST_MODEL") != "required":
        pytest.skip(problem)
    assert problem is None


@pytest.fixture(scope="module")
def weights_file() -> Path:
    found = weights()
    assert found is not None
    return found


def run_demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, its output into a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "llm_track", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int, seconds: float = 15.0) -> bool:
    """Wait for a process to end; False when it is still there at the end of the wait."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Run:
    """One run of the whole demo: its output and its file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "demo.duckdb"
        # Settings of the user that would spoil the demo, were it to listen to them.
        spoilers = {
            "LLM_TRACK_ENABLED": "false",
            "POSTHOG_API_KEY": "phc_of_the_user",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }
        self.ended = run_demo("--db", str(self.file), "--max-tokens", "24", **spoilers)

    def query(self, sql: str) -> list[Any]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("demo"))


def test_the_demo_succeeds(whole_run: Run) -> None:
    """It ends with 0 and complains about nothing."""
    assert whole_run.ended.returncode == 0, whole_run.ended.stdout + whole_run.ended.stderr
    assert whole_run.ended.stderr == ""


def test_the_printed_traces_tell_the_story(whole_run: Run) -> None:
    """Both customers, every trace, the streams' first tokens, the failure and the missing price are on the page."""
    out = whole_run.ended.stdout
    for words in (
        "answer a question",
        "user ada, session ada-monday",
        "user grace, session grace-monday",
        "tool read_notes",
        "embedding smollm2-135m",
        "first token",
        "Error code: 400",
        "not priced",
        "4 traces: 6 model calls, 1 failed",
        "POSTHOG_API_KEY",
    ):
        assert words in out.replace("\n", " "), words
    assert "Traceback" not in out


def test_the_printed_query_works(whole_run: Run) -> None:
    """The command at the end of the output can be copied and shows the events."""
    [line] = [line for line in whole_run.ended.stdout.splitlines() if "python -c" in line]
    code = line.partition('python -c "')[2].rstrip('"')
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "$ai_generation" in ran.stdout


def test_every_call_is_one_event(whole_run: Run) -> None:
    """Six model calls, two inner steps and four traces: twelve events, none twice."""
    counts = dict(whole_run.query("SELECT event, count(*) FROM events GROUP BY event"))
    assert counts == {"$ai_generation": 5, "$ai_embedding": 1, "$ai_span": 2, "$ai_trace": 4}


def test_the_measures_are_there(whole_run: Run) -> None:
    """Successful generations carry tokens and time; streams also the time to their first token."""
    rows = whole_run.query(
        "SELECT properties->>'/$ai_stream', CAST(properties->>'/$ai_input_tokens' AS INT),"
        " CAST(properties->>'/$ai_output_tokens' AS INT), properties->>'/$ai_time_to_first_token'"
        " FROM events WHERE event = '$ai_generation' AND (properties->>'/$ai_is_error') IS DISTINCT FROM 'true'"
    )
    assert len(rows) == 4
    assert all(taken > 0 and 0 < given <= 24 for _, taken, given, _ in rows)
    assert [first is not None for stream, _, _, first in rows if stream == "true"] == [True, True]


def test_sessions_and_users_are_on_every_event(whole_run: Run) -> None:
    """Inner events inherit the customer and the session of their trace."""
    owners = whole_run.query("SELECT DISTINCT distinct_id, properties->>'/$ai_session_id' FROM events ORDER BY 1")
    assert owners == [("ada", "ada-monday"), ("grace", "grace-monday")]


def test_a_second_run_adds_and_prints_only_itself(whole_run: Run, tmp_path: Path) -> None:
    """The file grows, the output does not."""
    file = shutil.copy(whole_run.file, tmp_path)
    again = run_demo("--db", str(file), "--max-tokens", "1")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "4 traces: 6 model calls" in again.stdout
    with duckdb.connect(str(file)) as connection:
        assert connection.sql("SELECT count(*) FROM events").fetchall() == [(24,)]


def _heed_interrupts() -> None:
    """A shell has what it starts in the background ignore them, and so would a program that such a test starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    """An interrupt in the middle exits with 130, without a traceback, and closes the file."""
    file = tmp_path / "demo.duckdb"
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_track", "demo", "--db", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=_heed_interrupts,
    )
    assert process.stdout is not None
    while "OpenAI" not in (line := process.stdout.readline()):
        assert line, "the demo ended before its first call"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    # CPython itself dies of the signal, which a shell shows as 130 too, when it strikes while a string is evaluated.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in rest
    duckdb.connect(str(file)).close()


def test_no_events_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When llm_track sends nothing, the demo says so and ends with 1."""
    monkeypatch.setattr(demo, "_tracked", lambda _: nullcontext())
    monkeypatch.setattr(Assistant, "work", lambda _: None)
    assert demo.run(tmp_path / "demo.duckdb", 8) == 1
    assert "No event reached the local receiver" in capsys.readouterr().out


def test_a_model_that_cannot_start_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When the model does not start, the demo shows the child's last words and ends with 1."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no weights")
    monkeypatch.setattr(demo, "weights", lambda: broken)
    assert demo.run(tmp_path / "demo.duckdb", 8) == 1
    assert "invalid magic" in capsys.readouterr().out


def test_a_lost_event_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    make: Callable[..., StoredEvent],
) -> None:
    """When fewer events arrive than calls were made, the demo counts both and ends with 1."""
    monkeypatch.setattr(demo, "_tracked", lambda _: nullcontext())
    monkeypatch.setattr(Assistant, "work", lambda self: self._report(Attempt(label="a call", seconds=0.1)))
    monkeypatch.setattr(EventStore, "received_since", lambda *_: [make("trace")])
    assert demo.run(tmp_path / "demo.duckdb", 8) == 1
    assert "Calls made: 1; calls that arrived as events: 0" in capsys.readouterr().out


def test_a_surprise_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    make: Callable[..., StoredEvent],
) -> None:
    """A call that fails against the plan is shown with its error, the traces are still drawn, and the end is 1."""

    def work(assistant: Assistant) -> None:
        assistant._report(Attempt(label="a call", seconds=0.1, error="no luck"))

    monkeypatch.setattr(demo, "_tracked", lambda _: nullcontext())
    monkeypatch.setattr(Assistant, "work", work)
    monkeypatch.setattr(EventStore, "received_since", lambda *_: [make("generation")])
    assert demo.run(tmp_path / "demo.duckdb", 8) == 1
    out = capsys.readouterr().out
    assert "a call: no luck" in out
    assert "1 trace: 1 model call," in out


def test_a_dead_model_costs_its_calls_and_nothing_else(weights_file: Path) -> None:
    """When the model dies between calls, every later call is reported as failed and its end is told."""
    attempts: list[Attempt] = []
    with LocalModel(weights_file) as model:
        assert model.death_notice() is None
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        assert wait_until_gone(model.pid)
        Assistant(model.url, MODEL_NAME, 8, attempts.append).work()
        assert "ended with code -9" in (model.death_notice() or "")
    assert len(attempts) == 6
    assert all(attempt.error for attempt in attempts)


@pytest.mark.parametrize("label", ["OpenAI chat, streamed", "Anthropic message, streamed"])
def test_a_model_that_dies_inside_a_stream_costs_that_call(weights_file: Path, label: str) -> None:
    """A connection that breaks in the middle of an answer is reported like any other failed call."""
    attempts: list[Attempt] = []
    with LocalModel(weights_file) as model:
        assistant = Assistant(model.url, MODEL_NAME, 900, attempts.append)
        stream = assistant._stream_chat if label.startswith("OpenAI") else assistant._stream_message
        killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1.5); os.kill({model.pid}, 9)"])
        assistant._attempt(label, lambda: stream("Tell me a very long story."))
        killer.wait()
    assert [bool(attempt.error) for attempt in attempts] == [True]


def test_the_model_listens_on_loopback_only(weights_file: Path) -> None:
    """Nobody outside this machine can use the model; the server's own default is relied on for that."""
    with LocalModel(weights_file) as model:
        assert urlsplit(model.url).hostname == "127.0.0.1"
        # A server that listened on every address would answer here too.
        with socket.socket() as other:
            other.settimeout(5)
            assert other.connect_ex(("127.0.0.2", urlsplit(model.url).port or 0)) != 0


def test_the_model_ends_with_its_block(weights_file: Path) -> None:
    """No process is left behind, whether the block ends well or not."""
    pids = []

    def use(problem: bool) -> None:
        with LocalModel(weights_file) as model:
            pids.append(model.pid)
            if problem:
                raise ZeroDivisionError

    use(problem=False)
    with pytest.raises(ZeroDivisionError):
        use(problem=True)
    assert len(pids) == 2
    assert all(pid is not None and wait_until_gone(pid) for pid in pids)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
@pytest.mark.parametrize("moment", ["loading", "loaded"])
def test_the_model_ends_when_its_parent_is_killed(weights_file: Path, moment: str) -> None:
    """A parent that has no chance to clean up leaves no model behind, not even one that is still loading."""
    code = (
        "import sys, time; from pathlib import Path; from llm_track.demo.model import LocalModel\n"
        "model = LocalModel(Path(sys.argv[1])); model._launch()\n"
        "if sys.argv[2] == 'loaded': model._wait_for_url()\n"
        "print(model.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(weights_file), moment], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.communicate()
    assert wait_until_gone(pid)


def test_weights_that_cannot_be_read_are_an_error_with_the_reason(tmp_path: Path) -> None:
    """What llama.cpp says about a broken file reaches the user."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"ended with code 1(.|\n)*broken\.gguf"), LocalModel(broken):
        pass


def test_a_model_that_takes_too_long_is_stopped(weights_file: Path) -> None:
    """After the timeout the child is stopped and the error says how long was waited."""
    model = LocalModel(weights_file, start_timeout=0.01)
    with pytest.raises(ModelError, match=r"not ready after 0\.01 s"), model:
        pass
    assert model.pid is None
