"""`llm-track doctor`: which SDKs are installed here, and whether the calls of each are tracked.

Only an import tells what a version of an SDK has, so each installed one is imported, as the program itself would.
"""

from __future__ import annotations

import importlib
import io
import json
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Literal

from llm_track import lacking, patching, providers
from llm_track._guard import attempt, raised_by

State = Literal["hooked", "lacking", "broken", "absent"]
_MARKS: dict[State, str] = {"hooked": "ok", "lacking": "LACKING", "broken": "BROKEN", "absent": "-"}
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One SDK that llm_track knows."""

    package: str
    """Its name in the package index."""
    module: str
    """The module whose import hooks it."""
    version: str | None
    """The installed version."""
    state: State
    """Whether all that llm_track hooks is there; ``broken`` is an SDK that cannot be imported."""
    methods: tuple[str, ...] = ()
    """What is hooked."""
    trouble: str = ""
    advice: str = ""
    """What to do, if anything is."""


def run(*, as_json: bool = False) -> int:
    """Look at every SDK that llm_track knows, and print what was found.

    Args:
        as_json: print one list of objects, with the fields of `Finding`, instead of lines.

    Returns:
        0 if all that is installed is tracked, 1 if something is not.
    """
    found = []
    for finding in findings():
        found.append(finding)
        if not as_json:
            print("\n".join(_lines(finding)), flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        print(_sum(found))
    return int(any(finding.advice for finding in found))


def findings() -> Iterator[Finding]:
    """Yield what is found of each SDK; those that are installed are imported and hooked, one after the other."""
    return map(_finding, sorted(providers.KNOWN))


def _finding(name: str) -> Finding:
    package = providers.load(name).distribution
    version = attempt(metadata.version, package, otherwise=None)
    if version is None:
        return Finding(package, name, None, "absent")
    patching.autopatch(name)
    error = _import(name)
    if error is not None:
        advice = f"Calls of it are tracked as soon as `python -c 'import {name}'` works."
        return Finding(package, name, version, "broken", trouble=f"{type(error).__name__}: {error}", advice=advice)
    state, methods = patching.autopatch(name)[name], tuple(dict.fromkeys(patching.hooked(name)))
    if state == "hooked":
        return Finding(package, name, version, "hooked", methods)
    trouble = state if name in lacking.noted else "nothing of it could be hooked; the log says why"
    advice = f"Calls work as ever, but these are not tracked. Install a version of {package} that the README names."
    return Finding(package, name, version, "lacking", methods, trouble, advice)


def _import(name: str) -> Exception | None:
    """Import an SDK with the modules that have its methods; return what its own import raises, if anything.

    What it prints meanwhile is of no interest, and not every version has each of these modules.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        error = raised_by(importlib.import_module, name)
        for module in dict.fromkeys(target.module for target in providers.load(name).targets) if error is None else ():
            raised_by(importlib.import_module, module)
    return error


def _lines(finding: Finding) -> Iterator[str]:
    named, more = ", ".join(finding.methods[:_MOST_NAMED]), len(finding.methods) - _MOST_NAMED
    about = finding.trouble or named + (f" and {more} more" if more > 0 else "")
    yield f"{_MARKS[finding.state]:<8}{finding.package:<24}{finding.version or 'not installed':<14}{about}".rstrip()
    if finding.advice:
        yield f"{'':<8}{finding.advice}"


def _sum(found: list[Finding]) -> str:
    installed = [finding for finding in found if finding.version is not None]
    tracked = sum(finding.state == "hooked" for finding in installed)
    return f"\n{tracked} of {len(installed)} installed SDKs are tracked; llm_track knows {len(found)}."
