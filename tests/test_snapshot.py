"""Copies of values, and their form as JSON, for whatever a program may hand over."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import math
import pathlib
import threading
import uuid
import warnings
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track import llm_span
from llm_track.snapshot import jsonable, snapshot
from llm_track.testing import capture_events

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


class Hostile:
    """Raises from whatever is asked of it, and has no form that anyone may rely on."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    @property
    def __class__(self) -> Any:
        raise RuntimeError("class")


class SaysStr:
    __class__ = str  # type: ignore[assignment]


class SaysInt:
    __class__ = int  # type: ignore[assignment]


class SaysDict:
    __class__ = dict  # type: ignore[assignment]


class Answering:
    """Has every attribute, and each is a method that returns the object itself."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self


class BadText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


class BadNumber(int):
    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __int__ = __add__ = __index__ = __repr__  # type: ignore[assignment]


class BadFraction(float):
    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __float__ = __add__ = __repr__  # type: ignore[assignment]


class BadDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("items")

    __iter__ = keys = __getitem__ = __len__ = items  # type: ignore[assignment]


class BadList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    __len__ = __iter__


class Dumps:
    """Looks like a pydantic model whose own code fails."""

    def model_dump(self, **options: Any) -> Any:
        raise RuntimeError("serializer")


class Role(str, enum.Enum):
    USER = "user"


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.Enum):
    RED = ("red", 1)


@dataclasses.dataclass
class Node:
    name: str = "n"
    next: Any = None


@dataclasses.dataclass(slots=True)
class Unset:
    given: int
    missing: int = dataclasses.field(init=False)


class Model(pydantic.BaseModel):
    text: str = "t"
    unset: int = 0
    inner: Any = None


HOSTILE = [
    Hostile, SaysStr, SaysInt, SaysDict, Answering, Dumps, lambda: BadText("text"), lambda: BadNumber(3),
    lambda: BadFraction(1.5), lambda: BadDict(a=1), lambda: BadList([1]), lambda: {Hostile(): 1},
    lambda: {(1, Hostile()): 1}, lambda: {BadText("k"): 1, BadNumber(2): 2}, lambda: math.nan, lambda: -math.inf,
    lambda: 10**400, lambda: -(10**6000), lambda: {10**6000: 1}, lambda: "\ud83d", lambda: {"\udc00": "\ud83d"},
    lambda: b"\xff", lambda: bytearray(b"x"), lambda: memoryview(b"xy"), lambda: 1j, object, lambda: Node,
    lambda: Model(inner=Hostile()), lambda: Node(next=Hostile()), lambda: Decimal("sNaN"), lambda: {1, "a"},
    lambda: (item for item in [1]), lambda: iter([1]), lambda: print, lambda: Role.USER, lambda: Colour.RED,
    lambda: collections.UserDict(a=Hostile()), lambda: MappingProxyType({"a": 1}), lambda: collections.deque([1, "x"]),
    lambda: frozenset({"x"}), lambda: Unset(given=1), threading.Lock,
]  # fmt: skip
PLANS = st.recursive(
    SCALARS | st.sampled_from(range(len(HOSTILE))).map(lambda number: ("make", number)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=15,
)
"""Values in which `("make", n)` stands for the n-th of `HOSTILE`, which nobody can print."""


def built(plan: Any) -> Any:
    """Return the value that a plan describes."""
    if isinstance(plan, tuple):
        return HOSTILE[plan[1]]()
    if isinstance(plan, dict):
        return {key: built(item) for key, item in plan.items()}
    return [built(item) for item in plan] if isinstance(plan, list) else plan


def changed(value: Any) -> None:
    """Change every container of a JSON value, innermost first."""
    if isinstance(value, dict):
        for item in value.values():
            changed(item)
        value["added"] = "later"
    elif isinstance(value, list):
        for item in value:
            changed(item)
        value.append("later")


@given(JSON)
def test_a_snapshot_of_json_equals_it(value):
    """A snapshot of JSON values is equal to them, type for type."""
    assert json.dumps(snapshot(value)) == json.dumps(value)


@given(JSON)
def test_later_changes_do_not_reach_a_snapshot(value):
    """Whatever the program does to its containers afterwards, the snapshot stays as it was."""
    before = json.dumps(value)
    kept = snapshot(value)
    changed(value)
    assert json.dumps(kept) == before


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (lambda: collections.OrderedDict(a=[1]), lambda it: it.update(b=2)),
        (lambda: collections.defaultdict(list, a=[1]), lambda it: it["a"].append(2)),
        (lambda: collections.deque([[1]]), lambda it: it.append(2)),
        (lambda: {1, "a"}, lambda it: it.add(2)),
        (lambda: ([1],), lambda it: it[0].append(2)),
        (lambda: [1, {"a": 1}], lambda it: it[1].update(b=2)),
        (lambda: bytearray(b"x"), lambda it: it.extend(b"yz")),
        (lambda: BadDict(a=[1]), lambda it: dict.update(it, b=2)),
    ],
)
def test_other_containers_are_copied_too(kind, change):
    """The containers of the standard library, and subclasses of dict and list, are as safe from changes as theirs."""
    value = kind()
    expected = jsonable(snapshot(kind()))
    kept = snapshot(value)
    change(value)
    assert jsonable(kept) == expected


def test_texts_are_shared_not_copied():
    """The cost of a snapshot does not depend on the length of texts: each stays the same object."""
    text, data = "long " * 1000, b"long " * 1000
    kept = snapshot({"a": [text, data], "b": text})
    assert kept["a"][0] is text
    assert kept["a"][1] is data
    assert kept["b"] is text


@given(PLANS)
def test_whatever_is_given_becomes_json(plan):
    """Any value at all has a form that every reader of JSON accepts: finite numbers, text keys, whole characters."""
    result = jsonable(snapshot(built(plan)))
    text = json.dumps(result, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == result


@pytest.mark.parametrize("make", HOSTILE, ids=range(len(HOSTILE)))
def test_each_hostile_value_becomes_json_by_itself(make):
    """No single object of the list makes `snapshot` or `jsonable` raise, or leaves something that is no plain JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = jsonable(snapshot(make()))
    assert json.loads(json.dumps(result, allow_nan=False, ensure_ascii=False).encode("utf-8")) == result


@given(JSON)
def test_json_is_its_own_json(value):
    """A JSON value stays what it is."""
    assert json.dumps(jsonable(value)) == json.dumps(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Role.USER, "user"),
        ({Role.USER: Level.HIGH}, {"user": 3}),
        (Colour.RED, ["red", 1]),
        (BadText("text"), "text"),
        (BadNumber(3), 3),
        (BadFraction(1.5), 1.5),
        (True, True),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (b"four", "[4 bytes]"),
        ((1, 2), [1, 2]),
        ({1: "a", None: "b", 1.5: "c"}, {"1": "a", "None": "b", "1.5": "c"}),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc), "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(seconds=90), "0:01:30"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Node("a", Node("b")), {"name": "a", "next": {"name": "b", "next": None}}),
        (Unset(given=1), {"given": 1, "missing": None}),
        (Model(text="x", inner=Model(inner=Role.USER)), {"text": "x", "inner": {"inner": "user"}}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ("\ud83d\ude00", "\U0001f600"),
        ("cut \ud83d", "cut \ufffd"),
        (1 + 2j, "(1+2j)"),
        (range(3), "range(0, 3)"),
        (ValueError("not", 5, "found"), "ValueError: not found"),
        (KeyError(5), "<KeyError>"),
        (object(), "<object>"),
        (Node, "<type>"),
        (Dumps(), "<Dumps>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_value_becomes(value, expected):
    """Values that mean something as JSON keep their meaning; all others say of which type they were."""
    result = jsonable(value)
    assert result == expected
    assert type(result) is type(expected)


def test_the_code_of_a_foreign_object_is_not_asked_for_its_looks():
    """`repr` and `str` of the program's objects are never run: they may be slow, or show what nobody meant to send."""
    assert "canary" not in json.dumps(jsonable({"a": [Shown()], Shown(): 1, (Shown(),): 2, "m": Model(inner=Shown())}))


def test_what_numpy_holds():
    """Numbers and short arrays of numpy are numbers and lists; of a long array its shape is told."""
    numpy = pytest.importorskip("numpy")
    values = {
        "whole": numpy.int64(3),
        "part": numpy.float32(1.5),
        "none": numpy.float64("nan"),
        "yes": numpy.bool_(True),
    }
    assert jsonable(values) == {"whole": 3, "part": 1.5, "none": "nan", "yes": True}
    assert jsonable(numpy.arange(4).reshape(2, 2)) == [[0, 1], [2, 3]]
    assert jsonable(numpy.zeros((40, 50))) == "<ndarray of float64 40x50>"
    assert jsonable(numpy.datetime64("2026-01-02")) == "2026-01-02"
    assert jsonable(numpy.array([print], dtype=object)) == ["<builtin_function_or_method>"]
    assert jsonable(numpy.dtype("float64")).startswith("<")


METADATA = {
    "$ai_model": "mine",
    "$ai_trace_id": "mine",
    "own": "kept",
    7: "number",
    None: "none",
    "bytes": b"\xff\x00",
    "nan": math.nan,
    "model": Model(text="x"),
    "huge": "x" * 10_000_000,
    "\ud800": "half",
}
CYCLE: dict[str, Any] = {}
METADATA["cycle"] = CYCLE["itself"] = CYCLE


def test_metadata_that_no_event_can_hold():
    """Metadata with names of PostHog's, keys of any type, cycles, bytes, numbers that are none and 10 MB of text cost
    neither an exception nor the event, and what can be read of them is read."""
    with capture_events() as events:
        with llm_span("step", metadata=METADATA) as span:
            span.set(metadata=METADATA)
        (event,) = events.settle()
    told = event.properties
    json.dumps(told, allow_nan=False).encode("utf-8")
    assert (told["own"], told["7"], told["None"], told["nan"], told["model"]) == (
        "kept",
        "number",
        "none",
        "nan",
        {"text": "x"},
    )
    assert "characters cut" in told["huge"]
    assert "$ai_model" not in told
    assert told["$ai_trace_id"] == event.trace_id != "mine"


class Shown:
    def __repr__(self) -> str:
        return "canary"


class Lazy(pydantic.BaseModel):
    """A model as programs have them: with fields beyond the declared ones, and some that are computed."""

    model_config = pydantic.ConfigDict(extra="allow")
    name: str

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def loaded(self) -> str:
        raise RuntimeError("loads from a database")

    @pydantic.field_serializer("name")
    def shown(self, name: str) -> str:
        raise RuntimeError("serializer")


def test_only_what_lies_in_an_object_is_read():
    """No property, computed field or serializer of the program runs; fields beyond the declared ones are there too."""
    assert jsonable(Lazy(name="n", more=[1])) == {"name": "n", "more": [1]}  # type: ignore[call-arg]


def test_pydantic_does_not_warn(recwarn):
    """Reading a model whose values are not of its declared types prints no warning into the program."""
    model = Model()
    model.__dict__["text"] = 5
    model.__pydantic_fields_set__.add("text")
    assert jsonable(model) == {"text": 5}
    assert not recwarn.list


def cycles() -> list[Any]:
    """Values that contain themselves: once, twice, in a dict, in an object; and one shared at every depth."""
    once: list[Any] = ["first"]
    once.append(once)
    twice: list[Any] = ["x"]
    twice.extend([twice, twice])
    by_key: dict[str, Any] = {"a": {}}
    by_key["a"]["b"] = by_key["a"]["c"] = by_key
    node = Node()
    node.next = [node, node]
    shared: Any = "leaf"
    for _ in range(60):
        shared = {"left": shared, "right": shared}
    deep: Any = "leaf"
    for _ in range(10_000):
        deep = [deep]
    return [once, twice, by_key, node, shared, deep]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("read", [snapshot, jsonable, lambda value: jsonable(snapshot(value))])
def test_cycles_and_depth_come_to_an_end(number, read):
    """A value that contains itself, shares its parts or is nested 10,000 deep is cut, visibly and soon."""
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(read(cycles()[number])), daemon=True)
    thread.start()
    thread.join(60)
    assert done
    if number != 3:
        text = json.dumps(jsonable(done[0]))
        assert any(said in text for said in ("[contains itself]", "[nested too deeply]", "[too many values]"))


def test_a_long_vector_is_copied():
    """Embeddings and token ids, however long, come through whole and safe from changes."""
    vector: list[Any] = [0.5] * 300_000
    kept = snapshot({"input": vector})
    vector.append("later")
    assert kept["input"] == [0.5] * 300_000
