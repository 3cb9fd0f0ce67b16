"""The clients of the real SDKs, pointed at loopback."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai

from .modes import Mode


class Clients:
    """Makes clients of one mode; all of an SDK share one pool of connections."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._http: dict[Any, Any] = {}

    def openai(self, url: str, **options: Any) -> Any:
        """Return a client of OpenAI."""
        return self._client(openai, "OpenAI", base_url=url, **options)

    def openai_itself(self, url: str, origin: str = "https://api.openai.com", **options: Any) -> Any:
        """Return a client of api.openai.com, or another origin, whose requests are led to the server at a URL."""
        there = urlsplit(url)
        client = self._client(openai, "OpenAI", base_url=f"{origin}{there.path}", **options)
        return client.with_options(http_client=self._rerouted(there.port))

    def azure(self, url: str, api_version: str = "2024-06-01", **options: Any) -> Any:
        """Return a client of OpenAI on Azure; the URL is that of the Azure resource."""
        return self._client(openai, "AzureOpenAI", azure_endpoint=url, api_version=api_version, **options)

    def anthropic(self, url: str, **options: Any) -> Any:
        """Return a client of Anthropic."""
        return self._client(anthropic, "Anthropic", base_url=url, **options)

    def bedrock(self, url: str, **options: Any) -> Any:
        """Return a client of Anthropic on Bedrock."""
        keys = {"aws_access_key": "x", "aws_secret_key": "x", "aws_region": "us-east-1"}
        return self._client(anthropic, "AnthropicBedrock", base_url=url, api_key=None, **keys, **options)

    def close(self) -> None:
        """Close the connections."""
        for http in self._http.values():
            self.mode.run(self.mode.call(getattr(http, "aclose", None) or http.close))

    def _client(self, sdk: Any, name: str, **options: Any) -> Any:
        shared: dict[str, Any] = {"api_key": "x", "max_retries": 0, "timeout": 20.0}
        given = {key: value for key, value in (shared | options).items() if value is not None}
        return getattr(sdk, self.mode.prefix + name)(http_client=self._connections(sdk), **given)

    def _rerouted(self, port: int | None) -> Any:
        def reroute(request: Any) -> None:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)

        async def reroute_async(request: Any) -> None:
            reroute(request)

        kind = openai.DefaultAsyncHttpxClient if self.mode.prefix else openai.DefaultHttpxClient
        hook = reroute_async if self.mode.prefix else reroute
        return self._http.setdefault(port, kind(trust_env=False, event_hooks={"request": [hook]}))

    def _connections(self, sdk: Any) -> Any:
        if sdk not in self._http:
            kind = sdk.DefaultAsyncHttpxClient if self.mode.prefix else sdk.DefaultHttpxClient
            self._http[sdk] = kind(trust_env=False)
        return self._http[sdk]


def method(client: Any, path: str) -> Any:
    """Return the method of a client at a dotted path, or ``None`` where this version of the SDK lacks it."""
    found = client
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


@cache
def _parameters(function: Any) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def arguments(function: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that send a body: what the method does not know goes out as ``extra_body``."""
    known = _parameters(getattr(function, "__func__", function))
    given = {key: value for key, value in body.items() if key in known}
    extra = {key: value for key, value in body.items() if key not in known}
    return given | ({"extra_body": extra} if extra else {})
