"""The built-in processors: plain functions ``Event -> Event | None`` that run in one fixed order on the worker.

Only processors change content.  They get and return events; none knows a provider or a sink.
"""

from __future__ import annotations

import json
import linecache
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from llm_track import pricing, properties
from llm_track._guard import attempt, guarded
from llm_track.config import Processor, Settings
from llm_track.masking import is_base64, map_strings, mark, mask_fields, mask_secrets, strip_data_uris
from llm_track.properties import costs
from llm_track.records import Event
from llm_track.withholding import withhold_content

LARGEST_EVENT = 880 * 1024
"""Bytes of JSON.  The client drops an event above 900 KiB; the rest is room for what the client adds."""

_MEDIA_KEYS = {
    "data": "media",
    "file_data": "file",
    "b64_json": "image",
    "partial_image_b64": "image",
    "result": "image",
}
_LONGEST_TEXT = 100_000
_SHORTEST_CUT = 256
"""No text is cut to fewer characters: shorter ones are ids, names and words."""


def built_in(settings: Settings) -> list[Processor]:
    """Return the processors that the settings ask for, in their order."""
    chain: list[Processor] = [strip_media, mask_credentials, withhold_where_asked]
    if settings.content == "metadata" or getattr(settings.client, "privacy_mode", False) is True:
        chain.append(withhold_content)
    chain.append(truncate)
    if settings.cost != "auto":
        chain.append(add_cost if settings.cost == "local" else remove_cost)
    return chain


def run(chain: Iterable[Processor], event: Event) -> Event | None:
    """Send an event through processors; one that fails may have been a redactor, so then no content goes out."""
    for processor in chain:
        results: list[Any] = []
        with guarded(f"run the processor {_name(processor)}", background=True):
            result = processor(event)
            if not isinstance(result, Event | None):
                raise TypeError(f"it returned a {type(result).__name__}, not an Event or None")
            results.append(result)
        if results == [None]:
            return None
        event = results[0] if results else withhold_content(event)
    return event


def _name(processor: Processor) -> str:
    return str(attempt(getattr, processor, "__name__", otherwise=type(processor).__name__))


def strip_media(event: Event) -> Event:
    """Replace embedded pictures, sound and files by a mark that says what they were and how long."""
    return replace(event, properties={key: _without_media(value) for key, value in event.properties.items()})


def mask_credentials(event: Event) -> Event:
    """Replace credentials in error texts, in tool definitions and wherever a span carries them by name.

    The text of an exception and the source around it, which the client sends along, cannot be changed: where they hold
    a credential no ``$exception`` is sent at all.
    """
    changed: dict[str, Any] = {}
    for key in properties.ERROR_TEXTS:
        if isinstance(event.properties.get(key), str):
            changed[key] = mask_secrets(event.properties[key])
    leaks = any(changed[key] != event.properties[key] for key in changed)
    for key in properties.FIELDS_WITH_SECRETS:
        if key in event.properties:
            changed[key] = mask_fields(event.properties[key])
    if event.exception is not None and not leaks:
        leaks = any(mask_secrets(line) != line for line in _source_around(event.exception))
    exception = None if leaks else event.exception
    return replace(event, properties={**event.properties, **changed}, exception=exception)


def withhold_where_asked(event: Event) -> Event:
    """Remove the content of an event whose call asked for that."""
    return withhold_content(event) if event.withheld else event


def _source_around(error: BaseException) -> Iterator[str]:
    """Yield the lines of source near the frames of an exception and of what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, line in traceback.walk_tb(error.__traceback__):
            lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
            yield from lines[max(line - _LINES_AROUND, 0) : line + _LINES_AROUND]
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # the loop ends on None


_LINES_AROUND = 10
"""The client sends 5 lines of source before and after the one that raised."""


def truncate(event: Event) -> Event:
    """Cut long texts in the middle until the event fits; say how much was cut, and what had to go altogether."""
    if size(event) <= LARGEST_EVENT:
        return event
    longest = _LONGEST_TEXT
    while longest >= _SHORTEST_CUT:
        shorten = partial(_cut, most=longest)
        cut = replace(event, properties=map_strings(event.properties, shorten))
        if size(cut) <= LARGEST_EVENT:
            return cut
        longest //= 4
    bare = withhold_content(event)
    said = {key: value for key, value in bare.properties.items() if key.startswith(("$", "llm_"))}
    return replace(bare, properties=map_strings(said, partial(_cut, most=_SHORTEST_CUT)) | properties.too_long())


def size(event: Event) -> int:
    """Return the length of an event's properties and groups as JSON, in bytes."""
    return len(json.dumps([event.properties, dict(event.groups)], separators=(",", ":"), default=str))


def add_cost(event: Event) -> Event:
    """Add what the tokens cost by the price list of ``genai-prices``; an unknown model stays without a cost."""
    if event.name not in properties.COSTED or event.properties.keys() & costs.reported_cost(0.0).keys():
        return event
    cost = pricing.cost(event.properties, embedding=event.name == properties.EMBEDDING)
    return replace(event, properties={**event.properties, **cost}) if cost else event


def remove_cost(event: Event) -> Event:
    """Remove every cost from an event."""
    return replace(event, properties=costs.without_cost(event.properties))


def _without_media(value: Any) -> Any:
    if isinstance(value, str):
        return strip_data_uris(value)
    if isinstance(value, list):
        return [_without_media(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _media(key, item, value) if key in _MEDIA_KEYS else _without_media(item) for key, item in value.items()
    }


def _media(key: str, item: Any, around: dict[str, Any]) -> Any:
    if not isinstance(item, str) or not is_base64(item):
        return _without_media(item)
    kind = around.get("media_type") or around.get("mime_type") or _MEDIA_KEYS[key]
    return mark(str(kind), len(item) * 3 // 4)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters cut ...] {text[-half:]}"
