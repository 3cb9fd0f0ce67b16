"""What happened, as frozen facts without behaviour.

Formats produce `Request` and `Response`; the engine adds time, place and outcome and makes a `Record` of them;
`properties.event` turns a record into the `Event` that PostHog is told.

Units everywhere: seconds, tokens, US dollars.  ``None`` always means "not reported", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = Mapping[str, Any]
"""One JSON object, as `json.loads` gives it."""

Outcome: TypeAlias = Literal[
    "completed",  # the provider said all it had to say
    "failed",  # the call raised, or the provider answered with an error
    "cancelled",  # the program gave up waiting: task cancelled, interrupted
    "broken",  # the stream ended before the provider was done
    "closed_early",  # the program stopped reading the stream
    "never_read",  # the program never read the stream it asked for
]
"""How one call ended; sent as ``llm_outcome``."""

SpanKind: TypeAlias = Literal["span", "tool", "agent", "generation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one call.  ``None`` is "not reported"; 0 is "reported as zero"."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    web_searches: int | None = None
    cache_included_in_input: bool | None = None
    """Whether ``input_tokens`` already contains the cache tokens: true for OpenAI, false for Anthropic."""
    cost: float | None = None
    """What the provider itself says the call cost, in US dollars."""
    raw: JSON | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of a model, in shapes that PostHog draws."""

    model: str | None = None
    input: Sequence[Any] | str | None = None
    parameters: JSON = field(default_factory=dict)
    tools: Sequence[Any] | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered, in shapes that PostHog draws."""

    output: Sequence[Any] | None = None
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    id: str | None = None
    stop_reason: str | None = None
    service_tier: str | None = None
    background: bool = False
    """The provider works on it while nobody waits; the answer is fetched by another call."""
    pending: bool = False
    """The provider is still working on it."""
    complete: bool = True
    """False for a body folded from a stream that did not reach its end."""
    error: str | None = None
    """The error message of an answer that is an error although its HTTP status is not."""
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call failed, as far as the program could see it."""

    message: str
    type: str
    code: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    stack_trace: str | None = None
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who and what a call belongs to; inherited from the enclosing spans."""

    user_id: str | None = None
    session_id: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    metadata: JSON = field(default_factory=dict)
    no_log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a program says of one call beside the request itself."""

    identity: Identity = field(default_factory=Identity)
    trace_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    withheld: bool = False
    """Whether inputs, outputs and error texts must not leave."""
    project: tuple[str, str | None] | None = None
    """Key and address of the PostHog project that the event is for, if not for the configured one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a layer over other SDKs tells of how it served a call."""

    provider: str | None = None
    asked: str | None = None
    """The model that was asked for, by the provider's own name for it."""
    model: str | None = None
    """The model that answered, or that failed to."""
    base_url: str | None = None
    model_group: str | None = None
    """The name under which a router knows several deployments of a model."""
    deployment_id: str | None = None
    cost: float | None = None
    """What the call cost by the layer's own price list, in US dollars."""
    cached: bool = False
    """Whether the answer came from a cache, so that no provider was asked."""
    saved_cost: float | None = None
    """What a cached answer would have cost, in US dollars."""
    counted: bool = True
    """Whether a provider counted: not where the answer was made up for a test."""
    counts_reasoning: bool = True
    """Whether the provider counts reasoning tokens: the layer estimates them where it does not."""
    retries: int | None = None
    fallbacks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to a provider that failed within a call; another one was made after it."""

    model: str | None
    provider: str
    error_type: str
    http_status: int | None
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every event shares: its place in the trace, its time, its outcome."""

    span_id: str
    trace_id: str
    parent_id: str | None
    identity: Identity
    ended_at: datetime
    latency: float
    outcome: Outcome = "completed"
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall(Record):
    """One request to a provider; ``kind`` says which event it becomes."""

    kind: Literal["generation", "embedding", "endpoint"]
    name: str
    provider: str
    base_url: str | None = None
    request_url: str | None = None
    request: Request
    response: Response | None = None
    time_to_first_token: float | None = None
    http_status: int | None = None
    request_id: str | None = None
    retries: int | None = None
    input_state: Any = None
    output_state: Any = None
    labels: Labels = field(default_factory=Labels)
    served: Served = field(default_factory=Served)
    attempts: int = 1
    failed_attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Record):
    """A step around model calls: a function, a tool, an agent, a block of code."""

    name: str
    kind: SpanKind
    input: Any = None
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What PostHog is told: the last shape a record takes."""

    name: str
    """``$ai_generation``, ``$ai_embedding``, ``$ai_span`` or ``$ai_trace``."""
    uuid: str
    trace_id: str
    distinct_id: str | None
    """``None``: nobody said who asked; the sink asks posthog's own context, else sends an anonymous event."""
    properties: dict[str, Any]
    groups: Mapping[str, str] = field(default_factory=dict)
    timestamp: datetime | None = None
    no_log: bool = False
    withheld: bool = False
    """Whether its content must not leave, whatever the settings say."""
    project: tuple[str, str | None] | None = None
    """Key and address of the PostHog project it is for, if not for the configured one."""
    exception: BaseException | None = None
    """The exception behind a failed call, for a linked ``$exception`` event."""
