"""Recorded traffic of OpenAI, Azure OpenAI, Anthropic and of hosts that speak OpenAI's language, through the real
SDKs: every event equals the wire."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import anthropic
import openai
import pytest

from llm_track.testing import capture_events

from .clients import Clients, arguments, method
from .events import answer_words, envelope, spoken, tools
from .wire_truth import COUNTS, Truth, asked_words, truth

SHARED = Path(__file__).parents[3] / "shared"
PROVIDERS = {"openai": "openai", "azure_openai": "azure", "anthropic": "anthropic"}
HOSTS = {
    "https://api.deepseek.com": "deepseek",
    "https://gateway.pydantic.dev": "openai",  # nobody knows this host: the SDK's own name
    "https://generativelanguage.googleapis.com": "gemini",
    "https://api.groq.com": "groq",
    "https://api.mistral.ai": "mistral",
    "http://localhost:11434": "ollama",
    "http://localhost:8000": "vllm",
    "http://localhost:5002": "openai",
    "https://openrouter.ai": "openrouter",
    "https://api.together.xyz": "together",
    "https://api.writer.com": "writer",
    "https://api.x.ai": "xai",
}
"""Origin of a recording that speaks OpenAI's language -> who bills."""
LANGUAGE = ("chat.completions", "completions", "embeddings", "responses")
"""The endpoints of these that the openai SDK has methods for."""

METHODS = {
    "chat.completions": "chat.completions.create",
    "responses": "responses.create",
    "embeddings": "embeddings.create",
    "completions": "completions.create",
    "images.generations": "images.generate",
    "audio.speech": "audio.speech.create",
    "audio.transcriptions": "audio.transcriptions.create",
    "messages": "messages.create",
    "complete": "completions.create",
}
"""Endpoint -> the SDK's own method; without one the request goes through ``client.post`` and ``client.get``."""

KINDS = {"embeddings": "$ai_embedding"} | dict.fromkeys(
    ("chat.completions", "responses", "completions", "messages", "complete"), "$ai_generation"
)

NAMES = {
    "POST /images/generations": "images.generate",
    "POST /audio/speech": "audio.speech.create",
    "POST /audio/transcriptions": "audio.transcriptions.create",
    "POST /assistants": "assistants.create",
    "GET /assistants/ID": "assistants.retrieve",
    "POST /threads": "threads.create",
    "POST /threads/runs": "threads.runs.create",
    "POST /threads/ID/messages": "threads.messages.create",
    "GET /threads/ID/messages": "threads.messages.list",
    "POST /threads/ID/runs": "threads.runs.create",
    "GET /threads/ID/runs/ID": "threads.runs.retrieve",
    "GET /threads/ID/runs/ID/steps": "threads.runs.steps.list",
    "POST /threads/ID/runs/ID/submit_tool_outputs": "threads.runs.submit_tool_outputs",
}
"""What the span of an endpoint that is no model call is named."""

COMPATIBLE = ("deepseek", "gateway", "gemini", "groq", "mistral", "ollama", "openai_compat", "openrouter", "together",
              "writer", "xai")  # fmt: skip
RECORDED = sorted(path for name in (*PROVIDERS, *COMPATIBLE) for path in (SHARED / "cassettes" / name).glob("*.json"))

if not RECORDED:
    if os.environ.get("CI") == "true":
        pytest.fail(f"the recordings are missing: {SHARED.name}/cassettes", pytrace=False)
    pytest.skip(f"no recordings beside this checkout: {SHARED.name}/cassettes", allow_module_level=True)

for folder in ("servers", "spec"):
    sys.path.insert(0, str(SHARED / folder))

import rendersim  # noqa: E402
import validate  # noqa: E402
from replay import Case, Replay  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'output_format' parameter is deprecated:DeprecationWarning"),
]

INTERACTIONS = [
    pytest.param(path, number, id=f"{path.stem} {number}")
    for path in RECORDED
    for number, item in enumerate(Case(path).items)
    if path.parent.name in PROVIDERS
    or (item["endpoint"] in LANGUAGE and "/api/embeddings" not in item["request"]["url"])
]


@pytest.fixture(scope="module")
def replay() -> Any:
    """The recordings, played back on loopback."""
    with Replay(SHARED / "cassettes") as running:
        yield running


@pytest.fixture
def interaction(replay: Any, path: Path, number: int) -> SimpleNamespace:
    """One recorded request and its answer; the server prefers it among the equal ones of its recording."""
    case = replay.case(path.stem)
    case.served = [1] * len(case.items)
    case.served[number] = 0
    recorded, url = case.items[number], urlsplit(case.items[number]["request"]["url"])
    body = dict(recorded["request"]["body"] or {})
    if deployment := deployed(url.path):
        body.setdefault("model", deployment)
    return SimpleNamespace(
        **{key: recorded[key] for key in ("endpoint", "request", "response")},
        provider=PROVIDERS.get(case.data["provider"]) or HOSTS[f"{url.scheme}://{url.netloc}"],
        origin=None if case.data["provider"] in PROVIDERS else f"{url.scheme}://{url.netloc}",
        root=replay.url(path.stem),
        path=url.path,
        query=url.query,
        body=body,
        status=recorded["response"]["status"],
        streamed=body.get("stream") is True,
        case=case,
        number=number,
    )


def deployed(path: str) -> str | None:
    """Return the name of the deployment that a path on Azure holds."""
    found = re.search(r"/deployments/([^/]+)", path)
    return found[1] if found else None


async def send(interaction: Any, clients: Clients) -> None:
    """Send a recorded request through the SDK, and read its answer to the end."""
    mode = clients.mode
    client = client_for(interaction, clients)
    status = 200
    try:
        result = await mode.call(request_of(interaction, client))
        if interaction.streamed:
            await mode.items(result)
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        status = error.status_code
    assert status == interaction.status
    asked = interaction.case.requests[-1]
    assert asked["index"] == interaction.number, "another recording was played"


def client_for(interaction: Any, clients: Clients) -> Any:
    if interaction.provider == "azure":
        version, deployment = parse_qs(interaction.query)["api-version"][0], deployed(interaction.path)
        named = {} if deployment == interaction.body["model"] else {"azure_deployment": deployment}
        return clients.azure(interaction.root, version, **named)
    if interaction.provider == "anthropic":
        return clients.anthropic(interaction.root)
    if interaction.origin is not None:
        above = interaction.path.removesuffix("/" + interaction.endpoint.replace(".", "/"))
        return clients.openai_itself(interaction.root + above, interaction.origin)
    return clients.openai(interaction.root + "/v1")


def request_of(interaction: Any, client: Any) -> partial[Any]:
    """Return the SDK's own method with the arguments that send a recorded request."""
    name = METHODS.get(interaction.endpoint, "")
    beta = "beta=true" in interaction.query
    function = method(client, f"beta.{name}" if beta else name) if name else None
    if function is None:
        return _bare_request(interaction, client)
    if interaction.endpoint == "audio.transcriptions":
        return partial(function, file=("speech.wav", b"RIFF"), model="gpt-4o-transcribe")
    betas = interaction.request["headers"].get("anthropic-beta")
    extra = {"betas": betas.split(",")} if beta and betas else {}
    return partial(function, **arguments(function, interaction.body), **extra)


def _bare_request(interaction: Any, client: Any) -> partial[Any]:
    """What has no method of its own in an SDK is sent by the client itself."""
    path = interaction.path if interaction.provider == "anthropic" else interaction.path.removeprefix("/v1")
    if interaction.origin is not None:
        path = "/" + interaction.endpoint.replace(".", "/")
    options = {"params": dict(parse_qsl(interaction.query))} if interaction.query else {}
    if interaction.request["method"] == "GET":
        return partial(client.get, path=path, cast_to=object, options=options)
    streaming: dict[str, Any] = {}
    if interaction.streamed:
        sdk = anthropic if interaction.provider == "anthropic" else openai
        kind = sdk.AsyncStream if type(client).__name__.startswith("Async") else sdk.Stream
        streaming = {"stream": True, "stream_cls": kind[object]}
    return partial(client.post, path=path, cast_to=object, body=interaction.body, options=options, **streaming)


def wire(interaction: Any) -> Truth:
    """Read the recorded answer without llm_track."""
    response = interaction.response
    raw = response.get("body_base64")
    body = base64.b64decode(raw) if raw else response["body"].encode()
    return truth(interaction.endpoint, interaction.status, response["headers"].get("content-type", ""), body)


def request_id(interaction: Any) -> str | None:
    """Return the provider's own id of a recorded request."""
    headers = interaction.response["headers"]
    return next((headers[name] for name in ("x-request-id", "request-id", "apim-request-id") if name in headers), None)


def endpoint_name(interaction: Any) -> str:
    """Return the name that the span of an endpoint should have."""
    path = re.sub(r"/(thread|run|asst)_\w+", "/ID", interaction.path.removeprefix("/v1"))
    return NAMES[f"{interaction.request['method']} {path}"]


def without_signatures(said: Any) -> Any:
    """What an event says of an answer: the signature in a picture's address is a credential, and masked."""
    return json.loads(re.sub(r'([?&]sig=)[^"&]+', r"\1[secret]", json.dumps(said)))


def compare(interaction: Any, event: Any) -> None:
    """Hold an event against the bytes of the recording."""
    properties, said = event.properties, wire(interaction)
    assert event.name == KINDS.get(interaction.endpoint, "$ai_span")
    assert properties["$ai_provider"] == interaction.provider
    assert properties["$ai_http_status"] == interaction.status
    assert properties["$ai_request_url"].startswith(interaction.root + interaction.path)
    assert properties.get("llm_request_id") == request_id(interaction)
    assert properties.get("$ai_is_error", False) is said.error
    assert properties["llm_outcome"] == ("failed" if said.error else "completed")
    if event.name == "$ai_span":
        assert properties["$ai_span_name"] == endpoint_name(interaction)
        if said.whole is not None:
            assert properties["$ai_output_state"] == without_signatures(said.whole)
        return
    assert {name: properties[name] for name in COUNTS if name in properties} == said.counts
    asked = interaction.body["model"]
    assert properties["$ai_model"] == (said.model or asked)
    assert properties.get("llm_requested_model") == (asked if said.model not in (None, asked) else None)
    assert all(words in spoken(properties["$ai_input"]) for words in asked_words(interaction.body))
    if event.name == "$ai_generation":
        assert properties.get("$ai_response_id") == said.id
        assert properties["$ai_stream"] is interaction.streamed
        assert (properties["$ai_stop_reason"], answer_words(event), tools(event)) == (said.stop, said.text, said.tools)


@pytest.mark.parametrize(("path", "number"), INTERACTIONS)
def test_a_recorded_call_is_one_event_that_equals_the_wire(interaction: Any, clients: Clients) -> None:
    """One recorded call makes one event that is valid, that PostHog draws, and that says what the bytes say."""
    with capture_events() as events:
        clients.mode.run(send(interaction, clients))
    (event,) = events
    assert not validate.violations(envelope(event), strict=True)
    assert not rendersim.problems(event.properties)
    compare(interaction, event)
