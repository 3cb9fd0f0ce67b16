"""What is known of the clients of xAI's SDK: the keys they were given, and where they ask.

Once a client is made, nothing of Python's holds either: they are noted when it is made.  A chat knows no client, and
may outlive it, but it has the stub by which the client asked.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from llm_track.providers import Invocation

_keys: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()
_addresses: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""By the stubs of clients."""


def remember(invocation: Invocation) -> None:
    """Note with what a client was made: ``BaseClient.__init__``."""
    signature = inspect.signature(sys.modules["xai_sdk.client"].BaseClient.__init__)
    bound = signature.bind(invocation.instance, *invocation.args, **invocation.kwargs)
    bound.apply_defaults()
    given = bound.arguments
    keys = tuple(key for name in ("api_key", "management_api_key") if isinstance(key := given[name], str) and key)
    for part in (invocation.instance.chat, invocation.instance.image):
        _keys[part._stub] = keys
        _addresses[part._stub] = _base_url(given["api_host"], given.get("use_insecure_channel", False))


def _base_url(host: str, plain: bool) -> str:
    """Return the address that gRPC is given, with what it speaks there: the SDK has no TLS to ``localhost:``."""
    return f"{'http' if plain or host.startswith('localhost:') else 'https'}://{host.rpartition('/')[2]}"


def base_url(part: Any) -> str | None:
    """Return where a chat asks, or a part of a client, or ``None`` for a client that was made unseen."""
    stub = getattr(part, "_stub", None)
    return None if stub is None else _addresses.get(stub)


def secrets(part: Any) -> Callable[[], Iterable[str]]:
    """Return what yields the keys of the client, to be found where an exception quotes one."""
    stub = getattr(part, "_stub", None)
    return partial(tuple, () if stub is None else _keys.get(stub, ()))
