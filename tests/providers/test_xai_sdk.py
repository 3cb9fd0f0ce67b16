"""xAI's SDK, the real one, against a gRPC server of its own messages: what no other SDK has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from conformance.grpc_server import GrpcServer
from conformance.modes import Mode, SyncMode

import llm_track
from llm_track.providers import Invocation, _grpc
from llm_track.providers import xai_sdk as described
from llm_track.testing import Events, capture_events

from .calls import only
from .row import ASKED, KEY
from .rows import xai_sdk as row

PICTURE = "data:image/png;base64,iVBORw0KGgo="
SDK = "xai_sdk"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def server(sdk: Any) -> Iterator[GrpcServer]:
    with row.serve() as running:
        yield running


def call(mode: Mode, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a method of the SDK and await what it gives."""
    return mode.run(mode.call(function, *args, **kwargs))


def test_thoughts_are_counted_beside_the_answer(mode: Mode, sdk: Any, server: GrpcServer, events: Events) -> None:
    """Reasoning tokens, which xAI counts apart, are part of the output that is billed; what it cost is told."""
    used = {**row.USED, "reasoning_tokens": 5, "cached_prompt_text_tokens": 4, "cost_in_usd_ticks": "25000000"}
    said = {"role": "ROLE_ASSISTANT", "content": "slow", "reasoning_content": "hm"}
    answer = row.said("", usage=used, outputs=[{"message": said, "finish_reason": "REASON_MAX_LEN"}])
    call(mode, row.chat(row.made(server.play([{"json": answer}]).url, mode)).sample)
    told = only(events).properties
    assert (told["$ai_output_tokens"], told["$ai_reasoning_tokens"], told["$ai_total_tokens"]) == (12, 5, 18)
    assert (told["$ai_input_tokens"], told["$ai_cache_read_input_tokens"]) == (11, 4)
    assert told["$ai_stop_reason"] == "REASON_MAX_LEN"
    knows_cost = "cost_in_usd_ticks" in sdk.proto.usage_pb2.SamplingUsage.DESCRIPTOR.fields_by_name
    assert (told.get("$ai_total_cost_usd") == 0.0025) is knows_cost
    assert "hm" in json.dumps(told["$ai_output_choices"])


def test_pictures_tools_and_settings(mode: Mode, sdk: Any, server: GrpcServer, events: Events) -> None:
    """Pictures, tools, their calls and results, and settings are drawn; what a tool is told in secret is not."""
    chat_of, tools = pytest.importorskip("xai_sdk.chat"), pytest.importorskip("xai_sdk.tools", exc_type=ImportError)
    asked = {"function": {"name": "weather", "arguments": '{"place":"Oslo"}'}, "id": "t-1"}
    searched = {"type": "TOOL_CALL_TYPE_WEB_SEARCH_TOOL", "function": {"name": "web_search", "arguments": "{}"}}
    said = {"role": "ROLE_ASSISTANT", "tool_calls": [searched, {**asked, "type": "TOOL_CALL_TYPE_CLIENT_SIDE_TOOL"}]}
    answer = row.said("", outputs=[{"message": said, "finish_reason": "REASON_TOOL_CALLS"}])
    client = row.made(server.play([{"json": answer}]).url, mode)
    chat = client.chat.create(
        model="snail-1",
        messages=[chat_of.user("look", chat_of.image(PICTURE)), chat_of.tool_result("rain")],
        tools=[
            chat_of.tool("weather", "tells it", {"type": "object", "properties": {"place": {"type": "string"}}}),
            tools.mcp("https://x.test/mcp", authorization="canary-of-mcp"),
        ],
        temperature=0.5,
        reasoning_effort="high",
    )
    call(mode, chat.sample)
    told = only(events).properties
    assert [one["role"] for one in told["$ai_input"]] == ["user", "tool"]
    assert told["$ai_input"][1] == {"role": "tool", "content": "rain"}
    assert told["$ai_tools"][0]["function"]["parameters"]["properties"] == {"place": {"type": "string"}}
    assert (told["$ai_model_parameters"]["temperature"], told["$ai_effort"]) == (0.5, "high")
    assert "Oslo" in json.dumps(told["$ai_output_choices"])
    assert "web_search_call" in json.dumps(told["$ai_output_choices"])
    assert "canary" not in json.dumps(told)


class Answer:
    """A shape to be asked for, which the answers here do not have."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """As pydantic's models say it."""
        return {"type": "object", "title": "snail"}

    @classmethod
    def model_validate_json(cls, text: str) -> Any:
        """As pydantic's models do it."""
        return json.loads(text)


@pytest.mark.parametrize("readable", [True, False])
def test_a_shape_that_is_asked_for(readable: bool, mode: Mode, server: GrpcServer, events: Events) -> None:
    """What `parse` adds to the request is told; an answer that it refuses is counted all the same."""
    answer = {"json": row.said('{"pace": "slow"}' if readable else "slow")}
    chat = row.chat(row.made(server.play([answer]).url, mode))
    if readable:
        assert call(mode, chat.parse, Answer)[1] == {"pace": "slow"}
    else:
        with pytest.raises(ValueError, match="Expecting"):
            call(mode, chat.parse, Answer)
    told = only(events).properties
    assert told["llm_outcome"] == ("completed" if readable else "failed")
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"], told["$ai_model"]) == (11, 7, "snail-1-0926")
    assert "snail" in told["$ai_model_parameters"]["response_format"]["schema"]


def test_an_answer_that_is_fetched(mode: Mode, server: GrpcServer, events: Events) -> None:
    """A deferred call is one generation, however often it looks whether the answer is there."""
    done = {"status": "DONE", "response": row.said("slow")}
    played = server.play([{"json": {"request_id": "d-1"}}, {"json": {"status": "PENDING"}}, {"json": done}])
    answer = call(mode, row.chat(row.made(played.url, mode)).defer)
    assert answer.content == "slow"
    told = only(events).properties
    assert (told["$ai_input"], told["$ai_output_tokens"]) == ([{"role": "user", "content": ASKED}], 7)
    assert len(played.requests) == 3


@pytest.mark.parametrize("batch", [False, True])
def test_pictures(batch: bool, mode: Mode, server: GrpcServer, events: Events) -> None:
    """A picture is a generation with what was asked, and whole."""
    pictures = [{"base64": PICTURE}] * (1 + batch)
    played = server.play(
        [{"json": {"images": pictures, "model": "snail-image-1", "usage": {"cost_in_usd_ticks": "1"}}}]
    )
    images = row.made(played.url, mode).image
    if batch:
        call(mode, images.sample_batch, "a snail", "snail-image", 2, image_format="base64")
    else:
        call(mode, images.sample, "a snail", "snail-image", image_format="base64")
    told = only(events).properties
    assert (told["$ai_provider"], told["$ai_model"]) == ("xai", "snail-image-1")
    assert told["$ai_input"] == [{"role": "user", "content": "a snail"}]
    assert len(told["$ai_output_choices"][0]["content"]) == 1 + batch


def test_a_chat_that_is_compacted(mode: Mode, sdk: Any, server: GrpcServer, events: Events) -> None:
    """What a chat costs to be made shorter is a generation of its messages."""
    client = row.made(server.play([{"json": {"id": "k", "encrypted_content": "x", "usage": row.USED}}]).url, mode)
    chat = row.chat(client)
    if not hasattr(chat, "compact"):
        pytest.skip("this version does not compact chats")
    call(mode, chat.compact)
    told = only(events).properties
    assert (told["$ai_input"], told["$ai_input_tokens"]) == ([{"role": "user", "content": ASKED}], 11)
    assert told["$ai_model"] == "snail-1"


def test_messages_that_are_compacted_without_a_chat(mode: Mode, sdk: Any, server: GrpcServer, events: Events) -> None:
    """What it costs to make messages shorter that are in no chat is a generation, too."""
    client = row.made(server.play([{"json": {"id": "k", "encrypted_content": "x", "usage": row.USED}}] * 2).url, mode)
    if not hasattr(client.chat, "compact_context"):
        pytest.skip("this version does not compact messages")
    messages = [sdk.chat.user(ASKED)]
    call(mode, client.chat.compact_context, "snail-1", messages)
    call(mode, client.chat.compact_context, model="snail-1", messages=iter(messages))
    told = [event.properties for event in events.settle()]
    assert [(each["$ai_model"], each["$ai_input_tokens"]) for each in told] == [("snail-1", 11)] * 2
    assert told[0]["$ai_input"] == [{"role": "user", "content": ASKED}]


def test_the_request_is_the_one_that_is_sent(mode: Mode, server: GrpcServer, events: Events) -> None:
    """A chat may go on while an answer is read: what it says then was not asked; what it said before was."""
    user = pytest.importorskip("xai_sdk.chat").user
    played = server.play([{"events": [row.piece("slow "), row.piece("snails", finish_reason="REASON_STOP")]}])
    chat = row.chat(row.made(played.url, mode))
    streams = [chat.stream()]
    chat.append(user("before"))

    async def read() -> None:
        await mode.first(streams[0])
        chat.append(user("after"))
        streams.clear()
        await mode.collect_garbage()

    mode.run(read())
    words = [one["content"] for one in only(events).properties["$ai_input"]]
    assert words == [ASKED, "before"]
    assert [each["content"][0]["text"] for each in played.requests[0]["body"]["messages"]] == words


def test_pictures_of_one_client_alone(sdk: Any, server: GrpcServer) -> None:
    """``instrument(client)`` tracks the pictures of that client too, and those of no other."""
    played = server.play([{"json": {"images": [{"url": "https://x.test/a.png"}], "model": "m"}}])
    mine, other = (row.made(played.url, SyncMode()) for _ in range(2))
    try:
        with capture_events() as events:
            llm_track.instrument(mine)
            for client in (other, mine):
                client.image.sample("a snail", "snail-image")
            assert len(events.settle()) == 1
    finally:
        llm_track.unpatch()


def test_a_client_that_fails_before_it_asks(sdk: Any, server: GrpcServer, events: Events) -> None:
    """A chat without messages is a failed call that never asked."""
    played = server.play([{"json": row.said("slow")}])
    with pytest.raises(ValueError, match="No messages"):
        row.made(played.url, SyncMode()).chat.create(model="snail-1").sample()
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_model"], played.requests) == ("failed", "snail-1", [])


def test_where_a_client_asks(sdk: Any, server: GrpcServer, events: Events) -> None:
    """The base URL says what a client speaks and to whom; of a client that was made unseen it is absent."""
    read = {target.path: target.read for target in described.PROVIDER.targets}["Chat.sample"]
    for given, told in (
        ({}, "https://api.x.ai"),
        ({"api_host": "eu.x.ai:443"}, "https://eu.x.ai:443"),
        ({"api_host": "dns:///eu.x.ai", "use_insecure_channel": True}, "http://eu.x.ai"),
        ({"api_host": "localhost:9"}, "http://localhost:9"),
    ):
        found = read(Invocation(row.chat(sdk.Client(KEY, **given)), (), {}))
        assert found is not None
        assert (found.base_url, found.secrets and list(found.secrets())) == (told, [KEY])
    llm_track.unpatch("xai_sdk")
    unseen = row.made(server.play([{"json": row.said("slow")}]).url, SyncMode())
    llm_track.autopatch("xai_sdk")
    row.chat(unseen).sample()
    row.chat(unseen).sample()
    assert ["$ai_base_url" in event.properties for event in events.settle()] == [False, False]


def test_a_client_that_is_made_wrongly(sdk: Any, events: Events) -> None:
    """The SDK says itself what is wrong with its arguments; llm_track adds nothing to that."""
    with pytest.raises(TypeError, match="hots"):
        sdk.Client(KEY, hots="a.x.ai")
    with pytest.raises((AttributeError, TypeError)):
        sdk.Client(KEY, api_host=7)
    assert len(events.settle()) == 0


def failed(code: str, metadata: Any = (), told: str = "") -> Any:
    """Return an exception as gRPC raises it."""
    error: Any = ValueError(code)
    error.code = lambda: SimpleNamespace(name=code)
    error.debug_error_string = lambda: told
    error.trailing_metadata = lambda: metadata
    return error


def test_what_an_error_says() -> None:
    """A status that only a server gives has its HTTP status; one that gRPC makes up too only if a server was there."""
    assert _grpc.failure(failed("RESOURCE_EXHAUSTED"))["http_status"] == 429
    assert _grpc.failure(failed("RESOURCE_EXHAUSTED", told="Sent message larger than max"))["http_status"] is None
    nobody = _grpc.failure(failed("UNAVAILABLE"))
    assert (nobody["http_status"], nobody["code"]) == (None, "UNAVAILABLE")
    there = _grpc.failure(failed("UNAVAILABLE", (("x-request-id", "r-1"), ("odd-bin", b"1"))))
    assert (there["http_status"], there["request_id"]) == (503, "r-1")
    assert _grpc.failure(ValueError("no")) == {}
    assert _grpc.failure(failed(""))["code"] is None


def test_what_is_no_answer() -> None:
    """What holds no message has no JSON; an object of another SDK is no client."""
    to_json, hooked = described.PROVIDER.to_json, described.PROVIDER.hooked
    assert [to_json(result) for result in (None, "words", [], (None, 1))] == [None] * 4
    stranger = SimpleNamespace(chat=1)
    assert hooked(stranger) is stranger


def test_readings_without_the_sdk() -> None:
    """A method says what is asked, and a chat of whom."""
    reads = {target.path: target for target in described.PROVIDER.targets}
    chat = SimpleNamespace(_proto=SimpleNamespace(model="snail-1"))
    found = reads["Chat.stream_batch"].read(Invocation(chat, (2,), {}))
    assert found is not None
    assert (found.name, found.stream, found.body) == ("chat.stream_batch", True, {"model": "snail-1"})
    drawing = reads["Client.sample"].read(Invocation(None, ("a snail",), {"model": "m"}))
    assert drawing is not None
    assert drawing.body == {"prompt": "a snail", "model": "m"}
    assert (drawing.base_url, drawing.secrets and list(drawing.secrets())) == (None, [])
    noted = SimpleNamespace(reading=found, result=None)
    notes = reads["Response.__init__"].notes
    assert notes is not None
    notes(noted, Invocation(None, ("proto", 0), {}))
    assert noted.result is None


def test_messages_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is a copy, and what is sent to be compacted are its messages only."""
    written = {"model": "m", "messages": [], "user": "u"}
    monkeypatch.setattr(_grpc, "to_json", lambda message: dict(written))

    class Message:
        DESCRIPTOR = "chat"

        def CopyFrom(self, other: Any) -> None:
            self.copied = other

    notes = {target.path: target.notes for target in described.PROVIDER.targets}
    noted = SimpleNamespace(reading=SimpleNamespace(written=None, stream=False), result=None)
    chat = SimpleNamespace(_proto=Message())
    for method, expected in (
        ("BaseChat._make_request", {**written, "n": 2}),
        ("BaseChat._make_compact_request", {"model": "m", "messages": []}),
    ):
        note = notes[method]
        assert note is not None
        note(noted, Invocation(chat, (2,), {}))
        assert noted.reading.written() == expected
    note = notes["Response.__init__"]
    assert note is not None
    note(noted, Invocation(None, (chat._proto, 0), {}))
    assert noted.result is chat._proto
    assert described.PROVIDER.to_json((chat, 1)) == written
