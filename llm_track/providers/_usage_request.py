"""Asking for the token counts of a streamed chat, which OpenAI sends only on request.

The program's own request is never edited: the SDK is called with a copy.  The extra chunk that answers it is hidden
from the program.  It is asked for only where the endpoint is known to know the option, and never for raw responses,
whose bytes the program may read itself.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from llm_track.providers import Invocation, Reading
from llm_track.providers._stainless import options_of

_OPTION = "stream_options"
_FIRST_AZURE_VERSION = "2024-09-01"
_refused: set[str] = set()
"""Base URLs whose endpoint turned out not to know the option."""


def ask(reading: Reading, invocation: Invocation) -> None:
    """Have the SDK called with ``include_usage``, if the request does not say so itself and the endpoint allows it."""
    options = options_of(invocation)
    wanted = reading.body.get(_OPTION)
    if isinstance(wanted, dict) and "include_usage" in wanted:
        return
    if not _knows_chunks(invocation) or not _may_ask(reading, options, invocation.instance):
        return
    sent = {**options.json_data, _OPTION: {**(wanted if isinstance(wanted, dict) else {}), "include_usage": True}}
    copied = options.model_copy(update={"json_data": sent})
    kwargs = dict(invocation.kwargs)
    if "options" in kwargs:
        kwargs["options"], args = copied, invocation.args
    else:
        args = (invocation.args[0], copied, *invocation.args[2:])
    reading.replacement = (args, kwargs)
    reading.hides = hide_usage
    reading.withdraws = withdraws


def withdraws(reading: Reading, error: BaseException) -> bool:
    """Tell whether an endpoint rejected the option; it is not asked again."""
    refused = getattr(error, "status_code", None) == 400 and _OPTION in str(error)
    if refused:
        _refused.add(str(reading.base_url))
    return refused


def hide_usage(chunk: Any) -> bool:
    """Tell whether a chunk is the one that only carries usage; take the empty ``usage`` off the others."""
    try:
        usage, said = chunk.usage, chunk.__pydantic_fields_set__
    except AttributeError:  # a chunk of Pydantic 1, or of another endpoint
        usage, said = getattr(chunk, "usage", None), getattr(chunk, "model_fields_set", None)
    if usage is not None:
        return not getattr(chunk, "choices", True)
    if said is not None:
        said.discard("usage")
    return False


def _knows_chunks(invocation: Invocation) -> bool:
    """Tell whether chunks will be objects of the SDK's own class, whose extra one can be recognised and hidden."""
    cast_to = invocation.kwargs.get("cast_to", invocation.args[0] if invocation.args else None)
    return hasattr(cast_to, "model_fields")


def _may_ask(reading: Reading, options: Any, client: Any) -> bool:
    headers = options.headers if isinstance(options.headers, dict) else {}
    if any(name.lower() == "x-stainless-raw-response" for name in headers):
        return False
    if (
        not isinstance(options.json_data, dict)
        or not hasattr(options, "model_copy")
        or str(reading.base_url) in _refused
    ):
        return False
    address = urlsplit(str(reading.base_url))
    host = address.hostname or ""
    if host == "api.openai.com":
        return True
    return host.endswith(".openai.azure.com") and _azure_version(client, address.query) >= _FIRST_AZURE_VERSION


def _azure_version(client: Any, query: str) -> str:
    version = getattr(client, "_api_version", None) or parse_qs(query).get("api-version", [""])[0]
    return version if isinstance(version, str) else ""
