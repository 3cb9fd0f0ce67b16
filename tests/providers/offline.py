"""Clients of the real SDKs that reach no network: what they ask is recorded, what they hear is made up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import anthropic
import openai

from llm_track.providers import Invocation

SDKS = {"openai": openai, "anthropic": anthropic}


def http_of(sdk: Any) -> Any:
    """Return the HTTP library that this version of an SDK uses."""
    modules = [parent.__module__.partition(".")[0] for parent in sdk.DefaultHttpxClient.__mro__]
    return sys.modules[next(name for name in modules if name.startswith("httpx"))]


def client(sdk: Any, name: str, answer: Callable[[Any], Any] | None = None, **options: Any) -> Any:
    """Return a client whose requests are answered by a function of the HTTP request."""
    transport = http_of(sdk).MockTransport(answer or (lambda request: http_of(sdk).Response(200, json={})))
    shared: dict[str, Any] = {
        "api_key": "x",
        "max_retries": 0,
        "http_client": getattr(sdk, f"Default{'Async' * name.startswith('Async')}HttpxClient")(transport=transport),
    }
    given = {key: value for key, value in (shared | options).items() if value is not None}
    return getattr(sdk, name)(**given)


class _RecordedError(Exception):
    """Carries what a client was about to do."""


def invocation(made: Any, call: Callable[[Any], Any]) -> Invocation:
    """Return the invocation of ``request`` that a call on this client comes down to, without executing it."""

    def request(*args: Any, **kwargs: Any) -> Any:
        raise _RecordedError(Invocation(made, args, kwargs))

    made.request = request
    try:
        call(made)
    except _RecordedError as recorded:
        found = recorded.args[0]
        assert isinstance(found, Invocation)
        return found
    finally:
        del made.request
    raise AssertionError("the call made no request")


def options_of(found: Invocation) -> Any:
    """Return the options of a request, however they were passed."""
    return found.kwargs["options"] if "options" in found.kwargs else found.args[1]
