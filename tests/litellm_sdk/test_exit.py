"""Whole programs that call LiteLLM and end: their events arrive, once each, at a PostHog on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from .server import ANSWER, Provider

ROOT = Path(__file__).parents[2]
_HIDDEN = ("POSTHOG_", "LLM_TRACK_", "PYTEST_", "OPENAI_", "ANTHROPIC_", "HTTP_", "HTTPS_", "ALL_PROXY", "COV_")
HEAD = """
import asyncio, os, sys, threading
import llm_track
llm_track.autopatch()
import litellm
base = os.environ["PROVIDER"]
def given(words, **more):
    messages = [{"role": "user", "content": words}]
    return {"model": "gpt-4o-mini", "messages": messages, "api_base": base, "api_key": "k", **more}
def said(answer):
    print(answer.choices[0].message.content)
"""

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def _receiver() -> Any:
    """The PostHog of another directory of these tests."""
    spec = spec_from_file_location("litellm_receiver", ROOT / "tests" / "sinks" / "receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Receiver()


@pytest.fixture
def posthog() -> Iterator[Any]:
    with _receiver() as running:
        yield running


@pytest.fixture
def program(litellm: Any, provider: Provider, posthog: Any, tmp_path: Path) -> Program:
    """Run a program to its end; it sends to the PostHog on loopback unless it is told otherwise."""

    def run(code: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(HEAD + code)
        kept = {name: text for name, text in os.environ.items() if not name.upper().startswith(_HIDDEN)}
        own = {"POSTHOG_API_KEY": "phc_test", "POSTHOG_API_URL": posthog.url, "PROVIDER": provider.v1}
        own |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(ROOT), "NO_PROXY": "*", "PYTHONWARNINGS": ""}
        merged: dict[str, str | None] = {**kept, **own, **environment}
        settled = {name: text for name, text in merged.items() if text is not None}
        command = [sys.executable, str(path)]
        return subprocess.run(command, env=settled, cwd=tmp_path, text=True, capture_output=True, timeout=120)

    return run


def arrived(posthog: Any) -> list[dict[str, Any]]:
    """Return the model calls that arrived, after a moment in which a second copy would have come."""
    time.sleep(0.3)
    return [event for event in posthog.events if event["event"] in ("$ai_generation", "$ai_embedding")]


def test_one_async_call_and_out(program: Program, posthog: Any) -> None:
    """``asyncio.run(acompletion())`` followed by the end of the program is one event."""
    ended = program("said(asyncio.run(litellm.acompletion(**given('hi'))))")
    assert (ended.returncode, ended.stdout.strip()) == (0, ANSWER)
    (event,) = arrived(posthog)
    assert event["properties"]["llm_outcome"] == "completed"
    assert event["properties"]["$ai_provider"] == "openai"
    assert event["properties"]["$ai_total_cost_usd"] > 0


def test_a_stream_and_out(program: Program, posthog: Any) -> None:
    """A stream that was read before the end of the program, in an event loop or not, is one event."""
    program("""
async def read():
    async for chunk in await litellm.acompletion(**given("first", stream=True)):
        pass
asyncio.run(read())
for chunk in litellm.completion(**given("second", stream=True)):
    pass
""")
    assert sorted(event["properties"]["$ai_input"][0]["content"] for event in arrived(posthog)) == ["first", "second"]


def test_an_error_and_out(program: Program, posthog: Any) -> None:
    """A call that fails, sync or async, is one error event each when the program ends right after."""
    ended = program("""
try:
    litellm.completion(**given("answer 400"))
except litellm.BadRequestError:
    pass
asyncio.run(litellm.acompletion(**given("answer 400")))
""")
    assert ended.returncode == 1
    assert "BadRequestError" in ended.stderr
    assert [event["properties"]["$ai_error_type"] for event in arrived(posthog)] == ["BadRequestError"] * 2


def test_two_hundred_at_once(program: Program, posthog: Any) -> None:
    """Two hundred calls at once are two hundred events, each once and each with its own words."""
    ended = program("""
async def all_at_once():
    await asyncio.gather(*(litellm.acompletion(**given(f"call {number}")) for number in range(200)))
asyncio.run(all_at_once())
""")
    assert ended.returncode == 0, ended.stderr
    found = arrived(posthog)
    assert len(found) == len({event["uuid"] for event in found}) == 200
    assert len({event["properties"]["$ai_input"][0]["content"] for event in found}) == 200


def test_several_event_loops(program: Program, posthog: Any) -> None:
    """Calls in event loops that come one after the other are an event each."""
    program("for number in range(5):\n    asyncio.run(litellm.acompletion(**given(f'call {number}')))")
    assert len({event["uuid"] for event in arrived(posthog)}) == len(arrived(posthog)) == 5


@pytest.mark.parametrize("call", ["litellm.completion(**{0})", "asyncio.run(litellm.acompletion(**{0}))"])
def test_a_fork(call: str, program: Program, posthog: Any) -> None:
    """A forked child that calls a model and leaves sends its own event, once, and none of its parent's."""
    ended = program(f"""
{call.format("given('before')")}
child = os.fork()
if child == 0:
    {call.format("given('child')")}
    sys.exit(0)
os.waitpid(child, 0)
{call.format("given('after')")}
""")
    assert ended.returncode == 0, ended.stderr
    found = arrived(posthog)
    words = sorted(event["properties"]["$ai_input"][0]["content"] for event in found)
    assert words == ["after", "before", "child"]
    assert len({event["uuid"] for event in found}) == 3


def test_an_exception_nobody_caught(program: Program, posthog: Any) -> None:
    """A program that dies of an exception after a call has its event sent, and dies as it would."""
    ended = program("said(litellm.completion(**given('hi')))\nraise ValueError('on purpose')")
    assert (ended.returncode, ended.stdout.strip()) == (1, ANSWER)
    assert ended.stderr.rstrip().endswith("ValueError: on purpose")
    assert len(arrived(posthog)) == 1


@pytest.mark.parametrize(
    ("call", "key"), [("litellm.completion(**{0})", None), ("asyncio.run(litellm.acompletion(**{0}))", "")]
)
def test_no_key(call: str, key: str | None, program: Program, posthog: Any) -> None:
    """Without a key the call works as ever, and one line says what is missing, once, with no traceback."""
    calls = "\n".join(f"said({call.format('given(word)')})" for _ in range(2))
    ended = program(f"word = 'hi'\n{calls}", POSTHOG_API_KEY=key)
    assert (ended.returncode, ended.stdout.split("\n")[:2]) == (0, [ANSWER, ANSWER])
    assert ended.stderr.count("POSTHOG_API_KEY is not set") == 1
    assert "Traceback" not in ended.stderr
    assert posthog.requests == []


def test_an_empty_address_is_none(program: Program, posthog: Any) -> None:
    """An empty ``POSTHOG_API_URL``, as in LiteLLM's quick start, is no address: the next place is asked."""
    ended = program("said(litellm.completion(**given('hi')))", POSTHOG_API_URL="", POSTHOG_HOST=posthog.url)
    assert (ended.returncode, ended.stdout.strip()) == (0, ANSWER)
    assert "Traceback" not in ended.stderr
    assert len(arrived(posthog)) == 1


def test_the_programs_output_is_its_own(program: Program, posthog: Any) -> None:
    """Nothing is printed that the same program would not print without llm_track."""
    code = "said(litellm.completion(**given('hi')))\nsaid(asyncio.run(litellm.acompletion(**given('ho'))))"
    tracked, plain = program(code), program(code, LLM_TRACK_ENABLED="false")
    assert (tracked.stdout, tracked.returncode) == (plain.stdout, plain.returncode)
    assert "llm_track" not in tracked.stderr
    assert len(arrived(posthog)) == 2
