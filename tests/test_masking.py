"""Credentials and embedded media, found by their form."""

from __future__ import annotations

import base64
import hashlib
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_track.masking import map_strings, mark, mask_fields, mask_secrets, safe_url, strip_data_uris

BODY = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0"
PREFIXES = [
    "sk-", "ek_", "sk-proj-", "sk-svcacct-", "sk-ant-api03-", "sk-ant-admin01-", "sk-or-v1-", "sk_live_", "rk_live_",
    "pk_test_", "phc_", "phx_", "phs_", "gsk_", "xai-", "hf_", "ghp_", "gho_", "ghs_", "glpat-", "pplx-", "r8_", "AIza",
    "AIzaSy", "github_pat_", "ghu_", "xoxb-", "ya29.", "ABSK",
]  # fmt: skip
SECRETS = [
    *(prefix + BODY for prefix in PREFIXES),
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ASIA" + "IOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N",
    "sk-proj-" + "*" * 20 + "AbCd",
]
ORDINARY = [
    "the ask-me-anything-sessions of the task-oriented risk-assessment desk-reservation-system",
    "550e8400-e29b-41d4-a716-446655440000",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha256:d41d8cd98f00b204e9800998ecf8427e",
    "chatcmpl-AbCdEf1234567890AbCdEf1234 msg_01XFDUDYJgAACzvnptvVoYEL toolu_01A09q90qw90lq917835lq9",
    "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b req_011CSHoEeqs5C35K2UUqR7Fy",
    "claude-sonnet-4-5-20250929 gpt-4o-mini-2024-07-18 text-embedding-3-small",
    "sk-SK and hf-small are short; the bearer of this letter is honest",
    "AKIA is short, AIza too",
]
HOSTILE = [
    "sk-" * 33_000,
    "eyJ" * 33_000,
    "-eyJaaaaaaaa" * 8_500,
    ".eyJaaaaaaaa" * 8_500,
    "eyJ" + "a-" * 50_000,
    "Bearer " * 14_000,
    "Bearer " + "a" * 100_000 + "!",
    "AKIA" * 25_000,
    "a " * 50_000,
    "sk-a " * 20_000,
    "data:" * 20_000 + ";base64,",
    "data:a/" * 14_000 + ";base64,",
    "data:a/b;base64," * 6_000,
    "data:a/" + "b" * 100_000 + ";base64,",
    ";base64, data:a/" + "b" * 5_000_000,
    "data:" + "b" * 5_000_000 + ";base64,",
    "https://" + "a:" * 50_000,
    "://" * 30_000 + "@",
    "?key=" * 20_000,
    "data:a/b" + ";a" * 50_000 + ";base64,",
    ("data:image/png;base64," + "A" * 199 + "! ") * 450,
    "data:image/png;base64," + ("A" * 39 + "\n") * 2_500,
    "data:image/png;base64," + " " * 100_000,
    "data:image/png;base64," + "A=" * 50_000,
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:8])
@pytest.mark.parametrize(
    "around", ["{}", "Incorrect API key provided: {}.", '{{"key":"{}"}}', "https://h/?key={}&x", "({})"]
)
def test_credentials_are_replaced(secret, around):
    """A credential of any of the known kinds is replaced, and the text around it stays."""
    assert mask_secrets(around.format(secret)) == around.format("[secret]")


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_the_value_of_an_authorization_header_is_replaced(word):
    """What follows the word bearer, and has the length of a token, is replaced whatever its form."""
    assert (
        mask_secrets(f"{{'Authorization': '{word} 0a1b2c3d.e4f5~g6=='}}") == f"{{'Authorization': '{word} [secret]'}}"
    )


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay(text):
    """Words with hyphens, hashes, uuids, ids of answers and names of models are not taken for credentials."""
    assert mask_secrets(text) == text


@given(st.text(string.ascii_lowercase + " .,;:!?'\"()[]{}\n"))
def test_plain_prose_is_never_changed(text):
    """Text of small letters, blanks and punctuation has no credential in it."""
    assert mask_secrets(text) == text


@given(st.text(), st.sampled_from(SECRETS))
def test_masking_twice_is_masking_once(text, secret):
    """A masked text holds nothing more to mask, and nothing of the secret."""
    masked = mask_secrets(f"{text} {secret} {text}")
    assert secret not in masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_texts_are_searched_to_their_end(number):
    """100 KB of near-matches do not hide a secret that follows them."""
    secret = "sk-proj-a1b2c3d4e5f6g7h8"
    assert secret not in mask_secrets(f"{HOSTILE[number]} {secret}")
    assert strip_data_uris(HOSTILE[number])


def test_fields_that_hold_credentials_are_masked_by_their_name():
    """The value of a field named like a credential goes, whatever it looks like, at any depth and in any spelling."""
    tool = {
        "type": "mcp",
        "server_url": "https://mcp.example/?token=" + "sk-" + BODY,
        "headers": {"X-Any": "value"},
        "authorization": "plain",
        "inner": [{"API_Key": "k", "x-api-key": "k", "Authorization": ["k"], "authorization_token": {"a": 1}}],
        "empty": {"api_key": "", "apikey": None},
        "name": "search",
        "count": 3,
    }
    assert mask_fields(tool) == {
        "type": "mcp",
        "server_url": "https://mcp.example/?token=[secret]",
        "headers": "[secret]",
        "authorization": "[secret]",
        "inner": [dict.fromkeys(("API_Key", "x-api-key", "Authorization", "authorization_token"), "[secret]")],
        "empty": {"api_key": "", "apikey": None},
        "name": "search",
        "count": 3,
    }


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        (
            "https://user:pw@api.example.com:8080/v1/chat?api-version=1&key=abc#frag",
            "https://api.example.com:8080/v1/chat",
        ),
        ("https://user@host/x", "https://host/x"),
        ("https://a:b@c:d@host/x", "https://host/x"),
        ("https://host?key=1", "https://host"),
        ("http://[::1]:80/x/?k=v", "http://[::1]:80/x"),
        ("//user:pw@host/x", "//host/x"),
        ("", ""),
        ("http://[bad", ""),
        ("http://ex\u2100mple.com/x?key=1", ""),
    ],
)
def test_a_url_keeps_host_and_path_only(address, expected):
    """User, password, query and fragment go; an address that is none becomes empty instead of an error."""
    assert safe_url(address) == expected


@given(st.text() | st.text("htps:/?#[]@.a1%\\"))
def test_no_address_makes_safe_url_raise(address):
    """Whatever is given as an address, neither an error nor a query comes out."""
    assert "?" not in safe_url(address)


@given(
    st.binary(min_size=200, max_size=600),
    st.sampled_from(["image/png", "image/svg+xml", "application/vnd.ms-excel", "audio/wav;codecs=1", ""]),
    st.sampled_from(["", "look: ", '{"url":"']),
    st.sampled_from(["", " and then some words, and more", '"} tail', "\nnext line of prose", ")"]),
)
def test_the_payload_of_a_data_uri_is_cut_and_nothing_else(data, kind, before, after):
    """A long data URI becomes a mark with its type, size and hash, and the text before and after it stays whole."""
    uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    known = f"{len(data)} bytes sha256 {hashlib.sha256(data).hexdigest()}"
    expected = f"{before}[base64 {kind.partition(';')[0] or 'file'} {known} redacted]{after}"
    assert strip_data_uris(before + uri + after) == expected


@pytest.mark.parametrize("url_safe", [False, True])
@pytest.mark.parametrize("size", [600, 601, 602])
def test_the_hash_is_that_of_the_bytes(size, url_safe):
    """Padding, the letters for URLs and line breaks change nothing of what is hashed; what is no base64 has no hash."""
    data = random.Random(size).randbytes(size)
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    expected = f"[base64 file {size} bytes sha256 {hashlib.sha256(data).hexdigest()} redacted]"
    assert (
        mark("file", text) == mark("file", text.rstrip("=")) == mark("file", text[:76] + "\r\n" + text[76:]) == expected
    )
    assert mark("file", "A" * 201) == "[base64 file about 150 bytes redacted]"


def test_a_wrapped_payload_is_cut_too():
    """Base64 in lines of 76 characters, as mail has it, is one payload."""
    wrapped = base64.encodebytes(bytes(600)).decode().rstrip()
    stripped = strip_data_uris(f"data:image/png;base64,{wrapped} tail")
    assert stripped.startswith("[base64 image/png ")
    assert stripped.endswith(" redacted] tail")
    assert "AAAA" not in stripped


@pytest.mark.parametrize("text", ["data:image/png;base64,AAAA", "no uri", "data:text/plain,hello", "see ;base64, here"])
def test_short_data_uris_and_other_texts_stay(text):
    """A data URI too short to matter, and whatever is none, is left alone."""
    assert strip_data_uris(text) == text


def test_every_string_of_a_value_is_reached():
    """`map_strings` changes the strings at every depth, and neither keys nor numbers."""
    value = {"a": ["b", {"c": "d"}], "n": 1, "none": None}
    assert map_strings(value, str.upper) == {"a": ["B", {"c": "D"}], "n": 1, "none": None}
