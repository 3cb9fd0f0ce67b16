"""Cohere's SDK, the real one, against recorded and prepared answers: what is special to it beside the common forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conformance.server import CaseServer, encoded

import llm_track
from llm_track.testing import Events, capture_events

from .calls import done, only
from .row import KEY
from .rows.cohere import MESSAGE, UNITS, WHOLE_V2

SDK = "cohere"
BOTH = pytest.mark.parametrize("prefix", ["", "Async"], ids=["sync", "async"])
pytestmark = pytest.mark.filterwarnings("ignore")


def ask(client: Any, form: str, **given: Any) -> Any:
    """Ask by a method of a client of either kind, and read the answer to its end."""
    return done(getattr(client, form)(**given))


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Oslo"}'}}
CITED = {
    "start": 0,
    "end": 4,
    "text": "rain",
    "sources": [{"type": "document", "id": "d-1", "document": {"id": "d-1", "text": "long"}}],
}


def test_models_of_the_sdk(sdk: Any, server: CaseServer, events: Events) -> None:
    """Messages that are the SDK's own objects, and calls handed back from an answer, are told as they are sent."""
    called = {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]}
    answers = [{**WHOLE_V2["json"], "message": called}, WHOLE_V2["json"]]
    played = server.play([{"json": answer} for answer in answers])
    client = sdk.ClientV2(api_key=KEY, base_url=played.url)
    asked: list[Any] = [sdk.UserChatMessageV2(content="rain?")]
    first = client.chat(model="snail", messages=asked, tools=[TOOL])
    found = sdk.Document(data={"sky": "grey"}, id="d-1")
    asked.append(first.message)
    asked.append(sdk.ToolChatMessageV2(tool_call_id="t-1", content=[sdk.DocumentToolContent(document=found)]))
    client.chat(model="snail", messages=asked, tools=[sdk.ToolV2(type="function", function=TOOL["function"])])
    one, other = (event.properties for event in events.settle())
    assert one["$ai_output_choices"] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I look."},
                {"type": "tool_use", "id": "t-1", "name": "weather", "input": {"place": "Oslo"}},
            ],
        }
    ]
    assert one["$ai_input"] == [{"role": "user", "content": "rain?"}]
    assert other["$ai_input"] == [
        *one["$ai_input"],
        *one["$ai_output_choices"],
        {"role": "tool", "content": '{"sky":"grey"}', "tool_call_id": "t-1"},
    ]
    assert one["$ai_tools"] == other["$ai_tools"] == [TOOL]


def test_documents_thoughts_and_citations(sdk: Any, server: CaseServer, events: Events) -> None:
    """Documents are part of what is asked; thoughts and citations are part of the answer."""
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "rain"}]
    answer = {**WHOLE_V2["json"], "message": {**MESSAGE, "content": parts, "citations": [CITED]}}
    client = sdk.ClientV2(api_key=KEY, base_url=server.play([{"json": answer}]).url)
    documents = ["grey", {"id": "d-1", "data": {"text": "wet"}}]
    client.chat(model="snail", messages=[{"role": "user", "content": "rain?"}], documents=documents, temperature=0.5)
    told = only(events).properties
    assert [(one["role"], one["content"]) for one in told["$ai_input"]] == [
        ("system", "grey"),
        ("system", '{"text":"wet"}'),
        ("user", "rain?"),
    ]
    assert told["$ai_output_choices"] == [
        {"role": "assistant", "content": parts, "citations": [{**CITED, "sources": ["d-1"]}]}
    ]
    assert told["$ai_model_parameters"] == {"temperature": 0.5}
    assert told["$ai_usage"] == UNITS


@BOTH
def test_a_long_list_of_texts(prefix: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A list that the SDK embeds by several requests is an embedding for each of them, inside the same span."""
    meta = {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 5}}
    answer = {"id": "e-1", "texts": ["a"], "embeddings": [[0.25]], "response_type": "embeddings_floats", "meta": meta}
    client = getattr(sdk, f"{prefix}Client")(api_key=KEY, base_url=server.play([{"json": answer}]).url)
    with llm_track.llm_span("index"):
        ask(client, "embed", texts=["a"] * 100, model="snail-embed", input_type="search_document")
    *found, trace = events.settle()
    assert [(event.name, event.properties["$ai_input_tokens"]) for event in found] == [("$ai_embedding", 5)] * 2
    assert sorted(len(event.properties["$ai_input"]) for event in found) == [4, 96]
    assert {event.trace_id for event in found} == {trace.trace_id}
    assert "0.25" not in json.dumps([event.properties for event in found])


def test_pictures_are_embedded(sdk: Any, server: CaseServer, events: Events) -> None:
    """Inputs of text and pictures are told, with the tokens that pictures cost."""
    units = {"input_tokens": 9, "image_tokens": 7, "images": 1}
    answer = {"id": "e-1", "embeddings": {"float": [[0.25]]}, "meta": {"billed_units": units}}
    client = sdk.ClientV2(api_key=KEY, base_url=server.play([{"json": answer}]).url)
    picture = {"type": "image_url", "image_url": {"url": "https://snails.test/a.png"}}
    parts = [{"type": "text", "text": "a snail"}, picture]
    given = {"model": "snail-embed", "input_type": "search_document", "embedding_types": ["float"]}
    client.embed(inputs=[{"content": parts}], **given)
    told = only(events).properties
    assert told["$ai_input"] == ["a snail\nhttps://snails.test/a.png"]
    assert (told["$ai_input_tokens"], told["$ai_image_input_tokens"], told["$ai_usage"]) == (9, 7, units)
    assert told["$ai_model_parameters"] == {"input_type": "search_document", "embedding_types": ["float"]}


@BOTH
def test_a_request_that_is_sent_again(prefix: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A request that the SDK repeats is one event, that of the answer in the end."""
    played = server.play(
        [{"status": 503, "headers": {"retry-after-ms": "1", "retry-after": "0"}, "json": {}}, WHOLE_V2]
    )
    client = getattr(sdk, f"{prefix}ClientV2")(api_key=KEY, base_url=played.url)
    again = {"request_options": {"max_retries": 3}}
    ask(client, "chat", model="snail", messages=[{"role": "user", "content": "a"}], **again)
    assert len(played.requests) == 2
    assert only(events).properties["llm_outcome"] == "completed"


def test_the_part_of_the_second_version(sdk: Any, server: CaseServer) -> None:
    """``client.v2`` of a tracked client of version 1 is tracked with it."""
    client, other = (sdk.Client(api_key=KEY, base_url=server.play([WHOLE_V2]).url) for _ in range(2))
    try:
        with capture_events() as events:
            llm_track.instrument(client)
            for each in (client, other):
                each.v2.chat(model="snail", messages=[{"role": "user", "content": "a"}])
            assert len(events.settle()) == 1
    finally:
        llm_track.unpatch()


def test_what_is_no_question_is_a_step(sdk: Any, server: CaseServer, events: Events) -> None:
    """Listing models, and tokenising, are spans."""
    played = server.play([{"json": {"models": []}}, {"json": {"tokens": [1], "token_strings": ["a"]}}])
    client = sdk.Client(api_key=KEY, base_url=played.url)
    client.models.list()
    client.tokenize(text="a", model="snail", offline=False)
    found = [(event.name, event.properties["$ai_span_name"]) for event in events.settle()]
    assert found == [("$ai_span", "models.list"), ("$ai_span", "tokenize.create")]


@BOTH
def test_a_stream_from_nobody(prefix: str, sdk: Any, events: Events) -> None:
    """A stream whose connection is refused is one failed event with the status 0."""
    client = getattr(sdk, f"{prefix}ClientV2")(api_key=KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(Exception, match="onnect"):
        ask(client, "chat_stream", model="snail", messages=[{"role": "user", "content": "a"}])
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"], told["$ai_stream"]) == ("failed", 0, True)
    assert told["$ai_error_type"] in ("ConnectError", "ConnectTimeout")  # by the HTTP library that it found


def test_a_stream_through_amazon(sdk: Any, events: Events) -> None:
    """The SDK's client for Bedrock unwraps Amazon's answer: who bills, the words and the counts are told."""
    pytest.importorskip("boto3", exc_type=ImportError)
    httpx = pytest.importorskip("httpx")
    end = {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE"}
    counted = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 11, "outputTokenCount": 7}}
    said = [{"event_type": "text-generation", "is_finished": False, "text": "slow"}, end | counted]
    body = b"\n".join(encoded({"aws_events": said})[0])

    def answer(request: Any) -> Any:
        return httpx.Response(200, headers={"content-type": "application/vnd.amazon.eventstream"}, content=body)

    client = sdk.BedrockClient(aws_region="eu-west-1", aws_access_key="signing", aws_secret_key="only")
    client._client_wrapper.httpx_client.httpx_client._transport = httpx.MockTransport(answer)
    assert len(list(client.chat_stream(model="cohere.command-r-v1:0", message="a"))) == 2
    told = only(events).properties
    assert (told["$ai_provider"], told["$ai_model"]) == ("amazon-bedrock", "cohere.command-r-v1:0")
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "slow"}]
    assert (told["$ai_input_tokens"], told["$ai_output_tokens"], told["$ai_stop_reason"]) == (11, 7, "COMPLETE")
