"""Web applications with posthog's own middleware, each a real process that many users ask at a time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.apps.model import EchoModel
from tests.sinks.receiver import Receiver

ROOT = Path(__file__).parent.parent.parent
PACKAGES = {"fastapi": ("fastapi", "uvicorn"), "flask": ("flask",), "django": ("django", "werkzeug")}
PACKAGES["django-async"] = ("django", "uvicorn")
USERS = 60
REQUIRED = os.environ.get("LLM_TRACK_TEST_APPS") == "required"


def is_installed(framework: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES[framework])


def test_all_frameworks_are_here() -> None:
    """Where the frameworks are required none of these tests is left out."""
    if not REQUIRED:
        pytest.skip("LLM_TRACK_TEST_APPS is not set")
    assert all(map(is_installed, PACKAGES))


@pytest.fixture(params=sorted(PACKAGES))
def framework(request: Any) -> str:
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class App:
    """An application that runs."""

    def __init__(self, framework: str, base_url: str, posthog: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHOG", "LLM_TRACK"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.apps.serve", framework, base_url],
            cwd=ROOT,
            env={**clean, "POSTHOG_API_KEY": "phc_test", "POSTHOG_API_URL": posthog},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def ask(self, path: str, words: str, **headers: str) -> str:
        """Ask as a browser does; return the answer."""
        asked = urllib.request.Request(f"{self.url}{path}?q={quote(words)}", headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(answer.read().decode()).strip('" ')

    def end(self) -> None:
        """Have the application end, and deliver what is left."""
        self._process.communicate("", timeout=30)


@pytest.fixture
def app(framework: str, receiver: Receiver) -> Iterator[App]:
    with EchoModel() as model:
        running = App(framework, model.base_url, receiver.url)
        yield running
        running.end()


def words_of(event: dict[str, Any]) -> str:
    return str(event["properties"]["$ai_input"][0]["content"])


def paths(framework: str) -> tuple[str, ...]:
    pytest.importorskip("openai")
    from tests.apps.web import PATHS

    return PATHS[framework]


def test_users_that_ask_at_the_same_time_are_not_mixed_up(app: App, framework: str, receiver: Receiver) -> None:
    """Each generation belongs to the user and the session of the request's headers, by whichever way it was made: in a
    thread, in a task, in a background job, read by the server after the view has returned; a span goes before."""
    asked = [(path, f"user-{number} at {path}") for number in range(USERS) for path in paths(framework)]

    def ask(path: str, words: str) -> None:
        user = words.partition(" ")[0]
        headers = {"X-POSTHOG-DISTINCT-ID": user, "X-POSTHOG-SESSION-ID": f"session-of-{user}"}
        assert app.ask(path, words, **headers) == words

    with ThreadPoolExecutor(16) as browsers:
        list(browsers.map(lambda one: ask(*one), asked))
    app.end()
    generations = [event for event in receiver.events if event["event"] == "$ai_generation"]
    assert sorted(map(words_of, generations)) == sorted(words for _, words in asked)
    for event in generations:
        words, told = words_of(event), event["properties"]
        user = words.partition(" ")[0]
        named = words.endswith("/named")
        assert event["distinct_id"] == (f"named by {words}" if named else user)
        assert told["$session_id"] == f"session-of-{user}"
        assert told["$ai_session_id"] == ("of-the-span" if named else f"session-of-{user}")
        assert told["$request_path"] == words.rpartition(" ")[2]
        assert "$process_person_profile" not in told


def test_nobody_is_nobody(app: App, framework: str, receiver: Receiver) -> None:
    """Without such headers a generation is anonymous, and has no session."""
    for path in paths(framework):
        app.ask(path, f"nobody at {path}")
    app.end()
    generations = [event for event in receiver.events if event["event"] == "$ai_generation"]
    assert len(generations) == len(paths(framework))
    for event in generations:
        if not words_of(event).endswith("/named"):
            assert event["distinct_id"] == event["properties"]["$ai_trace_id"]
            assert event["properties"]["$process_person_profile"] is False
            assert "$ai_session_id" not in event["properties"]
        assert "$session_id" not in event["properties"]
