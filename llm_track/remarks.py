"""What is said of a call afterwards: `feedback`, `metric`, `evaluation`, and tokens for those who say it elsewhere.

The caller's thread finds out which call is meant; the worker makes an event of it, on the same way as all others.
See decision 12.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Literal

from llm_track import context, policies, sealing, worker
from llm_track._guard import attempt, guarded
from llm_track.config import settings
from llm_track.errors import ConfigurationError
from llm_track.records import Place, Remark
from llm_track.steps import inherit
from llm_track.surroundings import around
from llm_track.targets import UNKNOWN, Find, find, refuse, shown

_SAY = guarded("note what is said of a call")
_NAMESPACE = uuid.UUID("0b8e1b5c-6c0e-4a9f-9a55-2f8f2f6c3e71")
_Kind = Literal["feedback", "metric", "evaluation"]


def feedback(target: Any, text: str, *, user_id: str | None = None, metadata: Mapping[str, Any] | None = None) -> bool:
    """Send what a person says of an answer: ``$ai_feedback``, under the trace and the user of the call.

    Args:
        target: an `llm_span`, open or ended; the object that an SDK returned, or a helper around it, as long as it
            lives, a stream from when its SDK has asked; a dict, a copy or a chunk, by the provider's id in it; a token
            of `feedback_token`; or the id of a trace.  A text, a list or a dict without an id cannot be told from
            others, even where an SDK returned it: use an `llm_span` around the call.
            Where ``feedback_secret`` is set, what may come from outside names no call that it was not given: a text
            must be a token or the id of a trace of this process, and the provider's id counts only in an object of a
            class of an SDK, and in the very dict that an SDK returned, while that is one of the last 1,000.
        text: what was said, not empty.  It may quote question and answer, so it leaves only where ``inputs`` and
            ``outputs`` may (see the setting ``content``); else there is a mark.
        user_id: who says it, if that is not the user of the call.
        metadata: properties of the event; names that begin with ``$ai_`` are ignored.

    Returns:
        Whether it was taken.  Otherwise a log line says why; nothing is raised.  What is known by an id only is looked
        up in the background: where the id is of no call, a log line says so, and `llm_track.stats` counts it.

    The same text for the same token has the same event id, so PostHog keeps one of those of a day.

    >>> feedback("", "good")
    False
    """
    with _SAY:
        if settings().enabled and _is_said("feedback", "text", text):
            return _put(target, "feedback", value=text, given={"user_id": user_id, "metadata": metadata})
    return False


def metric(
    target: Any,
    name: str,
    value: float | str | bool,
    *,
    user_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Send a measure of an answer: ``$ai_metric``.

    Args:
        target, user_id, metadata: as in `feedback`.
        name: what is measured: ``"accuracy"``.
        value: a finite number, a flag or a text that is not empty.  PostHog does not show 0 and false, so they are sent
            as the texts ``"0"`` and ``"false"``.

    Returns:
        Whether it was taken, as in `feedback`.
    """
    with _SAY:
        if settings().enabled and _is_said("metric", "name", name):
            scalar = _scalar(value)
            if scalar is not None:
                given = {"user_id": user_id, "metadata": metadata}
                return _put(target, "metric", name=name, value=scalar, given=given)
            refuse(f"the value of the metric is {shown(value)}; it must be a finite number, a flag or a text.")
    return False


def evaluation(
    target: Any,
    name: str,
    *,
    result: float | str | bool | None = None,
    score: float | None = None,
    reasoning: str | None = None,
    model: str | None = None,
    user_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Send the verdict of a judge, a check or a test on an answer: ``$ai_evaluation``.

    Args:
        target, user_id, metadata: as in `feedback`.  The verdict is on the call, or on the trace where the target is a
            span or the id of a trace.
        name: what was judged: ``"is_polite"``.
        result: ``True`` for a pass and ``False`` for a fail; or a finite number, or a category.
        score: a finite number.  Result or score must be there.
        reasoning: why; leaves only where ``inputs`` and ``outputs`` may, as the text of a feedback.
        model: the model that judged.

    Returns:
        Whether it was taken, as in `feedback`.
    """
    with _SAY:
        if settings().enabled and _is_said("evaluation", "name", name):
            said, number = _scalar(result), _scalar(score)
            usable = (result is None or said is not None) and (score is None or isinstance(number, (int, float)))
            if usable and (said is not None or number is not None):
                given = {"user_id": user_id, "metadata": metadata}
                words = {"reasoning": _words(reasoning), "model": _words(model)}
                return _put(target, "evaluation", name=name, value=said, given=given, score=number, **words)
            refuse(
                f"result is {shown(result)} and score {shown(score)} of the evaluation; a result is a flag, a finite "
                "number or a text, a score a finite number, and one of them must be there."
            )
    return False


def feedback_token(target: Any, *, expires_in: float | None = None) -> str | None:
    """Return a short text with which a browser or another process can give feedback on a call: `feedback(token, ...)`.

    It holds the ids of trace and call, the user, the session and the groups, sealed with the setting
    ``feedback_secret``: without it nobody can read, change or make one.  It is made of letters, digits, ``-``, ``_``
    and one dot, about 90 characters with a short user id.

    Args:
        target: as in `feedback`.
        expires_in: seconds for which it is taken; default: for ever.

    Returns:
        The token; ``None`` for what is no target, which a log line says, and where llm_track is not enabled.

    Raises:
        ConfigurationError: where no ``feedback_secret`` is set, or ``expires_in`` is no number of seconds above 0.
    """
    chosen = settings()
    if not chosen.enabled:
        return None
    if chosen.feedback_secret is None:
        raise ConfigurationError(
            "feedback_secret is not set. Tokens are sealed with it: set LLM_TRACK_FEEDBACK_SECRET, or call "
            "llm_track.configure(feedback_secret=...), to the same random text in all processes that make or take them."
        )
    seconds = _scalar(expires_in)
    if expires_in is not None and not (isinstance(seconds, (int, float)) and 0 < seconds < _LONGEST_SECONDS):
        raise ConfigurationError(f"expires_in is {shown(expires_in)}; it must be a number of seconds above 0.")
    with _SAY:
        found = find(target)
        place = found[0]() if found is not None else None
        if place is not None:
            made = int(time.time())
            until = made + math.ceil(seconds) if isinstance(seconds, (int, float)) else 0
            return sealing.seal(place, chosen.feedback_secret, made=made, until=until)
        if found is not None:
            refuse(UNKNOWN)
    return None


_LONGEST_SECONDS = 50 * 365 * 86400.0


def _put(target: Any, kind: _Kind, *, value: Any, given: dict[str, Any], **said: Any) -> bool:
    found = find(target)
    if found is None:
        return False
    place, token = found
    said |= {"kind": kind, "value": value}
    told_as = context.new_id() if token is None else _same_for(token, said)
    return worker.put(_Said(place, told_as, given, said))


def _same_for(token: str, said: Mapping[str, Any]) -> str:
    """Return the id of what is said with a token: the same if the same is said again."""
    parts = [token, *(f"{name}={said[name]!r}" for name in sorted(said))]
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts).encode("utf-8", "replace").decode()))


class _Said:
    """What is said of a call, until the worker has told of it."""

    untold = "dropped_unknown_target"

    def __init__(self, find: Find, told_as: str, given: dict[str, Any], said: dict[str, Any]) -> None:
        node = context.current()
        copied = copy_context()
        self.context: Context | None = copied
        self.surroundings = around(copied)
        self.told: Place | None = None
        self._find: Find = find
        self._told_as = told_as
        self._at = datetime.now(timezone.utc)
        self._own = inherit(context.NOBODY, **given)
        self._is_silent = node is not None and node.identity.no_log
        self._limit = policies.narrower(policies.agreed(), node.content if node is not None else None)
        self._said = said

    def record(self) -> Remark | None:
        """Return what is said, on the worker; ``None`` if it is of no call that is known."""
        place = self._find()
        if place is None:
            refuse(UNKNOWN)
            return None
        who = replace(
            place.identity,
            user_id=place.identity.user_id if self._own.user_id is None else self._own.user_id,
            metadata=self._own.metadata,
            no_log=place.identity.no_log or self._is_silent,
            content=policies.narrower(place.identity.content, self._limit),
        )
        return Remark(
            span_id=self._told_as,
            trace_id=place.trace_id,
            parent_id=place.span_id,
            of_model_call=place.is_model_call,
            identity=who,
            ended_at=self._at,
            latency=None,
            **self._said,
        )

    def forget(self) -> None:
        """Let go of what was said."""
        self.context, self._said, self._find = None, {}, lambda: None


def _is_said(kind: _Kind, part: str, text: Any) -> bool:
    if isinstance(text, str) and text.strip():
        return True
    refuse(f"the {part} of the {kind} is {shown(text)}; it must be a text that is not empty.")
    return False


def _scalar(value: Any) -> float | str | bool | None:
    """Return a value as PostHog takes it; numbers of other kinds, as numpy and decimal have, as floats."""
    if isinstance(value, str):
        return value if value.strip() else None
    if value is None or isinstance(value, (bytes, bytearray)):
        return None
    number = value if isinstance(value, (bool, int)) else attempt(float, value, otherwise=math.nan)
    return number if math.isfinite(attempt(float, number, otherwise=math.nan)) else None


def _words(text: Any) -> str | None:
    return str.__str__(text) if isinstance(text, str) and text else None
