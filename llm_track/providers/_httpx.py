"""What SDKs that hand httpx's own objects around have in common; httpx and httpx2 are alike in this."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from llm_track.wire import request_id


def is_response(result: Any) -> bool:
    """Tell a response that was received from what a test of the program puts in its place."""
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is not None and isinstance(result, library.Response):
            return getattr(result, "_request", None) is not None
    return False


def failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception of httpx says; any other tells nothing of HTTP."""
    own = getattr(error, "__dict__", {})
    if "_request" not in own:
        return {}
    request, response = own["_request"], own.get("response")
    said: dict[str, Any] = {"url": None if request is None else str(request.url)}
    if response is not None:
        said |= {"http_status": response.status_code, "request_id": request_id(response.headers)}
    return said


def secrets(headers: Any) -> Iterator[str]:
    """Yield the credentials that the headers of a request carry."""
    for name in ("authorization", "x-api-key", "api-key"):
        key = headers.get(name) or ""
        yield from (key, key.rpartition(" ")[2]) if key else ()
