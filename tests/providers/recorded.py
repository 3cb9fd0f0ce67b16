"""Recorded traffic of providers, which lies beside this checkout, as the tests of their SDKs play it."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.server import a_file

CASSETTES = Path(__file__).parents[3] / "shared" / "cassettes"


def recordings(provider: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of each recording of a provider, and its calls in their order."""
    for path in sorted(CASSETTES.glob(f"{provider}/*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["interactions"]


def recorded(*providers: str, endpoints: Container[str] | None = None, beside: tuple[Any, ...] = ()) -> list[Any]:
    """Return each recorded call of some providers, at some endpoints, as a parameter of a test, perhaps with others."""
    return [
        pytest.param(*beside, item, id=f"{name} {number}")
        for provider in providers
        for name, items in recordings(provider)
        for number, item in enumerate(items)
        if endpoints is None or item["endpoint"] in endpoints
    ]


def enough(found: list[Any], number: int) -> bool:
    """Tell whether there are more recordings than a number; only CI has to have them."""
    return len(found) > number or os.environ.get("CI") != "true"


def answer(item: Any) -> dict[str, Any]:
    """Return the answer of a recorded call as `CaseServer` gives it, to the byte."""
    response = item["response"]
    return a_file(response["body"].encode(), headers=response["headers"], status=response["status"])
