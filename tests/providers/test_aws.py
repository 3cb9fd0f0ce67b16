"""Calls of Amazon's SDKs without the SDKs: what is read of them, and of their answers and exceptions."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from llm_track.providers import Invocation, _aws
from llm_track.providers.botocore import PROVIDER


class Client(SimpleNamespace):
    """A client that can be referred to weakly."""


def client(service: str = "bedrock-runtime", **signer: Any) -> Any:
    meta = SimpleNamespace(service_model=SimpleNamespace(service_name=service), endpoint_url="https://b.example")
    return Client(meta=meta, _request_signer=SimpleNamespace(**signer))


def reading(operation: str, given: Any) -> Any:
    return _aws.read(Invocation(client(), (operation, given), {}))


def test_a_call_without_the_sdk() -> None:
    """A call is read by its operation and its model; one that is about to fail is left to fail by itself."""
    assert _aws.read(Invocation(client(), (), {})) is None
    assert PROVIDER.asks_models(client())
    assert not PROVIDER.asks_models(
        SimpleNamespace(meta=SimpleNamespace(service_model=SimpleNamespace(service_name="s3")))
    )
    assert reading("Converse", None).body == {}
    assert reading("Converse", {"modelId": 3, "messages": []}).body == {"messages": []}
    found = reading("InvokeModel", {"modelId": "m", "body": bytearray(b"{}"), "guardrailIdentifier": "g"})
    assert (found.content, found.body, found.stream) == (b"{}", {"model": "m", "guardrailIdentifier": "g"}, False)
    assert reading("InvokeModel", {"modelId": "m", "body": io.BytesIO(b"{}")}).content is None
    assert reading("InvokeModel", {"modelId": "cohere.rerank-v3-5:0", "body": "{}"}).format.__name__.endswith("rerank")
    assert PROVIDER.to_json({}) is None


def test_credentials_as_they_lie() -> None:
    """Keys are found without asking for them, in credentials of either kind and in tokens of either kind."""
    fixed = SimpleNamespace(access_key="a", secret_key="b", token=None)
    fetched = SimpleNamespace(_access_key="c", _token="d")
    later = SimpleNamespace(_frozen_token=("e", None))
    held = [
        client(_credentials=fixed, _auth_token=("f", None)),
        client(_credentials=fetched, _auth_token=later),
        client(),
    ]
    readings = [_aws.read(Invocation(each, ("Converse", {}), {})) for each in held]
    found = [list(each.secrets()) for each in readings if each is not None and each.secrets is not None]
    assert found == [["a", "b", "f"], ["c", "d", "e"], []]


def test_answers_and_counts() -> None:
    """An answer is told by its metadata; its JSON is written anew, and counts of its headers are read as they are."""
    about = {"HTTPStatusCode": 200, "HTTPHeaders": {"a": "b"}, "RetryAttempts": 1}
    answered, retries = PROVIDER.answer({"response": {"output": b"x", "when": {1: 2}, "ResponseMetadata": about}})
    assert (retries, json.loads(answered.content)) == (1, {"output": "eA==", "when": {"1": 2}})
    assert answered.is_closed
    assert answered.is_stream_consumed
    assert [
        PROVIDER.gives_response(each) for each in (None, {}, {"ResponseMetadata": {}}, {"ResponseMetadata": about})
    ] == [
        False,
        False,
        False,
        True,
    ]
    headers = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-cache-read-input-token-count": "0"}
    usage = PROVIDER.counts(headers)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (3, None, 0)
    assert usage.cache_included_in_input is False
    assert PROVIDER.counts({"x-amzn-bedrock-input-token-count": "many"}) is None


def test_what_exceptions_say() -> None:
    """An exception tells of the answer, else of whom it could not reach, else nothing."""
    refused, lost = OSError(), OSError()
    refused.response = {"Error": {"Code": "Gone"}, "ResponseMetadata": {"HTTPStatusCode": 404}}  # type: ignore[attr-defined]  # as botocore's
    lost.kwargs = {"endpoint_url": "https://b.example"}  # type: ignore[attr-defined]  # as botocore's
    assert PROVIDER.failure(refused) == {"http_status": 404, "code": "Gone", "request_id": None, "retries": None}
    assert PROVIDER.failure(lost) == {"url": "https://b.example"}
    assert PROVIDER.failure(OSError()) == {}
