"""Events packed into bytes: what comes out is what the client would have written of what went in."""

from __future__ import annotations

import json
import math
import uuid
import zlib
from collections import OrderedDict
from datetime import date, datetime, timezone
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.sinks.parcels import pack, unpack
from tests.sinks.parcelled import message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_unpacked_is_what_was_packed(properties):
    """Whatever JSON an event holds, lone halves of characters included, comes out as it went in."""
    given = message(**{f"p{key}": value for key, value in properties.items()})
    assert unpack(pack(given).packed) == given


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.5"), 1.5),
        ({"one"}, ["one"]),
        ((1, 2), [1, 2]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ("\ud800", "\ud800"),
        ({1: 2}, {"1": 2}),
    ],
)
def test_what_a_processor_put_there_is_written_as_the_client_writes_it(value, written):
    """Times, ids, numbers, sets and mappings that are no JSON have the form that the client gives them."""
    assert unpack(pack(message(value=value)).packed)["properties"]["value"] == written


def test_what_is_no_json_costs_itself_only():
    """Circles, objects and keys that are no strings do not cost the event."""
    circle: list[object] = []
    circle.append(circle)
    found = unpack(pack(message(circle=circle, odd={(1, 2): 3}, thing=object(), fine=1)).packed)["properties"]
    assert found["fine"] == 1
    assert json.dumps(found)


def test_a_number_that_is_none_stays_one_for_the_client():
    """What the client makes of NaN is the client's affair."""
    assert math.isnan(unpack(pack(message(value=math.nan)).packed)["properties"]["value"])


HALF, LIST, NO_PROPERTIES, NO_TEXT = map(zlib.compress, (b"{", b"[]", b'{"a": 1}', b"\xff"))


@pytest.mark.parametrize("packed", [b"", b"garbage", HALF, LIST, NO_PROPERTIES, NO_TEXT])
def test_bytes_that_are_no_event_say_so(packed):
    """Half a row, or another program's, is told apart from an event."""
    with pytest.raises(ValueError, match=r".+"):
        unpack(packed)
