"""A real LiteLLM proxy in a process of its own, between the tests and a provider on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CALLBACK = "llm_track.integrations.litellm.proxy"
MASTER_KEY = "sk-master-c0ffee5eed9a8b7d6e1f"
UPSTREAM_KEY = "sk-upstream-77e1f0c2b4d95a38"
MODELS = {
    "plain": "openai/gpt-4o-mini",
    "claude": "anthropic/claude-3-5-haiku-latest",
    "slow": "openai/slow",
    "slower": "openai/slower",
    "slower-claude": "anthropic/slower",
    "wrong": "openai/fails-400",
    "busy": "openai/fails-429",
    "broken": "openai/fails-500",
    "shaky": "openai/fails-500",
}
"""What is asked of the proxy, and what the proxy asks of the provider; ``shaky`` falls back to ``plain``."""
THROUGH = "/through"
"""A path whose requests the proxy hands on as they are."""
OFTEN = {"HOUSE_FLUSHES": "yes"}
"""An environment in which the proxy delivers events as soon as they are there."""
START_SECONDS = 240
STOP_SECONDS = 30
_HIDDEN = (
    "POSTHOG_", "LLM_TRACK_", "PYTEST_", "OPENAI_", "ANTHROPIC_", "LITELLM_", "DATABASE_", "REDIS_", "HTTP_",
    "HTTPS_", "ALL_PROXY", "COV_",
)  # fmt: skip


class Proxy:
    """A proxy that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def said(self) -> str:
        """Return the end of what the proxy printed, for the messages of assertions."""
        return f"the proxy said: ...{self.log.read_text(errors='replace')[-4000:]}"

    def terminate(self) -> float:
        """Send SIGTERM, wait for the end, and return how many seconds it took."""
        started = time.perf_counter()
        self.process.terminate()
        self.process.wait(timeout=STOP_SECONDS)
        return time.perf_counter() - started

    def post(self, path: str, asked: object, **headers: str) -> bytes:
        """Send JSON to a path as it is, and return the body of the answer."""
        body = json.dumps(asked).encode()
        return self._read(
            urllib.request.Request(self.url + path, body, {"content-type": "application/json", **headers})
        )

    def get(self, path: str, **headers: str) -> bytes:
        """Return the body of what is at a path."""
        return self._read(urllib.request.Request(self.url + path, headers=headers))

    def _read(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
        return body

    def wait(self) -> None:
        """Return when requests are answered."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said()
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5).close()
                return
            time.sleep(0.2)
        raise AssertionError(self.said())


@contextlib.contextmanager
def running(
    folder: Path,
    upstream: str,
    posthog: str,
    *,
    callbacks: str | list[str] | None = CALLBACK,
    environment: Mapping[str, str] = {},
) -> Iterator[Proxy]:
    """Run a proxy while the ``with`` block runs.

    Args:
        folder: where its configuration and its log are written; a callback module may lie there, too.
        upstream: the address of the provider.
        posthog: the address of PostHog.
        callbacks: the dotted path of a callback instance, or a list of callbacks; ``None`` runs the proxy without one.
        environment: more variables of its environment.
    """
    shutil.copy(HERE / "house.py", folder)
    configuration = folder / "config.yaml"
    configuration.write_text(json.dumps(_configuration(upstream, callbacks)))  # JSON is YAML
    log, port = folder / "proxy.log", free_port()
    arguments = ["--config", str(configuration), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "litellm.proxy.proxy_cli", *arguments],
            cwd=folder,
            env={**_environment(), "POSTHOG_API_URL": posthog, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    proxy = Proxy(process, port, log)
    try:
        proxy.wait()
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.upper().startswith(_HIDDEN)}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "",
        "NO_PROXY": "*",
        "LITELLM_MASTER_KEY": MASTER_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "POSTHOG_API_KEY": "phc_of_the_tests",
    }


def _configuration(upstream: str, callbacks: str | list[str] | None) -> dict[str, Any]:
    def model(name: str, asks: str) -> dict[str, Any]:
        base = upstream if asks.startswith("anthropic/") else f"{upstream}/v1"
        return {"model_name": name, "litellm_params": {"model": asks, "api_base": base, "api_key": UPSTREAM_KEY}}

    def guardrail(mode: str) -> dict[str, Any]:
        placed = {"guardrail": "house.Guardrail", "mode": mode, "default_on": True}
        return {"guardrail_name": f"house_{mode}", "litellm_params": placed}

    through = {
        "path": THROUGH,
        "target": f"{upstream}/v1/chat/completions",
        "headers": {"authorization": f"Bearer {UPSTREAM_KEY}"},
        "auth": True,
    }
    return {
        "model_list": [model(name, asks) for name, asks in MODELS.items()],
        "router_settings": {"num_retries": 0, "fallbacks": [{"shaky": ["plain"]}], "disable_cooldowns": True},
        "litellm_settings": {
            **({} if callbacks is None else {"callbacks": callbacks}),
            "cache": True,
            "cache_params": {"type": "local", "mode": "default_off"},
        },
        "guardrails": [guardrail(mode) for mode in ("pre_call", "during_call", "post_call")],
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "custom_auth": "house.check",
            "pass_through_endpoints": [through],
        },
    }
