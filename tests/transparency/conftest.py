"""Every program of `programs/`, run with and without llm_track, once per session."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VARIANTS = ("plain", "first", "after")
_HIDDEN = ("POSTHOG_", "LLM_TRACK_", "PYTEST_", "OPENAI_", "ANTHROPIC_", "HTTP_", "HTTPS_", "ALL_PROXY", "COV_")


def programs() -> dict[str, str]:
    """Name every program and the sentence that it proves, without importing any."""
    found = {}
    for path in sorted((HERE / "programs").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(map(_marks, node.decorator_list)):
                found[f"{path.stem}.{node.name}"] = ast.get_docstring(node) or ""
    return found


def _marks(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id == "program"


def environment(**more: str) -> dict[str, str]:
    """The environment of a program: no key, no settings, no proxy, and nothing that says pytest."""
    kept = {name: text for name, text in os.environ.items() if not name.upper().startswith(_HIDDEN)}
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    return {**kept, "PYTHONPATH": paths, "PYTHONHASHSEED": "0", "NO_PROXY": "*", "PYTHONWARNINGS": "", **more}


def python(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start an interpreter of its own."""
    command = [sys.executable, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment(**more))


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
