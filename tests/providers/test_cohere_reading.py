"""Requests of Cohere's SDK, read without it."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

from llm_track.providers import Invocation
from llm_track.providers import cohere as described

from .row import KEY


def read(*args: Any, client: Any = None, **kwargs: Any) -> Any:
    """Return the reading of a request, without the SDK."""
    return described.PROVIDER.targets[0].read(Invocation(client or HttpClient(), args, kwargs))


class HttpClient:
    """What the SDK's client of that name has."""

    def __init__(self, key: Any = KEY, hook: Any = None) -> None:
        self._token = key
        self.httpx_client = SimpleNamespace(event_hooks={"request": [hook] if hook else []})

    def base_headers(self) -> Any:
        raise AssertionError("the program's code is not called")

    def get_base_url(self, given: Any) -> Any:
        return given or "https://api.cohere.com"


def test_a_request_without_the_sdk() -> None:
    """The path says what a request is, the address who bills; only what was given is told."""
    absent: Any = ...
    more = {"additional_body_parameters": {"seed": 1}}
    given = {"model": "m", "texts": ["a"], "truncate": absent}
    found = read("v2/embed", method="POST", json=given, omit=absent, request_options=more)
    assert (found.kind, found.name, found.provider, found.stream) == ("embedding", "embed", "cohere", False)
    assert found.body == {"model": "m", "texts": ["a"], "seed": 1}
    assert read("v1/classify", method="POST", json={"model": "m"}).name == "classify.create"
    assert read("v1/models", method="GET").body == {}
    assert read("v2/chat", method="POST", json={}, base_url="https://mine.test").base_url == "https://mine.test"
    assert read(method="POST") is None
    assert read("v2/chat", method="POST", json={}, retries=1) is None
    assert described.PROVIDER.to_json(object()) is None


def test_a_key_without_the_sdk() -> None:
    """The key of a client is known, and that of one request; a function that gives one is not called."""
    client, headers = HttpClient(), {"X-Proxy-Authorization": "Bearer other-1", "x-trace": "t"}
    found = read("v2/chat", client=client, json={}, headers=headers)
    assert list(found.secrets()) == [KEY, "Bearer other-1", "other-1"]
    lazy = HttpClient(key=lambda: "never")
    assert list(read("v2/chat", client=lazy, json={}).secrets()) == []
    gone = weakref.ref(client)
    del client
    assert gone() is None
    assert list(found.secrets()) == ["Bearer other-1", "other-1"]


def test_a_cloud_without_the_sdk() -> None:
    """A client for Amazon's or Oracle's cloud is billed there; its own address is one that it never asks."""

    def hook() -> None:
        """A hook of the HTTP library, in a module of the SDK."""

    hook.__module__ = "cohere.aws_client"
    found = read("v1/chat", client=HttpClient(hook=hook), json={})
    assert (found.provider, found.base_url) == ("amazon-bedrock", None)
    hook.__module__ = "my.hooks"
    assert read("v1/chat", client=HttpClient(hook=hook), json={}).provider == "cohere"
