"""What is read from the requests and the exceptions of the real SDKs."""

from __future__ import annotations

import gc
import io
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pydantic
import pytest

import llm_track
from llm_track import _guard, providers
from llm_track.formats import chat_completions, completions, embeddings, messages, responses
from llm_track.providers import Invocation, Reading, _stainless
from llm_track.providers._paths import endpoint_name
from llm_track.providers._stainless import request_body

from .offline import SDKS, client, http_of, invocation, options_of

OPENAI = providers.load("openai")
QUESTION: Any = [{"role": "user", "content": "hi"}]
CHAT: Any = {"model": "m", "messages": QUESTION}


def reading(sdk: str, call: Any, name: str | None = None, **options: Any) -> Reading:
    """Return what a call on a client of this SDK is read as."""
    made = client(SDKS[sdk], name or {"openai": "OpenAI", "anthropic": "Anthropic"}[sdk], **options)
    read = providers.load(sdk).targets[0].read(invocation(made, call))
    assert read is not None
    return read


CALLS = [
    ("openai", lambda c: c.chat.completions.create(**CHAT), "generation", "chat.completions", chat_completions),
    ("openai", lambda c: c.completions.create(model="m", prompt="p"), "generation", "completions", completions),
    ("openai", lambda c: c.embeddings.create(model="m", input="i"), "embedding", "embeddings", embeddings),
    ("openai", lambda c: c.moderations.create(input="i"), "endpoint", "moderations.create", None),
    ("openai", lambda c: c.images.generate(prompt="p"), "endpoint", "images.generate", None),
    ("openai", lambda c: c.models.list(), "endpoint", "models.list", None),
    ("openai", lambda c: c.models.retrieve("gpt-4o"), "endpoint", "models.retrieve", None),
    ("openai", lambda c: c.files.content("file-abc123"), "endpoint", "files.content", None),
    ("anthropic", lambda c: c.messages.create(max_tokens=1, **CHAT), "generation", "messages", messages),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sdk", "call", "kind", "name", "wire_format"), CALLS, ids=[f"{sdk} {name}" for sdk, _, _, name, _ in CALLS]
)
def test_what_a_method_of_an_sdk_is(sdk, call, kind, name, wire_format):
    """Model calls are told from other endpoints by their path, with the name and the format of each."""
    read = reading(sdk, call)
    assert (read.kind, read.name, read.format, read.provider) == (kind, name, wire_format, sdk)
    assert read.stream is False
    assert str(read.base_url).startswith(f"https://api.{sdk}.com")


def test_newer_methods_are_read_where_they_exist():
    """The Responses API and the beta messages are generations; fetching a response may deliver a background run."""
    made = client(openai, "OpenAI")
    if not hasattr(made, "responses"):
        pytest.skip("this version of openai has no Responses API")
    read = reading("openai", lambda c: c.responses.create(model="m", input="i", stream=True))
    assert (read.kind, read.name, read.format, read.stream) == ("generation", "responses", responses, True)
    fetched = reading("openai", lambda c: c.responses.retrieve("resp_123"))
    assert (fetched.kind, fetched.format, fetched.recalled) == ("generation", responses, True)
    cancelled = reading("openai", lambda c: c.responses.cancel("resp_123"))
    assert (cancelled.kind, cancelled.name, cancelled.recalled) == ("endpoint", "responses.cancel", False)


def test_the_older_text_completions_of_anthropic():
    """The older endpoint, which newer versions of the SDK reach only by hand, is a generation."""
    body = {"model": "m", "max_tokens_to_sample": 1, "prompt": "p"}
    read = reading("anthropic", lambda c: c.post("/v1/complete", cast_to=object, body=body))
    assert (read.kind, read.name, read.format, read.body) == ("generation", "completions", completions, body)


def test_the_query_of_a_path_is_no_part_of_it():
    """The beta messages, whose path carries a query, are messages."""
    read = reading("anthropic", lambda c: c.post("/v1/messages?beta=true", cast_to=object, body={"model": "m"}))
    assert (read.kind, read.format) == ("generation", messages)


@pytest.mark.parametrize(
    "path", ["/chat/completions", "chat/completions", "/chat/completions/", "/chat/completions?x=1"]
)
def test_a_path_given_by_hand_is_read_like_the_sdks_own(path):
    """A program that posts by itself may spell the path as the SDK allows."""
    read = reading("openai", lambda c: c.post(path, cast_to=object, body=CHAT))
    assert (read.kind, read.name, read.body["model"]) == ("generation", "chat.completions", "m")


def test_only_a_post_is_a_model_call():
    """The same path fetched or deleted is an endpoint."""
    read = reading("openai", lambda c: c.get("/chat/completions", cast_to=object))
    assert (read.kind, read.name) == ("endpoint", "chat.completions.list")


@pytest.mark.parametrize("by_keyword", [False, True])
def test_options_may_be_passed_either_way(by_keyword):
    """Options are found as an argument and as a keyword."""
    made = client(openai, "OpenAI")
    options = options_of(invocation(made, lambda c: c.embeddings.create(model="m", input="i")))
    found = (
        Invocation(made, (), {"cast_to": object, "options": options})
        if by_keyword
        else Invocation(made, (object, options), {})
    )
    read = OPENAI.targets[0].read(found)
    assert read is not None
    assert (read.kind, read.body["model"]) == ("embedding", "m")


@pytest.mark.parametrize("sdk", SDKS)
def test_a_call_without_options_is_not_ours(sdk):
    """A call that is about to fail for want of arguments is passed through."""
    assert providers.load(sdk).targets[0].read(Invocation(object(), (object,), {})) is None


@pytest.mark.parametrize("inherited", [False, True])
def test_a_client_that_sends_its_own_events_is_left_to_it(monkeypatch, caplog, inherited):
    """The calls of posthog's own LLM clients and their subclasses are not counted twice, and one log line says so."""
    monkeypatch.setattr(_guard, "_said", set())
    kind = type("OpenAI", (openai.OpenAI,), {"__module__": "posthog.ai.openai.openai"})
    made = client(openai, "OpenAI")
    made.__class__ = type("Mine", (kind,), {}) if inherited else kind
    for _ in range(2):
        assert OPENAI.targets[0].read(invocation(made, lambda c: c.chat.completions.create(**CHAT))) is None
    (record,) = caplog.records
    assert "that client sends its own events" in record.getMessage()


def test_a_reading_knows_its_own_request():
    """The object that the SDK passes along tells this request, as given or as replaced, from every other one."""
    found = invocation(client(openai, "OpenAI"), lambda c: c.chat.completions.create(**CHAT, stream=True))
    read = OPENAI.targets[0].read(found)
    assert read is not None
    assert read.replacement is not None
    assert read.asks(options_of(found))
    assert read.asks(read.replacement[0][1])
    other = OPENAI.targets[0].read(invocation(found.instance, lambda c: c.models.list()))
    assert other is not None
    assert other.asks(other.asked)
    assert not other.asks(options_of(found))
    assert not other.asks(None)


def test_the_body_is_safe_from_later_changes():
    """What the program does to its request afterwards does not show."""
    question = [{"role": "user", "content": "hi"}]
    read = reading("openai", lambda c: c.chat.completions.create(model="m", messages=question))
    question[0]["content"] = "changed"
    assert read.body["messages"] == [{"role": "user", "content": "hi"}]


def test_extra_fields_are_part_of_the_body():
    """What is sent beyond the SDK's parameters is read too, and wins, as it does on the wire."""
    extra = {"top_k": 5, "model": "other"}
    read = reading("openai", lambda c: c.chat.completions.create(model="m", messages=QUESTION, extra_body=extra))
    assert (read.body["top_k"], read.body["model"]) == (5, "other")


def test_files_are_named_not_copied():
    """Of an upload the field and the name of the file are kept, not its content."""
    read = reading("openai", lambda c: c.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"content")))
    assert read.body["files"] == ["file: a.wav"]
    assert "content" not in str(read.body)


class NamedFile(io.BytesIO):
    name = "b.wav"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"json_data": None}, {}),
        ({"json_data": [1, {"a": 2}]}, {"body": [1, {"a": 2}]}),
        ({"json_data": "text"}, {"body": "text"}),
        ({"json_data": None, "extra_json": {"a": 1}}, {"a": 1}),
        ({"json_data": {"a": 1}, "extra_json": None}, {"a": 1}),
        ({"json_data": {}, "files": {"file": NamedFile()}}, {"files": ["file: b.wav"]}),
        ({"json_data": {}, "files": [("a", ("c.png", b"x")), ("b", b"x")]}, {"files": ["a: c.png", "b: unnamed"]}),
        ({"json_data": {}, "files": [("a", ()), ("b", (None, b"x"))]}, {"files": ["a: unnamed", "b: unnamed"]}),
        ({"json_data": {}, "files": []}, {}),
    ],
)  # fmt: skip
def test_bodies_of_every_kind(sent, expected):
    """A body that is no object, none at all, and files in each of their forms become an object."""
    assert request_body(SimpleNamespace(**{"files": None, **sent})) == expected


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/models", "models.list"),
        ("get", "/models/gpt-4o", "models.retrieve"),
        ("delete", "/models/ft:gpt-4o:acme", "models.delete"),
        ("post", "/fine_tuning/jobs/ftjob-abc123/cancel", "fine_tuning.jobs.cancel"),
        ("POST", "/batches", "batches.create"),
        ("get", "/files/file-abc123/content", "files.content"),
        ("post", "/vector_stores/vs_abc123/search", "vector_stores.search"),
        ("get", "/vector_stores/vs_abc123/files/file-abc123/content", "vector_stores.files.content"),
        ("post", "/threads/thread_abc123/runs/run_9/submit_tool_outputs", "threads.runs.submit_tool_outputs"),
        ("get", "/threads/thread_abc123/messages", "threads.messages.list"),
        ("delete", "/responses/resp_123", "responses.delete"),
        ("post", "/responses/compact", "responses.compact"),
        ("get", "/responses/resp_123/input_items", "responses.input_items.list"),
        ("post", "/uploads/upload_abc123/parts", "uploads.parts.create"),
        ("get", "/conversations/conv_123/items/msg_1", "conversations.items.retrieve"),
        ("post", "/realtime/client_secrets", "realtime.client_secrets.create"),
        ("post", "/realtime/transcription_sessions", "realtime.transcription_sessions.create"),
        ("get", "/evals/eval_1/runs/run_1/output_items", "evals.runs.output_items.list"),
        ("post", "/v1/messages/batches", "messages.batches.create"),
        ("get", "/v1/messages/batches/msgbatch_01/results", "messages.batches.results.list"),
        ("get", "/v1/models/claude-sonnet-4-5", "models.retrieve"),
        ("post", "/deployments/my-gpt4/chat/completions", "deployments.chat.completions.create"),
        ("post", "/vector_stores/vs_abc123", "vector_stores.update"),
        ("put", "/things/1", "things.update"),
        ("patch", "/things/1", "things.update"),
        ("options", "/things", "things.options"),
        ("get", "/thread_abcdefghijklmnopqrst", "retrieve"),
        ("post", "", "create"),
    ],
)
def test_the_name_of_an_endpoint_has_no_ids(method, path, name):
    """Names group the calls of an endpoint: the words of its path and what is done, without ids and versions."""
    assert endpoint_name(method, path) == name


def test_the_witness_tells_response_and_retries():
    """The HTTP response is found among the arguments of the witness, and the retries where the SDK tells them."""
    assert _stainless.answer({"response": 1, "retries_taken": 2}) == (1, 2)
    assert _stainless.answer({"response": 1}) == (1, None)


class Model(pydantic.BaseModel):
    a: int = 1
    b: int = 2


def test_the_json_of_a_result():
    """A model gives the fields that were set, without warnings; what is no model gives nothing."""
    assert _stainless.to_json(Model(a=5)) == {"a": 5}
    assert _stainless.to_json(b"bytes") is None


def bodies(status: int) -> dict[str, Any]:
    """Return an error body as both providers write it."""
    return {
        "type": "error",
        "error": {"type": f"kind_{status}", "code": None, "message": "no"},
        "request_id": "req_body",
    }


def failed(sdk: Any, answer: Any, **options: Any) -> BaseException:
    """Return the exception that a real call ends in."""
    made = client(sdk, {openai: "OpenAI", anthropic: "Anthropic"}[sdk], answer, **options)
    ask = made.chat.completions.create if sdk is openai else made.messages.create
    with pytest.raises(sdk.APIError) as caught:
        ask(max_tokens=1, **CHAT)
    return caught.value


def subclasses(kind: type) -> set[type]:
    return {kind, *(found for child in kind.__subclasses__() for found in subclasses(child))}


NOT_BY_STATUS = {"OAuthError"}
"""Raised for a failed sign-in, not for an answer to a call."""


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_every_error_status_is_told(sdk):
    """Each exception class that the SDK has for a status tells status, code, request id and address of the answer."""
    http, seen = http_of(sdk), set()
    for status in range(400, 600):
        header = {openai: "x-request-id", anthropic: "request-id"}[sdk]
        error = failed(sdk, lambda request, s=status, h=header: http.Response(s, json=bodies(s), headers={h: "req_1"}))
        seen.add(type(error))
        said = {key: value for key, value in _stainless.failure(error).items() if key != "retries"}
        path = {openai: "/v1/chat/completions", anthropic: "/v1/messages"}[sdk]
        assert said == {
            "http_status": status,
            "code": f"kind_{status}",
            "request_id": "req_1",
            "url": f"https://api.{sdk.__name__}.com{path}",
        }
    known = {kind for kind in subclasses(sdk.APIStatusError) if kind.__module__ == f"{sdk.__name__}._exceptions"}
    assert {kind.__name__ for kind in known - seen} <= NOT_BY_STATUS


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
@pytest.mark.parametrize(
    ("raised", "expected"), [("ConnectError", "APIConnectionError"), ("ReadTimeout", "APITimeoutError")]
)
def test_a_call_that_reached_nobody_tells_the_address_only(sdk, raised, expected):
    """Without an answer there is no status and no request id."""

    def answer(request):
        raise getattr(http_of(sdk), raised)("no", request=request)

    error = failed(sdk, answer)
    said = _stainless.failure(error)
    assert type(error).__name__ == expected
    assert (said["http_status"], said["code"], said.get("request_id")) == (None, None, None)
    assert said["url"].startswith(f"https://api.{sdk.__name__}.com/")


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_how_often_the_sdk_tried(sdk):
    """The number of retries is the one that the last request carried, where this version of the SDK sends it."""
    sent = []

    def answer(request):
        sent.append(request.headers.get("x-stainless-retry-count"))
        return http_of(sdk).Response(500, json=bodies(500), headers={"retry-after-ms": "1"})

    said = _stainless.failure(failed(sdk, answer, max_retries=2))
    assert len(sent) == 3
    assert said["retries"] == (None if sent[-1] is None else 2)


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_an_answer_of_the_wrong_shape(sdk):
    """An answer that the SDK refuses although its status is 200 tells that status."""
    error = failed(sdk, lambda request: http_of(sdk).Response(200, json={"id": 5}), _strict_response_validation=True)
    assert isinstance(error, sdk.APIResponseValidationError)
    assert _stainless.failure(error)["http_status"] == 200


@pytest.mark.parametrize(
    ("reason", "name"), [("length", "LengthFinishReasonError"), ("content_filter", "ContentFilterFinishReasonError")]
)
def test_an_answer_that_cannot_be_parsed(reason, name):
    """The errors of `parse` carry no answer of the provider's, and say nothing of one."""
    said = {"role": "assistant", "content": "{"}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": reason, "message": said}],
    }
    made = client(openai, "OpenAI", lambda request: http_of(openai).Response(200, json=body))
    with pytest.raises(getattr(openai, name)) as caught:
        made.beta.chat.completions.parse(model="m", messages=QUESTION, response_format=Model)
    assert not {key: value for key, value in _stainless.failure(caught.value).items() if value is not None}


def test_an_error_inside_a_stream_tells_its_code():
    """An error event of a stream becomes an exception without a status, but with the provider's word."""
    event = b'data: {"error": {"message": "no", "type": "server_error", "code": "overloaded"}}\n\n'
    made = client(
        openai,
        "OpenAI",
        lambda request: http_of(openai).Response(200, content=event, headers={"content-type": "text/event-stream"}),
    )
    with pytest.raises(openai.APIError) as caught:
        list(made.chat.completions.create(model="m", messages=QUESTION, stream=True))
    said = _stainless.failure(caught.value)
    assert (said["http_status"], said["code"]) == (None, "overloaded")


class OddError(Exception):
    """An exception whose attribute raises, as those of HTTP libraries do before they are complete."""

    @property
    def request(self) -> Any:
        raise RuntimeError("The .request property has not been set.")


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OddError(), http_of(openai).ReadTimeout("x"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_other_exceptions_say_nothing(error):
    """An exception that is not of the SDK's making has nothing to say of an answer, and asking it does no harm."""
    assert not {key: value for key, value in _stainless.failure(error).items() if value is not None}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"type": "invalid_request_error"}, "invalid_request_error"),
        ({"error": "text", "type": "plain"}, "plain"),
        ({"type": 5}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_the_code_inside_an_error_body(body, code):
    """The provider's word for an error is found at each of the two depths at which providers put it."""
    error = ValueError()
    error.body = body  # type: ignore[attr-defined]
    assert _stainless.failure(error)["code"] == code


@pytest.mark.parametrize(
    ("base_url", "url", "provider"),
    [
        ("https://api.openai.com", "/v1/chat/completions", "openai"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions", "openai"),
        ("https://api.openai.com/v1", "https://api.groq.com/openai/v1/chat/completions?x=1", "groq"),
        ("https://gw.example/v1", "chat/completions", "openai"),
    ],
)
def test_a_path_with_host_or_version_is_the_same_endpoint(base_url, url, provider):
    """A request that names its host or the API's version itself is the call that its path says, billed by that host."""
    read = reading("openai", lambda c: c.post(url, cast_to=object, body=CHAT), base_url=base_url)
    assert (read.kind, read.name, read.provider) == ("generation", "chat.completions", provider)


def test_the_results_of_a_batch_have_a_plain_name():
    """The absolute address that Anthropic gives for the results of a batch is named as its endpoint."""
    url = "https://api.anthropic.com/v1/messages/batches/msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d/results"
    assert reading("anthropic", lambda c: c.get(url, cast_to=object)).name == "messages.batches.results.list"


def is_closed_after(close):
    """Return whether the response of a stream is closed once the program has let go of the stream."""
    body = b'data: {"id": "c", "choices": []}\n\n' * 3 + b"data: [DONE]\n\n"
    kind = {"content-type": "text/event-stream"}
    made = client(openai, "OpenAI", lambda _: http_of(openai).Response(200, content=iter([body]), headers=kind))
    stream = made.chat.completions.create(model="m", messages=[], stream=True)
    next(stream)
    response = stream.response
    if close == "drop":
        del stream
        gc.collect()
    else:
        stream._iterator.close()
    return response.is_closed


@pytest.mark.parametrize("close", ["drop", "close the iterator"])
def test_a_stream_that_is_let_go_gives_its_connection_back(close):
    """Where the usage chunk is hidden too, a stream that is let go closes its response exactly when it does alone."""
    alone = is_closed_after(close)
    llm_track.autopatch("openai")
    try:
        assert is_closed_after(close) == alone
    finally:
        llm_track.unpatch()
