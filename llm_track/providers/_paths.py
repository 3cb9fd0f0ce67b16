"""What the path of a request says: where it goes, and the name of its endpoint."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_VERBS = {"get": "retrieve", "post": "create", "delete": "delete", "put": "update", "patch": "update"}
_ID = re.compile(r".*[0-9A-Z].*|.*-.{8,}|.*_.{16,}|[^a-z].*")
_VERSION = re.compile(r"v\d+")
_ACTIONS = frozenset(
    {"cancel", "compact", "pause", "resume", "search", "validate", "complete", "submit_tool_outputs", "content"}
)


def endpoint_name(method: str, path: str) -> str:
    """Return the name of an endpoint, without the ids in its path.

    >>> endpoint_name("post", "/moderations"), endpoint_name("get", "/threads/thread_abc123/runs/run_9")
    ('moderations.create', 'threads.runs.retrieve')
    """
    segments = [segment for segment in path.split("/") if segment and not _VERSION.fullmatch(segment)]
    words = [segment for segment in segments if not _ID.fullmatch(segment) or segment in _ACTIONS]
    if words and words[-1] in _ACTIONS:
        return ".".join(words)
    verb = _VERBS.get(method.lower(), method.lower())
    ends_with_id = not (segments and words and segments[-1] == words[-1])
    if verb == "retrieve" and not ends_with_id:
        verb = "list"
    elif verb == "create" and ends_with_id and segments:
        verb = "update"
    return ".".join([*words, verb])


def address(url: str) -> tuple[str | None, str]:
    """The host that a request names, if it is another than its client's, and its path there."""
    host = None
    if url[:8].lower().startswith(("http://", "https://")):
        parts = urlsplit(url)
        host, url = f"{parts.scheme}://{parts.netloc}", parts.path
    return host, "/" + url.partition("?")[0].strip("/")


def unversioned(path: str) -> str:
    """The path after the version of the API, for requests that name it although the base URL does."""
    segments = path.split("/")
    versions = [index for index, segment in enumerate(segments) if _VERSION.fullmatch(segment)]
    return "/" + "/".join(segments[versions[-1] + 1 :]) if versions else path
