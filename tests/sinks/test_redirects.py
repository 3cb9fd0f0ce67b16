"""Hosts that redirect: what the client makes of that is not in our hands, and is as the README says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_track.config import Settings
from llm_track.sinks.posthog import PostHogSink, build
from tests.delivery import faulty
from tests.delivery.faulty import Faulty
from tests.sinks.receiver import Receiver
from tests.sinks.test_carriers import arrived, counted, emit

PAGE = "/page"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        running.answers[PAGE] = {"a page": "that anybody may look at"}
        yield running


def sink(host: Faulty) -> PostHogSink:
    built = build(Settings(api_key="phc_test", host=host.url))
    assert built is not None
    return built


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_request_delivers(receiver, status):
    """307 and 308 lead the events, as they are, to the address that answers."""
    with Faulty(faulty.status(status, Location=f"{receiver.url}/batch/")) as host:
        to = sink(host)
        made = emit(to, 3)
        assert to.flush(30.0)
        assert arrived(receiver) == sorted(made)
        assert counted(to, 3)["delivered"] == 3
        to.close()


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_drops_the_request_to_what_takes_none_loses_nothing(receiver, status):
    """301, 302 and 303 make a look at another address of what was sent: where that is not there, events wait."""
    with Faulty(faulty.status(status, Location=f"{receiver.url}/batch/")) as host:
        to = sink(host)
        made = emit(to, 3)
        assert not to.flush(2.0)
        assert counted(to, 3)["waiting"] == 3
        host.fail(faulty.HEALTHY)
        assert to.flush(30.0)
        assert sorted(event.uuid for event in host.stored) == sorted(made)
        assert receiver.events == []
        to.close()


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_to_a_page_loses_events_that_look_delivered(receiver, status):
    """What the README warns of: the client takes the page that 301, 302 or 303 lead to for PostHog's answer."""
    with Faulty(faulty.status(status, Location=f"{receiver.url}{PAGE}")) as host:
        to = sink(host)
        emit(to, 3)
        assert to.flush(30.0)
        assert counted(to, 3)["delivered"] == 3
        assert (receiver.events, host.stored) == ([], [])
        to.close()


def test_redirects_without_end_lose_nothing():
    """A host that redirects to itself for ever is one that is down."""
    with Faulty() as host:
        host.fail(faulty.status(307, Location=f"{host.url}/batch/"))
        to = sink(host)
        made = emit(to, 3)
        assert not to.flush(2.0)
        assert counted(to, 3)["waiting"] == 3
        host.fail(faulty.HEALTHY)
        assert to.flush(30.0)
        assert sorted(event.uuid for event in host.stored) == sorted(made)
        to.close()
