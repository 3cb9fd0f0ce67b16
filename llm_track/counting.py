"""Which of the counts that a layer over other SDKs hands out the provider made, and which the layer estimates.

LiteLLM counts by itself, with a tokenizer of its own, what a provider does not count, and tells nobody.  What came over
the wire tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace

from llm_track.records import Usage
from llm_track.wire import Answer, eventstream


def counted(said: Usage, read: Usage | None, answer: Answer | None) -> tuple[Usage, bool]:
    """Return what the provider counted, and whether the layer handed out nothing else.

    Args:
        said: what the layer hands out.
        read: what the provider's answer says, if it is of a format that is known.
        answer: the provider's answer as it came, if it was seen.
    """
    usage = _without_zeros(said)
    if read is not None and _has_tokens(read):
        return read, _agree(usage, read)
    if answer is None or not _has_tokens(usage):
        return usage, True
    stands = _standing(usage, _named(answer))
    return stands, stands == usage


def _agree(said: Usage, read: Usage) -> bool:
    """Tell whether a layer counted what the provider did: it may have put together what that counts apart."""
    asked, cached = read.input_tokens or 0, (read.cache_read_tokens or 0) + (read.cache_write_tokens or 0)
    answered, thought = read.output_tokens or 0, read.reasoning_tokens or 0
    return not _has_tokens(said) or (
        (said.input_tokens or 0) in (asked, asked + cached)
        and (said.output_tokens or 0) in (answered, answered + thought)
    )


def _standing(usage: Usage, named: Mapping[str, set[int]]) -> Usage:
    """Leave of a usage the counts that stand in an answer, or that are the sum of some that do."""
    whole = _sums(set().union(*named.values()))
    thought = _sums(set().union(*(counts for name, counts in named.items() if _THINKING.search(name))))
    known = dict.fromkeys(_COUNTS, whole) | {"reasoning_tokens": thought}
    estimated = [name for name, counts in known.items() if getattr(usage, name) not in {None, *counts}]
    return replace(usage, **dict.fromkeys(estimated), cost=None, raw=None) if estimated else usage


def _sums(counts: set[int]) -> set[int]:
    """Return all counts and the sums of two and of three: what was read from a cache, written to it and neither."""
    pairs = {one + other for one in counts for other in counts}
    return counts | pairs | {one + other for one in pairs for other in counts}


def _has_tokens(usage: Usage) -> bool:
    return usage.input_tokens is not None or usage.output_tokens is not None or usage.total_tokens is not None


def _named(answer: Answer) -> dict[str, set[int]]:
    """Return what an answer says under names of counts: a stream counts on, and its first and last words matter; a list
    counts for each of its entries, and their sum does."""
    body = answer.body()
    if answer.content_type.startswith(eventstream.MEDIA_TYPE):
        body = b"".join(event for event, _ in eventstream.events(body))
    if len(body) > _LONG:  # vectors, sounds and pictures, with their counts before or after
        body = body[: _LONG // 2] + body[-_LONG // 2 :]
    headers = "".join(f'"{name.lower()}":{value},' for name, value in answer.headers.items())
    found: dict[str, list[int]] = {}
    for name, digits in _COUNT.findall(body.decode("utf-8", "replace") + headers):
        found.setdefault(name, []).append(int(digits))
    return {name: {counts[0], counts[-1], sum(counts)} for name, counts in found.items()}


_LONG = 256 * 1024
"""Bytes."""
_COUNT = re.compile(r'"([\w-]*(?:token|count|units)[\w-]*)"\s*:\s*(\d{1,12})\b', re.IGNORECASE)
_THINKING = re.compile("reasoning|thought|thinking", re.IGNORECASE)
_COUNTS = tuple(each.name for each in fields(Usage) if each.name.endswith("_tokens"))


def _without_zeros(usage: Usage) -> Usage:
    """A layer writes zeros where the provider said nothing."""
    counts = {each.name: getattr(usage, each.name) for each in fields(usage)}
    zeros = {name: None for name, count in counts.items() if count == 0 and type(count) is not bool}
    return replace(usage, **zeros, raw=usage.raw if usage.input_tokens or usage.output_tokens else None)
