"""Credentials and embedded media inside texts: found by their form, replaced by a short visible mark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_SECRET = re.compile(
    r"\b(?:sk|pk|rk|phc|phx|phs|gsk|xai|hf|ghp|gho|ghs|glpat|pplx|r8)[-_][A-Za-z0-9_\-*]{12,}"  # prefixed API keys
    r"|\bAIza[A-Za-z0-9_\-]{20,}"  # Google
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # AWS
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"  # JSON web tokens
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{8,}=*"
)
_DATA_URI = re.compile(
    r"data:([a-z]+/[a-z0-9.+\-]+)?[^,\s\"']{0,100};base64,([A-Za-z0-9+/=_\-\s]{200,})", re.IGNORECASE
)
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
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def mark(kind: str, size: int) -> str:
    """Return the text that stands for embedded media; PostHog draws it as a placeholder.  ``size`` is in bytes."""
    return f"[base64 {kind} {size} bytes redacted]"


def strip_data_uris(text: str) -> str:
    """Replace the payload of every long ``data:`` URI inside a text."""
    if ";base64," not in text:
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
