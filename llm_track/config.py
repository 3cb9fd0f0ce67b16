"""The settings: one frozen object, replaced as a whole.

Each setting comes from the argument of `configure`, else from its environment variable, else from its default.  The
environment is read at first use, never at import.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from llm_track.errors import ConfigurationError
from llm_track.records import Event

Processor: TypeAlias = Callable[[Event], Event | None]
"""Takes an event and returns it, another one, or ``None`` to drop it.  Runs on the worker's thread."""

Content: TypeAlias = Literal["full", "metadata"]
Cost: TypeAlias = Literal["auto", "local", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; see `configure`."""

    api_key: str | None = None
    host: str | None = None
    client: Any = None
    content: Content = "full"
    processors: tuple[Processor, ...] = ()
    sample_rate: float = 1.0
    cost: Cost = "auto"
    enabled: bool = True
    exceptions: bool = False
    follow_threads: bool = True


_settings: Settings | None = None


def settings() -> Settings:
    """Return the settings in force; reads the environment when nothing was configured."""
    global _settings
    if _settings is None:
        _settings = _resolved({})
    return _settings


def configure(
    *,
    api_key: str | None = None,
    host: str | None = None,
    client: Any = None,
    content: Content | None = None,
    processors: Sequence[Processor] = (),
    sample_rate: float | None = None,
    cost: Cost | None = None,
    enabled: bool | None = None,
    exceptions: bool | None = None,
    follow_threads: bool | None = None,
    **unknown: Any,
) -> None:
    """Set how events are made and where they go.  Every call replaces all settings.

    Args:
        api_key: the PostHog project key; ``POSTHOG_API_KEY``, else ``POSTHOG_PROJECT_API_KEY``.
        host: the PostHog address; ``POSTHOG_API_URL``, else ``POSTHOG_HOST``; empty counts as unset.
        client: your own ``posthog.Posthog``; llm_track then builds no other and never shuts it down.
        content: ``"full"``, or ``"metadata"``: no inputs, outputs and error texts; ``LLM_TRACK_CONTENT``.
        processors: functions ``Event -> Event | None`` that run after the built-in ones, in order.
        sample_rate: share of traces that are sent, 0.0 to 1.0; errors are always sent; ``LLM_TRACK_SAMPLE_RATE``.
        cost: ``"auto"`` lets PostHog price what nobody else priced, ``"local"`` adds the prices of ``genai-prices``,
            ``"off"`` sends no cost at all; ``LLM_TRACK_COST``.
        enabled: ``False`` makes every hook a pass-through; ``LLM_TRACK_ENABLED``.
        exceptions: also send a linked ``$exception`` event for a failed call; ``LLM_TRACK_EXCEPTIONS``.
        follow_threads: a ``ThreadPoolExecutor.submit`` inside a span keeps the span;
            ``LLM_TRACK_FOLLOW_THREADS``.

    Raises:
        ConfigurationError: for a name that does not exist or a value that cannot be used.
    """
    global _settings
    given = {
        "api_key": api_key,
        "host": host,
        "client": client,
        "content": content,
        "processors": _callables(processors),
        "sample_rate": sample_rate,
        "cost": cost,
        "enabled": enabled,
        "exceptions": exceptions,
        "follow_threads": follow_threads,
    }
    for name in unknown:
        raise ConfigurationError(_unknown(name))
    _settings = _resolved(given)


def reset() -> None:
    """Forget what was configured; the environment is read again at the next use."""
    global _settings
    _settings = None


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [item.name for item in fields(Settings)], n=1)
    return f"configure() knows no setting {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def _resolved(given: dict[str, Any]) -> Settings:
    def pick(name: str, *variables: str, default: Any = None) -> Any:
        if given.get(name) not in (None, ""):
            return given[name]
        return next((value for variable in variables if (value := os.environ.get(variable, "").strip())), default)

    return Settings(
        api_key=_words("api_key", pick("api_key", "POSTHOG_API_KEY", "POSTHOG_PROJECT_API_KEY")),
        host=_address(_words("host", pick("host", "POSTHOG_API_URL", "POSTHOG_HOST"))),
        client=_client(given.get("client")),
        content=_choice("content", pick("content", "LLM_TRACK_CONTENT", default="full"), ("full", "metadata")),
        processors=given.get("processors", ()),
        sample_rate=_share(pick("sample_rate", "LLM_TRACK_SAMPLE_RATE", default=1.0)),
        cost=_choice("cost", pick("cost", "LLM_TRACK_COST", default="auto"), ("auto", "local", "off")),
        enabled=_flag("enabled", pick("enabled", "LLM_TRACK_ENABLED", default=True)),
        exceptions=_flag("exceptions", pick("exceptions", "LLM_TRACK_EXCEPTIONS", default=False)),
        follow_threads=_flag("follow_threads", pick("follow_threads", "LLM_TRACK_FOLLOW_THREADS", default=True)),
    )


def _words(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} is a {type(value).__name__}; it must be a string.")
    return value


def _address(host: str | None) -> str | None:
    """A host without a scheme is the commonest slip, and the client could deliver nothing to it."""
    if host is None or "://" in host:
        return host
    return f"{'http' if host.startswith(('localhost', '127.')) else 'https'}://{host}"


def _client(client: Any) -> Any:
    usable = not isinstance(client, type) and callable(getattr(client, "capture", None))
    if client is not None and not (usable and callable(getattr(client, "flush", None))):
        raise ConfigurationError(
            f"client is of type {type(client).__name__}; it must be an instance of posthog.Posthog."
        )
    return client


def _callables(processors: Any) -> tuple[Processor, ...]:
    listed: list[Any] = [*processors] if isinstance(processors, Iterable) else [None]
    if not all(callable(processor) for processor in listed):
        raise ConfigurationError(f"processors is {processors!r}; it must be a list of functions that take an Event.")
    return tuple(listed)


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
    return value


def _share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ConfigurationError(
            f"sample_rate is {value!r}; it must be a number from 0.0 (no traces) to 1.0 (all traces)."
        )
    return share


_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _flag(name: str, value: Any) -> bool:
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ConfigurationError(f"{name} is {value!r}; write true or false.")
    return flag
