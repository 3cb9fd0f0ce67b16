"""Which traces are sent when not all are: all events of a trace or none, and every error."""

from __future__ import annotations

import zlib

from llm_track import properties
from llm_track.records import Event


def keep(event: Event, rate: float) -> bool:
    """Tell whether an event is sent at a rate from 0.0 to 1.0; the same trace gets the same answer everywhere."""
    if rate >= 1.0 or event.properties.get(properties.IS_ERROR) is True:
        return True
    return zlib.crc32(event.trace_id.encode()) / 2**32 < rate
