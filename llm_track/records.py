"""What happened, as frozen facts without behaviour.

Formats produce `Request` and `Response`; the engine adds time, place and outcome and makes a `Record` of them;
`properties.event` turns a record into the `Event` that PostHog is told.

Units everywhere: seconds, tokens, US dollars.  ``None`` always means "not reported", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
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

Policy: TypeAlias = frozenset[str]
"""The fields of content that may leave: see `llm_track.policies`.  ``None`` instead: nobody said so."""

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
    reasoning_included_in_output: bool | None = None
    """Whether ``output_tokens`` already contains the reasoning tokens: false for Gemini and xAI, true for others."""
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
    background: bool | None = False
    """The provider works on it while nobody waits; the answer is fetched by another call.  ``None``: not reported."""
    pending: bool = False
    """The provider is still working on it."""
    complete: bool = True
    """False for a body folded from a stream that did not reach its end."""
    error: str | None = None
    """The error message of an answer that is an error although its HTTP status is not."""
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """One result of a batch: what a model answered hours ago to one of many requests."""

    kind: Literal["generation", "embedding"]
    response: Response
    id: str | None = None
    """The provider's own id of the request."""
    custom_id: str | None = None
    """The program's name for the request."""
    http_status: int | None = None
    request_id: str | None = None
    outcome: Outcome = "completed"
    answered_at: float | None = None
    """When the model answered, in seconds since 1970."""


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
    traceback: TracebackType | None = None
    """That of the exception when this was written: it grows while the program has yet to catch it."""
    seen: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who and what a call belongs to; inherited from the enclosing spans."""

    user_id: str | None = None
    session_id: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    metadata: JSON = field(default_factory=dict)
    no_log: bool = False
    content: Policy | None = None
    """What may leave, if that is less than the settings say."""
    flags: Any = None
    """A snapshot of feature flags, as ``posthog.evaluate_flags`` gives it, or the flags with their values."""
    prompt: tuple[str, int | str | None] | None = None
    """Name and version of the prompt that generations are made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a program says of one call beside the request itself."""

    identity: Identity = field(default_factory=Identity)
    trace_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
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
    latency: float | None
    """``None`` where nobody here knows how long it took: the results of batches."""
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
    batch: str | None = None
    """The batch that it is a result of, or the file that holds the results, by the provider's id for it."""
    custom_id: str | None = None
    """What the program called the request in that batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Record):
    """A step around model calls: a function, a tool, an agent, a block of code."""

    name: str
    kind: str
    """A `SpanKind`, or what another tracer calls it: ``chain``, ``retriever``, ``guardrail`` ..."""
    input: Any = None
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which call or step something is said of, and who that belongs to."""

    trace_id: str
    span_id: str | None = None
    """``None``: it is said of the whole trace."""
    is_model_call: bool = False
    identity: Identity = field(default_factory=Identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark(Record):
    """What is said of a call or a step afterwards; ``parent_id`` is the one that it is said of."""

    kind: Literal["feedback", "metric", "evaluation"]
    name: str | None = None
    value: str | float | bool | None
    """The words of a feedback, the value of a metric, the result of an evaluation."""
    score: float | None = None
    reasoning: str | None = None
    model: str | None = None
    """The model that judged."""
    of_model_call: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What PostHog is told: the last shape a record takes."""

    name: str
    """``$ai_generation``, ``$ai_embedding``, ``$ai_span``, ``$ai_trace``; ``$ai_feedback`` and its like."""
    uuid: str
    trace_id: str
    distinct_id: str | None
    """``None``: nobody said who asked; the sink asks posthog's own context, else sends an anonymous event."""
    properties: dict[str, Any]
    groups: Mapping[str, str] = field(default_factory=dict)
    timestamp: datetime | None = None
    no_log: bool = False
    content: Policy | None = None
    """What of it may leave, if that is less than the settings say."""
    project: tuple[str, str | None] | None = None
    """Key and address of the PostHog project it is for, if not for the configured one."""
    exception: BaseException | None = None
    """The exception behind a failed call, for a linked ``$exception`` event."""
    traceback: TracebackType | None = None
    """How far it had come when it was looked at: what the client sends along of it has to have been looked at, too."""
    seen: frozenset[int] | None = None
    """Signs of what it was made of then (`llm_track.chains.parts_of`)."""
    flags: Any = None
    """A snapshot of feature flags, of which the client makes properties."""
    batch: str | None = None
    """For the result of a batch: an id of the batch that is the same wherever its results are fetched.  Such an event
    has the price of batches, and where nobody said who asked it is sent under this id."""
