"""Finding the programs, and starting interpreters that know neither a key nor pytest."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

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
