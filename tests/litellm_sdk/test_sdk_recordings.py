"""Recorded traffic of eleven providers through LiteLLM: counts, served model and status of every event are the wire's.

The requests are LiteLLM's own; the answers are those that were recorded, as they came.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.wire_truth import COUNTS, truth

from llm_track.testing import Events
from llm_track.wire import eventstream

from .litellm_calls import chat, only, run

CASSETTES = Path(__file__).parents[3] / "shared" / "cassettes"
ROWS = {
    ("anthropic", "messages"): ("anthropic/{}", ""),
    ("bedrock", "converse"): ("bedrock/converse/{}", ""),
    ("bedrock", "converse-stream"): ("bedrock/converse/{}", ""),
    ("bedrock", "invoke"): ("bedrock/invoke/{}", ""),
    ("bedrock", "invoke-with-response-stream"): ("bedrock/invoke/{}", ""),
    ("cohere", "v2.chat"): ("cohere_chat/{}", "/v2/chat"),
    ("deepseek", "chat.completions"): ("deepseek/{}", "/v1"),
    ("gemini", "generateContent"): ("gemini/{}", ""),
    ("gemini", "streamGenerateContent"): ("gemini/{}", ""),
    ("groq", "chat.completions"): ("groq/{}", "/v1"),
    ("mistral", "chat.completions"): ("mistral/{}", "/v1"),
    ("mistral", "embeddings"): ("mistral/{}", "/v1"),
    ("ollama", "chat"): ("ollama_chat/{}", ""),
    ("openrouter", "chat.completions"): ("openrouter/{}", "/v1"),
    ("together", "chat.completions"): ("together_ai/{}", "/v1"),
    ("xai", "chat.completions"): ("xai/{}", "/v1"),
}
"""Provider and endpoint -> LiteLLM's name for a model there, and what its address ends with."""
_EXACT = ("chat.completions", "messages", "embeddings")
"""Endpoints whose answers are read here without any code of llm_track."""
_FRAMING = ("content-length", "content-encoding", "transfer-encoding", "connection", "date", "server")


def _recorded() -> list[Any]:
    """Every interaction of a row, with its recording's name and its place there."""
    found = []
    for path in sorted(CASSETTES.glob("*/*.json")):
        case = json.loads(path.read_text())
        for number, item in enumerate(case["interactions"]):
            if (case["provider"], item["endpoint"]) in ROWS:
                found.append(pytest.param(case, item, id=f"{path.stem} {number}"))
    return found


RECORDED = _recorded()
if not RECORDED:
    if os.environ.get("CI") == "true":
        pytest.fail("the recordings are missing", pytrace=False)
    pytest.skip("no recordings beside this checkout", allow_module_level=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Recording

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked += 1
        self.send_response(self.server.answer["status"])
        for name, value in self.server.answer["headers"].items():
            if name.lower() not in _FRAMING:
                self.send_header(name, value)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Recording(ThreadingHTTPServer):
    """Answers everything with what was recorded."""

    daemon_threads = True
    answer: dict[str, Any]
    body: bytes
    asked = 0

    def plays(self, answer: dict[str, Any]) -> None:
        self.answer, self.asked = answer, 0
        said = answer.get("body")
        if answer.get("body_base64"):
            self.body = base64.b64decode(answer["body_base64"])
        else:
            self.body = said.encode() if isinstance(said, str) else json.dumps(said).encode()


@pytest.fixture(scope="module")
def _playing() -> Iterator[_Recording]:
    with _Recording(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def recording(_playing: _Recording, monkeypatch: pytest.MonkeyPatch) -> _Recording:
    """The server, and what Amazon's requests are signed with."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "signing-only")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return _playing


def asked(case: dict[str, Any], item: dict[str, Any]) -> SimpleNamespace:
    """Return what is known of a recorded request: model, endpoint, and whether it was streamed."""
    body = item["request"]["body"] if isinstance(item["request"]["body"], dict) else {}
    model, suffix = ROWS[case["provider"], item["endpoint"]]
    named = body.get("model") or next(iter(case["models"]), "unnamed")
    return SimpleNamespace(
        model=model.format(named),
        suffix=suffix,
        streamed=body.get("stream") is True or "stream" in item["endpoint"].lower(),
        embeds=item["endpoint"] == "embeddings",
    )


def readable(body: bytes) -> bytes:
    """Return a body as text, also where it is wrapped in Amazon's frames."""
    return b"".join(event for event, _ in eventstream.events(body)) if body.startswith(b"\0") else body


def numbers(recording: _Recording) -> set[int]:
    """Return every number that an answer and its headers say under a name with "token" or "count" in it, and the sums
    of two of those: Gemini counts thoughts beside what was said."""
    said = readable(recording.body).decode("utf-8", "replace")
    said += "".join(f'"{name.lower()}": {value}, ' for name, value in recording.answer["headers"].items())
    found = {int(number) for _, number in re.findall(r'"([\w-]*(?:[tT]oken|count)[\w-]*)"\s*:\s*(\d+)', said)}
    return found | {one + other for one in found for other in found}


@pytest.mark.parametrize(("case", "item"), RECORDED)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_event_says_what_the_wire_says(
    case: Any, item: Any, mode: str, litellm: Any, recording: _Recording, events: Events
) -> None:
    """One event per call, with the provider's own counts, none of LiteLLM's estimates, and its name for the model."""
    request = asked(case, item)
    recording.plays(item["response"])
    given = {"model": request.model, "api_base": f"http://127.0.0.1:{recording.server_port}{request.suffix}"}
    given |= {"input": ["a"]} if request.embeds else {"messages": chat("a"), "stream": request.streamed}
    function = "embedding" if request.embeds else "completion"
    error = None
    try:
        run(litellm, function if mode == "sync" else f"a{function}", {**given, "api_key": "k", "max_retries": 0})
    except Exception as raised:  # noqa: BLE001 - LiteLLM cannot read all that was recorded
        error = raised
    told = only(events).properties
    if not recording.asked:
        assert error is not None
        return
    assert told["$ai_http_status"] == item["response"]["status"]
    if error is not None:
        assert told["llm_outcome"] in ("failed", "broken")
        return
    said = {name: told[name] for name in COUNTS if name in told}
    if item["endpoint"] in _EXACT:
        right = truth(item["endpoint"], 200, item["response"]["headers"].get("content-type", ""), recording.body)
        counts = {name: count for name, count in right.counts.items() if count or not request.embeds}
        assert (said, told["$ai_model"]) == (counts, right.model)
    else:
        assert case["provider"] != "bedrock" or "/" not in told["$ai_model"]
        assert {count for name, count in said.items() if count and "total" not in name} <= numbers(recording)
