"""Recorded traffic of Cohere through its SDK: it asks as was recorded, and the events say what was answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conformance.server import CaseServer

from llm_track.testing import Events

from .calls import only
from .recorded import answer, enough, recorded
from .row import KEY
from .test_cohere import BOTH, ask

SDK = "cohere"
RECORDED = recorded("cohere")


def test_the_recordings_are_there() -> None:
    """CI has recordings to play."""
    assert enough(RECORDED, 30)


def truth(item: Any) -> dict[str, Any]:
    """Read an answer without any code of llm_track: its counts, reason, id, words and the names of called functions."""
    body, kind = item["response"]["body"], item["response"]["headers"]["content-type"]
    if "event-stream" in kind:
        return _truth_of_events([json.loads(line[5:]) for line in body.splitlines() if line.startswith("data: {")])
    last = json.loads(body.splitlines()[-1]) if "stream" in kind else {"response": json.loads(body)}
    said = last["response"]
    message = said.get("message") or said
    parts = message.get("content") or said.get("generations") or [{"text": said.get("text") or ""}]
    return {
        "units": (said.get("usage") or said["meta"])["billed_units"],
        "stop": said.get("finish_reason") or parts[0].get("finish_reason"),
        "id": said.get("id") or said.get("response_id"),
        "words": "".join(part["text"] for part in parts),
        "tools": [call["function"]["name"] for call in message.get("tool_calls") or ()],
        "order": [result["index"] for result in said.get("results") or ()],
    }


def _truth_of_events(events: list[Any]) -> dict[str, Any]:
    end = events[-1]["delta"]
    deltas = [event["delta"]["message"] for event in events[:-1] if "delta" in event]
    started = [event["delta"]["message"]["tool_calls"] for event in events if event["type"] == "tool-call-start"]
    words = [delta["content"]["text"] for delta in deltas if isinstance(delta.get("content"), dict)]
    return {
        "units": end["usage"]["billed_units"],
        "stop": end["finish_reason"],
        "id": events[0]["id"],
        "words": "".join(words),
        "tools": [call["function"]["name"] for call in started],
        "order": [],
    }


@BOTH
@pytest.mark.parametrize("item", RECORDED)
def test_recorded(item: Any, prefix: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """The SDK asks as it was recorded; counts, reason, id, words, calls and order are those of the recorded answer."""
    response, asked = item["response"], item["request"]["body"]
    version, _, form = item["endpoint"].partition(".")
    played = server.play([answer(item)])
    client = getattr(sdk, f"{prefix}Client{'V2' if version == 'v2' else ''}")(api_key=KEY, base_url=played.url)
    given = {key: value for key, value in asked.items() if key != "stream"}
    if response["status"] != 200:
        with pytest.raises(sdk.NotFoundError):
            ask(client, form, **given)
        told = only(events).properties
        assert (told["llm_outcome"], told["$ai_http_status"]) == ("failed", 404)
        assert "was removed" in told["$ai_error"]
        return
    ask(client, f"{form}_stream" if asked.get("stream") else form, **given)
    assert played.requests[0]["body"] == asked
    event, right = only(events), truth(item)
    told = event.properties
    assert (told["$ai_model"], told["$ai_provider"], told["llm_outcome"]) == (asked["model"], "cohere", "completed")
    counts = {name: told.get(f"$ai_{name}") for name in ("input_tokens", "output_tokens")}
    assert counts == {"input_tokens": None, "output_tokens": None} | {
        name: count for name, count in right["units"].items() if name in counts
    }
    assert told["$ai_usage"].get("billed_units", told["$ai_usage"]) == right["units"]
    _check_content(event, form, asked, right)


def _check_content(event: Any, form: str, asked: Any, right: Any) -> None:
    told = event.properties
    if form == "embed":
        assert (event.name, told["$ai_input"]) == ("$ai_embedding", asked["texts"])
        assert "0.032318115" not in json.dumps(told)
        return
    drawn = json.dumps(told["$ai_output_choices"], ensure_ascii=False)
    assert event.name == "$ai_generation"
    assert (told.get("$ai_stop_reason"), told["$ai_response_id"]) == (right["stop"], right["id"])
    if form == "rerank":
        assert [one["index"] for one in json.loads(told["$ai_output_choices"][0]["content"])] == right["order"]
        assert [one["content"] for one in told["$ai_input"]] == [asked["query"], *asked["documents"]]
        return
    assert all(tool in drawn for tool in right["tools"])
    assert json.dumps(right["words"], ensure_ascii=False)[1:-1] in drawn
    words = asked.get("message") or asked.get("prompt") or asked["messages"][0]["content"]
    assert json.dumps(words)[1:-1] in json.dumps(told["$ai_input"])
