"""The forms in which PostHog takes ids, groups and times, whatever event they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from llm_track._guard import attempt
from llm_track.snapshot import jsonable

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9\-_~.@()!':|]")
LONGEST_ID = 200


def distinct_id(user_id: str | None) -> str | None:
    """Return whatever the program uses as the id of a user, as text."""
    given = user_id if isinstance(user_id, str) else attempt(str, user_id, otherwise="") if user_id is not None else ""
    return str(jsonable(given))[:LONGEST_ID] or None


def safe_id(value: str | None) -> str | None:
    """Return an id without the characters on which PostHog's links break."""
    given = "" if value is None else attempt(str, value, otherwise="")
    return _NOT_IN_AN_ID.sub("-", given)[:LONGEST_ID] or None


def text_groups(groups: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of groups as texts."""
    return {kind: str(key) for kind, key in jsonable(groups).items() if key is not None}


def rounded(seconds: float | None) -> float | None:
    """Return seconds to the microsecond, and never less than none."""
    return None if seconds is None else round(max(seconds, 0.0), 6)


def given(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties that are known."""
    return {key: value for key, value in properties.items() if value is not None}


@cache
def version() -> str:
    """Return the version of llm_track."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("llm-track")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
