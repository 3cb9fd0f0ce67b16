"""What of an event's content may leave: a set of fields, or less.

Two policies that hold at once, that of the settings and that of a span, leave what both allow.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from llm_track._guard import attempt
from llm_track.errors import ConfigurationError
from llm_track.records import Policy

FIELDS = {
    "inputs": "what models and steps are given",
    "outputs": "what they answer and return",
    "tools": "what tools are called with and return, and how they are described",
    "errors": "the texts of errors",
    "tracebacks": "their stack traces",
    "metadata": "the names and metadata that a program gives",
    "media": "pictures, sound and files inside inputs and outputs",
}
"""Every field of a policy, and what it is."""
ALL: Policy = frozenset(FIELDS)
FULL: Policy = ALL - {"media"}
"""All that a person reads; instead of media there is a mark."""
METADATA: Policy = frozenset({"metadata"})
NOTHING: Policy = frozenset()
CONTENT = ("inputs", "outputs", "errors", "tracebacks")
"""The fields that any text of an event may repeat; a stack trace repeats all of them."""
_PRESETS: dict[Any, Policy] = {"full": FULL, True: FULL, "metadata": METADATA, False: METADATA, "none": NOTHING}


def policy(value: Any) -> Policy:
    """Return the policy that a setting describes.

    Args:
        value: ``"full"`` or ``True``, ``"metadata"`` or ``False``, ``"none"``; or the fields that may leave, as a list
            or with commas between, in which ``"full"`` stands for all but media.

    Raises:
        ConfigurationError: for anything else; the text names what is possible.

    >>> sorted(policy("outputs, metadata"))
    ['metadata', 'outputs']
    """
    if isinstance(value, (str, bool)) and value in _PRESETS:
        return _PRESETS[value]
    if isinstance(value, str):
        named: list[Any] = [name.strip() for name in value.split(",")]
    else:
        named = attempt(list, value, otherwise=[value]) if isinstance(value, Iterable) else [value]
    chosen: set[str] = set()
    for name in named:
        if not isinstance(name, str) or (name != "full" and name not in FIELDS):
            raise ConfigurationError(_unknown(value, name))
        chosen |= FULL if name == "full" else {name}
    if not chosen:
        raise ConfigurationError("content is empty; write 'none' for nothing but counts, names of models and times.")
    return frozenset(chosen)


def _unknown(given: Any, name: Any) -> str:
    said = attempt(repr, given, otherwise=f"a {type(given).__name__}")
    word = name if isinstance(name, str) else f"a {type(name).__name__}"
    near = difflib.get_close_matches(word, [*FIELDS, "full", "none"], n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"content is {said}, and {word!r} is no field of it.{meant} It must be 'full', 'metadata' or 'none', or "
        f"some of {', '.join(FIELDS)}, in a list or with commas between."
    )


def narrower(one: Policy | None, other: Policy | None) -> Policy | None:
    """Return what both policies allow; ``None`` is a policy that nobody set."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def may_leave(field: str, *policies: Policy | None) -> bool:
    """Tell whether a field may leave under all of some policies."""
    return all(policy is None or field in policy for policy in policies)


_agreed: ContextVar[Policy | None] = ContextVar("llm_track_content", default=None)


def agreed() -> Policy | None:
    """Return what `llm_track.set_content` allows in this context, or ``None`` where it was not called."""
    return _agreed.get()


def agree(allowed: Policy | None) -> Policy | None:
    """Set what is allowed in this context; return what was before."""
    before = _agreed.get()
    _agreed.set(allowed)
    return before
