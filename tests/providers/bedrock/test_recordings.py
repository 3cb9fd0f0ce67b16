"""Every recorded answer of Bedrock, through both of Amazon's SDKs."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from conformance.bedrock_truth import truth
from conformance.events import answer_words, tools
from conformance.modes import Mode
from conformance.server import CaseServer
from conformance.wire_truth import COUNTS, asked_words

from llm_track.testing import Events
from providers.calls import only
from providers.recorded import enough, recorded
from providers.rows import bedrock as rows

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RECORDED = recorded("bedrock")


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 100)


def _bytes(response: Any) -> bytes:
    if response.get("body_base64"):
        return base64.b64decode(response["body_base64"])
    return response["body"].encode() if isinstance(response["body"], str) else json.dumps(response["body"]).encode()


def _blobs(value: Any, name: str = "") -> Any:
    """What is base64 on the wire is bytes with the SDK."""
    if isinstance(value, dict):
        return {key: _blobs(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_blobs(item) for item in value]
    return base64.b64decode(value) if name in ("bytes", "redactedContent") and isinstance(value, str) else value


async def ask(mode: Mode, client: Any, path: str, body: Any) -> None:
    """Ask as a recording did, and read the answer to its end."""
    model, _, operation = path.removeprefix("/model/").rpartition("/")
    method = getattr(
        client,
        {"invoke": "invoke_model"}.get(operation, operation.replace("-", "_")).replace(
            "invoke_with", "invoke_model_with"
        ),
    )
    given = _blobs(body) if "converse" in operation else {"body": json.dumps(body)}
    answer = await mode.call(method, modelId=unquote(model), **given)
    if operation == "invoke":
        await mode.call(answer["body"].read)
    elif "stream" in operation:
        await mode.items(answer["stream" if "converse" in operation else "body"])


@pytest.mark.parametrize("item", RECORDED)
def test_recorded(item: Any, mode: Mode, server: CaseServer, events: Events) -> None:
    """Counts, model, reason, words and tools of the event are those of the recorded answer, as its question is."""
    response, path = item["response"], urlsplit(item["request"]["url"]).path
    headers = {
        name: value for name, value in response["headers"].items() if re.match("content-type|x-amzn", name, re.I)
    }
    answer = {"base64": base64.b64encode(_bytes(response)).decode(), "headers": headers, "status": response["status"]}
    client = rows.make(server.play([answer]).url, mode)
    error = None
    try:
        mode.run(ask(mode, client, path, item["request"]["body"]))
    except Exception as raised:  # noqa: BLE001 - errors are recorded, too
        error = raised
    mode.run(rows._end(mode, client))
    event = only(events)
    told = event.properties
    model = unquote(path).removeprefix("/model/").rpartition("/")[0]
    assert told["$ai_model"] == re.sub(r".*:inference-profile/", "", model)
    assert (told["$ai_provider"], told["$ai_http_status"]) == ("amazon-bedrock", response["status"])
    asked = json.dumps(told["$ai_input"], ensure_ascii=False)
    words = [line for text in asked_words(item["request"]["body"]) for line in text.split("\n")]
    assert all(json.dumps(line, ensure_ascii=False)[1:-1] in asked for line in words)
    if response["status"] >= 400:
        assert (told["llm_outcome"], told["$ai_error_type"]) == ("failed", type(error).__name__)
        assert not set(COUNTS) & set(told)
        return
    assert error is None
    right = truth(response["headers"], _bytes(response))
    assert {name: told[name] for name in COUNTS if name in told} == right.counts
    assert (told.get("$ai_stop_reason"), answer_words(event)) == (right.stop, right.text)
    assert tools(event) == right.tools
