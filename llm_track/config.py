"""The settings: one frozen object, replaced as a whole.

Each setting comes from the argument of `configure`, else from its environment variable, else from its default.  The
environment is read at first use, never at import.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from llm_track import checks, policies
from llm_track.errors import ConfigurationError
from llm_track.records import Event, Policy

if TYPE_CHECKING:
    from llm_track.prices import Prices
    from llm_track.redaction import Redactor

Processor: TypeAlias = Callable[[Event], Event | None]
"""Takes an event and returns it, another one, or ``None`` to drop it.  Runs on the worker's thread."""

Cost: TypeAlias = Literal["auto", "local", "off"]
AILane: TypeAlias = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; see `configure`."""

    api_key: str | None = None
    host: str | None = None
    client: Any = None
    content: Policy = policies.FULL
    redact: tuple[Redactor, ...] = ()
    redact_seconds: float = 1.0
    processors: tuple[Processor, ...] = ()
    sample_rate: float = 1.0
    keep_slower_than: float | None = None
    keep_costlier_than: float | None = None
    cost: Cost = "auto"
    ai_lane: AILane = "auto"
    prices: Prices | None = None
    enabled: bool = True
    exceptions: bool = False
    follow_threads: bool = True
    feedback_secret: str | None = field(default=None, repr=False)
    spool: str | None = None
    spool_bytes: int = 2**30
    exit_seconds: float = 5.0
    flush_on_sigterm: bool = False


_in_force: dict[str, Settings] = {}
"""The settings, once there are any.  A dict, as of two threads the one that read the environment must never replace
what the other configured meanwhile, and `dict.setdefault` is one step."""


def settings() -> Settings:
    """Return the settings in force; reads the environment when nothing was configured."""
    try:
        return _in_force["now"]
    except KeyError:
        return _in_force.setdefault("now", _resolved({}))


def configure(
    *,
    api_key: str | None = None,
    host: str | None = None,
    client: Any = None,
    content: bool | str | Iterable[str] | None = None,
    redact: str | Iterable[str | Redactor] | None = None,
    redact_seconds: float | None = None,
    processors: Sequence[Processor] = (),
    sample_rate: float | None = None,
    keep_slower_than: float | None = None,
    keep_costlier_than: float | None = None,
    cost: Cost | None = None,
    ai_lane: AILane | None = None,
    prices: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    enabled: bool | None = None,
    exceptions: bool | None = None,
    follow_threads: bool | None = None,
    feedback_secret: str | None = None,
    spool: str | os.PathLike[str] | None = None,
    spool_bytes: int | None = None,
    exit_seconds: float | None = None,
    flush_on_sigterm: bool | None = None,
    **unknown: Any,
) -> None:
    """Set how events are made and where they go.  Every call replaces all settings.

    Args:
        api_key: the PostHog project key; ``POSTHOG_API_KEY``, else ``POSTHOG_PROJECT_API_KEY``.
        host: the PostHog address; ``POSTHOG_API_URL``, else ``POSTHOG_HOST``; empty counts as unset.
        client: your own ``posthog.Posthog``; llm_track then builds no other and never shuts it down.
        content: what of it may leave: ``"full"``: all but media; ``"metadata"``: no inputs, outputs, tools and error
            texts; ``"none"``; or some of the fields ``inputs``, ``outputs``, ``tools``, ``errors``, ``tracebacks``,
            ``metadata`` and ``media``, in a list or with commas between; ``LLM_TRACK_CONTENT``.
        redact: personal data that is replaced by marks in every text that leaves: ``"all"``, or some of ``emails``,
            ``phones``, ``cards``, ``ibans``, ``keys`` and ``ips``, and functions of your own from a text to a text;
            ``LLM_TRACK_REDACT``.
        redact_seconds: how long that may take for one event; one that takes longer is sent without any content, and so
            is one of which a function raises; ``LLM_TRACK_REDACT_SECONDS``.
        processors: functions ``Event -> Event | None`` that run after the built-in ones, in order.
        sample_rate: share of traces that are sent, 0.0 to 1.0; those with errors always are; the weight of an event is
            its property ``llm_sample_weight``, see `llm_track.sampling`; ``LLM_TRACK_SAMPLE_RATE``.
        keep_slower_than: seconds; a trace that takes as long is sent at any rate; ``LLM_TRACK_KEEP_SLOWER_THAN``.
        keep_costlier_than: US dollars; a trace that costs as much is sent at any rate, as far as the provider or the
            price list says what it costs; ``LLM_TRACK_KEEP_COSTLIER_THAN``.
        cost: ``"auto"`` lets PostHog price what nobody else priced, ``"local"`` adds the prices of ``genai-prices``,
            ``"off"`` sends no cost at all; ``LLM_TRACK_COST``.
        ai_lane: how events above 900 KiB go: ``"on"``: whole, up to 8 MiB, on PostHog's lane for AI events;
            ``"off"``: cut; ``"auto"``: whole where the host has that lane; ``LLM_TRACK_AI_LANE``.
        prices: what models cost you, by the names of models or of ``provider/model``, or by patterns with ``*``, in US
            dollars for a million tokens: ``{"gpt-5*": {"input": 1.25, "output": 10}}``; or the path of a JSON file with
            that; they come before those of ``genai-prices`` and of PostHog; ``LLM_TRACK_PRICES``, a path.
        enabled: ``False`` makes every hook a pass-through; ``LLM_TRACK_ENABLED``.
        exceptions: also send a linked ``$exception`` event for a failed call; ``LLM_TRACK_EXCEPTIONS``.
        follow_threads: what is given to a pool of threads or processes, or started as a process, inside a span keeps
            the span; ``LLM_TRACK_FOLLOW_THREADS``.
        feedback_secret: what `llm_track.feedback_token` seals its tokens with, at least 16 characters, the same in all
            processes that make and take them; ``LLM_TRACK_FEEDBACK_SECRET``.
        spool: a directory in which events wait until PostHog has them, so that they outlive the process; many processes
            may share it; ``LLM_TRACK_SPOOL``.
        spool_bytes: how large that directory may grow before the oldest events go, those of errors last; 1 GiB;
            ``LLM_TRACK_SPOOL_BYTES``.
        exit_seconds: how long the end of the program is held up at most until PostHog has what is left; 5;
            ``LLM_TRACK_EXIT_SECONDS``.
        flush_on_sigterm: deliver what is left, in so many seconds, when the process is sent SIGTERM, and then do what
            would have been done without; ``LLM_TRACK_FLUSH_ON_SIGTERM``.

    Raises:
        ConfigurationError: for a name that does not exist or a value that cannot be used.
    """
    given = {
        "api_key": api_key,
        "host": host,
        "client": client,
        "content": content,
        "redact": redact,
        "redact_seconds": redact_seconds,
        "processors": _callables(processors),
        "sample_rate": sample_rate,
        "keep_slower_than": keep_slower_than,
        "keep_costlier_than": keep_costlier_than,
        "cost": cost,
        "ai_lane": ai_lane,
        "prices": prices,
        "enabled": enabled,
        "exceptions": exceptions,
        "follow_threads": follow_threads,
        "feedback_secret": feedback_secret,
        "spool": spool,
        "spool_bytes": spool_bytes,
        "exit_seconds": exit_seconds,
        "flush_on_sigterm": flush_on_sigterm,
    }
    for name in unknown:
        raise ConfigurationError(_unknown(name))
    _in_force["now"] = _resolved(given)
    for listener in _listeners:
        listener()


_listeners: list[Callable[[], None]] = []


def on_configured(listener: Callable[[], None]) -> None:
    """Have something called whenever the program has set something."""
    _listeners.append(listener)


def reset() -> None:
    """Forget what was configured; the environment is read again at the next use."""
    _in_force.clear()


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [item.name for item in fields(Settings)], n=1)
    return f"configure() knows no setting {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def _resolved(given: dict[str, Any]) -> Settings:
    def pick(name: str, *variables: str, default: Any = None) -> Any:
        if given.get(name) not in (None, ""):
            return given[name]
        return next((value for variable in variables if (value := os.environ.get(variable, "").strip())), default)

    return Settings(
        api_key=checks.words("api_key", pick("api_key", "POSTHOG_API_KEY", "POSTHOG_PROJECT_API_KEY")),
        host=checks.address(checks.words("host", pick("host", "POSTHOG_API_URL", "POSTHOG_HOST"))),
        client=checks.client(given.get("client")),
        content=policies.policy(pick("content", "LLM_TRACK_CONTENT", default="full")),
        redact=_redactors(pick("redact", "LLM_TRACK_REDACT", default=())),
        redact_seconds=checks.above_zero(
            "redact_seconds", "seconds", pick("redact_seconds", "LLM_TRACK_REDACT_SECONDS", default=1.0)
        ),
        processors=given.get("processors", ()),
        sample_rate=checks.share(pick("sample_rate", "LLM_TRACK_SAMPLE_RATE", default=1.0)),
        keep_slower_than=checks.limit(
            "keep_slower_than", "seconds", pick("keep_slower_than", "LLM_TRACK_KEEP_SLOWER_THAN")
        ),
        keep_costlier_than=checks.limit(
            "keep_costlier_than", "US dollars", pick("keep_costlier_than", "LLM_TRACK_KEEP_COSTLIER_THAN")
        ),
        cost=checks.choice("cost", pick("cost", "LLM_TRACK_COST", default="auto"), ("auto", "local", "off")),
        ai_lane=checks.choice("ai_lane", pick("ai_lane", "LLM_TRACK_AI_LANE", default="auto"), ("auto", "on", "off")),
        prices=_prices(pick("prices", "LLM_TRACK_PRICES")),
        enabled=checks.flag("enabled", pick("enabled", "LLM_TRACK_ENABLED", default=True)),
        exceptions=checks.flag("exceptions", pick("exceptions", "LLM_TRACK_EXCEPTIONS", default=False)),
        follow_threads=checks.flag("follow_threads", pick("follow_threads", "LLM_TRACK_FOLLOW_THREADS", default=True)),
        feedback_secret=checks.secret(pick("feedback_secret", "LLM_TRACK_FEEDBACK_SECRET")),
        spool=checks.folder(pick("spool", "LLM_TRACK_SPOOL")),
        spool_bytes=checks.size("spool_bytes", pick("spool_bytes", "LLM_TRACK_SPOOL_BYTES", default=2**30)),
        exit_seconds=checks.above_zero(
            "exit_seconds", "seconds", pick("exit_seconds", "LLM_TRACK_EXIT_SECONDS", default=5.0)
        ),
        flush_on_sigterm=checks.flag(
            "flush_on_sigterm", pick("flush_on_sigterm", "LLM_TRACK_FLUSH_ON_SIGTERM", default=False)
        ),
    )


def _callables(processors: Any) -> tuple[Processor, ...]:
    listed: list[Any] = [*processors] if isinstance(processors, Iterable) else [None]
    if not all(callable(processor) for processor in listed):
        raise ConfigurationError(f"processors is {processors!r}; it must be a list of functions that take an Event.")
    return tuple(listed)


def _redactors(value: Any) -> tuple[Redactor, ...]:
    if value == ():
        return ()
    from llm_track.redaction import redactors  # its expressions cost milliseconds to compile, for those who want them

    return redactors(value)


def _prices(value: Any) -> Prices | None:
    if value is None:
        return None
    from llm_track.prices import prices  # loaded only by who has some

    return prices(value)
