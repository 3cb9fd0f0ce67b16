"""Every program of `programs/`, run with and without llm_track, once per session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from launching import HERE, VARIANTS, programs, python
from loopback import Loopback


@pytest.fixture(scope="session")
def loopback() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, loopback: Loopback, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Variant -> program -> what came of it, for the programs that are asked for."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    names = [name for name in programs() if name in asked]
    addresses = {"PROVIDER": loopback.url, "REFUSED": loopback.refused}
    runners = {
        variant: python(
            str(HERE / "runner.py"), str(tmp_path_factory.mktemp(variant)), *names, VARIANT=variant, **addresses
        )
        for variant in VARIANTS
    }
    found = {}
    for variant, runner in runners.items():
        output, errors = runner.communicate(timeout=300)
        assert runner.returncode == 0, errors
        found[variant] = json.loads(output)
    return found
