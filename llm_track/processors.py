"""The built-in processors: plain functions ``Event -> Event | None`` that run in one fixed order on the worker.

Only processors change content.  They get and return events; none knows a provider or a sink.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from llm_track import pricing, properties
from llm_track._guard import attempt, guarded
from llm_track.bounded import Runner
from llm_track.chains import sent_along
from llm_track.config import Processor, Settings
from llm_track.errors import RedactionTimeoutError
from llm_track.masking import map_texts, mask_fields, mask_secrets
from llm_track.media import strip_media
from llm_track.policies import METADATA, NOTHING, may_leave
from llm_track.properties import costs
from llm_track.records import Event, Policy
from llm_track.withholding import plain, withhold

if TYPE_CHECKING:
    from llm_track.prices import Prices
    from llm_track.redaction import Redactor


def built_in(settings: Settings) -> list[Processor]:
    """Return the processors that the settings ask for, in their order."""
    private = getattr(settings.client, "privacy_mode", False) is True
    allowed = settings.content & METADATA if private else settings.content
    chain: list[Processor] = [
        partial(strip_media_unless, allowed),
        mask_credentials,
        partial(withhold_by_policy, allowed),
    ]
    if settings.redact:
        chain.append(partial(redact_texts, settings.redact, settings.redact_seconds))
    if settings.cost == "off":
        chain.append(remove_cost)
    else:
        chain.append(partial(add_cost if settings.cost == "local" else add_special_cost, prices=settings.prices))
    return chain


def run(chain: Iterable[Processor], event: Event) -> Event | None:
    """Send an event through processors; one that fails may have been a redactor, so then no content goes out."""
    for processor in chain:
        results: list[Any] = []
        with guarded(f"run the processor {_name(processor)}", background=True):
            result = processor(event)
            if not isinstance(result, Event | None):
                raise TypeError(f"it returned a {type(result).__name__}, not an Event or None")
            results.append(result)
        if results == [None]:
            return None
        event = results[0] if results else withhold(event, NOTHING)
    return event


def _name(processor: Processor) -> str:
    function = processor.func if isinstance(processor, partial) else processor
    return str(attempt(getattr, function, "__name__", otherwise=type(processor).__name__))


def strip_media_unless(allowed: Policy, event: Event) -> Event:
    """Do so unless the policy of the settings, and that of the event, let media leave."""
    return event if may_leave("media", allowed, event.content) else strip_media(event)


def mask_credentials(event: Event) -> Event:
    """Replace credentials in error texts, in tool definitions and wherever a span carries them by name.

    The text of an exception and the source around it, which the client sends along, cannot be changed: where they hold
    a credential no ``$exception`` is sent at all.
    """
    changed: dict[str, Any] = {}
    for key in properties.ERROR_TEXTS:
        if isinstance(event.properties.get(key), str):
            changed[key] = mask_secrets(event.properties[key])
    leaks = any(changed[key] != event.properties[key] for key in changed)
    for key in properties.FIELDS_WITH_SECRETS:
        if key in event.properties:
            changed[key] = mask_fields(event.properties[key])
    if event.exception is not None and not leaks:
        leaks = any(mask_secrets(line) != line for line in sent_along(event.exception, event.traceback))
    exception = None if leaks else event.exception
    return replace(event, properties={**event.properties, **changed}, exception=exception)


def withhold_by_policy(allowed: Policy, event: Event) -> Event:
    """Remove what the policy of the settings, or that of the event, does not let leave."""
    return withhold(event, allowed if event.content is None else allowed & event.content)


def redact_texts(redactors: Sequence[Redactor], seconds: float, event: Event) -> Event:
    """Replace personal data in every text of an event, and in the names of fields.

    An exception and the source around it cannot be changed: where they hold such data no ``$exception`` is sent.

    Raises:
        RedactionTimeoutError: when it takes too long.
    """
    from llm_track.redaction import BuiltIn

    redacted = partial(_redacted, redactors, seconds, event)
    known = all(isinstance(redactor, BuiltIn) for redactor in redactors)
    return redacted() if known else _runner.run(redacted, seconds)


_runner = Runner()


def _redacted(redactors: Sequence[Redactor], seconds: float, event: Event) -> Event:
    from llm_track.readings import unescaped
    from llm_track.redaction import BuiltIn

    until = monotonic() + seconds

    def redact(text: str) -> str:
        for redactor in redactors:
            text = redactor(text if isinstance(redactor, BuiltIn) else unescaped(text))
            if not isinstance(text, str):
                raise TypeError(f"a redactor returned a {type(text).__name__}, not a text")
            if monotonic() > until:
                raise RedactionTimeoutError(f"it took more than {seconds:g} s")
        return text

    before = event.properties
    texts = {key: map_texts(value, redact) for key, value in before.items() if _holds_words(key, value)}
    kept = {redact(key) if not properties.is_own(key) else key: texts.get(key, value) for key, value in before.items()}
    leaks = event.exception is not None and (
        any(texts.get(key) != before.get(key) for key in properties.ERROR_TEXTS)
        or any(redact(line) != line for line in sent_along(event.exception, event.traceback))
    )
    return replace(event, properties=kept, exception=None if leaks else event.exception)


def _holds_words(key: str, value: Any) -> bool:
    """Tell whether a property may hold more than ids, counts, addresses and names of models."""
    return properties.is_text(key) or (not properties.is_id(key) and plain(value) != value)


def add_cost(event: Event, *, prices: Prices | None = None) -> Event:
    """Add what a call cost by the prices of the program, else by the price list of ``genai-prices``, if it is known."""
    return _priced(event, prices, by_list=True)


def add_special_cost(event: Event, *, prices: Prices | None = None) -> Event:
    """Do so where the program gave a price, for results of batches, and for calls that cost more or less for how and
    where they were served.

    PostHog prices all other calls itself, and takes these for ordinary ones.
    """
    return _priced(event, prices, by_list=event.batch is not None or pricing.is_served_otherwise(event.properties))


def _priced(event: Event, prices: Prices | None, *, by_list: bool) -> Event:
    """A cost that was reported stays.  What nobody knows the price of has no cost."""
    of = event.properties
    if event.name not in properties.COSTED or of.keys() & costs.reported_cost(0.0).keys():
        return event
    is_embedding, is_batched = event.name == properties.EMBEDDING, event.batch is not None
    cost = None
    if by_list:
        cost = pricing.known_cost(of, prices, embedding=is_embedding, batched=is_batched, at=event.timestamp)
    elif prices is not None:
        cost = pricing.given_cost(of, prices, embedding=is_embedding, batched=is_batched)
    return _unpriced(event) if cost is None else replace(event, properties={**of, **cost})


def remove_cost(event: Event) -> Event:
    """Remove every cost from an event."""
    return _unpriced(replace(event, properties=costs.without_cost(event.properties)))


def _unpriced(event: Event) -> Event:
    """Keep PostHog from giving the price of an ordinary call to what is none, and of which no cost is said."""
    is_ordinary = event.batch is None and not pricing.is_served_otherwise(event.properties)
    return event if is_ordinary else replace(event, properties=costs.out_of_sight(event.properties))
