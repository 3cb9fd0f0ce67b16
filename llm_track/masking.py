"""Credentials and embedded media inside texts: found by their form, replaced by a short visible mark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_SECRET = re.compile(
    # API keys with a prefix; every repetition is bounded, so that hostile texts cost no more than long ones
    r"\b(?:sk|pk|rk|phc|phx|phs|gsk|xai|hf|gh[pousr]|github_pat|glpat|pplx|r8|xox[abprs])[-_]"
    r"(?=[A-Za-z0-9_\-]{0,60}[\d*]|[A-Za-z0-9]{16})[A-Za-z0-9_\-*]{12,300}"
    r"|\bAIza[A-Za-z0-9_\-]{20,100}"  # Google, keys
    r"|\bya29\.[A-Za-z0-9_\-]{20,2000}"  # Google, tokens
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,40}"  # AWS
    r"|\bABSK[A-Za-z0-9+/=]{20,300}"  # Bedrock
    r"|(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,8000}\.[A-Za-z0-9_\-]{0,2000}"  # JSON web tokens
    r"|(?<=[Bb][Ee][Aa][Rr][Ee][Rr] )[A-Za-z0-9._~+/\-]{8,8000}=*"
)
_DATA_URI = re.compile(
    r"data:([a-z]+/[a-z0-9.+\-]+)?[^,\s\"']{0,100};base64,"
    r"([A-Za-z0-9+/_\-]{200,}={0,2}|(?:[A-Za-z0-9+/_\-]{40,}\r?\n)+[A-Za-z0-9+/_\-]*={0,2})",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]{200}")
_SECRET_KEYS = frozenset(
    {"authorization", "authorization_token", "api_key", "api-key", "apikey", "x-api-key", "headers"}
)


def mask_secrets(text: str) -> str:
    """Replace what looks like a credential.

    >>> mask_secrets("Incorrect API key provided: sk-abcdefghijklmnop")
    'Incorrect API key provided: [secret]'
    """
    return _SECRET.sub("[secret]", text)


def mask_fields(value: Any) -> Any:
    """Replace the values of fields that hold credentials, such as the headers of an MCP server among the tools."""
    if isinstance(value, dict):
        return {
            key: "[secret]" if str(key).lower() in _SECRET_KEYS and item else mask_fields(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_fields(item) for item in value]
    return mask_secrets(value) if isinstance(value, str) else value


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
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


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
