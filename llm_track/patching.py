"""Putting the wrapper around the methods that the providers name, as soon as an SDK is imported, and taking it off."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import wrapt

from llm_track import context, iterators, lacking, processes, providers, threads
from llm_track._guard import guarded
from llm_track.errors import ConfigurationError
from llm_track.handing import asking, beside
from llm_track.hooks import Hook, entered
from llm_track.inplace import hook_in_place, is_hooked
from llm_track.lacking import at, inherited
from llm_track.providers import Provider, Target
from llm_track.wrapper import witness_wrapper

T = TypeVar("T")

_wanted: set[str] = set()
"""The providers that are to be hooked now or when they are imported."""
_waiting: set[str] = set()
"""The providers whose import triggers the hooks; wrapt cannot forget a trigger, so each is set once."""
_chosen: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""By their `id`, the clients that are tracked although their provider is not, and the copies they make."""
_beneath: set[str] = set()
"""The providers that are hooked for the calls that a layer over them makes, and for no others."""
_undo: dict[str, list[Callable[[], None]]] = {}
"""How to take the hooks of a provider off again."""


def autopatch(*names: str) -> dict[str, str]:
    """Track every LLM call of this process, whatever is imported before or after.

    Args:
        names: providers to hook, such as ``"openai"``; none means all that llm_track knows.

    Returns:
        Each provider and its state: ``"hooked"``, ``"hooked when imported"``, or what the installed version lacks, such
        as ``"openai 9.0.0 has no OpenAI.request"``.

    Raises:
        ConfigurationError: for a provider that llm_track does not know.

    >>> autopatch("openai")
    {'openai': 'hooked when imported'}
    """
    for name in names or tuple(providers.KNOWN):
        if name not in providers.KNOWN:
            known = ", ".join(sorted(providers.KNOWN))
            raise ConfigurationError(f"llm_track knows no provider {name!r}; it knows {known}.")
        _wanted.add(name)
        if name in sys.modules:
            _wait_for(name)
        _hook_when_imported(name)
    threads.follow()
    processes.follow()
    return {name: _state(name) for name in names or tuple(providers.KNOWN)}


def _state(name: str) -> str:
    state = "hooked" if name in _undo else "hooked when imported"
    return lacking.noted.get(name, state)


def hooked(name: str) -> Iterator[str]:
    """Yield the methods of a provider, such as ``"OpenAI.request"``, whose calls are tracked now."""
    provider, module = providers.load(name), sys.modules.get(name)
    for target in (*provider.targets, *(() if module is None else provider.others(module))):
        path, _, method = target.path.rpartition(".")
        owner = at(sys.modules[target.module], path) if target.module in sys.modules else None
        present = inherited(owner, method)
        is_call = target.notes is None and target.made is None
        if is_call and (isinstance(present, Hook) or is_hooked(present)):
            yield target.path


def stand_by() -> None:
    """Hook the SDKs that can name llm_track in their own settings; until one does, every call passes untouched."""
    for name in providers.CALLED_FOR:
        _hook_when_imported(name)


def unpatch(*names: str) -> None:
    """Take the hooks off again; every method is the very object that it was before."""
    for name in names or tuple(providers.KNOWN):
        _wanted.discard(name)
        _beneath.discard(name)
        for client in [client for client in _chosen.values() if _is_of(client, name)]:
            del _chosen[id(client)]
        beneath = providers.load(name).beneath if name in _undo else ()
        _take_off(name)
        for other in _beneath.intersection(beneath) - _wanted:
            _beneath.discard(other)
            _take_off(other)
    if not _wanted:
        threads.unfollow()
        processes.unfollow()
        iterators.release()


def _take_off(name: str) -> None:
    for undo in reversed(_undo.pop(name, [])):
        undo()


def instrument(client: T) -> T:
    """Track the calls of one client object, and of the copies it makes of itself, and no others.

    Args:
        client: an instance of a client class that llm_track knows, such as ``openai.OpenAI``.

    Returns:
        The same object.

    Raises:
        ConfigurationError: for an object that is no such client.
    """
    for name in providers.KNOWN:
        module = sys.modules.get(name)
        if module is None:
            continue
        provider = providers.load(name)
        inner = provider.hooked(client)
        for target in provider.targets:
            owner = getattr(sys.modules.get(target.module), target.path.partition(".")[0], None)
            if isinstance(owner, type) and isinstance(inner, owner):
                _hook_now(name)
                _chosen[id(inner)] = inner
                return client
    raise ConfigurationError(
        f"llm_track knows no client of type {type(client).__module__}.{type(client).__qualname__}; it is not tracked. "
        "Pass a client of a package that llm_track.autopatch() lists, or decorate the function that calls it with "
        "@track_llm."
    )


def _wait_for(name: str) -> None:
    """Wait for a thread that is importing the SDK right now: half of it has nothing to hook."""
    with guarded(f"wait for the import of {name}"):
        if getattr(getattr(sys.modules[name], "__spec__", None), "_initializing", False):
            importlib.import_module(name)


def _hook_when_imported(name: str) -> None:
    for place in (name, *providers.INSIDE.get(name, ())):
        if place not in _waiting:
            _waiting.add(place)
            wrapt.register_post_import_hook(_hook(name), place)
        elif place in sys.modules:
            _hook_now(name)


def _hook(name: str) -> Callable[[Any], None]:
    def hook(module: Any) -> None:
        if (name in _wanted or name in _beneath or name in providers.CALLED_FOR) and not _is_superseded():
            _hook_now(name)

    return hook


def _is_superseded() -> bool:
    """Tell whether llm_track was imported anew after this module, as coverage and test runners have it: then the newer
    one hooks."""
    return getattr(sys.modules.get(__name__), "__dict__", None) is not globals()


def _hook_now(name: str) -> None:
    """Hook what is not hooked yet.  Guarded: what is raised here would come out of the program's own ``import``."""
    with guarded(f"hook {name}"):
        provider = providers.load(name)
        _wrap_targets(provider, name, sys.modules[name])
        for place in {target.module for target in (*provider.targets, *provider.hands)} - {name}:
            _hook_later(provider, place)
        lacking.note(provider)
        for other in provider.beside:
            if importlib.util.find_spec(other) is not None:
                importlib.import_module(other)


def _hook_later(provider: Provider, place: str) -> None:
    """Hook what a module of the SDK has that is not imported with the SDK itself."""
    if place in _waiting:
        if place in sys.modules:
            _wrap_targets(provider, place, sys.modules[place])
        return
    _waiting.add(place)

    def hook(module: Any) -> None:
        with guarded(f"hook {place}"):
            if (provider.name in _wanted or provider.name in _undo) and not _is_superseded():
                _wrap_targets(provider, place, module)
                lacking.note(provider)

    wrapt.register_post_import_hook(hook, place)


def _wrap_targets(provider: Provider, place: str, module: Any) -> None:
    undo: list[Callable[[], None]] = []
    more = provider.others(module) if place == provider.name else ()
    for target in (*provider.targets, *more, *provider.hands):
        if target.module == place:
            _wrap_target(provider, target, module, undo)
    if undo:
        _undo.setdefault(provider.name, []).extend(undo)


def _wanted_of(provider: Provider) -> Callable[[Any], bool]:
    name, asks = provider.name, provider.asks_models

    def wanted(client: Any) -> bool:
        if not asks(client):
            return False
        if name in _wanted:
            return True
        if id(provider.held(client)) in _chosen or provider.called_for():
            _hook_beneath(provider)
            return True
        return (name in _beneath or provider.layers) and context.owner(context.current()) is not None

    return wanted


def _hook_beneath(provider: Provider) -> None:
    """Hook the SDKs that a layer asks through, as `autopatch` would have."""
    for name in provider.beneath:
        if name not in _beneath:
            _beneath.add(name)
            _hook_when_imported(name)


def _is_of(client: Any, name: str) -> bool:
    return any(f"{parent.__module__}.".startswith(f"{name}.") for parent in type(client).__mro__)


def _copied(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a tracked client makes of itself is tracked too."""
    made = wrapped(*args, **kwargs)
    if id(instance) in _chosen:
        _chosen[id(made)] = made
    return made


def _wrap_target(provider: Provider, target: Target, module: Any, undo: list[Callable[[], None]]) -> None:
    path, _, method = target.path.rpartition(".")
    owner = at(module, path)
    present = inherited(owner, method)
    if present is None:
        return
    other = beside(provider, target)
    if other is not None:
        _wrap(owner, method, other, undo)
        return
    wrapper = asking(provider, target, _wanted_of(provider))
    if target.in_place:
        _wrap_function(present, wrapper, isinstance(owner, type), undo)
        return
    _wrap(owner, method, entered(wrapper) if target.opens else wrapper, undo)
    for copies in provider.copies:
        if hasattr(owner, copies):
            _wrap(owner, copies, _copied, undo)
    if target.witness is not None and hasattr(owner, target.witness):
        _wrap(owner, target.witness, witness_wrapper(provider), undo)


def _wrap_function(function: Any, wrapper: Any, is_method: bool, undo: list[Callable[[], None]]) -> None:
    """Hook a function or method that stays the object it is, whoever has it already."""
    if isinstance(function, FunctionType) and not is_hooked(function):
        undo.append(hook_in_place(function, wrapper, is_method=is_method))


def _wrap(owner: type, method: str, wrapper: Any, undo: list[Callable[[], None]]) -> None:
    """Hook a method on the class that was named, even if it is inherited: nobody else's subclass changes."""
    present = inherited(owner, method)
    if isinstance(present, Hook):
        return
    own = vars(owner).get(method)
    hook = Hook(present, wrapper)
    setattr(owner, method, hook)

    def restore() -> None:
        if vars(owner).get(method) is hook:
            if own is not None:
                setattr(owner, method, own)
            else:
                delattr(owner, method)

    undo.append(restore)
