"""Methods of the standard library that start work elsewhere: hooked while a provider is, so that spans go along."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import wrapt

from llm_track._guard import guarded
from llm_track.hooks import Hook

Wrapper: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
Methods: TypeAlias = Mapping[str, Wrapper]
"""Methods such as ``"Pool.imap"`` and what stands in for them."""


class Following:
    """Hooks of some modules, set when they are imported."""

    def __init__(self, modules: Mapping[str, Methods]) -> None:
        self._modules = modules
        self._wanted = False
        self._waiting: set[str] = set()
        self._undo: dict[str, Callable[[], None]] = {}

    def follow(self) -> None:
        """Hook the methods, now or when their modules are imported."""
        self._wanted = True
        for name in self._modules:
            if name not in self._waiting:
                self._waiting.add(name)
                wrapt.register_post_import_hook(self._hook, name)
            elif name in sys.modules:
                self._hook(sys.modules[name])

    def unfollow(self) -> None:
        """Take the hooks off again."""
        self._wanted = False
        while self._undo:
            self._undo.popitem()[1]()

    def _hook(self, module: Any) -> None:
        for path, wrapper in self._modules[module.__name__].items():
            with guarded(f"hook {path}"):
                if self._wanted and path not in self._undo:
                    name, method = path.split(".")
                    self._undo[path] = hook_method(getattr(module, name), method, wrapper)


def hook_method(owner: type, method: str, wrapper: Wrapper) -> Callable[[], None]:
    """Hook a method that a class itself has; return what takes the hook off again."""
    original = vars(owner)[method]
    hook = Hook(original, wrapper)
    setattr(owner, method, hook)

    def undo() -> None:
        if vars(owner).get(method) is hook:
            setattr(owner, method, original)

    return undo
