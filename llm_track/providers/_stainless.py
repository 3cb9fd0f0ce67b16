"""What the SDKs that Stainless generates have in common: openai, anthropic and others.

Every call of such a client ends in ``client.request(cast_to, options, stream=..., stream_cls=...)``, whatever helper,
raw or streaming form the program used; and every answer passes ``client._process_response(response=...)``.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from llm_track._guard import say_once
from llm_track.formats import Format
from llm_track.masking import is_secret
from llm_track.providers import Invocation, Kind, Reading
from llm_track.providers._hosts import biller
from llm_track.providers._paths import address, endpoint_name, unversioned
from llm_track.snapshot import snapshot
from llm_track.wire import request_id

RESULT_FILE = re.compile(r"/files/([^/]+)/content$")
Endpoints = Mapping[str, tuple[Kind, Format]]
"""The end of a path -> what a POST to it is, and the format of its JSON."""


def by_path(
    endpoints: Endpoints, names: Mapping[str, str], default_provider: str, batch: re.Pattern[str] = RESULT_FILE
) -> Callable[[Invocation], Reading | None]:
    """Return a function that reads an invocation of ``client.request`` by the path and the method of its request.

    Where results of batches are fetched, ``batch`` finds the provider's id of the batch, or of the file, in the path.
    """

    @lru_cache(maxsize=512)  # a program asks the same few endpoints again and again
    def endpoint(method: str, url: str) -> tuple[str | None, Kind, str, Format | None, str | None]:
        host, path = address(url)
        posted = method.lower() == "post"
        results = None if posted else batch.search(path)
        path = next((known for known in (path, unversioned(path)) if known in names), path)
        kind, wire_format = endpoints.get(path, _ENDPOINT) if posted else _ENDPOINT
        name = (names.get(path) if posted else None) or endpoint_name(method, path)
        return host, kind, name, wire_format, results and results[1]

    def read(invocation: Invocation) -> Reading | None:
        options, client = options_of(invocation), invocation.instance
        client_class: Any = type(client)
        if options is None or _is_tracked_by_posthog(client_class):
            return None
        host, kind, name, wire_format, results = endpoint(options.method, str(options.url))
        base_url = getattr(client, "base_url", "") if host is None else host
        return Reading(
            kind=kind,
            name=name,
            provider=biller(client_class, str(base_url), default_provider),
            body=request_body(options),
            format=wire_format,
            base_url=base_url,
            stream=bool(invocation.kwargs.get("stream", False)),
            asked=options,
            batch=results,
            secrets=partial(_secrets, weakref.ref(client), options),
        )

    return read


@lru_cache(maxsize=64)
def _is_tracked_by_posthog(client: type) -> bool:
    """The clients of ``posthog.ai`` send their own events; a second one would double tokens and cost."""
    its_own = any(parent.__module__.startswith("posthog.ai") for parent in client.__mro__)
    if its_own:
        say_once(
            f"llm_track leaves the calls of {client.__module__}.{client.__qualname__} to it: that client "
            "sends its own events. Use the SDK's own client class to have them tracked by llm_track."
        )
    return its_own


def options_of(invocation: Invocation) -> Any:
    """Return the options of a request; ``None`` for a call that lacks them and is about to fail by itself."""
    if "options" in invocation.kwargs:
        return invocation.kwargs["options"]
    return invocation.args[1] if len(invocation.args) > 1 else None


def _secrets(instance: weakref.ref[Any], options: Any) -> Iterator[str]:
    """Yield the credentials that a request carries, to be found where an exception quotes them.

    The client is not kept for it: as long as the exception is there, its frames have the client.
    """
    client = instance()
    for name in ("api_key", "auth_token", "admin_api_key", "_azure_ad_token"):
        yield from _texts(getattr(client, name, None))
    for headers in (getattr(client, "default_headers", None), getattr(options, "headers", None)):
        for name, value in headers.items() if isinstance(headers, Mapping) else ():
            if is_secret(str(name).lower().removeprefix("x-")):
                yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from sorted({value, value.strip(), value.strip().rpartition(" ")[2]}, key=len, reverse=True)


_ENDPOINT: tuple[Kind, None] = ("endpoint", None)


def request_body(options: Any) -> dict[str, Any]:
    """Return a copy of the JSON that a request sends, extra fields included; files are named, not copied."""
    sent = options.json_data
    body: dict[str, Any] = (
        snapshot(sent) if isinstance(sent, dict) else {} if sent is None else {"body": snapshot(sent)}
    )
    extra = getattr(options, "extra_json", None)
    if isinstance(extra, Mapping):
        body.update(snapshot(dict(extra)))
    if options.files:
        body["files"] = _file_names(options.files)
    return body


def _file_names(files: Any) -> list[str]:
    pairs = files.items() if isinstance(files, Mapping) else files
    return [f"{field}: {_file_name(content)}" for field, content in pairs]


def _file_name(content: Any) -> str:
    name = content[0] if isinstance(content, tuple) and content else getattr(content, "name", None)
    return name if isinstance(name, str) else "unnamed"


def answer(witnessed: Mapping[str, Any]) -> tuple[Any, int | None]:
    """Return the HTTP response that the SDK is about to parse, and how often it had tried before."""
    return witnessed["response"], witnessed.get("retries_taken")


def to_json(result: Any) -> Any:
    """Return the JSON of a result: of a parsed model, or of a raw response that holds one."""
    dump = getattr(result, "model_dump", None)
    return dump(mode="json", exclude_unset=True, warnings=False) if callable(dump) else None


def failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception of the SDK says of the provider's answer."""
    own = getattr(error, "__dict__", {})  # as attributes, some are properties that raise when they were never set
    request, response = own.get("request"), own.get("response")
    said: dict[str, Any] = {
        "http_status": getattr(error, "status_code", None),
        "code": getattr(error, "code", None) or _code(getattr(error, "body", None)),
    }
    if response is not None:
        said["request_id"] = request_id(response.headers)
    if request is not None:
        said["url"] = str(request.url)
        tried = request.headers.get("x-stainless-retry-count")
        said["retries"] = int(tried) if isinstance(tried, str) and tried.isdigit() else None
    return said


def _code(body: Any) -> str | None:
    """Anthropic's error type sits inside the body: ``{"type": "error", "error": {"type": "overloaded_error"}}``."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    code = (inner if isinstance(inner, Mapping) else body if isinstance(body, Mapping) else {}).get("type")
    return code if isinstance(code, str) else None
