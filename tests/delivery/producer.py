"""Runs one of the programs: `python -m tests.delivery.producer NAME JSON`, the JSON being what it is given."""

from __future__ import annotations

import atexit
import importlib
import json
import sys
from typing import Any

MODULES = ("tests.delivery.programs", "tests.delivery.crowds", "tests.delivery.turning")


def main(name: str, given: dict[str, Any]) -> None:
    """Run a program; the last that its process does is to tell what became of its events."""
    patched = given.pop("gevent", None)
    if patched == "before":
        _patch()
    atexit.register(_tell)  # hooks run last in, first out: this one after those of llm_track, which is not imported yet
    found = [getattr(importlib.import_module(module), name, None) for module in MODULES]
    if patched == "after":
        _patch()
    next(filter(None, found))(**given)


def _patch() -> None:
    from gevent import monkey

    monkey.patch_all()


def _tell() -> None:
    sys.modules["tests.delivery.producing"].tell()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
