"""What each setting may be: every check returns the value as it is used, or says what is wrong with it."""

from __future__ import annotations

import os
from typing import Any

from llm_track.errors import ConfigurationError


def words(name: str, value: Any) -> str | None:
    """A string."""
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} is a {type(value).__name__}; it must be a string.")
    return value


def secret(value: Any) -> str | None:
    """What nobody may guess."""
    found = words("feedback_secret", value)
    if found is not None and len(found) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"feedback_secret has {len(found)} characters; it must have at least {_SHORTEST_SECRET}, and nobody may "
            "guess them: python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
        )
    return found


_SHORTEST_SECRET = 16


def address(host: str | None) -> str | None:
    """A host without a scheme is the commonest slip, and the client could deliver nothing to it."""
    if host is None or "://" in host:
        return host
    return f"{'http' if host.startswith(('localhost', '127.')) else 'https'}://{host}"


def client(value: Any) -> Any:
    """A client, or what behaves as one."""
    usable = not isinstance(value, type) and callable(getattr(value, "capture", None))
    if value is not None and not (usable and callable(getattr(value, "flush", None))):
        raise ConfigurationError(
            f"client is of type {type(value).__name__}; it must be an instance of posthog.Posthog."
        )
    return value


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """One of some words."""
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
    return value


def share(value: Any) -> float:
    """A part of the whole."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise ConfigurationError(
            f"sample_rate is {value!r}; it must be a number from 0.0 (no traces) to 1.0 (all traces)."
        )
    return found


def above_zero(name: str, unit: str, value: Any) -> float:
    """A finite number above 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise ConfigurationError(f"{name} is {value!r}; it must be a number of {unit} above 0.")
    return number


def limit(name: str, unit: str, value: Any) -> float | None:
    """A finite number above 0, if there is one."""
    return None if value is None else above_zero(name, unit, value)


_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def flag(name: str, value: Any) -> bool:
    """Yes or no, as people write it."""
    found = _FLAGS.get(str(value).lower())
    if found is None:
        raise ConfigurationError(f"{name} is {value!r}; write true or false.")
    return found


def folder(value: Any) -> str | None:
    """A directory that is there, or that can be made."""
    if value is None:
        return None
    try:
        path = os.path.abspath(os.path.expanduser(os.fspath(value)))
    except TypeError:
        raise ConfigurationError(f"spool is a {type(value).__name__}; it must be the path of a directory.") from None
    if not isinstance(path, str) or (os.path.exists(path) and not os.path.isdir(path)):
        raise ConfigurationError(f"spool is {value!r}, which is no directory.")
    return path


def size(name: str, value: Any) -> int:
    """A number of bytes, at least enough for a few events."""
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = 0
    if found < _SMALLEST_SIZE:
        raise ConfigurationError(f"{name} is {value!r}; it must be a number of bytes of at least {_SMALLEST_SIZE}.")
    return found


_SMALLEST_SIZE = 64 * 1024
