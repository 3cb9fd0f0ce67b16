"""Hearing how the program reads a body of Amazon's SDK.

The program keeps the SDK's own object.  What that reads from, of urllib3 or aiohttp, is replaced by a proxy: its class
stays that of the original.  Of a stream of events the iterator is followed too, and each event that is parsed: there
the SDK raises what the provider says amid a stream.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from llm_track.providers._aws import Answered
from llm_track.providers._aws_raw import AsyncRaw, HttpxRaw, Raw
from llm_track.wire.listening import Listener


def listen(response: Answered, listener: Listener) -> None:
    """Have a listener hear how the unread part of an answer is read."""
    body = response.body
    events = getattr(body, "_event_generator", None)
    place = "_raw_stream" if hasattr(body, "_raw_stream") else "__wrapped__"
    raw = getattr(body, place)
    setattr(body, place, _kind(type(raw))(raw, listener, events is None))
    if events is not None:
        body._event_generator = (_follow_async if hasattr(events, "__anext__") else _follow)(events, listener)
        body._parse_event = _parsing(body, listener)


def _kind(of: type) -> Callable[[Any, Listener, bool], Any]:
    if hasattr(of, "aiter_raw"):
        return HttpxRaw
    return AsyncRaw if hasattr(of, "__aenter__") else Raw


def _follow(events: Any, listener: Listener) -> Iterator[Any]:
    try:
        yield from events
    except GeneratorExit:
        listener.stop()
        raise
    except BaseException as error:
        listener.broke(error)
        raise
    listener.end()


async def _follow_async(events: Any, listener: Listener) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event
    except GeneratorExit:
        listener.stop()
        raise
    except BaseException as error:
        listener.broke(error)
        raise
    listener.end()


def _parsing(stream: Any, listener: Listener) -> Callable[[Any], Any]:
    """Return the stream's way to parse an event.  It does not hold the stream, whose end must be noticed."""
    parse = type(stream)._parse_event
    kind = _parse_async if inspect.iscoroutinefunction(parse) else _parse
    return partial(kind, parse, weakref.ref(stream), listener)


def _parse(parse: Any, stream: weakref.ref[Any], listener: Listener, event: Any) -> Any:
    try:
        return parse(stream(), event)
    except BaseException as error:
        listener.broke(error)
        raise


async def _parse_async(parse: Any, stream: weakref.ref[Any], listener: Listener, event: Any) -> Any:
    try:
        return await parse(stream(), event)
    except BaseException as error:
        listener.broke(error)
        raise
