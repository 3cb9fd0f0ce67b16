"""Embeddings, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import embeddings
from llm_track.records import Response, Usage


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ("hi", "hi"),
        (["a", "b"], ["a", "b"]),
        ([1, 2], "[2 token ids]"),
        ([[1], "a"], ["[1 token ids]", "a"]),
        (None, None),
    ],
)
def test_inputs_are_texts(given: Any, drawn: Any) -> None:
    """Texts stay texts; token ids, which nobody can read, are counted."""
    assert embeddings.request({"input": given}).input == drawn
    assert embeddings.request({"inputs": given}).input == drawn


def test_a_request_is_read_field_by_field() -> None:
    """What has no field of its own is a parameter."""
    request = embeddings.request({"model": "m", "input": "hi", "dimensions": 8, "user": "u"})
    assert (request.model, request.parameters) == ("m", {"dimensions": 8})


@pytest.mark.parametrize("vector", [[0.25, 0.5], "AACAPg=="])
def test_vectors_never_leave(vector: Any) -> None:
    """A response has the usage and the model, and nothing of the vectors."""
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    body = {"object": "list", "data": [{"embedding": vector, "index": 0}], "model": "m", "usage": usage}
    expected = Response(usage=Usage(input_tokens=3, total_tokens=3, raw=usage), model="m")
    assert embeddings.response(body) == expected


def test_an_error_inside_an_answer() -> None:
    """An answer that is an error says so."""
    response = embeddings.response({"error": {"message": "too long", "type": "invalid_request_error"}})
    assert (response.error, response.error_type) == ("too long", "invalid_request_error")


def test_the_only_chunk_is_the_body() -> None:
    """Embeddings are not streamed: one chunk is all, and carries the output."""
    fold = embeddings.fold()
    assert (fold.body(), fold.complete) == ({}, False)
    fold.add({"data": []})
    assert (fold.body(), fold.complete) == ({"data": []}, True)
    assert embeddings.is_content({"data": []})
