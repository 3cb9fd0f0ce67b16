"""Hugging Face's SDK, the real one, against prepared answers: what is special to its tasks and its servers."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.server import CaseServer

from llm_track.formats import text_generation
from llm_track.providers import Invocation
from llm_track.providers import huggingface_hub as described
from llm_track.testing import Events

from .calls import BOTH, only

SDK = "huggingface_hub"
KEY = "hf_canary7Qx2Lm9Zt4Rw8sVbK1nD3fG5"
PROMPT = "how do snails live"
ENDING = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None}
WHOLE = [{"generated_text": "slow snails", "details": {**ENDING, "prefill": [], "tokens": []}}]


def token(index: int, text: str, *, special: bool = False, **more: Any) -> dict[str, Any]:
    """Return a chunk of a stream."""
    said = {"id": index, "text": text, "logprob": -0.5, "special": special}
    return {"index": index, "token": said, "generated_text": None, "details": None, **more}


END = token(3, "</s>", special=True, generated_text="slow snails", details={**ENDING, "input_length": 11})
TOKENS = [token(1, "slow "), token(2, "snails"), END]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def ask(sdk: Any, played: Any, mode: str, task: str, *given: Any, **more: Any) -> Any:
    """Have a task done, and read a stream to its end."""
    if mode == "sync":
        client = sdk.InferenceClient(played.url, token=KEY)
        answer = getattr(client, task)(*given, **more)
        return list(answer) if more.get("stream") else answer

    async def asked() -> Any:
        async with sdk.AsyncInferenceClient(played.url, token=KEY) as client:
            answer = await getattr(client, task)(*given, **more)
            return [piece async for piece in answer] if more.get("stream") else answer

    return asyncio.run(asked())


@BOTH
@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_text_that_goes_on(
    streamed: bool, details: bool, mode: str, sdk: Any, server: CaseServer, events: Events
) -> None:
    """A text is one generation with its settings, its words and what its server counts."""
    played = server.play([{"events": TOKENS} if streamed else {"json": WHOLE}])
    got = ask(sdk, played, mode, "text_generation", PROMPT, details=details, stream=streamed, max_new_tokens=9)
    assert len(got) == 3 if streamed else (got.generated_text if details else got) == "slow snails"
    event = only(events)
    told = event.properties
    assert (event.name, told["llm_outcome"], told["$ai_stream"]) == ("$ai_generation", "completed", streamed)
    assert (told["$ai_provider"], told["$ai_http_status"], told["$ai_base_url"]) == ("huggingface", 200, played.url)
    assert told["$ai_input"] == [{"role": "user", "content": PROMPT}]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow snails"}]
    assert (told.get("$ai_input_tokens"), told["$ai_output_tokens"]) == (11 if streamed else None, 3)
    assert (told["$ai_stop_reason"], told["$ai_model_parameters"]["max_new_tokens"]) == ("eos_token", 9)
    assert ("$ai_time_to_first_token" in told) is streamed
    assert told["$ai_model"] == "unknown"
    assert "canary" not in json.dumps(told)


def test_the_first_token_is_timed_when_it_comes(sdk: Any, server: CaseServer, events: Events) -> None:
    """The time to the first token does not depend on how long the program thinks about it."""
    played = server.play([{"events": TOKENS, "hold_after": 1}])
    client = sdk.InferenceClient(played.url, token=KEY)
    stream = client.text_generation(PROMPT, stream=True)
    next(iter(stream))
    asyncio.run(asyncio.sleep(0.3))
    played.over.set()
    list(stream)
    told = only(events).properties
    assert told["$ai_latency"] > 0.3 > told["$ai_time_to_first_token"]


def test_left_early(sdk: Any, server: CaseServer, events: Events) -> None:
    """A stream of tokens that is dropped is one event with the words that came, and no count."""
    played = server.play([{"events": TOKENS, "hold_after": 1}])
    client = sdk.InferenceClient(played.url, token=KEY)
    stream = client.text_generation(PROMPT, stream=True)
    assert next(iter(stream)) == "slow "
    del stream
    gc.collect()
    played.over.set()
    told = only(events).properties
    assert told["llm_outcome"] == "closed_early"
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow "}]
    assert "$ai_output_tokens" not in told


@BOTH
def test_an_error_amid_a_stream(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """An error that the server sends amid a stream is one failed event of its kind."""
    played = server.play([{"events": [TOKENS[0], {"error": f"busy for {KEY}", "error_type": "overloaded"}]}])
    with pytest.raises(Exception, match="busy"):
        ask(sdk, played, mode, "text_generation", PROMPT, stream=True)
    gc.collect()
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_is_error"], told["$ai_error_type"]) == ("failed", True, "overloaded")
    assert "busy" in told["$ai_error"]
    assert "canary" not in json.dumps(told)


@BOTH
def test_a_refusal(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """An error is one failed event with its status and the id of its request, without the key that it quotes."""
    error = {"error": f"no room for {KEY}", "error_type": "validation"}
    played = server.play([{"status": 400, "json": error, "headers": {"x-request-id": "r-1"}}])
    with pytest.raises(Exception, match=r"."):
        ask(sdk, played, mode, "text_generation", PROMPT)
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"]) == ("failed", 400)
    assert told["$ai_request_url"] == played.url
    assert "canary" not in json.dumps(told)


@BOTH
def test_vectors(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are made vectors are one embedding, without the vectors."""
    pytest.importorskip("numpy", exc_type=ImportError)
    got = ask(sdk, server.play([{"json": [[0.25, 0.75]]}]), mode, "feature_extraction", "slow snails")
    assert got.shape == (1, 2)
    event = only(events)
    told = event.properties
    assert (event.name, told["llm_outcome"], told["$ai_input"]) == ("$ai_embedding", "completed", "slow snails")
    assert "0.25" not in json.dumps(told)


@pytest.mark.parametrize("task", ["summarization", "translation"])
def test_texts_made_of_texts(task: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A summary and a translation are generations."""
    played = server.play([{"json": [{f"{task.removesuffix('ization')}_text".replace("summar_", "summary_"): "slow"}]}])
    ask(sdk, played, "sync", task, PROMPT)
    event = only(events)
    assert (event.name, event.properties["$ai_output_choices"][0]["content"]) == ("$ai_generation", "slow")


@BOTH
def test_other_tasks_are_steps(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """What no language model is asked for is a span, with what was asked and answered."""
    played = server.play([{"json": [{"label": "slow", "score": 0.9}]}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask(sdk, played, mode, "text_classification", PROMPT)
    event = only(events)
    told = event.properties
    assert (event.name, told["$ai_span_name"]) == ("$ai_span", "text_classification")
    assert PROMPT in json.dumps(told["$ai_input_state"])
    assert told["$ai_output_state"] == [{"label": "slow", "score": 0.9}]


def test_a_picture_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Of a picture that is drawn the event says how long it is."""
    pytest.importorskip("PIL", exc_type=ImportError)
    import base64

    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    got = ask(sdk, server.play([{"base64": pixel}]), "sync", "text_to_image", PROMPT)
    assert got.size == (1, 1)
    told = only(events).properties
    assert (told["$ai_span_name"], told["$ai_output_state"]) == (
        "text_to_image",
        {"bytes": len(base64.b64decode(pixel))},
    )


def parameters(url: str, task: str, **more: Any) -> Any:
    """Return the parameters of a request, without the SDK."""
    return SimpleNamespace(**{"url": url, "task": task, "model": None, "json": {}, "headers": {}, **more})


def read(given: Any, **kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    return described.PROVIDER.targets[0].read(Invocation(None, (given,), kwargs))


@pytest.mark.parametrize(
    ("url", "task", "told"),
    [
        ("https://router.huggingface.co/v1/chat/completions", "conversational", ("huggingface", "chat_completion")),
        ("https://router.huggingface.co/groq/openai/v1/chat/completions", "", ("huggingface", "chat_completion")),
        ("https://api.groq.com/openai/v1/chat/completions", "conversational", ("groq", "chat_completion")),
        ("https://api.together.xyz/v1/completions", "text-generation", ("together", "text_generation")),
        ("https://api.together.xyz/v1/embeddings", "feature-extraction", ("together", "feature_extraction")),
        ("https://x.endpoints.huggingface.cloud", "text-generation", ("huggingface", "text_generation")),
        ("https://fal.run/fal-ai/whisper", "automatic-speech-recognition", ("fal", "automatic_speech_recognition")),
        ("http://localhost:8080/v1/chat/completions", "conversational", ("llama_cpp", "chat_completion")),
        ("http://localhost:8080", "text-generation", ("huggingface", "text_generation")),
        ("http://localhost:8080", "automatic-speech-recognition", ("huggingface", "automatic_speech_recognition")),
    ],
)
def test_who_bills(url: str, task: str, told: tuple[str, str]) -> None:
    """The address says who bills and, where it is that of OpenAI's language, what is asked; else the task does."""
    found = read(parameters(url, task))
    assert (found.provider, found.name) == told
    assert url.startswith(found.base_url)
    assert not found.base_url.endswith("completions")


def test_a_model_that_has_no_name() -> None:
    """A server's only model has none, although the SDK makes one up; a model in the address has its name."""
    assert read(parameters("http://a", "", model="http://a", json={"model": "tgi", "top_p": 1})).body == {"top_p": 1}
    assert read(parameters("http://a", "", model="http://a", json={"model": "snail"})).body == {"model": "snail"}
    assert read(parameters("http://a", "", model="snail", json=None)).body == {"model": "snail"}


def test_a_request_without_the_sdk() -> None:
    """The key of a request is known, to be masked; a call without a request is left to fail by itself."""
    found = read(parameters("http://a", "", headers={"authorization": "Bearer k-1"}), stream=True)
    assert (found.stream, list(found.secrets())) == (True, ["Bearer k-1", "k-1"])
    assert list(read(parameters("http://a", "", headers=None)).secrets()) == []
    assert described.PROVIDER.targets[1].read(Invocation(None, (), {"request_parameters": parameters("b", "c")}))
    assert described.PROVIDER.targets[0].read(Invocation(None, (), {})) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'[{"generated_text": "a"}]', {"generated_text": "a"}),
        (b'[{"label": "a"}]', [{"label": "a"}]),
        (b"[]", []),
        (b"\x89PNG", {"bytes": 4}),
        ({"event": 1}, {"event": 1}),
    ],
)
def test_what_an_answer_says(answer: Any, told: Any) -> None:
    """An answer is its JSON; one that is none is as long as it is."""
    assert described.PROVIDER.to_json(answer) == told


@pytest.mark.parametrize("line", ["data: [DONE]", b"data: [DONE]", 'data: {"error": "busy"}', b'data:{"error":"busy"}'])
def test_the_last_line(line: Any) -> None:
    """The SDK reads on after any line but the last."""
    assert described.PROVIDER.ends(line)
    assert not any(described.PROVIDER.ends(other) for other in ("", b"", "data: {}", b'data: {"a": "error"}', {}))


def test_what_an_exception_says() -> None:
    """Each HTTP library that the SDK has used says it in its own way."""
    error = ConnectionError("x")
    assert described.PROVIDER.failure(error) == {"http_status": None, "request_id": None, "url": None}
    error.response, error.request = SimpleNamespace(status_code=429), SimpleNamespace(url="http://a")  # type: ignore[attr-defined]  # as requests has it
    assert described.PROVIDER.failure(error) == {"http_status": 429, "request_id": None, "url": "http://a"}
    error = ConnectionError("x")
    error.status, error.request_info = 503, SimpleNamespace(real_url="http://b")  # type: ignore[attr-defined]  # as aiohttp has it
    assert described.PROVIDER.failure(error) == {"http_status": 503, "request_id": None, "url": "http://b"}


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ({"inputs": "a"}, [{"role": "user", "content": "a"}]),
        ({"inputs": ["a"]}, [{"role": "user", "content": '["a"]'}]),
        ({}, []),
    ],
)
def test_what_goes_on(given: Any, drawn: Any) -> None:
    """A text is a message; anything else as JSON."""
    request = text_generation.request({**given, "model": "m", "parameters": {"top_k": 1, "seed": None}, "x": 2})
    assert (request.input, request.model, request.parameters) == (drawn, "m", {"x": 2, "top_k": 1})
