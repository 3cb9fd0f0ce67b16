"""The laws of every wire format, found by walking `llm_track.formats`; input is generated (`wire`)."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_track.records import Request, Response, Usage

from .wire import ANSWERING, NAMES, Wire, _garbage, wire
from .wire import law as of_examples

every_format = pytest.mark.parametrize("name", NAMES)
law = of_examples(70)


@pytest.mark.parametrize("name", NAMES)
def test_a_format_is_complete(name: str) -> None:
    """Every public module of `llm_track.formats` has the functions of `Format`, and a generator of its traffic here."""
    known = wire(name)
    assert all(callable(getattr(known.format, function)) for function in ("request", "response", "fold", "is_content"))
    assert all(hasattr(known.source, part) for part in ("requests", "bodies", "chunks", "ended", "COUNTS", "COST"))
    assert hasattr(known.source, "answer") is (name in ANSWERING)


@every_format
@law
@given(data=st.data())
def test_folding_chunks_gives_the_body(name: str, data: st.DataObject) -> None:
    """However a body is cut into chunks, folding them gives the body."""
    known = wire(name)
    body, chunks = data.draw(known.streams())
    assert known.folded(chunks).body() == body


@every_format
@law
@given(data=st.data())
def test_complete_means_the_end_was_seen(name: str, data: st.DataObject) -> None:
    """A fold is complete exactly when the chunk that ends the stream has been added."""
    known = wire(name)
    _, chunks = data.draw(known.streams())
    fold = known.format.fold()
    assert fold.complete is False
    for seen, chunk in enumerate(chunks, 1):
        fold.add(chunk)
        assert fold.complete is known.source.ended(chunks[:seen])
    assert fold.complete


@every_format
@law
@given(data=st.data())
def test_the_body_may_be_asked_for_at_any_time(name: str, data: st.DataObject) -> None:
    """Asked for in the middle of a stream, the body is a prefix of what it will be, and asking changes nothing."""
    known = wire(name)
    body, chunks = data.draw(known.streams())
    fold, earlier = known.format.fold(), []
    for chunk in chunks:
        fold.add(chunk)
        now = fold.body()
        assert isinstance(now, dict)
        assert _is_prefix(now, body, (*_NOT_YET, *getattr(known.source, "NOT_YET", ())))
        earlier.append((now, copy.deepcopy(now)))
    assert fold.body() == body
    assert all(then == still for then, still in earlier)


_NOT_YET = ("usage", "usageMetadata", "generated_token_count", "status", "done", "input")
"""What is told early and replaced later: first counts, the state, and arguments that are no JSON before their end."""


def _is_prefix(part: Any, whole: Any, not_yet: tuple[str, ...]) -> bool:
    """Tell whether a value is the beginning of another; what is empty is not known yet."""
    if not part or part == whole:
        return True
    if isinstance(part, dict):
        known = [key for key in part if key not in not_yet]
        return all(_is_prefix(part[key], whole.get(key), not_yet) for key in known)
    if isinstance(part, list):
        at = [item.get("index", place) if isinstance(item, dict) else place for place, item in enumerate(part)]
        return max(at) < len(whole) and all(
            _is_prefix(item, whole[i], not_yet) for i, item in zip(at, part, strict=True)
        )
    return isinstance(part, str) and whole.startswith(part)


@every_format
@law
@given(data=st.data())
def test_output_begins_with_a_chunk_of_content(name: str, data: st.DataObject) -> None:
    """Until the first chunk that `is_content`, the output has no words: no token comes before the first token."""
    known = wire(name)
    _, chunks = data.draw(known.streams())
    greeting: list[Any] = []
    for chunk in chunks:
        if known.format.is_content(chunk) or known.source.ended([*greeting, chunk]):
            break
        greeting.append(chunk)
    assert not _words(known.format.response(known.folded(greeting).body()).output)


def _words(value: Any) -> str:
    """All texts of messages."""
    if isinstance(value, dict):
        return "".join(_words(value[key]) for key in ("content", "text", "summary") if key in value)
    return "".join(map(_words, value)) if isinstance(value, (list, tuple)) else value or ""


@every_format
@law
@given(data=st.data())
def test_a_fold_leaves_its_chunks_alone(name: str, data: st.DataObject) -> None:
    """Folding changes no chunk, neither of a sound stream nor of a spoiled one."""
    known = wire(name)
    chunks = data.draw(_streams(known))
    before = copy.deepcopy(chunks)
    known.folded(chunks).body()
    assert repr(chunks) == repr(before)


@every_format
@law
@given(data=st.data())
def test_no_stream_can_break_a_fold(name: str, data: st.DataObject) -> None:
    """Whatever JSON is added, a fold gives a body that can be read, and every result can be written as JSON."""
    known = wire(name)
    chunks = data.draw(_streams(known))
    for chunk in chunks:
        assert isinstance(known.format.is_content(chunk), bool)
    fold = known.folded(chunks)
    assert isinstance(fold.complete, bool)
    assert isinstance(fold.body(), dict)
    _check(known.format.response(fold.body()), Response)


@every_format
@law
@given(data=st.data())
def test_no_request_can_break_a_format(name: str, data: st.DataObject) -> None:
    """Whatever JSON a request is, it is read, and the result can be written as JSON."""
    known = wire(name)
    requests = known.source.requests
    _check(known.format.request(data.draw(requests | _garbage.spoiled(requests) | _garbage.objects)), Request)


@every_format
@law
@given(data=st.data())
def test_no_response_can_break_a_format(name: str, data: st.DataObject) -> None:
    """Whatever JSON a response is, it is read, and the result can be written as JSON."""
    known = wire(name)
    bodies = known.source.bodies
    _check(known.format.response(data.draw(bodies | _garbage.spoiled(bodies) | _garbage.objects)), Response)


few = settings(law, max_examples=8)


@every_format
@few
@given(data=st.data())
def test_no_single_fault_can_break_a_format(name: str, data: st.DataObject) -> None:
    """A request and a response of which any one part is something else are read all the same."""
    known = wire(name)
    for request in _garbage.faults(data.draw(known.source.requests)):
        _check(known.format.request(request), Request)
    for body in _garbage.faults(data.draw(known.source.bodies)):
        _check(known.format.response(body), Response)


@every_format
@few
@given(data=st.data())
def test_no_single_fault_can_break_a_fold(name: str, data: st.DataObject) -> None:
    """A stream of which any part of a chunk is something else folds into a body that can be read; no chunk changes."""
    known = wire(name)
    _, sound = data.draw(known.streams())
    at = data.draw(st.integers(0, len(sound) - 1))
    before = repr(sound)
    for chunk in _garbage.faults(sound[at]):
        _check(known.format.response(known.folded([*sound[:at], chunk, *sound[at + 1 :]]).body()), Response)
    assert repr(sound) == before


def _check(result: Any, kind: Any) -> None:
    assert type(result) is kind
    json.dumps(dataclasses.asdict(result))
    for field in ("model", "id", "stop_reason", "service_tier", "error", "error_type"):
        assert isinstance(getattr(result, field, None), (str, type(None)))


@st.composite
def _streams(draw: st.DrawFn, known: Wire) -> list[Any]:
    """Chunks of a sound stream; chunks of it spoiled, or mixed up with others; or chunks of nothing that is known."""
    _, chunks = draw(known.streams())
    damage = draw(st.sampled_from(["none", "spoiled", "mixed", "garbage"]))
    if damage == "none":
        return chunks
    if damage == "garbage":
        return draw(st.lists(_garbage.objects, max_size=5))
    chunk = st.sampled_from(chunks)
    other = _garbage.spoiled(chunk) if damage == "spoiled" else _garbage.objects
    return draw(st.lists(chunk | other, max_size=8))


_no_counts = st.sampled_from([None, True, False, "12", "", -1, -0.5, 2.5, math.nan, math.inf, [3], {}, {"total": 3}])
_maybe_counts = st.integers(0, 10**12) | st.just(0) | st.just(7.0) | _no_counts


@every_format
@law
@given(data=st.data())
def test_counts_are_true(name: str, data: st.DataObject) -> None:
    """A count of `Usage` is the number at its place in the body; what is absent or no count is `None`, and 0 is 0."""
    known = wire(name)
    body = data.draw(known.source.bodies)
    paths = sorted({path for paths in known.source.COUNTS.values() for path in paths})
    told = data.draw(st.dictionaries(st.sampled_from(paths), _maybe_counts)) if paths else {}
    body |= {path.split(".")[0]: {} for path in paths}
    body.pop("x_groq", None)
    for path, value in told.items():
        _put(body, path.split("."), value)
    usage = known.format.response(body).usage
    derived = getattr(known.source, "DERIVED", {})
    for field in _COUNT_FIELDS:
        paths = known.source.COUNTS.get(field, ())
        expected = next((told[path] for path in paths if _is_count(told.get(path))), None)
        if field in derived:
            expected = derived[field](body)
        count = getattr(usage, field)
        assert (count, type(count)) == (expected, type(None) if expected is None else int)


_COUNT_FIELDS = [
    field.name for field in dataclasses.fields(Usage) if field.name.endswith("_tokens") or field.name == "web_searches"
]


@every_format
@law
@given(data=st.data())
def test_costs_are_true(name: str, data: st.DataObject) -> None:
    """A cost of `Usage` is the amount that the body reports; what is no amount of money is no cost."""
    known = wire(name)
    body = data.draw(known.source.bodies)
    told = data.draw(st.floats(0, 10) | st.integers(0, 10) | st.just(10**400) | _no_amounts)
    path = (known.source.COST or "usage.cost").split(".")
    body[path[0]] = {}
    _put(body, path, told)
    cost = known.format.response(body).usage.cost
    expected = told if known.source.COST and _is_amount(told) else None
    assert (cost, type(cost)) == (expected, type(None) if expected is None else float)


_no_amounts = st.sampled_from([None, True, False, "12", "", -1, -0.5, math.nan, math.inf, [3], {}, {"total": 3}])


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 10**300


def _is_count(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0 and value != math.inf and value == int(value)


def _put(body: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = value


@every_format
@law
@given(data=st.data())
def test_realistic_counts_survive_the_stream(name: str, data: st.DataObject) -> None:
    """The usage of a folded stream is the usage of the unstreamed answer."""
    known = wire(name)
    body, chunks = data.draw(known.streams())
    assert known.format.response(known.folded(chunks).body()) == known.format.response(body)
