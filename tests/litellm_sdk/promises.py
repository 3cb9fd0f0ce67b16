"""The promises of LiteLLM's page about PostHog, each as a check that any integration can be put to.

    python -m tests.litellm_sdk.promises posthog      how LiteLLM's own callback keeps them
    python -m tests.litellm_sdk.promises llm_track    how llm_track does

What is checked is what arrives at a PostHog on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.sinks.receiver import Receiver

from .litellm_calls import FORMS, WORDS, run
from .server import ANSWER, CACHED, DELAY, INPUT, OUTPUT, REASONING, Provider

KEPT: list[tuple[int, str, Callable[[World], None]]] = []
"""Number on the page, what is promised, and the check, which raises `AssertionError` where the promise is broken."""
_PATIENCE = 8.0
"""Seconds: LiteLLM's callback sends what asynchronous calls leave every five."""
_CANARY = "sk-canary-7Qx2Lm9Zt4Rw"


class World:
    """LiteLLM with an integration switched on, a provider, and the events that reach PostHog."""

    def __init__(self, integration: str, provider: Provider, receiver: Receiver) -> None:
        import litellm

        self.litellm: Any = litellm
        self.integration, self.own = integration, integration == "llm_track"
        self.provider, self.receiver = provider, receiver
        os.environ |= {"POSTHOG_API_KEY": "phc_promise", "POSTHOG_API_URL": receiver.url}
        litellm.success_callback = [integration]
        litellm.failure_callback = [integration]

    def events(self, act: Callable[[], object], expected: int = 1) -> list[dict[str, Any]]:
        """Return the events of what is done, as PostHog gets them."""
        before = len(self.receiver.events)
        with suppress(Exception):
            act()
        until = time.monotonic() + (1.5 if self.own else _PATIENCE)
        while len(self.receiver.events) - before < expected and time.monotonic() < until:
            if self.own:
                import llm_track

                llm_track.flush()
            time.sleep(0.05)
        time.sleep(0.3)
        return self.receiver.events[before:]

    def ask(self, words: str = WORDS, form: str = "completion", mode: str = "sync", **more: Any) -> dict[str, Any]:
        """Return the one event of a call."""
        arguments = FORMS[form].given(self.provider, words, **{"max_retries": 0, **more})
        found = self.events(lambda: run(self.litellm, FORMS[form].named(mode), arguments, 0 if self.own else 6.0))
        assert len(found) == 1, f"{len(found)} events"
        return found[0]

    def said(self, words: str = WORDS, **more: Any) -> dict[str, Any]:
        """Return the properties of the one event of a call."""
        properties: dict[str, Any] = self.ask(words, **more)["properties"]
        return properties


def promise(number: int, text: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Enter a check into the list."""

    def entered(check: Callable[[World], None]) -> Callable[[World], None]:
        KEPT.append((number, text, check))
        return check

    return entered


@promise(1, "two lines log every response")
def _every_response(world: World) -> None:
    for form in ("completion", "embedding", "image_generation", "responses"):
        world.ask(form=form)
    world.ask(form="responses", stream=True)
    arguments = FORMS["completion"].given(world.provider, WORDS)
    assert len(world.events(lambda: asyncio.run(world.litellm.acompletion(**arguments)))) == 1, "asyncio.run loses it"


@promise(2, "`failure_callback` logs errors")
def _errors(world: World) -> None:
    for mode in ("sync", "async"):
        assert world.said("answer 400", mode=mode)["$ai_is_error"] is True


@promise(3, "all providers")
def _providers(world: World) -> None:
    found = [world.said(form=form)["$ai_provider"] for form in ("completion", "claude")]
    assert found == ["openai", "anthropic"]


@promise(4, "`POSTHOG_API_KEY` from the environment")
def _key(world: World) -> None:
    world.ask()
    assert world.receiver.requests[-1]["body"]["api_key"] == "phc_promise"


@promise(5, "`POSTHOG_API_URL` is optional, and empty means unset")
def _address(world: World) -> None:
    before, os.environ["POSTHOG_API_URL"] = os.environ["POSTHOG_API_URL"], ""
    try:
        if world.own:
            from llm_track.config import configure, settings

            configure()
            assert settings().host is None
        else:
            from litellm.integrations.posthog import PostHogLogger

            assert PostHogLogger().posthog_host.startswith("http"), "an address without a scheme"
    finally:
        os.environ["POSTHOG_API_URL"] = before
        if world.own:
            configure()


@promise(6, "`metadata.user_id` is the user")
def _user(world: World) -> None:
    assert world.ask(metadata={"user_id": "u_1"})["distinct_id"] == "u_1"


@promise(7, "custom metadata, which overwrites nothing and leaks nothing")
def _metadata(world: World) -> None:
    said = world.said(metadata={"plan": "pro", "$ai_model": "forged", "nested": {"api_key": _CANARY}})
    assert said["plan"] == "pro"
    assert said["$ai_model"] == "gpt-4o-mini", "metadata overwrites the model"
    assert _CANARY not in json.dumps(said), "a key leaves"
    assert not {"llm_api_timing_windows", "hidden_params", "caching_groups"} & said.keys(), "LiteLLM's internals leave"


@promise(8, '`metadata={"no-log": True}` logs nothing')
def _no_log(world: World) -> None:
    arguments = FORMS["completion"].given(world.provider, WORDS, metadata={"no-log": True})
    assert world.events(lambda: world.litellm.completion(**arguments)) == [], "it is logged"


@promise(9, "provider and model")
def _model(world: World) -> None:
    said = world.said()
    assert (said["$ai_provider"], said["$ai_model"]) == ("openai", "gpt-4o-mini")


@promise(10, "model parameters")
def _parameters(world: World) -> None:
    assert world.said(temperature=0.25)["$ai_model_parameters"] == {"temperature": 0.25}


@promise(11, "input and output tokens, cached and reasoning ones; unknown is absent")
def _tokens(world: World) -> None:
    said = world.said()
    assert (said["$ai_input_tokens"], said["$ai_output_tokens"]) == (INPUT, OUTPUT)
    assert (said["$ai_cache_read_input_tokens"], said["$ai_reasoning_tokens"]) == (CACHED, REASONING)
    assert "$ai_input_tokens" not in world.said("uncounted", stream=True), "0 for unknown"


@promise(12, "total cost; unknown is absent")
def _cost(world: World) -> None:
    assert world.said()["$ai_total_cost_usd"] > 0
    assert "$ai_total_cost_usd" not in world.said(model="openai/no-such-model"), "0 for unknown"


@promise(13, "latency of the whole call, and the time to the first token")
def _latency(world: World) -> None:
    said = world.said("linger", stream=True)
    assert said["$ai_latency"] >= DELAY, "it is the time to the first token"
    assert said["$ai_time_to_first_token"] < said["$ai_latency"]


@promise(14, "content: input, instructions included")
def _input(world: World) -> None:
    assert WORDS in json.dumps(world.said()["$ai_input"])
    asked = world.said(form="responses", instructions="be a snail")
    assert "be a snail" in json.dumps(asked), "instructions are lost"


@promise(15, "content: output, as messages")
def _output(world: World) -> None:
    choices = world.said()["$ai_output_choices"]
    assert isinstance(choices, list), "it is no list of messages"
    assert choices[0]["role"] == "assistant"
    assert ANSWER in json.dumps(choices)


@promise(16, "privacy settings are respected")
def _privacy(world: World) -> None:
    said = world.said(turn_off_message_logging=True)
    assert WORDS not in json.dumps(said)
    assert ANSWER not in json.dumps(said)


@promise(17, "trace information, the session apart from the trace")
def _trace(world: World) -> None:
    said = world.said(metadata={"trace_id": "t-1", "session_id": "s-1", "parent_run_id": "p-1", "generation_name": "g"})
    assert said["$ai_trace_id"] == "t-1", "the session is taken for the trace"
    assert (said["$ai_session_id"], said["$ai_parent_id"], said["$ai_span_name"]) == ("s-1", "p-1", "g")


@promise(18, "embeddings, without vectors")
def _embeddings(world: World) -> None:
    for mode in ("sync", "async"):
        event = world.ask(form="embedding", mode=mode)
        assert event["event"] == "$ai_embedding", f"{mode}: {event['event']}"
        assert "-0.5" not in json.dumps(event), "the vector leaves"


@promise(19, "error type")
def _error_type(world: World) -> None:
    assert world.said("answer 429")["$ai_error_type"] == "RateLimitError"


@promise(20, "error message")
def _error_message(world: World) -> None:
    assert "429" in str(world.said("answer 429")["$ai_error"])


@promise(21, "stack trace")
def _stack_trace(world: World) -> None:
    assert "Traceback" in json.dumps(world.said("answer 400"))


@promise(22, "model, provider and input of the failed call")
def _failed_call(world: World) -> None:
    said = world.said("answer 400")
    assert (said["$ai_provider"], said["$ai_model"]) == ("openai", "gpt-4o-mini")
    assert "answer 400" in json.dumps(said["$ai_input"])


@promise(23, "when the error happened")
def _when(world: World) -> None:
    from datetime import datetime

    world.said("answer 400")  # the first call of a process takes seconds of its own
    started = time.time()
    stamp = world.ask("answer 400").get("timestamp")
    assert stamp, "no timestamp"
    assert abs(datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp() - started) < 3


@promise(24, "how long the failed request took")
def _how_long(world: World) -> None:
    assert world.said("slow answer 400")["$ai_latency"] >= DELAY


@promise(25, "`POSTHOG_API_KEY is not set`, in one line")
def _no_key(world: World) -> None:
    program = (
        "import llm_track, litellm, time\n"
        f"litellm.success_callback = [{world.integration!r}]\n"
        "for _ in range(2):\n"
        "    litellm.completion('gpt-4o-mini', [{'role': 'user', 'content': 'hi'}], mock_response='ho')\n"
        "    time.sleep(1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    del environment["POSTHOG_API_KEY"]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, "the call fails"
    assert said.count("POSTHOG_API_KEY is not set") == 1, f"{said.count('POSTHOG_API_KEY is not set')} lines"
    assert "Traceback" not in said, f"{said.count('Traceback')} tracebacks"


@promise(26, "another PostHog instance")
def _instance(world: World) -> None:
    world.ask()
    assert world.receiver.requests[-1]["path"].startswith("/batch")


@promise(27, "events appear")
def _appear(world: World) -> None:
    arguments = FORMS["completion"].given(world.provider, WORDS)

    async def many() -> None:
        await asyncio.gather(*(world.litellm.acompletion(**arguments) for _ in range(20)))

    found = world.events(lambda: asyncio.run(many()), 20)
    assert len(found) == 20, f"{len(found)} of 20"


@promise(28, "the Proxy: who has the key is the user, nothing else of the key leaves, SIGTERM loses nothing")
def _proxy(world: World) -> None:
    from tests.litellm_proxy import proxy, test_proxy
    from tests.litellm_proxy.upstream import Upstream

    callbacks = proxy.CALLBACK if world.own else [world.integration]
    with TemporaryDirectory() as folder, Upstream() as upstream:
        running = proxy.running(Path(folder), upstream.url, world.receiver.url, callbacks=callbacks)
        with running as started:
            for _ in range(20):
                test_proxy.chat(started, test_proxy.USER)
            started.terminate()
    found = world.receiver.events
    assert len(found) == 20, f"SIGTERM loses {20 - len(found)} of 20"
    assert {event["distinct_id"] for event in found} == {"key-user"}, "the key's user is not the event's"
    assert "alias of the key" not in json.dumps(found), "what the Proxy knows of the key leaves"


def main(integration: str, number: int | None = None) -> None:
    """Print how an integration keeps each promise, or one of them; each in a process of its own."""
    if number is None:
        for each, _, _ in KEPT:
            subprocess.run([sys.executable, "-m", __spec__.name, integration, str(each)], check=True)
        return
    _, text, check = next(entry for entry in KEPT if entry[0] == number)
    with Provider() as provider, Receiver() as receiver:
        world, outcome = World(integration, provider, receiver), "kept"
        try:
            check(world)
        except (AssertionError, KeyError) as error:
            outcome = f"broken: {(str(error) or 'missing').splitlines()[0]}"
    print(f"| {number} | {text} | {outcome} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
