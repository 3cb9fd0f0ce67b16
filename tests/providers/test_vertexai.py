"""Google's older SDK for Vertex AI, the real one, against recorded and prepared answers: what no other SDK has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.gemini_truth import GENERATED, chunks, truth
from conformance.grpc_server import GrpcServer
from conformance.modes import AsyncMode, SyncMode
from conformance.server import CaseServer
from conformance.wire_truth import COUNTS

import llm_track
from llm_track.providers import Invocation
from llm_track.providers import vertexai as described
from llm_track.testing import Events

from .calls import only, shows
from .recorded import enough, recorded
from .row import ASKED, KEY
from .rows import vertexai as row

SDK = "vertexai"
MODEL = "projects/p/locations/us-central1/publishers/google/models/snail-1"
PICTURE = b"\x89PNG\r\n\x1a\n"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def sdk() -> Any:
    """The module that has the models."""
    return pytest.importorskip("vertexai.generative_models", exc_type=ImportError)


@pytest.fixture(scope="module")
def grpc_server(sdk: Any) -> Iterator[GrpcServer]:
    with row.serve() as running:
        yield running


def connect(url: str) -> None:
    """Have what is made from now on ask a server by REST."""
    settings = {"project": "p", "location": "us-central1", "credentials": row.credentials()}
    row.sdk("vertexai").init(**settings, api_endpoint=url, api_transport="rest")


def test_pictures_tools_and_settings(sdk: Any, server: CaseServer, events: Events) -> None:
    """What a model is told once, pictures, tools, their calls and results are drawn, and where it went is told."""
    played = server.play([{"json": row.said("slow", finishReason="STOP")}])
    connect(played.url)
    parameters = {"type": "object", "properties": {"place": {"type": "string"}}}
    tool = sdk.Tool([sdk.FunctionDeclaration(name="weather", parameters=parameters, description="tells it")])
    called = {"function_call": {"name": "weather", "args": {"place": "Oslo"}}}
    model = sdk.GenerativeModel("snail-1", system_instruction="be brief", tools=[tool])
    look = [sdk.Part.from_text("look"), sdk.Part.from_data(PICTURE, "image/png")]
    asked = [
        sdk.Content(role="user", parts=look),
        sdk.Content(role="model", parts=[sdk.Part.from_dict(called)]),
        sdk.Content(role="user", parts=[sdk.Part.from_function_response("weather", {"sky": "rain"})]),
    ]
    model.generate_content(asked, generation_config={"temperature": 0.5, "max_output_tokens": 9})
    told = only(events).properties
    assert [one["role"] for one in told["$ai_input"]] == ["system", "user", "assistant", "tool"]
    assert all(word in json.dumps(told["$ai_input"]) for word in ("be brief", "Oslo", "rain", "image/png"))
    assert told["$ai_model_parameters"]["temperature"] == 0.5
    assert told["$ai_model_parameters"]["max_output_tokens"] == 9
    assert "weather" in json.dumps(told["$ai_tools"])
    assert (told["llm_requested_model"], told["$ai_base_url"]) == ("snail-1", played.url)


def test_a_chat_that_calls_functions_by_itself(sdk: Any, server: CaseServer, events: Events) -> None:
    """Each question of a chat that calls a function and asks again is a generation."""
    preview = pytest.importorskip("vertexai.preview.generative_models", exc_type=ImportError)
    call = row.said("")
    call["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "pace_of", "args": {"animal": "snail"}}}]
    played = server.play([{"json": call}, {"json": row.said("slow", finishReason="STOP")}])
    connect(played.url)

    def pace_of(animal: str) -> str:
        """Tell how fast an animal is.

        Args:
            animal: its name.
        """
        return "slow"

    declared = preview.FunctionDeclaration.from_func(pace_of)
    model = preview.GenerativeModel("snail-1", tools=[preview.Tool([declared])])
    responder = preview.AutomaticFunctionCallingResponder(max_automatic_function_calls=2)
    assert model.start_chat(responder=responder).send_message(ASKED).text == "slow"
    first, second = events.settle()
    assert "pace_of" in json.dumps(first.properties["$ai_output_choices"])
    assert [one["role"] for one in second.properties["$ai_input"]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("given", [["snail", "slug"], "objects"])
def test_embeddings(given: Any, sdk: Any, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding with its count, without vectors."""
    language = pytest.importorskip("vertexai.language_models", exc_type=ImportError)
    counted = [{"values": [0.25], "statistics": {"token_count": tokens, "truncated": False}} for tokens in (1, 2)]
    played = server.play([{"json": {"predictions": [{"embeddings": each} for each in counted]}}])
    connect(played.url)
    endpoint = MODEL.replace("snail-1", "text-embedding-9")
    model = language.TextEmbeddingModel(model_id="text-embedding-9", endpoint_name=endpoint)
    texts = given
    if given == "objects":
        texts = [language.TextEmbeddingInput(word, task_type="RETRIEVAL_QUERY") for word in ("snail", "slug")]
    assert len(model.get_embeddings(texts, output_dimensionality=1)) == 2
    event = only(events)
    told = event.properties
    assert (event.name, told["$ai_provider"], told["$ai_model"]) == (
        "$ai_embedding", "google-vertex", "text-embedding-9"
    )  # fmt: skip
    assert (told["$ai_input"], told["$ai_input_tokens"]) == (["snail", "slug"], 3)
    assert "0.25" not in json.dumps(told)


def test_google_genai_beside_it(sdk: Any, server: CaseServer, events: Events) -> None:
    """A program that uses both of Google's SDKs has one event for each of its calls."""
    genai = pytest.importorskip("google.genai", exc_type=ImportError)
    llm_track.autopatch("google.genai")
    played = server.play([{"json": row.said("slow", finishReason="STOP")}])
    connect(played.url)
    sdk.GenerativeModel("snail-1").generate_content(ASKED)
    client = genai.Client(api_key=KEY, http_options={"base_url": played.url})
    client.models.generate_content(model="snail-1", contents=ASKED)
    assert [event.properties["$ai_provider"] for event in events.settle()] == ["google-vertex", "gemini"]


RECORDED = recorded("vertex", "gemini", endpoints=GENERATED)


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 50)


@pytest.mark.parametrize("item", RECORDED)
@pytest.mark.parametrize("mode", [SyncMode, AsyncMode])
def test_recorded(mode: Any, item: Any, grpc_server: GrpcServer, events: Events) -> None:
    """Counts, model, words and reason of the event are those of the recorded answer."""
    said, streamed = chunks(item), "stream" in item["endpoint"]
    played, made = grpc_server.play([{"events": said} if streamed else {"json": said[0]}]), mode()
    model = row.by_grpc(played.url, made)

    async def ask() -> None:
        answer = await made.call(row._ask, made, model, streamed)
        if streamed:
            await made.items(answer)

    made.run(ask())
    told, right = only(events).properties, truth(said)
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told["$ai_model"], told.get("$ai_stop_reason")) == (right.model, right.stop)
    assert shows(told, right.text)
    assert all(tool in json.dumps(told["$ai_output_choices"]) for tool in right.tools)
    assert told["llm_outcome"] == "completed"


class Message:
    """Stands for a message of proto-plus and for the one of protobuf in it."""

    DESCRIPTOR = "message"

    def __init__(self, said: Any = None) -> None:
        self.said = said

    @classmethod
    def pb(cls, message: Any) -> Any:
        """As proto-plus has it."""
        return message

    def CopyFrom(self, other: Any) -> None:
        """As protobuf has it."""
        self.said = other.said


def test_readings_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method says what is asked; what is sent and each chunk are noted as they are when they pass."""
    monkeypatch.setattr(described._grpc, "to_json", lambda message, names_of_proto: message.said)
    targets = {target.path: target for target in described.PROVIDER.targets}
    model = SimpleNamespace(_prediction_resource_name=MODEL)
    found = targets["_GenerativeModel._generate_content_streaming"].read(Invocation(model, (), {}))
    assert found is not None
    assert (found.provider, found.stream, found.body) == ("google-vertex", True, {"model": MODEL})
    embedded = targets["_TextEmbeddingModel.get_embeddings"].read(Invocation(model, (), {"texts": "one", "n": 1}))
    assert embedded is not None
    assert embedded.body == {"model": None, "instances": [], "parameters": {"n": 1}}

    call = SimpleNamespace(reading=found, pulled=None)
    note, note_chunk = (
        targets["PredictionServiceClient.predict"].notes,
        targets["_GenerativeModel._parse_response"].notes,
    )
    assert note is not None
    assert note_chunk is not None

    client: Any = type("Client", (), {})()
    client.transport = SimpleNamespace(_credentials=SimpleNamespace(token="t-1"))
    note(call, Invocation(client, (), {}))
    assert found.secrets is not None
    assert (found.base_url, found.written, list(found.secrets())) == (None, None, ["t-1"])
    client.api_endpoint, client.transport._credentials.token = "localhost", None
    note(call, Invocation(client, (), {"request": Message({"model": "m"})}))
    assert found.written is not None
    assert (found.base_url, found.written(), list(found.secrets())) == ("https://localhost", {"model": "m"}, [])

    note_chunk(call, Invocation(model, (Message("plain"),), {}))
    call.pulled = SimpleNamespace(about=None)
    assert described.PROVIDER.chunks(call.pulled) == []
    for chunk in (Message("a"), Message("b")):
        note_chunk(call, Invocation(model, (), {"response": chunk}))
        chunk.said = "changed"
    assert [described.PROVIDER.to_json(each) for each in described.PROVIDER.chunks(call.pulled)] == ["a", "b"]
    assert described.PROVIDER.to_json(SimpleNamespace(_raw_response=Message("c"))) == "c"
    assert described.PROVIDER.to_json(None) is None
    counted = [SimpleNamespace(statistics=SimpleNamespace(token_count=3.0))]
    assert described.PROVIDER.to_json(counted) == {
        "predictions": [{"embeddings": {"statistics": {"token_count": 3.0}}}]
    }


def test_what_an_error_says() -> None:
    """An error of Google's client holds the error of gRPC or the response of REST; others say nothing of HTTP."""
    by_rest: Any = ValueError("no")
    by_rest.response = SimpleNamespace(status_code=404, url="https://localhost/x")
    by_rest.grpc_status_code = SimpleNamespace(name="NOT_FOUND")
    said = described.PROVIDER.failure(by_rest)
    assert said == {"http_status": 404, "code": "NOT_FOUND", "url": "https://localhost/x"}
    by_grpc: Any = ValueError("no")
    told = {"code": lambda: SimpleNamespace(name="NOT_FOUND"), "debug_error_string": lambda: ""}
    by_grpc.response = SimpleNamespace(**told)
    assert described.PROVIDER.failure(by_grpc)["http_status"] == 404
    assert described.PROVIDER.failure(ValueError("no")) == {"http_status": None, "code": None, "url": None}
