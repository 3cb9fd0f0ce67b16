"""Credentials and embedded media inside texts: found by their form, replaced by a short visible mark."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from llm_track.readings import Reading, Span, replace_found
from llm_track.spotting import places_of

_SECRET = re.compile(
    # API keys with a prefix; every repetition is bounded, so that hostile texts cost no more than long ones
    r"(?<![A-Za-z0-9_])(?:sk|pk|rk|ek|phc|phx|phs|gsk|xai|hf|gh[pousr]|github_pat|glpat|pplx|r8|xox[abprs])[-_]"
    r"(?=[A-Za-z0-9_\-]{0,60}[\d*]|[A-Za-z0-9]{16})[A-Za-z0-9_\-*]{12,4000}"
    r"|(?<![A-Za-z0-9_])AIza[A-Za-z0-9_\-]{20,100}"  # Google, keys
    r"|(?<![A-Za-z0-9_])ya29\.[A-Za-z0-9_\-]{20,2000}"  # Google, tokens
    r"|(?<![A-Za-z0-9_])(?:AKIA|ASIA)[A-Z0-9]{12,40}"  # AWS
    r"|(?<![A-Za-z0-9_])ABSK[A-Za-z0-9+/=]{20,300}"  # Bedrock
    r"|(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,8000}\.[A-Za-z0-9_\-]{0,2000}"  # JSON web tokens
    r"|(?<=[Bb][Ee][Aa][Rr][Ee][Rr] )[A-Za-z0-9._~+/\-]{8,8000}=*"
    r"|(?<=://)[^\s/:@'\"]{0,200}:[^\s/@'\"]{1,300}(?=@)"  # user and password of a URL
)
_PREFIXES = (
    "sk", "pk", "rk", "ek", "phc", "phx", "phs", "gsk", "xai", "hf", "ghp", "gho", "ghu", "ghs", "ghr", "github_pat",
    "glpat", "pplx", "r8", "xoxa", "xoxb", "xoxp", "xoxr", "xoxs",
)  # fmt: skip
_PREFIX = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_PREFIXES)})\Z")
_LONGEST_PREFIX = 12
_ENDS = frozenset(prefix[-2:] for prefix in _PREFIXES)
_BEARER_WORD = b"bearer "
_MARKERS = (("AIza", 0), ("ya29.", 0), ("AKIA", 0), ("ASIA", 0), ("ABSK", 0), ("eyJ", 0), ("://", 3))
"""Where credentials of `_SECRET` begin: at these words or after them."""
_SECRET_IN_QUERY = re.compile(
    r"[?&](?:api[-_]?key|key|token|access[-_]token|sig|signature|secret|password)="
    r"([^\s&'\"<>\[]{4,4000}(?<!\\))",  # backslashes at its end are those of an escaped quote
    re.IGNORECASE,
)
_DATA_URI = re.compile(
    r"data:([a-z]{1,20}/[a-z0-9.+\-]{1,100})?[^,\s\"']{0,100};base64,"
    r"([A-Za-z0-9+/_\-]{200,}={0,2}|(?:[A-Za-z0-9+/_\-]{40,}\r?\n)+[A-Za-z0-9+/_\-]*={0,2})",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]{200}")
_SECRET_NAME = re.compile(
    r"(?:.*_)?headers|(?:.*_)?auth|authentication|domain_secrets|(?:.*_)?(?:authorization(?:_token)?|api_?key|"
    r"access_?key(?:_id)?|(?:private|secret|admin|signing|subscription|gateway|account)_?key|secret(?:_value)?|"
    r"client_?secret|password|passwd|passphrase|credentials?|connection_string|cookie|"
    r"(?:access|refresh|id|ad|auth|bearer|session|security|identity|api|vault|private)_?token)"
)
"""Names of fields that hold credentials, in lower case and with ``_`` for ``-``."""
_LIKELY_NAME = re.compile(r".+_(?:token|key|pat)")
"""Names of fields that hold credentials if what they hold looks like one: ``github_token``, not ``max_token``."""
_LIKELY_SECRET = re.compile(r"(?=[^\s]*\d)[^\s]{16,8000}|-----BEGIN [\s\S]{1,20000}")
_NO_SECRETS = frozenset({"prompt_cache_key", "cache_key", "idempotency_key", "preset_cache_key"})
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def mask_secrets(text: str) -> str:
    """Replace what looks like a credential.

    >>> mask_secrets("Incorrect API key provided: sk-abcdefghijklmnop")
    'Incorrect API key provided: [secret]'
    """
    return replace_found(text, _SECRETS)


def find_secrets(reading: Reading) -> Iterator[Span]:
    """Yield the credentials of a known form.  Their beginnings are looked for, which is many times as fast."""
    text, done = reading.text, 0
    for start in sorted(_beginnings(text)):
        found = _SECRET.match(text, start) if start >= done else None
        if found is not None:
            done = found.end()
            yield start, done, "[secret]"


def find_in_queries(reading: Reading) -> Iterator[Span]:
    """Yield what the query of a URL holds in a field that is named like a credential."""
    text, done = reading.text, 0
    if "=" in text:
        for start in sorted([*places_of(text, "?"), *places_of(text, "&")]):
            found = _SECRET_IN_QUERY.match(text, start) if start >= done else None
            if found is not None:
                done = found.end()
                yield found.start(1), found.end(1), "[secret]"


_SECRETS = (find_secrets, find_in_queries)


def _beginnings(text: str) -> Iterator[int]:
    """Yield each place of a text where a credential of `_SECRET` could begin, in no order."""
    for at in _after_prefixes(text):
        before = _PREFIX.search(text, max(at - _LONGEST_PREFIX, 0), at)
        if before is not None:
            yield before.start()
    plain = text.encode("ascii", "replace").lower()  # as text it could be longer in lower case
    yield from (at + len(_BEARER_WORD) for at in places_of(plain, _BEARER_WORD))
    for marker, length in _MARKERS:
        yield from (at + length for at in places_of(text, marker))


def _after_prefixes(text: str) -> Iterator[int]:
    """Yield the places of hyphens and underscores that may follow a prefix, by the two letters before: code has many.

    Splitting a text is the fastest way to look at all of them.
    """
    if "_" not in text and "-" not in text:
        return
    parts, done, at = text.replace("_", "-").split("-"), 0, -1
    for index in [index for index, part in enumerate(parts) if part[-2:] in _ENDS]:
        at += sum(map(len, parts[done : index + 1])) + index + 1 - done
        done = index + 1
        yield at


def mask_known(text: str, secrets: Iterable[str]) -> str:
    """Replace credentials that are known, wherever they are quoted.

    >>> mask_known("Illegal header value b'0123456789'", ["0123456789"])
    "Illegal header value b'[secret]'"
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST_KNOWN:
            text = text.replace(secret, "[secret]")
    return text


_SHORTEST_KNOWN = 6
"""A shorter "key" is a word such as ``none``, that local servers are given."""


def is_secret(name: str, value: Any = None) -> bool:
    """Tell whether a field of this name, or of this name with this value, holds a credential.

    >>> is_secret("openaiApiKey"), is_secret("github_token", "a1b2c3d4e5f6a7b8c9"), is_secret("github_token", "none")
    (True, True, False)
    """
    plain = _CAPITAL.sub("_", name).lower().replace("-", "_").replace(" ", "_")
    if _SECRET_NAME.fullmatch(plain) is not None:
        return True
    likely = isinstance(value, str) and plain not in _NO_SECRETS and _LIKELY_NAME.fullmatch(plain) is not None
    return likely and _LIKELY_SECRET.fullmatch(value) is not None


def mask_fields(value: Any) -> Any:
    """Replace the values of fields that hold credentials, such as the headers of an MCP server among the tools."""
    if isinstance(value, dict):
        return {
            key: "[secret]" if _is_credential(key, item, value) else mask_fields(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_fields(item) for item in value]
    return mask_secrets(value) if isinstance(value, str) else value


def _is_credential(key: Any, item: Any, around: dict[Any, Any]) -> bool:
    if not item or isinstance(item, bool):
        return False
    if str(key).lower() == "token":  # in a list of probabilities it is a piece of text
        return isinstance(item, str) and "logprob" not in around
    return is_secret(str(key), item)


def safe_url(address: str) -> str:
    """Return a URL without user, password, query and fragment, where keys hide.

    >>> safe_url("https://user:pw@api.example.com/v1/?key=abc")
    'https://api.example.com/v1'
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, mask_secrets(parts.path).rstrip("/"), "", ""))


def mark(kind: str, data: str) -> str:
    """Return the text that stands for embedded media: what they are, how many bytes, and their SHA-256.

    PostHog draws it as a placeholder.  The same picture has the same mark wherever it is sent.
    """
    from hashlib import sha256  # costly to import, and seldom needed

    plain = data.translate(_STANDARD)
    try:
        found = binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
    except ValueError:  # no base64 after all, or cut short
        return f"[base64 {kind} about {len(plain) * 3 // 4} bytes redacted]"
    return f"[base64 {kind} {len(found)} bytes sha256 {sha256(found).hexdigest()} redacted]"


_STANDARD = str.maketrans({"-": "+", "_": "/", "\r": None, "\n": None, "=": None})


def is_base64(text: str) -> bool:
    """Tell whether a text is embedded media rather than words: long, and of base64's letters only."""
    return _BASE64.match(text) is not None


def strip_data_uris(text: str) -> str:
    """Replace the payload of every long ``data:`` URI inside a text."""
    if "base64," not in text and "BASE64," not in text:
        return text
    return _DATA_URI.sub(lambda found: mark(found[1] or "file", found[2]), text)


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every string changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every string changed, the names of fields and numbers of many digits included."""
    if isinstance(value, dict):
        return {change(key): map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if type(value) is int and abs(value) >= _LONG_NUMBER:
        return value if (text := change(str(value))) == str(value) else text
    return change(value) if isinstance(value, str) else value


_LONG_NUMBER = 10**11
