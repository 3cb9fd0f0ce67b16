"""What is special to Bedrock: its errors, its other services, its content, its credentials and its names."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest
from conformance.modes import Mode
from conformance.server import CaseServer

import llm_track
from llm_track.testing import Events
from providers.calls import only, tracked
from providers.row import KEY
from providers.rows import bedrock as rows

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ARN = "arn:aws:bedrock:us-east-1:123456789012"
PICTURE = base64.b64decode("iVBORw0KGgo=")
REFUSED = {**rows.REFUSED, "headers": {**rows.REFUSED["headers"], "x-amzn-requestid": "r-1"}}


def test_a_refusal_is_told_in_amazons_words(mode: Mode, server: CaseServer, events: Events) -> None:
    """A ``ClientError`` is one failed event with its class, code, status and request id."""
    client = rows.make(server.play([REFUSED]).url, mode)
    with pytest.raises(Exception, match="too much") as raised:
        mode.run(rows._converse(mode, client, False))
    told = only(events).properties
    assert told["$ai_error_type"] == type(raised.value).__name__ == "ThrottlingException"
    assert (told["llm_error_code"], told["llm_request_id"]) == ("ThrottlingException", "r-1")
    assert told["llm_retry_count"] == 0


def test_retries_are_counted(mode: Mode, server: CaseServer, events: Events) -> None:
    """A call that the SDK repeats until it is answered is one event, with how often it was repeated."""
    played = server.play([REFUSED, {"json": rows.ANSWER, "headers": {"x-amzn-requestid": "r-2"}}])
    retries = {"total_max_attempts": 3, "mode": "standard"}
    mode.run(rows._converse(mode, rows.make(played.url, mode, retries=retries), False))
    told = only(events).properties
    assert len(played.requests) == 2
    assert (told["llm_outcome"], told["llm_retry_count"], told["llm_request_id"]) == ("completed", 1, "r-2")


def test_other_services_are_not_seen(mode: Mode, server: CaseServer, events: Events) -> None:
    """Calls of other services of Amazon's lead to no event, and their bodies are those of the SDK alone."""
    body = {"base64": base64.b64encode(b"a file").decode()}
    storage = rows.make(server.play([body]).url, mode, "s3", s3={"addressing_style": "path"})

    async def fetch() -> Any:
        answer = await mode.call(storage.get_object, Bucket="bucket", Key="key")
        inside = getattr(answer["Body"], "_raw_stream", None) or answer["Body"].__wrapped__
        assert type(inside) is inside.__class__
        return await mode.call(answer["Body"].read)

    assert mode.run(fetch()) == b"a file"
    assert events.settle() == []


def test_a_search_is_a_step(mode: Mode, server: CaseServer, events: Events) -> None:
    """A call of the agents' service is a span with what was asked and answered."""
    agents = rows.make(server.play([{"json": {"retrievalResults": []}}]).url, mode, "bedrock-agent-runtime")
    mode.run(mode.call(agents.retrieve, knowledgeBaseId="KB12345678", retrievalQuery={"text": "snails"}))
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "bedrock-agent-runtime.Retrieve")
    assert event.properties["$ai_input_state"]["retrievalQuery"] == {"text": "snails"}
    assert event.properties["$ai_output_state"] == {"retrievalResults": []}


def test_an_agent_is_a_step(mode: Mode, server: CaseServer, events: Events) -> None:
    """A stream of an agent is a span that ends with the stream."""
    words = base64.b64encode(b"slow snails").decode()
    agents = rows.make(
        server.play([{"converse_events": [{"chunk": {"bytes": words}}]}]).url, mode, "bedrock-agent-runtime"
    )

    async def ask() -> Any:
        given = {"agentId": "AGENT12345", "agentAliasId": "ALIAS12345", "sessionId": "s-1", "inputText": "snails"}
        return await mode.items((await mode.call(agents.invoke_agent, **given))["completion"])

    assert mode.run(ask()) == [{"chunk": {"bytes": b"slow snails"}}]
    told = only(events).properties
    assert (told["$ai_span_name"], told["llm_outcome"]) == ("bedrock-agent-runtime.InvokeAgent", "completed")


def test_counting_tokens_is_a_step(mode: Mode, server: CaseServer, events: Events) -> None:
    """What of the models' service asks no model is a span."""
    client = rows.make(server.play([{"json": {"action": "NONE", "outputs": []}}]).url, mode)
    given = {"guardrailIdentifier": "g-1", "guardrailVersion": "1", "source": "INPUT", "content": []}
    mode.run(mode.call(client.apply_guardrail, **given))
    event = only(events)
    assert (event.name, event.properties["$ai_span_name"]) == ("$ai_span", "bedrock-runtime.ApplyGuardrail")


def test_what_is_shown_to_a_model(mode: Mode, server: CaseServer, events: Events) -> None:
    """Pictures and documents that are bytes with the SDK, calls and their results, and thoughts are drawn."""
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    hidden = {"reasoningContent": {"redactedContent": "c2VjcmV0"}}
    call = {"toolUse": {"toolUseId": "t-1", "name": "look_up", "input": {"where": "garden"}}}
    said = {"role": "assistant", "content": [thought, hidden, {"text": "I look"}, call]}
    answer = {**rows.ANSWER, "output": {"message": said}, "stopReason": "tool_use"}
    client = rows.make(server.play([{"json": answer}]).url, mode)
    source = {"source": {"bytes": PICTURE}}
    result = {"toolResult": {"toolUseId": "t-0", "content": [{"json": {"found": 3}}], "status": "error"}}
    content = [{"image": {"format": "png", **source}}, {"document": {"format": "pdf", "name": "d", **source}}, result]
    asked = {"system": [{"text": "be brief"}], "inferenceConfig": {"maxTokens": 9, "topP": 0.5}}

    async def ask() -> None:
        got = await mode.call(
            client.converse, modelId=rows.MODEL, messages=[{"role": "user", "content": content}], **asked
        )
        got["output"]["message"]["content"].clear()
        got.clear()
        content.clear()

    mode.run(ask())
    told = only(events).properties
    drawn = json.dumps(told["$ai_input"])
    assert told["$ai_input"][0] == {"role": "system", "content": "be brief"}
    assert '"type": "tool_result", "tool_use_id": "t-0", "content": "{\\"found\\":3}", "is_error": true' in drawn
    assert drawn.count("redacted") + drawn.count("iVBORw0KGgo") >= 2
    (message,) = told["$ai_output_choices"]
    assert [block["type"] for block in message["content"]] == ["thinking", "thinking", "text", "tool_use"]
    assert message["content"][3]["input"] == {"where": "garden"}
    assert (told["$ai_stop_reason"], told["$ai_model_parameters"]) == ("tool_use", {"max_tokens": 9, "top_p": 0.5})


EMBEDDED = {
    "amazon.titan-embed-text-v2:0": ({"inputText": "snails"}, {"embedding": [0.25], "inputTextTokenCount": 11}),
    "cohere.embed-english-v3": ({"texts": ["snails"], "input_type": "x"}, {"embeddings": [[0.25]], "id": "e-1"}),
}


@pytest.mark.parametrize("model", EMBEDDED)
def test_embeddings(model: str, mode: Mode, server: CaseServer, events: Events) -> None:
    """Texts that are embedded are one embedding with its count, of the answer or of its headers, without vectors."""
    asked, answer = EMBEDDED[model]
    client = rows.make(server.play([{"json": answer, "headers": {"x-amzn-bedrock-input-token-count": "11"}}]).url, mode)

    async def ask() -> None:
        got = await mode.call(client.invoke_model, modelId=model, body=json.dumps(asked))
        await mode.call(got["body"].read)

    mode.run(ask())
    event = only(events)
    assert (event.name, event.properties["$ai_input_tokens"]) == ("$ai_embedding", 11)
    assert (event.properties["$ai_input"], event.properties["$ai_model"]) == (["snails"], model)
    assert "0.25" not in json.dumps(event.properties)


NAMES = {
    "us.amazon.nova-lite-v1:0": "us.amazon.nova-lite-v1:0",
    f"{ARN}:inference-profile/us.amazon.nova-lite-v1:0": "us.amazon.nova-lite-v1:0",
    f"{ARN}:foundation-model/amazon.nova-lite-v1:0": "amazon.nova-lite-v1:0",
    f"{ARN}:application-inference-profile/abc123": f"{ARN}:application-inference-profile/abc123",
    "amazon.nova-lite-v1%3A0": "amazon.nova-lite-v1:0",
}


@pytest.mark.parametrize("given", NAMES)
def test_a_model_by_the_name_it_is_billed_by(given: str, mode: Mode, server: CaseServer, events: Events) -> None:
    """An ARN that ends in the name of a model is that model; any other name is told as it is."""
    client = rows.make(server.play([{"json": rows.ANSWER}]).url, mode)
    mode.run(mode.call(client.converse, modelId=given, messages=rows.MESSAGES))
    assert only(events).properties["$ai_model"] == NAMES[given]


def test_a_price(mode: Mode, server: CaseServer, events: Events) -> None:
    """A model is named as price lists name it, with its region."""
    llm_track.configure(cost="local")
    client = rows.make(server.play([{"json": rows.ANSWER}]).url, mode)
    mode.run(mode.call(client.converse, modelId="us.amazon.nova-lite-v1:0", messages=rows.MESSAGES))
    assert only(events).properties["$ai_total_cost_usd"] == pytest.approx(11 * 0.06e-6 + 7 * 0.24e-6)


def test_what_the_cache_gave(mode: Mode, server: CaseServer, events: Events) -> None:
    """Tokens of a cache are beside the input."""
    used = {**rows.ANSWER["usage"], "cacheReadInputTokens": 5, "cacheWriteInputTokens": 0}
    client = rows.make(server.play([{"json": {**rows.ANSWER, "usage": used}}]).url, mode)
    mode.run(rows._converse(mode, client, False))
    told = only(events).properties
    assert (told["$ai_input_tokens"], told["$ai_cache_read_input_tokens"]) == (11, 5)
    assert (told["$ai_cache_creation_input_tokens"], told["$ai_cache_reporting_exclusive"]) == (0, True)


def test_credentials_do_not_leave(mode: Mode, server: CaseServer, events: Events, monkeypatch: Any) -> None:
    """Key, secret, session token and bearer token are masked where an error quotes them."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-session-Lm9Zt4Rw8sV")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id-Qx2Lm9Zt4")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret-Qx2Lm9Zt4")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "canary-bearer-Qx2Lm9Zt4")
    quoted = " ".join(("canary-session-Lm9Zt4Rw8sV", "canary-id-Qx2Lm9Zt4", "canary-secret-Qx2Lm9Zt4"))
    refused = {**REFUSED, "json": {"message": f"no: {quoted} canary-bearer-Qx2Lm9Zt4"}}
    client = rows.make(server.play([refused]).url, mode, credentials=False)
    monkeypatch.undo()
    with pytest.raises(Exception, match="canary"):
        mode.run(rows._converse(mode, client, False))
    event = only(events)
    assert event.properties["$ai_error"].count("[secret]") >= 3
    assert "canary" not in json.dumps(event.properties)


def test_an_answer_of_a_stub_counts_nothing(mode: Mode, server: CaseServer, events: Events) -> None:
    """What a test of the program puts in the place of Amazon was counted by nobody."""
    if mode.prefix:
        pytest.skip("the stub is botocore's")
    from botocore.stub import Stubber

    client = rows.make("http://127.0.0.1:9", mode)
    with Stubber(client) as stub:
        stub.add_response("converse", rows.ANSWER)
        got = client.converse(modelId=rows.MODEL, messages=rows.MESSAGES)
    assert got == rows.ANSWER
    assert "$ai_input_tokens" not in only(events).properties


def test_one_of_two_kinds(mode: Mode, server: CaseServer) -> None:
    """Tracking boto3 tracks no asynchronous client, and the other way round."""
    name = "botocore" if mode.prefix else "aiobotocore"
    with tracked(name) as events:
        mode.run(rows._converse(mode, rows.make(server.play([{"json": rows.ANSWER}]).url, mode), False))
        assert events.settle() == []


def test_what_cannot_be_copied_still_cannot(mode: Mode, server: CaseServer, events: Events) -> None:
    """Pickling a body fails as it does without llm_track."""
    client = rows.make(server.play([{"json": rows.LLAMA}]).url, mode)

    async def ask() -> Any:
        return (await mode.call(client.invoke_model, modelId=rows.MODEL, body="{}"))["body"]

    body = mode.run(ask())
    with pytest.raises((TypeError, NotImplementedError, AttributeError)):
        pickle.dumps(body)
    mode.run(mode.call(body.read))
    assert KEY not in json.dumps(only(events).properties)
