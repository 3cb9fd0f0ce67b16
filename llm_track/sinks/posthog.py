"""The way to PostHog: events are packed on the worker's thread, wait in an outbox, and are brought by carriers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_track import clock, properties
from llm_track._guard import logger, say_once
from llm_track.config import Settings
from llm_track.policies import FULL
from llm_track.records import Event
from llm_track.sinks import composing, sending
from llm_track.sinks.ai_lane import AILane
from llm_track.sinks.carriers import Carriers
from llm_track.sinks.given import GivenSink
from llm_track.sinks.outbox import Outbox
from llm_track.sinks.parcels import Message, Parcel, Project, pack
from llm_track.sinks.shelf import Shelf, projects_left
from llm_track.sinks.spool import Spool
from llm_track.sizing import json_bytes
from llm_track.tallies import Tally


class Delivery:
    """All that is on its way to one address: what waits, and who brings it.  Settings that change leave it alone."""

    def __init__(self, settings: Settings, *, rate: float | None = None, takes_all: bool = False) -> None:
        self.tally = tally = Tally()
        """What became of the events."""
        self.project = Project(settings.api_key or "", settings.host)
        self.lane = AILane(settings.ai_lane, tells=True)
        self._shelf = _shelf(settings, self.project, tally, takes_all=takes_all)
        self.outbox = Outbox(tally, self._spool_of, rate=rate)
        self.carriers = Carriers(self.outbox, self.lane, self._quarantine, self.project)

    def _spool_of(self, project: Project) -> Spool | None:
        is_configured = project == self.project
        return None if self._shelf is None else Spool(self._shelf, project, is_configured=is_configured)

    def _quarantine(self, parcel: Parcel, why: str) -> None:
        if self._shelf is not None:
            self._shelf.quarantine(parcel.uuid, parcel.packed, why)

    def begin(self) -> None:
        """Have somebody ready before there is something to bring, and bring what earlier processes left."""
        self.carriers.call(self.outbox.line(self.project), is_first=True)
        for project in projects_left(self._shelf) if self._shelf is not None else ():
            self.carriers.call(self.outbox.line(project), is_first=True)

    def send(self, parcel: Parcel, project: Project) -> None:
        """Have an event brought."""
        line = self.outbox.line(project)
        self.outbox.put(line, parcel)
        self.carriers.call(line)

    def flush(self, seconds: float) -> bool:
        """Wait until all is delivered; tell whether it is."""
        until = clock.monotonic() + seconds
        with self.outbox.hurry():
            for line in self.outbox.lines():
                if not self.carriers.call(line):
                    self.carriers.carry_here(line, until)
            return self.outbox.wait(max(until - clock.monotonic(), 0.0))


class PostHogSink:
    """Gives events to a delivery of its own, or to the client that the program made."""

    def __init__(self, settings: Settings, delivery: Delivery | None, given: GivenSink | None) -> None:
        self.settings = settings
        self.delivery = delivery
        self.given = given
        self._shown: list[dict[str, Any]] = []
        self._composer: Any = None

    def largest(self, event: Event) -> int:
        """Return how many bytes of JSON an event may have, beside what the client adds."""
        if self.given is not None and event.project is None:
            return self.given.largest(event)
        delivery = self._own(event)
        line = delivery.outbox.line(_project(event, delivery))
        flags = composing.of_flags(event.flags)
        most = delivery.lane.largest(sending.address(line.project), line.large)
        return most - (json_bytes(flags) if flags else 0)

    def emit(self, event: Event, *, large: bool = False) -> bool:
        """Take one event; false if a client of the program's own did not take it."""
        if self.given is not None and event.project is None:
            return self.given.emit(event, large=large)
        delivery = self._own(event)
        project = _project(event, delivery)
        if self.settings.exceptions and event.exception is not None:
            event = self._with_exception(event, delivery, project)
        said = composing.message(event)
        delivery.send(pack(said, is_error=_is_error(event), is_large=large), project)
        return True

    def _own(self, event: Event) -> Delivery:
        """Return the delivery; beside a client of the program's own it is for projects that calls name."""
        if self.delivery is None:
            key = event.project[0] if event.project is not None else None
            self.delivery = Delivery(replace(self.settings, api_key=key))
        return self.delivery

    def _compose(self, project: Project) -> Any:
        if self._composer is None or self._composer.api_key != project.key:
            self._composer = sending.composer(project, self._show)
        return self._composer

    def _show(self, message: dict[str, Any]) -> dict[str, Any]:
        self._shown.append(message)
        return message

    def _with_exception(self, event: Event, delivery: Delivery, project: Project) -> Event:
        """Send the exception behind a failed call; return the event with the link to it."""
        variables = _may_send_variables(self.settings) and (event.content is None or event.content >= FULL)
        self._shown.clear()
        link = composing.capture_exception(self._compose(project), event, variables=variables)
        for shown in self._shown:
            groups = shown["properties"].pop("$groups", None)
            message: Message = {**shown, "groups": groups}
            delivery.send(pack(message, is_error=True, is_large=False), project)
            delivery.tally.add("admitted")
        return replace(event, properties={**event.properties, **link})

    def waiting(self) -> int:
        """Return how many events have yet to be sent."""
        held = self.given.waiting() if self.given is not None else 0
        return held + (self.delivery.outbox.waiting() if self.delivery is not None else 0)

    def is_busy(self) -> bool:
        """Tell whether anything waits here, events that others left included."""
        return bool(self.waiting() or self.tally["waiting"])

    def flush(self, timeout: float) -> bool:
        """Have everything delivered, in at most ``timeout`` seconds; tell whether it is, as far as anybody knows."""
        until = clock.monotonic() + timeout
        if self.given is not None:
            self.given.flush(timeout)
        return self.delivery is None or self.delivery.flush(max(until - clock.monotonic(), 0.0))

    @property
    def tally(self) -> Tally:
        """What became of events since they were admitted."""
        return self.delivery.tally if self.delivery is not None else Tally()

    @property
    def spool(self) -> str | None:
        """The directory in which events wait, if there is one."""
        return self.settings.spool

    def kept(self) -> int:
        """Return how many events of this process are in the spool."""
        return self.delivery.outbox.kept() if self.delivery is not None else 0

    def oldest(self) -> float | None:
        """Return since when the oldest event waits, in seconds since 1970."""
        return self.delivery.outbox.oldest() if self.delivery is not None else None

    def leave(self) -> None:
        """Close the spool: the process ends."""
        if self.delivery is not None:
            self.delivery.outbox.leave()

    def close(self) -> None:
        """Close what is open: nothing more comes."""
        if self.delivery is not None:
            self.delivery.outbox.close()

    def inherited(self) -> None:
        """In a child: leave everything to the parent."""
        if self.delivery is not None:
            self.delivery.outbox.inherit()


def _project(event: Event, delivery: Delivery) -> Project:
    if event.project is None:
        return delivery.project
    return Project(event.project[0], event.project[1] or delivery.project.host)


def _is_error(event: Event) -> bool:
    return bool(event.properties.get(properties.IS_ERROR))


def _may_send_variables(settings: Settings) -> bool:
    return settings.content >= FULL and not settings.redact


def _shelf(settings: Settings, project: Project, tally: Tally, *, takes_all: bool) -> Shelf | None:
    if settings.spool is None:
        return None
    return Shelf(Path(settings.spool), settings.spool_bytes, project, tally, takes_all=takes_all)


def build(settings: Settings, before: PostHogSink | None = None) -> PostHogSink | None:
    """Return a sink on the user's client, else on a delivery of its own; without a key warn, return ``None``.

    Args:
        settings: where events go, and how.
        before: the sink until now: its delivery goes on if it goes where the settings say.
    """
    if settings.client is not None:
        if settings.spool is not None:
            say_once(
                "llm_track uses no spool, as configure(client=...) gave it a client: that holds its events itself."
            )
        lane = AILane(settings.ai_lane, tells=False)
        given = GivenSink(
            settings.client, lane, exceptions=settings.exceptions, variables=_may_send_variables(settings)
        )
        return PostHogSink(replace(settings, spool=None), None, given)
    if not settings.api_key:
        logger.warning(
            "POSTHOG_API_KEY is not set: LLM calls work as ever, but no event is sent. Set the variable to your "
            'project key, or call llm_track.configure(api_key="phc_...") at start-up.'
        )
        return None
    if before is not None and before.delivery is not None and _goes_on(before.settings, settings):
        return PostHogSink(settings, before.delivery, None)
    delivery = Delivery(settings)
    delivery.begin()
    return PostHogSink(settings, delivery, None)


def _goes_on(before: Settings, now: Settings) -> bool:
    names = ("api_key", "host", "client", "spool", "spool_bytes", "ai_lane")
    return all(getattr(before, name) == getattr(now, name) for name in names)
