"""Which call or step is meant by what a program names: a span, an answer, a token, an id.

The caller's thread finds out what it is; where an id must be looked up, that is left to the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from llm_track import answers, context, handing, places, sealing
from llm_track._guard import say_once
from llm_track.config import settings
from llm_track.properties.values import safe_id
from llm_track.providers import KNOWN
from llm_track.records import Place
from llm_track.spans import LLMSpan, step_of

Find: TypeAlias = Callable[[], Place | None]
"""Finds a place, on the worker or here; ``None`` if the id is of no call."""

TARGETS = (
    "A target is an llm_span that was opened, the object that a tracked SDK returned (or a dict of it that has the "
    "provider's id), a token of llm_track.feedback_token, or the id of a trace."
)
INSTEAD = (
    "A text, a list or a dict without an id cannot be told from others, even where an SDK returned it: use an llm_span "
    "around the call, or llm_track.current_trace_id() inside of one."
)
UNREAD = (
    "it was given a stream of which nothing has been read, and whose SDK has not asked yet, as it does that when it is "
    "read: give feedback after the first piece, or use an llm_span around it."
)
FOREIGN = (
    "it was given something that only names a call by the provider's id. Where feedback_secret is set, it could have "
    "come from outside: give what the SDK returned (a dict while it is one of the last 1,000), a token of "
    "llm_track.feedback_token, or an llm_span around the call."
)
UNKNOWN = f"the target has an id that no call of this process had, or that several had. {TARGETS}"


def find(target: Any) -> tuple[Find, str | None] | None:
    """Return what finds the place of a target, and what tells its token from others; ``None`` after saying why not."""
    if isinstance(target, LLMSpan):
        step = step_of(target)
        if step is not None:
            return partial(places.of, step), None
    elif isinstance(target, str):
        return _of_text(str.__str__(target))
    elif (call := answers.call_of(target)) is not None:
        return partial(places.of, call), None
    elif ids := answers.ids_of(target):
        return _of_ids(target, ids)
    refuse(UNREAD if handing.is_unread(target) else f"{shown(target)} is no target. {TARGETS} {INSTEAD}")
    return None


def _of_ids(target: Any, ids: list[str]) -> tuple[Find, str | None] | None:
    """Where tokens are taken, what came from outside names no call: an id counts only in what an SDK made."""
    if settings().feedback_secret is None or all(map(_is_of_an_sdk, target if type(target) is tuple else (target,))):
        return partial(places.memory.answer, ids), None
    call = answers.dict_of(target)
    if call is None:
        refuse(FOREIGN)
        return None
    return partial(_of_call, call.id, ids), None


def _of_call(span_id: str, ids: list[str]) -> Place | None:
    place = places.memory.answer(ids)
    return place if place is not None and place.span_id == span_id else None


def _is_of_an_sdk(target: Any) -> bool:
    made_in = f"{getattr(type(target), '__module__', None)}."
    return any(made_in.startswith(f"{name}.") for name in KNOWN)


def _of_text(text: str) -> tuple[Find, str | None] | None:
    secret = settings().feedback_secret
    if text.startswith(sealing.PREFIX):
        return _of_token(text, secret)
    if not text or safe_id(text) != text:
        refuse(f"a text that can be no id is no target. {TARGETS} {INSTEAD}")
        return None
    around = context.current()
    root = [node for node in (around.around() if around is not None else ()) if node.trace_id == text][-1:]
    if root:
        place = Place(trace_id=text, identity=replace(root[0].belonging(), metadata={}))
        return lambda: place, None
    unknown = Place(trace_id=text) if secret is None else None
    return lambda: places.memory.trace(text) or unknown, None


def _of_token(token: str, secret: str | None) -> tuple[Find, str | None] | None:
    if secret is None:
        refuse("it was given a token, and feedback_secret, with which tokens are made, is not set in this process.")
        return None
    try:
        place, told_apart = sealing.unseal(token, secret, now=time.time())
    except sealing.BrokenSealError as broken:
        refuse(f"it was given a token that it does not take: {broken}.")
        return None
    return lambda: place, told_apart


def shown(value: Any) -> str:
    """Say what was given without repeating what may be content."""
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    return "an empty text" if isinstance(value, str) and not value.strip() else f"of type {type(value).__name__}"


def refuse(why: str) -> None:
    """Say why no event is sent, once for each reason."""
    say_once(f"llm_track sends no event of what is said of a call: {why}")
