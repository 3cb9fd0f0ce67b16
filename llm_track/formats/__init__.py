"""What the JSON of a provider's API means: plain functions from wire JSON to records.

A format is a *module* with the three functions of `Format`.  Its laws, checked by property tests:

* ``fold(chunks(body)).body() == body``: a stream, folded, is the answer that the unstreamed call returns;
* ``request`` and ``response`` never raise, whatever the JSON;
* what they return can be serialised as JSON.
"""

from __future__ import annotations

from typing import Any, Protocol

from llm_track.records import JSON, Request, Response


class Fold(Protocol):
    """Folds the chunks of one stream into the body that the unstreamed call returns."""

    complete: bool
    """Whether the chunk that ends a stream of this format has been seen."""

    def add(self, chunk: JSON) -> None:
        """Take one chunk, in the order of the wire."""
        ...

    def body(self) -> dict[str, Any]:
        """Return the body as far as it is known; callable at any time."""
        ...


class Format(Protocol):
    """How one wire format is read.  A module satisfies this protocol."""

    def request(self, body: JSON) -> Request:
        """Read a request body."""
        ...

    def response(self, body: JSON) -> Response:
        """Read a response body."""
        ...

    def fold(self) -> Fold:
        """Begin a stream."""
        ...

    def is_content(self, chunk: JSON) -> bool:
        """Tell whether a chunk carries output, as the first token does and a greeting does not."""
        ...
