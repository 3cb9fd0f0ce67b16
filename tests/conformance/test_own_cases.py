"""Hand-written answers of each endpoint through the real SDKs: every event is what its case says."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from llm_track.testing import capture_events

from .clients import Clients, arguments, method
from .events import answer_words, tools
from .server import CaseServer, encoded
from .wire_truth import COUNTS, truth

CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("cases/*.json")}
ROOTS = {"openai": "/v1", "azure": "", "anthropic": "", "bedrock": ""}
READABLE = {
    "chat.completions.create": "chat.completions",
    "completions.create": "completions",
    "responses.create": "responses",
    "messages.create": "messages",
}
"""Calls whose answers `wire_truth` reads as an answer of a model."""


def is_older(name: str, since: str) -> bool:
    """Tell whether the installed version of an SDK is older than a release."""
    return [int(part) for part in version(name).split(".")[:2]] < [int(part) for part in since.split(".")]


def lacking(case: dict[str, Any]) -> bool:
    """Tell whether the installed SDK cannot make the calls of a case."""
    since: dict[str, str] = case["calls"][0].get("since", {})
    return any(is_older(name, release) for name, release in since.items())


async def make_call(call: dict[str, Any], client: Any, clients: Clients) -> None:
    """Make one call, read its answer to the end, and expect the exception it is to raise."""
    function = method(client, call["call"])
    given = arguments(function, call["arguments"])
    if "file" in given:
        name, content = given["file"]
        given["file"] = (name, content.encode())
    raised = ""
    try:
        result = await clients.mode.call(function, **given)
        if given.get("stream"):
            await clients.mode.items(result)
    except Exception as error:  # noqa: BLE001  its class is what the case says
        raised = " ".join(kind.__name__ for kind in type(error).__mro__)
    assert call.get("raises", "") in raised if "raises" in call else not raised


def compare(event: Any, expected: dict[str, Any]) -> None:
    """Hold an event against what its case says; ``null`` means that nothing may be said."""
    assert event.name == expected["event"]
    assert {name: event.properties.get(name) for name in expected["properties"]} == expected["properties"]
    unsaid = [name for name in COUNTS if expected["properties"].get(name) is None]
    assert not event.properties.keys() & set(unsaid)
    if "text" in expected:
        assert (answer_words(event), tools(event)) == (expected["text"], expected["tools"])
    if "error" in expected:
        assert event.properties["$ai_error_type"] == expected["error"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_makes_the_events_it_says(name: str, server: CaseServer, clients: Clients) -> None:
    """The calls of a case make exactly its events, with its counts, words, tools, ids and endings."""
    run = server.play([])
    case = json.loads(json.dumps(CASES[name]).replace("RUN", run.number))
    run.answers = case["answers"]
    client = getattr(clients, case["client"])(run.url + ROOTS[case["client"]])
    if lacking(case):
        assert method(client, case["calls"][0]["call"]) is None
        return
    if case["client"] == "bedrock" and find_spec("boto3") is None:
        check_missing_dependency(case, client, clients)
        return
    with capture_events() as events:
        for call in case["calls"]:
            clients.mode.run(make_call(call, client, clients))
    assert len(events) == len(case["expect"])
    for event, expected in zip(events, case["expect"], strict=True):
        compare(event, expected)


def check_missing_dependency(case: dict[str, Any], client: Any, clients: Clients) -> None:
    """Without boto3 the SDK cannot sign a request: the call fails, which is one event too."""
    with capture_events() as events, pytest.raises(Exception, match="boto"):
        clients.mode.run(clients.mode.call(method(client, "messages.create"), **case["calls"][0]["arguments"]))
    assert [event.properties["llm_outcome"] for event in events] == ["failed"]


@pytest.mark.parametrize("name", [name for name, case in sorted(CASES.items()) if case["calls"][0]["call"] in READABLE])
def test_the_independent_reader_agrees_with_the_cases(name: str) -> None:
    """What reads the recordings reads the hand-written answers as their authors meant them."""
    case = CASES[name]
    answer, expected = case["answers"][-1], next(item for item in case["expect"] if "text" in item)
    if "aws_events" in answer:
        answer = {"events": answer["aws_events"]}
    pieces, content_type = encoded(answer)
    body = b"".join(pieces[: answer.get("cut_after")])
    said = truth(READABLE[case["calls"][0]["call"]], answer.get("status", 200), content_type, body)
    properties = expected["properties"]
    assert said.counts == {name: properties[name] for name in COUNTS if properties.get(name) is not None}
    assert (said.text, said.tools, said.stop) == (expected["text"], expected["tools"], properties["$ai_stop_reason"])
