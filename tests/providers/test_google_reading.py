"""What a request of google-genai says, read without the SDK."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llm_track.formats import interactions
from llm_track.providers import Invocation, _google_interactions, google_genai

READ = google_genai.PROVIDER.targets[0].read


class Client:
    """Stands for the SDK's HTTP client."""

    api_key: Any = "AIza-of-the-client"
    vertexai: Any = None
    _http_options = SimpleNamespace(base_url="https://generativelanguage.googleapis.com/")


def read(*args: Any, client: Any = None, **kwargs: Any) -> Any:
    """Return the reading of a request."""
    return READ(Invocation(client or Client(), args, kwargs))


@pytest.mark.parametrize(
    ("path", "kind", "name", "model"),
    [
        ("models/gemini-2.5-flash:generateContent", "generation", "models.generate_content", "gemini-2.5-flash"),
        ("publishers/google/models/g-3:streamGenerateContent?alt=sse", "generation", "models.generate_content", "g-3"),
        ("models/e:batchEmbedContents", "embedding", "models.embed_content", "e"),
        (
            "publishers/google/models/text-embedding-005:predict",
            "embedding",
            "models.embed_content",
            "text-embedding-005",
        ),
        ("publishers/google/models/imagen-4:predict", "generation", "models.predict", "imagen-4"),
        ("models/veo-3:predictLongRunning", "endpoint", "models.predictLongRunning", "veo-3"),
        ("models/g:countTokens", "endpoint", "models.countTokens", "g"),
        ("files", "endpoint", "files.list", None),
        ("files/abc123", "endpoint", "files.retrieve", None),
    ],
)
def test_what_is_asked(path: str, kind: str, name: str, model: str | None) -> None:
    """The path says what a request is, and which model it is for."""
    found = read("get" if path.startswith("files") else "post", path, {"_query": {}, "contents": []})
    assert (found.kind, found.name, found.body.get("model")) == (kind, name, model)
    assert "_query" not in found.body
    assert found.stream is ("stream" in path)
    assert found.base_url == "https://generativelanguage.googleapis.com/"


def test_by_name() -> None:
    """Arguments may come by their names."""
    found = read(http_method="post", path="models/g:generateContent", request_dict={"contents": ["a"]})
    assert found.body == {"contents": ["a"], "model": "g"}


@pytest.mark.parametrize("args", [(), ("post",), ("post", None, {})])
def test_a_call_that_is_about_to_fail(args: Any) -> None:
    """A call without a method or a path is left to fail by itself."""
    assert read(*args) is None


def test_who_bills() -> None:
    """Google's cloud bills for Vertex."""
    vertex = Client()
    vertex.vertexai = True
    assert [read("post", "models/g:generateContent", {}, client=one).provider for one in (Client(), vertex)] == [
        "gemini",
        "google-vertex",
    ]


def test_the_request_is_a_copy() -> None:
    """What the program changes after the call is not in the event."""
    given = {"contents": [{"parts": [{"text": "before"}]}]}
    found = read("post", "models/g:generateContent", given)
    given["contents"].append({"parts": [{"text": "after"}]})
    assert "after" not in str(found.body)


@pytest.mark.parametrize(("key", "secrets"), [("AIza-1", ["AIza-1"]), (None, [])])
def test_secrets(key: Any, secrets: list[str]) -> None:
    """The client's key is known as a secret; the client is not kept for it."""
    client = Client()
    client.api_key = key
    found = read("post", "models/g:generateContent", {}, client=client)
    assert list(found.secrets()) == secrets
    del client
    assert list(found.secrets()) == []


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (SimpleNamespace(body='{"candidates": []}'), {"candidates": []}),
        (SimpleNamespace(body=""), ""),
        ({"candidates": []}, {"candidates": []}),
    ],
)
def test_the_json_of_a_result(result: Any, said: Any) -> None:
    """Answers are text, or what older SDKs make of it."""
    assert google_genai.PROVIDER.to_json(result) == said


def test_what_an_error_says() -> None:
    """Status, name and address of an ``APIError``; nothing of any other exception."""
    error: Any = ValueError("refused")
    assert google_genai.PROVIDER.failure(error) == {"http_status": None, "code": None}
    request = SimpleNamespace(url="https://example.org/x")
    error.__dict__.update(code=429, status="RESOURCE_EXHAUSTED", response=SimpleNamespace(_request=request))
    assert google_genai.PROVIDER.failure(error) == {
        "http_status": 429,
        "code": "RESOURCE_EXHAUSTED",
        "url": "https://example.org/x",
    }


class Address:
    """Stands for a URL of httpx."""

    def __init__(self, path: str, host: str = "generativelanguage.googleapis.com") -> None:
        self.path, self.host = path, host

    def __str__(self) -> str:
        return f"https://{self.host}{self.path}"

    def copy_with(self, **changes: Any) -> Address:
        return Address(changes["path"], self.host)


class Older:
    """Stands for the client of Stainless."""

    def __init__(self, host: str, client_adapter: Any = None) -> None:
        self.base_url, self.client_adapter = f"https://{host}", client_adapter


SENDS, ASKS = _google_interactions.TARGETS[0].read, _google_interactions.TARGETS[2].read
PATHS = pytest.mark.parametrize(
    ("method", "path", "name", "kind", "recalled"),
    [
        ("POST", "/v1beta/interactions", "interactions", "generation", False),
        ("POST", "/v1beta1/projects/p/locations/l/interactions", "interactions", "generation", False),
        ("GET", "/v1beta/interactions/v1_abc", "interactions.retrieve", "generation", True),
        ("DELETE", "/v1beta/interactions/v1_abc", "interactions.delete", "endpoint", False),
        ("PATCH", "/v1beta/interactions/v1_abc", "interactions.patch", "endpoint", False),
        ("POST", "/v1beta/interactions/v1_abc/cancel", "interactions.cancel", "endpoint", False),
        ("GET", "/v1beta/webhooks", "webhooks.list", "endpoint", False),
    ],
)


@PATHS
def test_an_interaction(method: str, path: str, name: str, kind: str, recalled: bool) -> None:
    """Path and method say what a request is that the newer client sends; its bytes are left for later."""
    request = SimpleNamespace(
        method=method, url=Address("/run" + path), headers={"x-goog-api-key": "AIza-1"}, _content=b"{}"
    )
    found = SENDS(Invocation(SimpleNamespace(_api_client=Client()), (), {"request": request, "stream": True}))
    assert found is not None
    assert (found.name, found.kind, found.recalled, found.stream) == (name, kind, recalled, True)
    assert (found.format is interactions) is (kind == "generation")
    assert (found.provider, found.content) == ("gemini", b"{}")
    assert found.secrets is not None
    assert list(found.secrets()) == ["AIza-1"]


@PATHS
def test_an_interaction_of_older_versions(method: str, path: str, name: str, kind: str, recalled: bool) -> None:
    """The same for the client before version 3, which has the JSON."""
    options = SimpleNamespace(method=method.lower(), url=path, json_data={"model": "g"}, files=None)
    client = Older("generativelanguage.googleapis.com")
    found = ASKS(Invocation(client, (object, options), {"stream": False}))
    assert found is not None
    assert (found.name, found.kind, found.recalled) == (name, kind, recalled)
    assert (found.provider, found.body) == ("gemini", {"model": "g"})


def test_an_interaction_that_is_about_to_fail() -> None:
    """A call without a request is left to fail by itself."""
    assert SENDS(Invocation(None, (), {})) is None
    assert ASKS(Invocation(None, (), {})) is None


@pytest.mark.parametrize("how", ["said", "address"])
def test_who_bills_for_an_interaction(how: str) -> None:
    """Google's cloud bills where the client says so, or where the address is its."""
    parent = Client()
    parent.vertexai = how == "said"
    host = "aiplatform.googleapis.com" if how == "address" else "example.org"
    request = SimpleNamespace(method="POST", url=Address("/v1beta1/interactions", host), headers={})
    found = SENDS(Invocation(SimpleNamespace(_api_client=parent), (), {"request": request}))
    assert found is not None
    adapter = SimpleNamespace(_api_client=parent)
    options = SimpleNamespace(method="post", url="/v1beta1/interactions", json_data={}, files=None)
    older = ASKS(Invocation(Older(host, client_adapter=adapter), (object, options), {}))
    assert older is not None
    assert (found.provider, older.provider) == ("google-vertex", "google-vertex")


def test_whose_interactions() -> None:
    """What sends a request belongs to the client of the program, which is what is instrumented."""
    parent = Client()
    newer, older = (
        SimpleNamespace(_api_client=parent),
        SimpleNamespace(client_adapter=SimpleNamespace(_api_client=parent)),
    )
    assert google_genai.PROVIDER.held(newer) is google_genai.PROVIDER.held(older) is parent
    assert google_genai.PROVIDER.held(parent) is parent


def test_what_an_error_of_an_interaction_says() -> None:
    """Status, name and address, whichever generation of the client raised it; of a lost connection its address."""
    request = SimpleNamespace(url="https://example.org/x")
    response = SimpleNamespace(_request=request, status_code=429, headers={"x-request-id": "r-1"})
    newer, older, lost = (ValueError(words) for words in ("newer", "older", "lost"))
    newer.__dict__.update(raw_response=response, body='{"error": {"status": "RESOURCE_EXHAUSTED", "code": 429}}')
    older.__dict__.update(response=response, request=request, body={"error": {"code": "too_many"}})
    lost.__dict__.update(_request=request)
    told = {"http_status": 429, "request_id": "r-1", "url": "https://example.org/x"}
    assert google_genai.PROVIDER.failure(newer) == {**told, "code": "RESOURCE_EXHAUSTED"}
    assert google_genai.PROVIDER.failure(older) == {**told, "code": "too_many"}
    assert google_genai.PROVIDER.failure(lost) == {"code": None, "url": "https://example.org/x"}
    assert _google_interactions.failure(ValueError("else")) == {"code": None}
