"""Which call an object belongs to that the program got as its answer.

Nothing is set on the object and nothing keeps it: there is a weak reference to it while it lives.  A plain dict or list
has none, and a copy of an answer is another object; they are known by the ids that the provider gave the answer.  Where
the last dicts of SDKs lay is remembered, which together with such an id tells them from a dict that came from outside.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from weakref import ref

from llm_track._guard import attempt
from llm_track.calls import Call


class _Note(ref):  # type: ignore[type-arg]  # what it refers to may be anything
    """A weak reference that knows whose answer it refers to."""

    __slots__ = ("call", "key")
    call: Call
    key: int


_notes: dict[int, _Note] = {}
"""By their `id`, the answers that are alive.  Many cannot be hashed."""
_dicts: OrderedDict[int, Call] = OrderedDict()
"""By what their `id` was, the last dicts that were answers; another object may have that by now."""
_MOST_DICTS = 1000


def note(call: Call, answer: Any) -> None:
    """Remember whose answer an object is; on the caller's thread, so without a word more than needed."""
    try:
        noted = _Note(answer, _gone)
    except TypeError:  # it has no weak references
        if type(answer) is dict:
            _note_dict(call, answer)
        return
    noted.call = call
    noted.key = key = id(answer)
    _notes[key] = noted


def _note_dict(call: Call, answer: dict[Any, Any]) -> None:
    _dicts.pop(id(answer), None)
    _dicts[id(answer)] = call
    if len(_dicts) > _MOST_DICTS:
        _dicts.popitem(last=False)


def _gone(noted: _Note, notes: dict[int, _Note] = _notes) -> None:
    """Forget an object that is no more."""
    notes.pop(noted.key, None)


def call_of(answer: Any) -> Call | None:
    """Return the call that an object is the answer of, or that holds the answer: helpers hold the stream they read."""
    found = _noted(answer)
    if found is not None:
        return found
    within = list(_within(answer, _DEEPEST))
    return within[0] if within and all(call is within[0] for call in within) else None


_DEEPEST, _MOST_PARTS = 2, 100
"""The manager of a helper holds the helper, which holds the stream."""


def _within(answer: Any, levels: int) -> Iterator[Call]:
    for part in _parts(answer):
        call = _noted(part)
        if call is not None:
            yield call
        elif levels > 1:
            yield from _within(part, levels - 1)


def _parts(answer: Any) -> list[Any]:
    """Return what a tuple, a dict or an object holds; a program's own dict may be of any size."""
    if type(answer) is tuple:
        return list(answer[:_MOST_PARTS])
    held = answer if type(answer) is dict else _held(answer)
    return attempt(list, islice(held.values(), _MOST_PARTS), otherwise=[])


def _noted(answer: Any) -> Call | None:
    noted = _notes.get(id(answer))
    if noted is not None and noted() is answer:
        return noted.call
    call = attempt(getattr, _held(answer).get("stream"), "_self_call", None, otherwise=None)
    return call if isinstance(call, Call) and not call.is_attempt else None  # an HTTP response that is followed


def dict_of(answer: Any) -> Call | None:
    """Return the call whose answer a dict is, if it is where that was: it is, or somebody else's came to lie there."""
    return _dicts.get(id(answer)) if type(answer) is dict else None


def ids_of(answer: Any) -> list[str]:
    """Return the ids that a provider gave an answer, as far as they stand in it; runs no code of the program unguarded.

    >>> ids_of({"id": "chatcmpl-1", "ResponseMetadata": {"RequestId": "req-1"}})
    ['chatcmpl-1', 'req-1']

    The last events of some streams hold the answer as a whole, and some SDKs give pairs of the answer and a chunk.

    >>> ids_of({"type": "response.completed", "response": {"id": "resp_1"}})
    ['resp_1']
    >>> ids_of(({"id": "g-1"}, {"id": "g-1"}))
    ['g-1']
    """
    if type(answer) is tuple:
        found = {tuple(ids) for part in answer[:_MOST_PARTS] if (ids := _ids_of(part))}
        return list(found.pop()) if len(found) == 1 else []
    ids = _ids_of(answer)
    if ids:
        return ids
    held = answer if isinstance(answer, Mapping) else _held(answer)
    wholes = [whole for name in _WHOLES if (whole := attempt(held.get, name, otherwise=None)) is not None]
    return _ids_of(wholes[0]) if wholes else []


def _ids_of(answer: Any) -> list[str]:
    held = answer if isinstance(answer, Mapping) else _held(answer)
    about = attempt(held.get, "ResponseMetadata", otherwise=None)
    found = [attempt(held.get, name, otherwise=None) for name in _IDS]
    found.append(about.get("RequestId") if isinstance(about, Mapping) else None)
    if held is not answer:
        found += [attempt(getattr, answer, name, otherwise=None) for name in _IDS]
    return list(dict.fromkeys(each for each in found if isinstance(each, str) and each))


_IDS = ("id", "response_id", "responseId", "generation_id", "_request_id", "request_id", "uid")
_WHOLES = ("response", "message", "interaction", "chunk", "snapshot", "_proto")


def _held(answer: Any) -> dict[str, Any]:
    held = attempt(getattr, answer, "__dict__", None, otherwise=None)
    return held if isinstance(held, dict) else {}
