"""Asking for the token counts of a streamed chat."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from llm_track import providers
from llm_track.providers import Invocation, Reading, _usage_request
from llm_track.providers._usage_request import hide_usage, withdraws

from .offline import client, http_of, invocation, options_of

QUESTION: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def _nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_usage_request, "_refused", set())


def read(found: Invocation) -> Reading:
    reading = providers.load("openai").targets[0].read(found)
    assert reading is not None
    return reading


def streamed(made: Any, **more: Any) -> Invocation:
    return invocation(made, lambda c: c.chat.completions.create(model="m", messages=QUESTION, stream=True, **more))


def asks(made: Any, **more: Any) -> bool:
    return read(streamed(made, **more)).replacement is not None


def azure(version: str | None = "2024-10-21", **options: Any) -> Any:
    return client(openai, "AzureOpenAI", azure_endpoint="https://mine.openai.azure.com", api_version=version, **options)


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", False),
        ("https://api.groq.com/openai/v1", False),
        ("http://localhost:8000/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://mine.openai.azure.com/openai/v1?api-version=2024-10-21", True),
        ("https://mine.openai.azure.com/openai/v1?api-version=2024-06-01", False),
        ("https://mine.openai.azure.com/openai/v1?api-version=preview", True),
        ("https://mine.openai.azure.com/openai/v1", False),
    ],
)
def test_it_is_asked_only_where_the_answer_is_known(base_url, asked):
    """OpenAI itself, and Azure from the version on that knows the option, are asked; nobody else is."""
    assert asks(client(openai, "OpenAI", base_url=base_url)) is asked


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("2024-09-01-preview", True),
        ("2024-10-21", True),
        ("2025-01-01-preview", True),
        ("2024-08-01-preview", False),
        ("2024-06-01", False),
    ],
)
def test_azure_is_asked_by_its_version(version, asked):
    """The version of an Azure client decides."""
    assert asks(azure(version)) is asked


def test_a_version_that_is_no_text_is_no_version():
    """A stand-in for a version is not compared."""
    made = azure()
    made._api_version = 20241021
    assert not asks(made)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {}}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
@pytest.mark.parametrize("by_keyword", [False, True])
def test_the_sdk_is_called_with_a_copy(given, sent, by_keyword):
    """On the wire the option is there, beside the program's own; the program's request is as it was."""
    bodies: list[Any] = []

    def answer(request):
        bodies.append(json.loads(request.content))
        return http_of(openai).Response(200, content=b"data: [DONE]\n\n", headers={"content-type": "text/event-stream"})

    made = client(openai, "OpenAI", answer)
    found = streamed(made, **given)
    options = options_of(found)
    if by_keyword:
        found = Invocation(made, found.args[:1], {**found.kwargs, "options": options})
    before = json.dumps(options.json_data)
    reading = read(found)
    assert reading.replacement is not None
    args, kwargs = reading.replacement
    list(made.request(*args, **kwargs))
    assert bodies[0].pop("stream_options") == sent
    assert bodies[0] == {"model": "m", "messages": QUESTION, "stream": True}
    assert json.dumps(options.json_data) == before
    assert "options" not in found.kwargs or found.kwargs["options"] is options
    assert "include_usage" not in json.dumps(reading.body)


@pytest.mark.parametrize("said", [True, False])
def test_a_program_that_says_so_itself_is_not_overruled(said):
    """Whether the program wants usage or expressly does not, its word stands."""
    assert not asks(client(openai, "OpenAI"), stream_options={"include_usage": said})


def test_only_streams_of_chats_and_completions_are_asked():
    """Other endpoints, and calls that do not stream, carry usage by themselves."""
    made = client(openai, "OpenAI")
    assert read(invocation(made, lambda c: c.chat.completions.create(model="m", messages=QUESTION))).replacement is None
    assert read(invocation(made, lambda c: c.embeddings.create(model="m", input="i"))).replacement is None
    assert (
        read(invocation(made, lambda c: c.completions.create(model="m", prompt="p", stream=True))).replacement
        is not None
    )


def test_raw_responses_are_not_asked():
    """A program that reads the bytes itself would see the extra chunk, so nothing is added."""
    made = client(openai, "OpenAI")
    raw = invocation(
        made, lambda c: c.chat.completions.with_raw_response.create(model="m", messages=QUESTION, stream=True)
    )
    assert read(raw).replacement is None


def test_chunks_that_are_no_models_are_not_asked_for():
    """A program that has its chunks parsed as plain objects would see the extra one, so nothing is added."""
    body = {"model": "m", "messages": QUESTION, "stream": True}
    made = client(openai, "OpenAI")
    found = invocation(
        made,
        lambda c: c.post("/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.Stream[object]),
    )
    assert read(found).stream
    assert read(found).replacement is None


def test_requests_of_another_form_are_left_alone():
    """A body that is no object, and options that cannot be copied, are not touched."""
    made = client(openai, "OpenAI")
    found = streamed(made)
    options = options_of(found)
    plain = SimpleNamespace(url=options.url, method="post", json_data=options.json_data, files=None, headers=None)
    assert read(Invocation(made, (found.args[0], plain), {"stream": True})).replacement is None
    odd = options.model_copy(update={"json_data": [1]})
    assert read(Invocation(made, (found.args[0], odd), {"stream": True})).replacement is None


class RefusalError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "learned"),
    [
        (RefusalError(400, "Unknown parameter: 'stream_options'"), True),
        (RefusalError(400, "Unknown parameter: 'temperature'"), False),
        (RefusalError(500, "stream_options broke"), False),
        (ValueError("stream_options"), False),
    ],
)
def test_an_endpoint_that_refuses_is_not_asked_again(error, learned):
    """After a 400 that names the option this base URL, and no other, is left in peace."""
    made, other = client(openai, "OpenAI"), azure()
    assert withdraws(read(streamed(made)), error) is learned
    assert asks(made) is not learned
    assert asks(other)


def chunk(**fields: Any) -> ChatCompletionChunk:
    shared = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return ChatCompletionChunk.model_validate({**shared, **fields})


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
CHOICES = [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]


def test_the_extra_chunk_is_hidden():
    """The chunk that only carries usage is not shown to the program, and one with an answer in it is."""
    assert hide_usage(chunk(choices=[], usage=USAGE))
    assert not hide_usage(chunk(choices=CHOICES, usage=USAGE))


def test_the_other_chunks_look_as_if_nobody_had_asked():
    """The empty usage that the option puts on every chunk is taken off again."""
    shown, unasked = chunk(choices=CHOICES, usage=None), chunk(choices=CHOICES)
    assert not hide_usage(shown)
    assert shown.model_fields_set == unasked.model_fields_set
    assert shown.model_dump(exclude_unset=True) == unasked.model_dump(exclude_unset=True)
    assert shown.to_json() == unasked.to_json()


@pytest.mark.parametrize("odd", [{"choices": [], "usage": USAGE}, "text", None, SimpleNamespace(usage=5)])
def test_chunks_of_other_kinds_are_shown(odd):
    """What is no chunk of a chat passes, without an error in the program's own loop."""
    assert not hide_usage(odd)
