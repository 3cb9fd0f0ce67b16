"""What an installed SDK lacks of what llm_track hooks: said once, and told by `llm_track.autopatch`."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from llm_track._guard import logger
from llm_track.providers import Provider

noted: dict[str, str] = {}
"""Providers of which something is missing, and what."""


def note(provider: Provider) -> None:
    """Note the methods that are in none of their homes, now that all of these that are imported are known.

    A method of a module that the program has yet to import may still come.
    """
    homes: dict[str, list[str]] = {}
    for target in provider.targets:
        if not target.optional:
            homes.setdefault(target.path, []).append(target.module)
    missing = [path for path, modules in homes.items() if not any(_may_have(module, path) for module in modules)]
    if not missing:
        noted.pop(provider.name, None)
        return
    said = f"{provider.distribution} {_version(provider)} has no {', '.join(missing)}"
    if noted.get(provider.name) != said:
        noted[provider.name] = said
        logger.warning(
            "%s, which llm_track hooks. Calls through it work as ever, but are not tracked. A supported version of the "
            "SDK brings tracking back.",
            said,
        )


def at(module: ModuleType, path: str) -> Any:
    """Return the class or module that a path leads to; a module whose path is empty is meant itself."""
    owner: Any = module
    for name in path.split(".") if path else ():
        owner = vars(owner).get(name) if isinstance(owner, ModuleType) else getattr(owner, name, None)
    return owner


def inherited(owner: Any, name: str) -> Any:
    """Return what a module or class, or a parent of it, has under a name; nothing of theirs runs for that."""
    for place in owner.__mro__ if isinstance(owner, type) else () if owner is None else (owner,):
        if name in vars(place):
            return vars(place)[name]
    return None


def _may_have(module: str, path: str) -> bool:
    imported = sys.modules.get(module)
    if imported is None:
        return _may_come(module)
    where, _, name = path.rpartition(".")
    return inherited(at(imported, where), name) is not None


def _may_come(module: str) -> bool:
    """Tell whether a module that is not imported exists; of a parent that is not imported either, nobody knows."""
    parent = sys.modules.get(module.rpartition(".")[0])
    if parent is None:
        return True
    return hasattr(parent, "__path__") and PathFinder.find_spec(module, parent.__path__) is not None


def _version(provider: Provider) -> str:
    try:
        return importlib.metadata.version(provider.distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
