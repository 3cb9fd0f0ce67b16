"""Feedback tokens: what they hold, and that nobody reads, changes or makes one without the secret."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.policies import FIELDS
from llm_track.records import Identity, Place
from llm_track.sealing import LONGEST, PREFIX, BrokenSealError, seal, unseal

SECRET = "a secret of more than sixteen characters"
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
IDS = st.uuids().map(str) | st.text("abcXYZ0189-_~.@()!':|", min_size=1, max_size=200)
LOUD = st.builds(
    Identity,
    user_id=st.none() | TEXT,
    session_id=st.none() | TEXT,
    groups=st.dictionaries(TEXT, TEXT, max_size=3),
    content=st.none() | st.frozensets(st.sampled_from(sorted(FIELDS))),
)
SILENT = st.builds(Identity, no_log=st.just(True), content=st.none() | st.frozensets(st.sampled_from(sorted(FIELDS))))
PLACES = st.builds(
    Place, trace_id=IDS, span_id=st.none() | IDS, is_model_call=st.booleans(), identity=LOUD | SILENT
)  # fmt: skip
TIMES = st.integers(1, 2**31)


@given(PLACES, TIMES)
def test_what_is_sealed_is_unsealed(place: Place, made: int) -> None:
    """A token holds its place, whole, in letters that need no quoting anywhere."""
    token = seal(place, SECRET, made=made)
    assert unseal(token, SECRET, now=made)[0] == place
    assert re.fullmatch(r"[A-Za-z0-9._-]+", token)
    assert len(token) <= LONGEST


@given(PLACES, TIMES, st.data())
def test_no_token_can_be_changed(place: Place, made: int, data: st.DataObject) -> None:
    """Another letter anywhere, one more or one less: it is no token, whatever its bytes would mean."""
    token = seal(place, SECRET, made=made)
    spot = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_.=+/ \u00e9\n").filter(lambda each: each != token[spot]))
    for changed in (token[:spot] + letter + token[spot + 1 :], token[:spot] + token[spot + 1 :], token + letter):
        with pytest.raises(BrokenSealError):
            unseal(changed, SECRET, now=made)


def test_a_token_is_written_in_one_way_only() -> None:
    """Base64 leaves bits of its last letter unused; a token with other ones there has the same bytes, and is none."""
    token = seal(Place(trace_id="t"), SECRET, made=1)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(token[len(PREFIX) :]) % 4 == 3
    with pytest.raises(BrokenSealError, match="no feedback token"):
        unseal(token[:-1] + letters[letters.index(token[-1]) ^ 1], SECRET, now=1)


@given(st.text(max_size=300) | st.text("ABCabc019-_", max_size=300).map(lambda text: PREFIX + text))
def test_no_other_text_is_a_token(text: str) -> None:
    """Whatever is handed in, it is refused by the one exception that is expected."""
    with pytest.raises(BrokenSealError):
        unseal(text, SECRET, now=1)


@pytest.mark.parametrize("text", [PREFIX + "A" * 10_000_000, PREFIX, PREFIX + "A", "fb2." + "A" * 80])
def test_hostile_texts(text: str) -> None:
    """A text of any length, and one of another version, is refused."""
    with pytest.raises(BrokenSealError):
        unseal(text, SECRET, now=1)


@given(PLACES, TIMES, TEXT.filter(lambda text: text != SECRET))
def test_another_secret_does_not_do(place: Place, made: int, other: str) -> None:
    """A token is of one secret only."""
    with pytest.raises(BrokenSealError, match="not made with this feedback_secret"):
        unseal(seal(place, SECRET, made=made), other, now=made)


@given(PLACES, TIMES, st.integers(1, 10**6))
def test_a_token_ends_when_it_says(place: Place, made: int, seconds: int) -> None:
    """A token with an end holds up to it and not a moment longer; one without holds for ever."""
    token = seal(place, SECRET, made=made, until=made + seconds)
    assert unseal(token, SECRET, now=made + seconds - 0.001)[0] == place
    with pytest.raises(BrokenSealError, match="expired"):
        unseal(token, SECRET, now=made + seconds)
    assert unseal(seal(place, SECRET, made=made), SECRET, now=made + 10**10)[0] == place


def test_nobody_reads_whom_it_is_of() -> None:
    """Neither the user nor the trace stands in a token, as text or as bytes; the signature alone is 96 bits."""
    place = Place(trace_id="0" * 8 + "-0000-4000-8000-" + "0" * 12, identity=Identity(user_id="bob@example.com"))
    token = seal(place, SECRET, made=1)
    sealed = base64.urlsafe_b64decode(token[len(PREFIX) :] + "=" * (-len(token[len(PREFIX) :]) % 4))
    assert b"bob" not in sealed
    assert bytes(8) not in sealed
    assert len(token) < 100
    other = base64.urlsafe_b64decode(seal(place, SECRET, made=2)[len(PREFIX) :] + "==")
    assert other[:12] != sealed[:12]
    assert sum(one == another for one, another in zip(sealed, other, strict=False)) < len(sealed) // 3


def test_an_identity_that_is_too_long_is_left_out() -> None:
    """A token can always be taken back: groups too many for one are left out with all that names somebody."""
    place: Any = Place(trace_id="t", identity=Identity(user_id="u", groups={"g": "x" * 5000}, content=frozenset()))
    token = seal(place, SECRET, made=1)
    assert unseal(token, SECRET, now=1)[0] == Place(trace_id="t", identity=Identity(content=frozenset()))
    assert len(token) <= LONGEST


def test_what_may_leave_is_as_it_was_for_ever() -> None:
    """A token is read by later versions: this one was made when tokens began."""
    assert unseal(FIRST, SECRET, now=1)[0] == Place(
        trace_id="11111111-1111-4111-8111-111111111111",
        span_id="22222222-2222-4222-8222-222222222222",
        is_model_call=True,
        identity=Identity(user_id="u_1", content=frozenset({"outputs", "metadata"})),
    )


FIRST = "fb1.egNKZ_66FxwWoTYyNwebufMGBSz3KcazcCDG3W_YqMGEFwZpVxYYooEZgXKhvEl03ncW1MNZhimsx1ILsWU"
