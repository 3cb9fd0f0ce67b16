"""Credentials and embedded media inside texts: found by their form, replaced by a short visible mark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_SECRET = re.compile(
    # API keys with a prefix; every repetition is bounded, so that hostile texts cost no more than long ones
    r"\b(?:sk|pk|rk|ek|phc|phx|phs|gsk|xai|hf|gh[pousr]|github_pat|glpat|pplx|r8|xox[abprs])[-_]"
    r"(?=[A-Za-z0-9_\-]{0,60}[\d*]|[A-Za-z0-9]{16})[A-Za-z0-9_\-*]{12,4000}"
    r"|\bAIza[A-Za-z0-9_\-]{20,100}"  # Google, keys
    r"|\bya29\.[A-Za-z0-9_\-]{20,2000}"  # Google, tokens
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,40}"  # AWS
    r"|\bABSK[A-Za-z0-9+/=]{20,300}"  # Bedrock
    r"|(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,8000}\.[A-Za-z0-9_\-]{0,2000}"  # JSON web tokens
    r"|(?<=[Bb][Ee][Aa][Rr][Ee][Rr] )[A-Za-z0-9._~+/\-]{8,8000}=*"
    r"|(?<=://)[^\s/:@'\"]{0,200}:[^\s/@'\"]{1,300}(?=@)"  # user and password of a URL
)
_SECRET_IN_QUERY = re.compile(
    r"([?&](?:api[-_]?key|key|token|access[-_]token|sig|signature|secret|password)=)[^\s&'\"<>\[]{4,4000}",
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
    text = _SECRET.sub("[secret]", text)
    return _SECRET_IN_QUERY.sub(r"\1[secret]", text) if "=" in text else text


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


def mark(kind: str, size: int) -> str:
    """Return the text that stands for embedded media; PostHog draws it as a placeholder.  ``size`` is in bytes."""
    return f"[base64 {kind} {size} bytes redacted]"


def is_base64(text: str) -> bool:
    """Tell whether a text is embedded media rather than words: long, and of base64's letters only."""
    return _BASE64.match(text) is not None


def strip_data_uris(text: str) -> str:
    """Replace the payload of every long ``data:`` URI inside a text."""
    if "base64," not in text and "BASE64," not in text:
        return text
    return _DATA_URI.sub(lambda found: mark(found[1] or "file", len(found[2]) * 3 // 4), text)


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every string changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value
