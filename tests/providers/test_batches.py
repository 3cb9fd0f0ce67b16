"""The results of batches through the real SDKs of other providers: each is told once, in the call that fetched it."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from conformance.server import CaseServer, a_file, lines

import llm_track
from llm_track import batches
from llm_track.providers import google_genai
from llm_track.testing import Events

from .calls import BOTH, done, tracked
from .row import KEY

CHAT = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1730000000,
    "model": "snail-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "slow snails"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "slow snails"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18},
    "modelVersion": "gemini-2.5-flash",
}
pytestmark = [
    pytest.mark.usefixtures("nothing_told"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]


@pytest.fixture
def events(request: Any) -> Iterator[Events]:
    """What is told while the SDK that a test names is hooked."""
    name = request.node.get_closest_marker("parametrize") and request.node.callspec.params.get("module", "google.genai")
    pytest.importorskip(name, exc_type=ImportError)
    with tracked(name) as captured:
        yield captured


def line(number: int, **more: Any) -> dict[str, Any]:
    """Return a result in OpenAI's language, without an id of its own as some providers have it."""
    return {"custom_id": f"ask-{number}", "response": {"status_code": 200, "body": CHAT}, **more}


FILE = lines(line(1), line(2, error=None))


def groq(url: str, mode: str) -> bytes:
    """Download by Groq's SDK, which hands out a binary response."""
    sdk = pytest.importorskip("groq", exc_type=ImportError)
    return _read(getattr(sdk, "AsyncGroq" if mode == "async" else "Groq")(api_key=KEY, base_url=url), "file-out1")


def together(url: str, mode: str) -> bytes:
    """Download by Together's SDK."""
    sdk = pytest.importorskip("together", exc_type=ImportError)
    made = getattr(sdk, "AsyncTogether" if mode == "async" else "Together")
    return _read(made(api_key=KEY, base_url=url), "file-out1")


def mistral(url: str) -> Any:
    """Return a client of Mistral's SDK."""
    try:
        from mistralai.client import Mistral
    except ImportError:
        from mistralai import Mistral
    return Mistral(api_key=KEY, server_url=url)


def mistralai(url: str, mode: str, name: str = "file-out1") -> bytes:
    """Download by Mistral's SDK, which hands out the HTTP response, unread."""
    client = mistral(url)
    if mode == "sync":
        return bytes(client.files.download(file_id=name).read())

    async def read() -> bytes:
        return bytes(await (await client.files.download_async(file_id=name)).aread())

    return asyncio.run(read())


def mistral_job(url: str, mode: str) -> Any:
    """Look at a job by Mistral's SDK, which asks for the results in it if it knows how to."""
    client = mistral(url)
    jobs = client.batch.jobs
    given = {"job_id": "job-1", **({"inline": True} if "inline" in inspect.signature(jobs.get).parameters else {})}
    return done((jobs.get_async if mode == "async" else jobs.get)(**given))


def _read(client: Any, name: str) -> bytes:
    if not hasattr(client, "files"):
        pytest.skip("this version has no files")

    async def awaited(got: Any) -> bytes:
        response = await got
        return bytes(await response.read())

    got = client.files.content(name)
    return asyncio.run(awaited(got)) if hasattr(got, "__await__") else bytes(got.read())


@BOTH
@pytest.mark.parametrize(
    ("module", "download"),
    [("groq", groq), ("together", together), ("mistralai", mistralai)],
    ids=["groq", "together", "mistral"],
)
def test_a_result_file(mode: str, module: str, download: Any, server: CaseServer, events: Events) -> None:
    """Each line of a result file is a generation of the one who bills, and a second download is a span alone."""
    run = server.play([a_file(FILE)])
    assert download(run.url, mode) == FILE
    told = events.settle()
    assert [event.name for event in told] == ["$ai_generation", "$ai_generation", "$ai_span"]
    assert [event.properties.get("llm_custom_id") for event in told] == ["ask-1", "ask-2", None]
    said = told[0].properties
    assert (said["$ai_model"], said["$ai_stop_reason"], said["llm_batch"]) == ("snail-1", "stop", "file-out1")
    assert said["$ai_provider"] == module.removesuffix("ai")
    assert (said["llm_input_tokens"], said["llm_output_tokens"]) == (11, 7)
    assert download(run.url, mode) == FILE
    assert [event.name for event in events.settle()[3:]] == ["$ai_span"]


FAILED = {"custom_id": "ask-3", "response": {"status_code": 400, "body": {"message": "no"}}}
JOB = {
    "id": "job-1", "object": "batch", "input_files": ["file-in1"], "endpoint": "/v1/chat/completions", "errors": [],
    "created_at": 1730000000, "total_requests": 3, "completed_requests": 3, "succeeded_requests": 2,
    "failed_requests": 1, "model": "snail-1",
}  # fmt: skip
FILES = {"output_file": "file-out1", "error_file": "file-err1"}
RESULTS = {"outputs": [line(1), FAILED, line(2)]}
IN_A_JOB = [
    {"json": {**JOB, "status": "RUNNING", "outputs": None}},
    {"json": {**JOB, "status": "RUNNING", "outputs": [line(1)], **FILES}},
    {"json": {**JOB, "status": "SUCCESS", **RESULTS, **FILES}},
]
IN_FILES = [a_file(FILE), a_file(lines(FAILED))]
MISTRAL = pytest.mark.parametrize("module", ["mistralai"])


def is_known(event: Any) -> tuple[Any, ...]:
    """Return what PostHog knows an event by."""
    return event.uuid, event.name, event.batch, event.properties["llm_custom_id"]


@BOTH
@MISTRAL
def test_results_inside_a_job_of_mistral(mode: str, module: str, server: CaseServer, events: Events) -> None:
    """What a job has so far is told once, and neither the job nor its files tell of it again."""
    run = server.play([*IN_A_JOB, *IN_FILES, IN_A_JOB[-1]])
    for _ in IN_A_JOB:
        assert mistral_job(run.url, mode).id == "job-1"
    generations = [event for event in events.settle() if event.name == "$ai_generation"]
    assert [event.properties["llm_custom_id"] for event in generations] == ["ask-1", "ask-3", "ask-2"]
    assert [event.properties["llm_batch"] for event in generations] == ["file-out1", "file-err1", "file-out1"]
    assert (generations[0].properties["$ai_provider"], generations[0].properties["llm_input_tokens"]) == ("mistral", 11)
    spans = [event.properties for event in events if event.name == "$ai_span"]
    assert [span["$ai_span_name"] for span in spans] == ["batch.jobs.retrieve"] * 3
    assert spans[-1]["$ai_output_state"]["status"] == "SUCCESS"
    assert "snails" not in json.dumps(spans)
    for name in FILES.values():
        mistralai(run.url, mode, name)
    mistral_job(run.url, mode)
    assert [event.name for event in events.settle()[6:]] == ["$ai_span"] * 3


@BOTH
@MISTRAL
def test_a_job_of_mistral_after_its_files(
    mode: str, module: str, server: CaseServer, events: Events, monkeypatch: Any
) -> None:
    """What the output file has told a job does not tell again, but the rest; ids are the same in either order."""
    run = server.play([IN_FILES[0], IN_A_JOB[-1], IN_FILES[1], IN_A_JOB[-1]])
    mistralai(run.url, mode)
    mistral_job(run.url, mode)
    mistralai(run.url, mode, "file-err1")
    told = [event for event in events.settle() if event.name == "$ai_generation"]
    assert [event.properties["llm_custom_id"] for event in told] == ["ask-1", "ask-2", "ask-3"]
    before = len(events)
    monkeypatch.setattr(batches, "_told", batches.Told())
    mistral_job(run.url, mode)
    again = [event for event in events.settle()[before:] if event.name == "$ai_generation"]
    assert sorted(map(is_known, again)) == sorted(map(is_known, told))


@BOTH
@MISTRAL
def test_a_job_of_mistral_without_files(mode: str, module: str, server: CaseServer, events: Events) -> None:
    """Results that no file has go by their job, and those that come later are told later."""
    so_far, all_ = {"status": "RUNNING", "outputs": [line(1)]}, {"status": "SUCCESS", **RESULTS}
    run = server.play([{"json": JOB | so_far}, {"json": JOB | all_}])
    for _ in range(2):
        mistral_job(run.url, mode)
    told = [event.properties for event in events.settle() if event.name == "$ai_generation"]
    assert [said["llm_custom_id"] for said in told] == ["ask-1", "ask-3", "ask-2"]
    assert {said["llm_batch"] for said in told} == {"job-1"}


def google(url: str) -> Any:
    """Return a client of Google's SDK; one that is dropped is closed."""
    sdk = pytest.importorskip("google.genai", exc_type=ImportError)
    return sdk.Client(api_key=KEY, http_options={"base_url": url})


def of(client: Any, mode: str) -> Any:
    """Return the part of Google's client for a mode."""
    return client.aio if mode == "async" else client


class Client:
    """What stands for a client where there is no SDK."""


def a_batch(state: str, *entries: Any) -> dict[str, Any]:
    """Return a batch of Gemini, with its results once it has any."""
    output = {"inlinedResponses": {"inlinedResponses": list(entries)}}
    metadata = {"state": f"BATCH_STATE_{state}", "model": "models/gemini-2.5-flash"}
    return {"name": "batches/b1", "metadata": metadata | ({"output": output} if entries else {})}


@BOTH
def test_results_inside_a_batch_of_gemini(mode: str, server: CaseServer, events: Events) -> None:
    """Looking at a batch at work is a span; once it is done its results are told, and never again."""
    entries = ({"response": ANSWER, "metadata": {"key": "ask-1"}}, {"error": {"code": 400, "message": "no"}})
    run = server.play([{"json": a_batch("RUNNING")}, {"json": a_batch("SUCCEEDED", *entries)}])
    for _ in range(3):
        client = google(run.url)
        done(of(client, mode).batches.get(name="batches/b1"))
    spans = [event for event in events.settle() if event.name == "$ai_span"]
    told = [event for event in events if event.name == "$ai_generation"]
    assert len(spans) == 3
    assert [event.properties["llm_custom_id"] for event in told] == ["ask-1", "1"]
    said = told[0].properties
    assert (said["$ai_model"], said["$ai_input_tokens"], said["$ai_output_tokens"]) == ("gemini-2.5-flash", 11, 7)
    assert said["$ai_total_cost_usd"] == pytest.approx(0.5 * (11 * 0.3e-6 + 7 * 2.5e-6))
    assert (said["$ai_http_status"], told[1].properties["$ai_error"]) == (200, "no")
    assert "snails" not in json.dumps([span.properties for span in spans])


@BOTH
def test_a_result_file_of_gemini(mode: str, server: CaseServer, events: Events) -> None:
    """Each line of a result file is told, and the download of another file is a span."""
    content = lines({"key": "ask-1", "response": ANSWER})
    run = server.play([a_file(content), a_file(b"\x89PNG")])
    for name, held in (("files/f1", content), ("files/f2", b"\x89PNG")):
        client = google(run.url)
        assert done(of(client, mode).files.download(file=name)) == held
    told = events.settle()
    assert [event.name for event in told] == ["$ai_generation", "$ai_span", "$ai_span"]
    assert [event.properties.get("llm_batch") for event in told] == ["files/f1", None, None]
    assert [span.properties["$ai_span_name"] for span in told[1:]] == ["files.download"] * 2
    assert told[2].properties["$ai_output_state"] == {"bytes": 4}


def test_a_download_without_the_sdk() -> None:
    """The path of a download names its file, wherever it stands; of bytes only the length is told."""
    read = next(target.read for target in google_genai.PROVIDER.targets if target.path.endswith(".download_file"))
    given = llm_track.providers.Invocation
    for found in (
        read(given(Client(), ("files/f1:download?alt=media",), {})),
        read(given(Client(), (), {"path": "files/f1:download?alt=media"})),
    ):
        assert found is not None
        assert (found.kind, found.name, found.batch) == (
            "endpoint",
            "files.download",
            "files/f1",
        )
    other = read(given(Client(), (), {}))
    assert other is not None
    assert other.batch is None
    assert google_genai.PROVIDER.to_json(b"abc") == {"bytes": 3}
