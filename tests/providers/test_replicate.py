"""Replicate's SDK, the real one, against recorded and prepared answers: predictions, however they become known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from llm_track.formats import predictions
from llm_track.providers import Invocation
from llm_track.providers import replicate as described
from llm_track.testing import Events

from .calls import BOTH
from .recorded import enough, recordings
from .row import KEY
from .rows.replicate import COUNTED, Predictions, prediction, written

SDK = "replicate"
ENDED = {"output": ["slow ", "snails"], "metrics": COUNTED}
EVENTS = (("output", "slow "), ("output", "snails"), ("done", "{}"))
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def server() -> Iterator[Predictions]:
    with Predictions() as running:
        yield running


def states(*given: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers of one prediction in its states."""
    return [{"json": prediction("", status, **more)} for status, more in given]


def client(sdk: Any, played: Any) -> Any:
    """Return a client that does not wait between its looks."""
    made = sdk.Client(api_token=KEY, base_url=played.url)
    made.poll_interval = 0.001
    return made


def told_of(events: Events) -> list[tuple[str, Any]]:
    """Return the name of each event, and what tells most of it."""
    found = events.settle()
    assert KEY not in json.dumps([event.properties for event in found])
    return [(event.name, event.properties.get("$ai_span_name")) for event in found]


def generation(events: Events) -> Any:
    """Return what the one generation tells."""
    (event,) = [event for event in events.settle() if event.name == "$ai_generation"]
    return event.properties


@BOTH
def test_a_prediction_that_is_waited_for(mode: str, sdk: Any, server: Predictions, events: Events) -> None:
    """A prediction is one generation when it is found done, with what was asked for it and the time since then."""
    partly = {"output": ["slow "]}
    played = server.play(states(("starting", {}), ("processing", {}), ("processing", partly), ("succeeded", ENDED)))
    made = client(sdk, played)
    if mode == "sync":
        asked = made.predictions.create("v-1", input={"prompt": "slow?", "top_k": 1})
        asked.wait()
        asked.reload()
    else:

        async def ask() -> Any:
            known = await made.predictions.async_create("v-1", input={"prompt": "slow?", "top_k": 1})
            await known.async_wait()
            await known.async_reload()
            return known

        asked = asyncio.run(ask())
    assert asked.output == ["slow ", "snails"]
    assert told_of(events) == [
        ("$ai_span", "predictions.create"),
        ("$ai_generation", None),
        ("$ai_span", "predictions.get"),
    ]
    told = generation(events)
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"]) == (11, 7)
    assert (told["$ai_model"], told["$ai_stop_reason"]) == ("acme/gastropod-1", "succeeded")
    assert told["$ai_input"] == [{"role": "user", "content": "slow?"}]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow snails"}]
    assert told["$ai_model_parameters"]["top_k"] == 1
    assert told["$ai_latency"] > 0.003


def test_an_answer_that_is_waited_for_longer(sdk: Any, server: Predictions, events: Events) -> None:
    """An answer that has its output counts at once, although it is called unfinished: since version 1 none follows."""
    said = {"output": "slow snails"}
    made = client(sdk, server.play(states(("processing", said), ("succeeded", said))))
    assert made.run("acme/gastropod-1", input={"prompt": "slow?"}) == "slow snails"
    assert told_of(events)[:1] == [("$ai_generation", None)]
    assert generation(events)["$ai_output_choices"][0]["content"] == "slow snails"


def test_functions_of_the_module(sdk: Any, server: Predictions, events: Events) -> None:
    """``replicate.run`` and ``replicate.stream`` are methods of a client that were taken before it was hooked."""
    mine = sdk.default_client
    before = mine._base_url, mine._api_token
    try:
        for streamed in (False, True):
            played = server.play([written(*EVENTS)] if streamed else states(("succeeded", ENDED)))
            mine._base_url, mine._api_token, mine._Client__client = played.url, KEY, None
            asked = sdk.stream if streamed else sdk.run
            assert "".join(map(str, asked("acme/gastropod-1", input={"prompt": "slow?"}))) == "slow snails"
    finally:
        mine._base_url, mine._api_token = before
        mine._Client__client = None
    assert told_of(events) == [("$ai_generation", None)] * 2


@BOTH
def test_a_stream_of_a_prediction(mode: str, sdk: Any, server: Predictions, events: Events) -> None:
    """A prediction whose output is streamed is one generation, whoever looks at it afterwards."""
    played = server.play([written(*EVENTS), *states(("succeeded", ENDED))])
    made = client(sdk, played)
    if mode == "sync":
        asked = made.predictions.create("v-1", input={"prompt": "slow?"}, stream=True)
        got = list(asked.stream())
        asked.reload()
    else:

        async def ask() -> Any:
            known = await made.predictions.async_create("v-1", input={"prompt": "slow?"}, stream=True)
            pieces = [piece async for piece in known.async_stream()]
            await known.async_reload()
            return pieces

        got = asyncio.run(ask())
    assert [str(piece) for piece in got] == ["slow ", "snails", ""]
    assert told_of(events) == [
        ("$ai_span", "predictions.create"),
        ("$ai_generation", None),
        ("$ai_span", "predictions.get"),
    ]
    told = generation(events)
    assert (told["$ai_stream"], told["llm_outcome"], told["$ai_model"]) == (True, "completed", "acme/gastropod-1")
    assert told["$ai_input"] == [{"role": "user", "content": "slow?"}]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow snails"}]
    assert "$ai_output_tokens" not in told


def test_a_prediction_that_fails(sdk: Any, server: Predictions, events: Events) -> None:
    """A prediction that fails is one failed generation, and the SDK raises."""
    made = client(sdk, server.play(states(("starting", {}), ("failed", {"error": "out of memory"}))))
    with pytest.raises(Exception, match="out of memory"):
        made.run("acme/gastropod-1", input={"prompt": "slow?"})
    told = generation(events)
    assert (told["llm_outcome"], told["$ai_is_error"], told["$ai_error"]) == ("failed", True, "out of memory")


def test_a_prediction_that_is_canceled(sdk: Any, server: Predictions, events: Events) -> None:
    """To cancel a prediction is a step, and to find it canceled its generation."""
    made = client(sdk, server.play(states(("starting", {}), ("canceled", {}), ("canceled", {}))))
    asked = made.predictions.create("v-1", input={"prompt": "slow?"})
    asked.cancel()
    asked.reload()
    assert told_of(events)[1:] == [("$ai_span", "predictions.cancel"), ("$ai_generation", None)]
    assert generation(events)["$ai_stop_reason"] == "canceled"


def test_a_file_amid_a_stream(sdk: Any, server: Predictions, events: Events) -> None:
    """A file that a stream names is drawn by its address, whatever object the SDK makes of it."""
    played = server.play([written(("output", "https://example.com/a.png"), ("done", "{}"))])
    list(client(sdk, played).stream("acme/gastropod-1:v-1", input={"prompt": "slow?"}))
    drawn = [{"role": "assistant", "content": [{"type": "image", "image": "https://example.com/a.png"}]}]
    assert generation(events)["$ai_output_choices"] == drawn


def test_what_is_no_prediction_is_a_step(sdk: Any, server: Predictions, events: Events) -> None:
    """Looking a model up is a span."""
    found = {"url": "u", "owner": "acme", "name": "gastropod", "visibility": "public", "run_count": 1}
    rest = dict.fromkeys(("description", "github_url", "paper_url", "license_url", "cover_image_url"))
    client(sdk, server.play([{"json": {**found, **rest}}])).models.get("acme/gastropod")
    assert told_of(events) == [("$ai_span", "models.get")]


RECORDED = [pytest.param(items, id=name) for name, items in recordings("replicate")]


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 2)


@pytest.mark.parametrize("items", RECORDED)
def test_recorded(items: Any, sdk: Any, server: Predictions, events: Events) -> None:
    """Of a recorded prediction that is found done, model, reason and pictures are those of the last answer; one of
    which only the beginning is recorded is a step."""
    answers = [{"json": json.loads(item["response"]["body"]), "status": item["response"]["status"]} for item in items]
    made, sent = client(sdk, server.play(answers)), items[0]["request"]["body"]
    model = items[0]["request"]["url"].partition("/models/")[2].removesuffix("/predictions")
    whom = {"model": model} if model else {"version": sent["version"]}
    more = {"stream": True} if sent.get("stream") else {}
    create = made.models.predictions.create if model else made.predictions.create
    asked = create(**whom, input=sent["input"], **more)
    assert told_of(events) == [("$ai_span", "predictions.create")]
    if len(items) == 1:
        return
    asked.wait()
    told, last = generation(events), answers[-1]["json"]
    assert (told["$ai_model"], told["$ai_stop_reason"]) == (last["model"], last["status"])
    assert told["$ai_input"] == [{"role": "user", "content": sent["input"]["prompt"]}]
    pictures = [{"type": "image", "image": address} for address in last["output"]]
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": pictures}]
    assert told["$ai_usage"] == last["metrics"]
    assert "$ai_output_tokens" not in told


class Holder:
    """Something like a client, without the SDK."""

    def __init__(self, token: str | None = "k-1", base_url: str | None = "http://a") -> None:
        self._api_token, self._base_url = token, base_url


def read(*args: Any, **kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    return described.PROVIDER.targets[0].read(Invocation(Holder(), args, kwargs))


@pytest.mark.parametrize(
    ("method", "path", "kind", "name"),
    [
        ("POST", "/v1/predictions", "generation", "predictions.create"),
        ("POST", "/v1/models/a/b/predictions", "generation", "predictions.create"),
        ("POST", "/v1/deployments/a/b/predictions", "generation", "predictions.create"),
        ("GET", "/v1/predictions/p-1", "generation", "predictions.get"),
        ("GET", "/v1/predictions?cursor=c", "endpoint", "predictions.list"),
        ("POST", "/v1/predictions/p-1/cancel", "endpoint", "predictions.cancel"),
        ("GET", "/v1/models", "endpoint", "models.list"),
        ("GET", "/v1/models/a/b/versions/c", "endpoint", "models.get"),
        ("QUERY", "/v1/models", "endpoint", "models.query"),
    ],
)
def test_a_request_without_the_sdk(method: str, path: str, kind: str, name: str) -> None:
    """Method and path say what a request is; the token of the client is known, to be masked."""
    found = read(method, path, json={"input": {"prompt": "a"}})
    assert (found.kind, found.name, found.provider, found.base_url) == (kind, name, "replicate", "http://a")
    assert found.recalled is (name == "predictions.get")


def test_the_parts_of_a_request() -> None:
    """The model is in the path; a call without a request is left to fail by itself; a client may have no token."""
    made = Holder(base_url=None)
    found = described.PROVIDER.targets[0].read(Invocation(made, ("POST", "/v1/models/a/b/predictions"), {}))
    assert found is not None
    assert (found.body, found.base_url) == ({"model": "a/b"}, "https://api.replicate.com")
    assert list(found.secrets()) == ["k-1"]
    made._api_token = None
    assert list(found.secrets()) == []
    assert read() is None


@pytest.mark.parametrize(
    ("ref", "body"),
    [
        ("a/b", {"model": "a/b"}),
        ("a/b:c", {"model": "a/b", "version": "c"}),
        (SimpleNamespace(owner="a", name="b"), {"model": "a/b"}),
        (SimpleNamespace(id="c"), {"version": "c"}),
        (None, {}),
    ],
)
def test_what_a_stream_is_asked_of(ref: Any, body: Any) -> None:
    """A model or a version is named by a text or by an object of the SDK."""
    made = Holder()
    found = described.PROVIDER.targets[2].read(Invocation(made, (ref,), {"input": {"prompt": "a"}}))
    assert found is not None
    assert (found.body, found.stream) == ({**body, "input": {"prompt": "a"}}, True)


def test_what_an_exception_says() -> None:
    """The SDK's own error has its status; any other is one of httpx, or says nothing."""
    error = ConnectionError("x")
    assert described.PROVIDER.failure(error) == {}
    error.status, error.title = 402, "pay"  # type: ignore[attr-defined]  # as the SDK's own has it
    assert described.PROVIDER.failure(error) == {"http_status": 402, "code": "pay"}


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ({"prompt": "a"}, ["a"]),
        ({"prompt": ["a"]}, ['["a"]']),
        ({"prompt": "a", "system_prompt": "s"}, ["s", "a"]),
        ({"messages": [{"role": "user", "content": "a"}]}, ["a"]),
        ({"audio": "a"}, ['{"audio":"a"}']),
        ({}, []),
    ],
)
def test_what_a_model_is_given(given: Any, drawn: Any) -> None:
    """A prompt or a chat is drawn as messages, anything else as JSON."""
    asked = predictions.request({"input": given, "version": "v"}).input
    assert [message["content"] for message in asked or ()] == drawn


def test_a_picture_that_a_model_is_given() -> None:
    """A picture beside a prompt is drawn with it; what is no picture is left out of the message."""
    given = {"prompt": "a", "image": "https://example.com/a.png"}
    (asked,) = predictions.request({"input": given}).input or ()
    assert asked["content"][1] == {"type": "image", "image": "https://example.com/a.png"}
    assert predictions.request({"input": {**given, "image": 1}}).input == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("output", "drawn"),
    [
        (None, []),
        ("a", "a"),
        (["a", "b"], "ab"),
        ({"text": "a"}, '{"text":"a"}'),
        ([[0.5, 0.25]], '"[2 numbers]"'),
        ([{"embedding": [1.5, 2.5], "at": [{"x": 1}]}], '{"embedding":"[2 numbers]","at":[{"x":1}]}'),
        ("https://example.com/a.mp4", "[file https://example.com/a.mp4]"),
        ("data:audio/wav;base64,UklGRg==", "[file data:audio/wav;base64]"),
        (["a", {"b": 1}], [{"type": "text", "text": "a"}, {"type": "text", "text": '{"b":1}'}]),
        ("data:image/png;base64,iVBORw0KGgo=", [{"type": "image", "image": "data:image/png;base64,iVBORw0KGgo="}]),
    ],
)
def test_what_a_model_gives(output: Any, drawn: Any) -> None:
    """Texts are joined, pictures drawn, other files named, and vectors are not kept."""
    said = predictions.response({"id": "p", "status": "succeeded", "output": output}).output
    assert [message["content"] for message in said or ()] == ([drawn] if drawn else [])


def test_other_events_of_a_stream() -> None:
    """What is logged is no output, and an error is the end."""
    fold = predictions.fold()
    for event, data in (("output", "a"), ("logs", "50%"), ("error", "busy")):
        fold.add({"event": event, "data": data})
    assert (fold.complete, fold.body()) == (True, {"output": ["a"], "status": "failed", "error": "busy"})
    fold.add({"event": 1})
    assert predictions.response(fold.body()).error == "busy"


@pytest.mark.parametrize(
    ("data", "status"),
    [("{}", "succeeded"), ("", "succeeded"), ('{"reason":"canceled"}', "canceled"), ('{"reason":"error"}', "failed")],
)
def test_how_a_stream_ends(data: str, status: str) -> None:
    """The last event names a reason unless all is said."""
    fold = predictions.fold()
    fold.add({"event": "done", "data": data})
    assert (fold.complete, fold.body()) == (True, {"status": status})
    assert (predictions.response(fold.body()).error is not None) is (status == "failed")
