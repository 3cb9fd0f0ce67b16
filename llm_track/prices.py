"""The prices that a program gives: what a model costs, by its name or by a pattern.

Units: US dollars per million tokens; fees in US dollars each.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm_track._guard import say_once
from llm_track.errors import ConfigurationError

TOKENS = (
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
    "image_output",
)  # fmt: skip
"""Kinds of tokens that can have a price of their own."""
_FEES = ("per_request", "web_search")
SERVICES = ("batch", "fast", "flex", "priority")
"""Ways to be served, other than at once and in turn, that can have prices of their own."""

Counts = Mapping[str, int]
"""How many tokens of each kind a call used: ``input`` and ``output`` are all of them, the other kinds are parts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost, in US dollars, by parts."""

    input: float
    output: float
    searches: float = 0.0
    request: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs."""

    rates: Mapping[str, float]
    """By kind of token; a kind without a rate costs what the kind costs that it is part of."""
    tiers: tuple[tuple[int, Mapping[str, float]], ...] = ()
    """Other rates for every token of a call with more input tokens than that; the lowest number first."""
    services: Mapping[str, float | Price] = field(default_factory=dict)
    """What applies to calls that are served otherwise, by `SERVICES`: a factor for all rates, or rates instead."""
    per_request: float = 0.0
    web_search: float | None = None

    def cost(self, counts: Counts, searches: int = 0, service: str | None = None) -> Cost:
        """Return what a call costs.

        Args:
            counts: its tokens.
            searches: how often it searched.
            service: one of `SERVICES`, if it was served so.

        Raises:
            LookupError: it says what the price would have to tell for that.
        """
        if searches and self.web_search is None:
            raise LookupError("'web_search', US dollars for each search")
        rates, factor = self._rates(counts.get("input", 0)), 1.0
        special = self.services.get(service) if service is not None else None
        if service is not None and special is None:
            raise LookupError(f"{service!r}, a factor like 0.5, or rates")
        if isinstance(special, Price):
            if self.tiers and not special.tiers and rates is not self.rates:
                raise LookupError(f"'tiers' of {service!r}")
            rates = {**self.rates, **special._rates(counts.get("input", 0))}
        elif special is not None:
            factor = special
        return Cost(
            input=factor * _side(rates, counts, "input", _OF_INPUT, free=self.is_flat) / _MILLION,
            output=factor * _side(rates, counts, "output", _OF_OUTPUT, free=self.is_flat) / _MILLION,
            searches=searches * (self.web_search or 0.0),
            request=self.per_request,
        )

    @property
    def is_flat(self) -> bool:
        """Whether a call costs the same however many tokens it uses."""
        return self.per_request > 0 and not self.rates

    def _rates(self, tokens: int) -> Mapping[str, float]:
        """The rates for so many input tokens."""
        reached = [rates for above, rates in self.tiers if tokens > above]
        return {**self.rates, **reached[-1]} if reached else self.rates


_MILLION = 1_000_000
_OF_INPUT = ("cache_read", "cache_write", "cache_write_1h", "audio_input", "image_input")
_OF_OUTPUT = ("audio_output", "image_output")
_CACHED = ("cache_read", "cache_write")
_MEDIA = ("audio_input", "image_input")


def _side(rates: Mapping[str, float], counts: Counts, side: str, parts: tuple[str, ...], *, free: bool) -> float:
    """What the tokens of one direction cost, in millionths.

    Raises:
        LookupError: a rate is missing.
    """
    left = counts.get(side, 0)
    if not left or free:
        return 0.0
    if side not in rates:
        raise LookupError(f"{side!r}, US dollars for a million tokens")
    used = {kind: counts.get(kind, 0) for kind in parts}
    used["cache_write"] = used.get("cache_write", 0) - used.get("cache_write_1h", 0)
    own = {kind: number for kind, number in used.items() if number and kind in rates}
    if used.get("cache_write_1h") and "cache_write_1h" not in rates and "cache_write" in rates:
        own["cache_write"] = own.get("cache_write", 0) + used["cache_write_1h"]
    if own.keys() & _MEDIA and any(used.get(kind) for kind in _CACHED):
        raise LookupError("no rate for sound and pictures: how many of them came from a cache is not reported")
    left -= sum(own.values())
    if left < 0 or used["cache_write"] < 0:
        raise LookupError("nothing more: the counts contradict each other")
    return left * rates[side] + sum(number * rates[kind] for kind, number in own.items())


class Prices:
    """A table of prices, by the names of models or by patterns with ``*``, of the model or of ``provider/model``."""

    def __init__(self, table: Mapping[str, Price]) -> None:
        self._exact = {name.lower(): price for name, price in table.items() if "*" not in name}
        patterns = sorted((name.lower() for name in table if "*" in name), key=_length, reverse=True)
        prices = {name.lower(): price for name, price in table.items()}
        self._patterns = [(name.split("*"), prices[name]) for name in patterns]

    def find(self, provider: str, *models: str) -> Price | None:
        """Return the price of a model.

        An exact name comes before a pattern, ``provider/model`` before a model, a longer pattern before a shorter one,
        and a name stands for its dated versions.

        Args:
            provider: who bills.
            models: the model that answered, and then other names that were used for it.
        """
        for name in _names(provider, models):
            if name in self._exact:
                return self._exact[name]
        written = [name for model in models for name in (f"{provider}/{model}".lower(), model.lower())]
        return next((price for parts, price in self._patterns if any(_fits(parts, name) for name in written)), None)


def _names(provider: str, models: tuple[str, ...]) -> Iterator[str]:
    for model in models:
        for name in dict.fromkeys((model.lower(), _DATE.sub("", model.lower()))):
            yield f"{provider}/{name}".lower()
            yield name


_DATE = re.compile(r"[-@](20\d\d-?\d\d-?\d\d|\d{4})$")
"""How a dated version ends: by a whole date, or by its month and day, as with xAI, or its year and month (Mistral)."""


def _length(pattern: str) -> int:
    return len(pattern.replace("*", ""))


def _fits(parts: list[str], name: str) -> bool:
    """Tell whether a name is that of a pattern, given what stands between the stars.

    Each part is taken where it comes first: a regular expression would try all places, for hours with some names.
    """
    first, *middle, last = parts
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


def prices(given: Any) -> Prices:
    """Read a table of prices.

    Args:
        given: the table, or the path of a JSON file that holds it.

    Raises:
        ConfigurationError: it says what is wrong, and what to write.
    """
    table = _file(given) if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(table, Mapping):
        raise ConfigurationError(
            f"prices is a {type(table).__name__}; it must be a dict like {_EXAMPLE}, or the path of a JSON file of one."
        )
    read = {}
    for name, price in table.items():
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(
                f"prices has the name {name!r}; it must be that of a model, or a pattern with '*'."
            )
        read[name.strip()] = _price(f"prices[{name!r}]", price)
    return Prices(read)


_EXAMPLE = "{'gpt-5*': {'input': 1.25, 'output': 10}}, in US dollars for a million tokens"


def _file(path: str | os.PathLike[str]) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"prices cannot be read from the JSON file {str(path)!r}: {error}.") from error


def _price(where: str, given: Any) -> Price:
    known = (*TOKENS, *_FEES, "tiers", *SERVICES)
    table = _table(where, given, known)
    services = {name: _service(f"{where}[{name!r}]", table[name]) for name in SERVICES if name in table}
    price = replace(
        _rates_of(where, table),
        services=services,
        per_request=_amount(f"{where}['per_request']", table.get("per_request", 0.0)),
        web_search=_amount(f"{where}['web_search']", table["web_search"]) if "web_search" in table else None,
    )
    if "input" not in price.rates and (price.rates or "per_request" not in table):
        raise ConfigurationError(f"{where} has no 'input'; write US dollars for a million tokens, 0 if they are free.")
    return price


def _service(where: str, given: Any) -> float | Price:
    if isinstance(given, Mapping):
        return _rates_of(where, _table(where, given, (*TOKENS, "tiers")))
    return _amount(where, given)


def _rates_of(where: str, table: Mapping[str, Any]) -> Price:
    tiers = [_tier(f"{where}['tiers']", tier) for tier in _listed(f"{where}['tiers']", table.get("tiers", ()))]
    return Price(_rates_in(where, table), tuple(sorted(tiers, key=lambda tier: tier[0])))


def _rates_in(where: str, table: Mapping[str, Any]) -> dict[str, float]:
    return {kind: _amount(f"{where}[{kind!r}]", table[kind]) for kind in TOKENS if kind in table}


def _tier(where: str, given: Any) -> tuple[int, Mapping[str, float]]:
    table = _table(where, given, ("above", *TOKENS))
    above = table.get("above")
    if type(above) is not int or above < 0:
        raise ConfigurationError(f"{where} has 'above': {above!r}; it must be a number of input tokens like 200000.")
    return above, _rates_in(where, table)


def _listed(where: str, given: Any) -> Any:
    if not isinstance(given, (list, tuple)):
        raise ConfigurationError(f"{where} is a {type(given).__name__}; write a list like [{{'above': 200000, ...}}].")
    return given


def _table(where: str, given: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where} is a {type(given).__name__}; it must be a dict with {', '.join(known)}.")
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"It may have {', '.join(known)}."
            raise ConfigurationError(f"{where} knows no {name!r}. {advice}")
    return given


def _amount(where: str, given: Any) -> float:
    try:
        amount = float(given)
    except (TypeError, ValueError, OverflowError):
        amount = math.nan
    if isinstance(given, (bool, str)) or not 0 <= amount < math.inf:
        raise ConfigurationError(f"{where} is {given!r}; it must be a number from 0 on.")
    return amount


def say_what_is_missing(provider: str, model: str, missing: LookupError) -> None:
    """Tell the developer once what a price of theirs says nothing of."""
    say_once(
        f"llm_track cannot use your price of {provider}/{model} for some calls: it lacks {missing.args[0]}. They are "
        "priced as if you had given none."
    )
