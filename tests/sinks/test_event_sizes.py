"""The size that is checked of an event is the one that the client checks: it is given nothing that it would drop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from llm_track.config import Settings
from llm_track.sinks.parcels import Message, Project, pack
from llm_track.sinks.posthog import build
from llm_track.sinks.sending import Sender, TooLargeError
from llm_track.sizing import fit
from tests.sinks.parcelled import message
from tests.sinks.receiver import Receiver
from tests.sinks.test_posthog import EVENT

CLIENTS_LIMIT = 900 * 1024
"""Bytes of an event, with all that the client adds, above which it drops it with nothing but a line in its log."""
ROOM = 16 * 1024
"""Bytes below that within which an event may be refused here already."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def of_blanks(size: int) -> Message:
    """Return an event of so many bytes as JSON; without the blanks after its commas it has a third less."""
    said = message(numbers=[1] * (size // 3))
    said["properties"]["numbers"] = [1] * (size // 3 - (len(json.dumps(said)) - size) // 3)
    assert abs(len(json.dumps(said)) - size) < 6
    return said


def written(event: dict[str, Any]) -> int:
    """Return the size of an event as the client measures it."""
    return len(json.dumps(event).encode())


@pytest.mark.parametrize("above", [-ROOM - 64, -ROOM // 2, -64, 64, 10_000, 300_000])
def test_an_event_of_blanks_arrives_or_is_said_to_be_too_large(receiver, above):
    """Around the client's limit, an event that is a third blanks is either too large here, or the client sends it."""
    said = of_blanks(CLIENTS_LIMIT + above)
    parcel = pack(said)
    assert parcel.size == written(said)
    sender = Sender(Project("phc_test", receiver.url))
    failed = sender.send([(parcel, said)])
    sender.close()
    if above < -ROOM:
        assert failed == {}
        assert 0 < CLIENTS_LIMIT - written(receiver.events[0]) < ROOM + 128
    else:
        assert isinstance(failed[parcel.uuid], TooLargeError)
        assert receiver.events == []


@pytest.mark.parametrize("is_fitted", [True, False])
def test_an_event_of_blanks_above_the_limit_arrives_cut(receiver, caplog, is_fitted):
    """What is too large arrives, and is cut once: before it is given to the sink, or by the carrier that is refused."""
    event = replace(EVENT, properties=of_blanks(CLIENTS_LIMIT + 64)["properties"])
    event = fit(event) if is_fitted else event
    to = build(Settings(api_key="phc_test", host=receiver.url, ai_lane="off"))
    assert to is not None
    assert to.emit(event)
    assert to.flush(30.0)
    (arrived,) = receiver.events
    assert arrived["uuid"] == event.uuid
    assert written(arrived) < CLIENTS_LIMIT
    assert (arrived["properties"]["numbers"] == event.properties["numbers"]) is is_fitted
    assert to.tally["quarantined"] == 0
    assert caplog.text == ""
    to.close()
