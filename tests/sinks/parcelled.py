"""Events as they wait, for tests of what becomes of them."""

from __future__ import annotations

import uuid
from typing import Any

from llm_track.sinks.parcels import Message, Parcel, Project, pack

PROJECT = Project("phc_test", "http://127.0.0.1:9")


def message(name: str = "$ai_span", **properties: Any) -> Message:
    """Return what a client is to capture."""
    return {
        "event": name,
        "distinct_id": "u_1",
        "properties": properties,
        "timestamp": "2026-01-02T12:30:15+00:00",
        "uuid": str(uuid.uuid4()),
        "groups": None,
    }


def parcel(*, is_error: bool = False, is_large: bool = False, **properties: Any) -> Parcel:
    """Return an event that waits."""
    return pack(message(**properties), is_error=is_error, is_large=is_large)
