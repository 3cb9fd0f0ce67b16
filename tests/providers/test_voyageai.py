"""Voyage's SDK, the real one, against recorded and prepared answers: what is special to it beside the common forms."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.modes import AsyncMode, Mode, SyncMode
from conformance.server import CaseServer

from llm_track.formats import voyage_embed as wire_format
from llm_track.providers import Invocation
from llm_track.providers import voyageai as described
from llm_track.testing import Events

from .calls import done, only
from .recorded import answer, enough, recorded
from .row import KEY
from .rows.voyageai import VECTOR, embedded, make

SDK = "voyageai"
BOTH = pytest.mark.parametrize("mode", [SyncMode, AsyncMode], ids=["sync", "async"])
pytestmark = pytest.mark.filterwarnings("ignore")


def ask(mode: type[Mode], played: Any, form: str, *args: Any, retries: int = 0, **given: Any) -> Any:
    """Ask by a method of a client of a mode."""
    client = make(played.url, SimpleNamespace(prefix=mode.prefix), max_retries=retries)
    return done(getattr(client, form)(*args, **given))


RECORDED = recorded("voyageai")


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 3)


@BOTH
@pytest.mark.parametrize("item", RECORDED)
def test_recorded(item: Any, mode: type[Mode], sdk: Any, server: CaseServer, events: Events) -> None:
    """The SDK asks as was recorded; count, model, request id and order are those of the recorded answer."""
    response, asked = item["response"], item["request"]["body"]
    played = server.play([answer(item)])
    if item["endpoint"] == "embeddings":
        left_out = ("input", "encoding_format")
        ask(mode, played, "embed", asked["input"], **{key: asked[key] for key in asked if key not in left_out})
    else:
        ask(mode, played, "rerank", **asked)
    event, said = only(events), json.loads(response["body"])
    told = event.properties
    assert played.requests[0]["body"] == asked
    assert (told["$ai_model"], told["$ai_provider"], told["llm_outcome"]) == (said["model"], "voyage", "completed")
    assert told["$ai_input_tokens"] == told["$ai_total_tokens"] == said["usage"]["total_tokens"]
    assert told["llm_request_id"] == response["headers"]["x-request-id"]
    if item["endpoint"] == "embeddings":
        assert (event.name, told["$ai_input"]) == ("$ai_embedding", asked["input"])
        assert said["data"][0]["embedding"][:40] not in json.dumps(told)
        return
    order = [one["index"] for one in json.loads(told["$ai_output_choices"][0]["content"])]
    assert (event.name, order) == ("$ai_generation", [one["index"] for one in said["data"]])
    assert [one["content"] for one in told["$ai_input"]] == [asked["query"], *asked["documents"]]


@BOTH
def test_an_attempt_that_is_repeated(mode: type[Mode], sdk: Any, server: CaseServer, events: Events) -> None:
    """A call that the SDK repeats by itself is one event, that of the answer in the end."""
    played = server.play([{"status": 503, "json": {"detail": "busy"}}, embedded(VECTOR)])
    ask(mode, played, "embed", ["a"], "snail", retries=2)
    told = only(events).properties
    assert len(played.requests) == 2
    assert (told["llm_outcome"], told["$ai_http_status"], told["$ai_input_tokens"]) == ("completed", 200, 11)


@BOTH
def test_an_error_with_the_id_of_its_request(mode: type[Mode], sdk: Any, server: CaseServer, events: Events) -> None:
    """An error is one failed event with its type, its status and the id by which Voyage knows the request."""
    refused = {"status": 401, "headers": {"x-request-id": "r-1"}, "json": {"detail": f"no such key {KEY}"}}
    with pytest.raises(sdk.error.AuthenticationError):
        ask(mode, server.play([refused]), "embed", ["a"], "snail")
    told = only(events).properties
    assert (told["$ai_error_type"], told["$ai_http_status"]) == ("AuthenticationError", 401)
    assert (told["llm_request_id"], told["$ai_error"]) == ("r-1", "no such key [secret]")
    assert told["$ai_input"] == ["a"]


@BOTH
def test_texts_that_belong_together(mode: type[Mode], sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are embedded with those around them are one embedding."""
    if not hasattr(sdk.Client, "contextualized_embed"):
        pytest.skip("this version has no such method")
    document = {"object": "list", "data": [VECTOR, {**VECTOR, "index": 1}], "index": 0}
    ask(mode, server.play([embedded(document)]), "contextualized_embed", [["a", "b"]], "snail", input_type="document")
    event = only(events)
    assert (event.name, event.properties["$ai_input"]) == ("$ai_embedding", ["a\nb"])
    assert event.properties["$ai_model_parameters"]["input_type"] == "document"
    assert "0.25" not in json.dumps(event.properties)


def test_pictures(sdk: Any, server: CaseServer, events: Events) -> None:
    """Pictures are told as they are sent, however the program gives them; what is counted beside tokens is kept."""
    picture = pytest.importorskip("PIL.Image").new("RGB", (2, 2))
    used = {"text_tokens": 2, "image_pixels": 9, "video_pixels": 0}
    parts = [{"type": "text", "text": "a snail"}, {"type": "image_url", "image_url": "https://snails.test/a.png"}]
    played = server.play([embedded(VECTOR, **used)])
    ask(SyncMode, played, "multimodal_embed", [["a snail", picture]], "snail")
    ask(SyncMode, played, "multimodal_embed", inputs=[{"content": parts}], model="snail")
    one, other = (event.properties for event in events.settle())
    assert one["$ai_input"][0].startswith("a snail\ndata:image/webp;base64,")
    assert other["$ai_input"] == ["a snail\nhttps://snails.test/a.png"]
    assert one["$ai_usage"] == {"total_tokens": 11, **used}


@BOTH
def test_without_a_client(mode: type[Mode], sdk: Any, server: CaseServer, events: Events) -> None:
    """What a program asks by the resource itself, without a client, is one event, too."""
    played = server.play([embedded(VECTOR)])
    make(played.url, SimpleNamespace(prefix=""))
    given = {} if hasattr(sdk, "api_base") else {"base_url": played.url}
    create = sdk.Embedding.acreate if mode.prefix else sdk.Embedding.create
    done(create(api_key=KEY, model="snail", input="a", **given))
    event = only(events)
    assert (event.name, event.properties["$ai_input"]) == ("$ai_embedding", ["a"])
    assert event.properties["$ai_request_url"] == f"{played.url}/embeddings"


def test_a_request_that_is_never_sent(sdk: Any, server: CaseServer, events: Events) -> None:
    """A call that the SDK refuses by itself is one failed event with its model and the status 0."""
    with pytest.raises(Exception, match="."):
        ask(SyncMode, server.play([embedded(VECTOR)]), "multimodal_embed", [], model="snail")
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["$ai_model"]) == ("failed", 0, "snail")


def test_a_model_that_runs_in_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for which nobody is asked is no call of a provider."""
    client = SimpleNamespace(is_local_model=lambda model: model == "here")
    monkeypatch.setitem(sys.modules, "voyageai.client", client)
    read = described.PROVIDER.targets[0].read
    assert read(Invocation(SimpleNamespace(_params={}), (["a"], "here"), {})) is None
    assert read(Invocation(SimpleNamespace(_params={}), (["a"],), {"model": "there"})) is not None


def requested(*args: Any, **requestor: Any) -> Any:
    """Return the reading of a request that belongs to no client, without the SDK."""
    (target,) = (each for each in described.PROVIDER.targets if each.path == "APIRequestor.request")
    return target.read(Invocation(SimpleNamespace(**requestor), args, {}))


def test_a_request_without_the_sdk() -> None:
    """The path says what a request is; the key says whose."""
    found = requested("post", "/rerank", api_key=KEY)
    assert (found.kind, found.name, found.provider, found.asked) == ("generation", "rerank", "voyage", KEY)
    assert list(found.secrets()) == [KEY]
    assert (requested("get", "/files").kind, requested("get", "/files").name) == ("endpoint", "files.list")
    assert list(requested("get", "/files").secrets()) == []
    assert requested() is None
    assert described.PROVIDER.to_json(object()) is None
    assert described.PROVIDER.failure(ValueError("no")) == {"http_status": None, "code": None}


def test_what_is_noted_without_the_sdk() -> None:
    """What is sent and answered is noted on the call; older versions keep the address under another name."""
    notes = [target.notes for target in described.PROVIDER.targets if target.notes is not None]
    call = SimpleNamespace(reading=requested("get", "/files"), witnessed={"earlier": 1})
    requestor = SimpleNamespace(api_base="https://api.voyageai.com/v1")
    notes[0](call, Invocation(requestor, ("/files", None, "get", None, None, None), {}))
    assert (call.reading.base_url, call.reading.body, call.witnessed) == ("https://api.voyageai.com/v1", {}, None)
    notes[1](call, Invocation(requestor, ("{}", 200, {}), {}))
    response, retries = described.PROVIDER.answer(call.witnessed)
    assert (response.content, response.request.url, retries) == (b"{}", "https://api.voyageai.com/v1", None)


@pytest.mark.parametrize(
    ("body", "drawn"),
    [
        ({"input": "a"}, ["a"]),
        ({"input": ["a", 1]}, ["a", "1"]),
        ({"inputs": [["a", "b"], "c"]}, ["a\nb", "c"]),
        ({"inputs": [{"content": [{"type": "text"}, "x"]}, {"x": 1}]}, ['{"type":"text"}\n"x"', '{"x":1}']),
        ({}, []),
    ],
)
def test_what_is_embedded(body: dict[str, Any], drawn: list[str]) -> None:
    """Each thing that gets a vector is one text; what is not known is told as JSON."""
    assert wire_format.request(body).input == drawn
