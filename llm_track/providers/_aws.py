"""What botocore and aiobotocore have in common: both send every call of every service of Amazon's by one method.

``client._make_api_call(operation, parameters)`` returns a dict; of Bedrock's calls some have in it a body, or a stream
of events, that the program has yet to read.
"""

from __future__ import annotations

import json
import re
import weakref
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from llm_track.formats import Format, converse, invoke_embeddings, invoke_model, rerank
from llm_track.providers import Invocation, Kind, Reading
from llm_track.records import Usage
from llm_track.snapshot import snapshot

_SERVICES = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})
_CONVERSE: tuple[Kind, Format | None] = ("generation", converse)
_INVOKE: tuple[Kind, Format | None] = ("generation", invoke_model)
_OPERATIONS = {
    "Converse": _CONVERSE,
    "ConverseStream": _CONVERSE,
    "InvokeModel": _INVOKE,
    "InvokeModelWithResponseStream": _INVOKE,
}
_OTHERS: dict[str, tuple[Kind, Format | None]] = {
    "embed": ("embedding", invoke_embeddings),
    "rerank": ("generation", rerank),
}
"""Parts of the names of models that are invoked for something else than words."""
_ENDPOINT: tuple[Kind, Format | None] = ("endpoint", None)
_BESIDE = ("guardrailIdentifier", "guardrailVersion", "performanceConfigLatency", "serviceTier")
"""Parameters of ``InvokeModel`` that are no part of its body."""


def asks_models(client: Any) -> bool:
    """Tell Bedrock from all other services, whose calls pass untouched."""
    return client.meta.service_model.service_name in _SERVICES


def read(invocation: Invocation) -> Reading | None:
    """Read a call of Bedrock: ``_make_api_call(operation, parameters)``."""
    if len(invocation.args) != 2:
        return None
    client, (operation, given) = invocation.instance, invocation.args
    given = given if isinstance(given, Mapping) else {}
    model = model_of(given.get("modelId"))
    kind, wire_format = _OPERATIONS.get(operation, _ENDPOINT)
    invoked = wire_format is invoke_model
    if invoked and model is not None:
        kind, wire_format = next((other for part, other in _OTHERS.items() if part in model.lower()), _INVOKE)
    told = {name: given[name] for name in _BESIDE if name in given} if invoked else snapshot(dict(given))
    told.pop("modelId", None)
    return Reading(
        kind=kind,
        name=f"{client.meta.service_model.service_name}.{operation}",
        provider="amazon-bedrock",
        body=({"model": model} if model else {}) | told,
        content=_content(given.get("body")) if invoked else None,
        format=wire_format,
        base_url=client.meta.endpoint_url,
        stream="Stream" in operation,
        secrets=partial(_secrets, weakref.ref(client)),
    )


def _content(body: Any) -> bytes | None:
    """The body of an invocation is ready to be sent; a file is not read, that would take it from the SDK."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return bytes(body) if isinstance(body, (bytes, bytearray)) else None


def model_of(given: Any) -> str | None:
    """Return a model by the name that it is billed by: an ARN that ends in one tells nothing more.

    >>> model_of("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0")
    'us.amazon.nova-lite-v1:0'
    """
    if not isinstance(given, str) or not given:
        return None
    plain = unquote(given)
    found = _NAMED.fullmatch(plain)
    return found[1] if found else plain


_NAMED = re.compile(r"arn:[^:]*:bedrock:[^:]*:[^:]*:(?:inference-profile|foundation-model)/(.+)")


def _secrets(client: weakref.ref[Any]) -> Iterator[str]:
    """Yield the credentials of a client as they lie there: asked for, some would be fetched anew."""
    signer = getattr(client(), "_request_signer", None)
    fields = getattr(getattr(signer, "_credentials", None), "__dict__", {})
    found = [fields.get(f"{mark}{name}") for name in ("access_key", "secret_key", "token") for mark in ("", "_")]
    token = getattr(signer, "_auth_token", None)
    found += getattr(token, "_frozen_token", token) or ()  # a tuple that begins with it
    yield from (value for value in found if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A result of the SDK, as the HTTP response that it was made of."""

    status_code: int
    headers: Mapping[str, str]
    body: Any
    """What the program has yet to read."""
    result: Mapping[str, Any]
    request: _Asked = _Asked()  # its address is not told

    @property
    def is_closed(self) -> bool:
        """Whether there is nothing left to read."""
        return self.body is None

    is_stream_consumed = is_closed

    @property
    def content(self) -> bytes:
        """Return the JSON of a result that was read by the SDK: written anew, which is quicker than to copy it."""
        told = {name: value for name, value in self.result.items() if name != "ResponseMetadata"}
        return json.dumps(told, default=_written).encode("utf-8", "surrogatepass")


def _written(value: Any) -> str:
    return b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else str(value)


def gives_response(result: Any) -> bool:
    """Tell a result that came over the wire from one that a test of the program put in its place."""
    about = result.get("ResponseMetadata") if isinstance(result, dict) else None
    return isinstance(about, dict) and isinstance(about.get("HTTPStatusCode"), int) and "HTTPHeaders" in about


def answer(witnessed: Mapping[str, Any]) -> tuple[Answered, int | None]:
    """Return a result as an HTTP response, and how often the SDK had tried before."""
    result = witnessed["response"]
    about = result["ResponseMetadata"]
    unread = next((value for value in result.values() if _is_unread(value)), None)
    return Answered(about["HTTPStatusCode"], about["HTTPHeaders"], unread, result), about.get("RetryAttempts")


def _is_unread(value: Any) -> bool:
    return hasattr(value, "_raw_stream") or hasattr(value, "__wrapped__")  # aiobotocore's body was a proxy before 3


def counts(headers: Mapping[str, str]) -> Usage | None:
    """Read what Amazon counts for an invocation that is not streamed; many models do not count themselves."""
    told = {name: int(value) for name in _COUNTS if (value := headers.get(name, "")).isdecimal()}
    if not told:
        return None
    asked, answered, cached, written = (told.get(name) for name in _COUNTS)
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        cache_included_in_input=None if cached is None and written is None else False,
        raw={name.removeprefix("x-amzn-bedrock-"): value for name, value in told.items()},
    )


_COUNTS = tuple(
    f"x-amzn-bedrock-{what}-token-count" for what in ("input", "output", "cache-read-input", "cache-write-input")
)


def failure(error: BaseException) -> dict[str, Any]:
    """Return what a ``ClientError`` says of the answer, or another exception of whom it could not reach."""
    told, given = getattr(error, "response", None), getattr(error, "kwargs", None)
    if not isinstance(told, Mapping):
        return {"url": given.get("endpoint_url")} if isinstance(given, Mapping) else {}
    about = told.get("ResponseMetadata") or {}
    return {
        "http_status": about.get("HTTPStatusCode"),
        "code": (told.get("Error") or {}).get("Code"),
        "request_id": about.get("RequestId"),
        "retries": about.get("RetryAttempts"),
    }
