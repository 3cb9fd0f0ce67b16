"""A function that asks a model by itself: `track_llm(kind="generation")`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_track import telemetry
from llm_track.context import Node
from llm_track.formats import Format
from llm_track.masking import mask_fields
from llm_track.records import Identity, ModelCall, Record, Request, Response
from llm_track.snapshot import jsonable
from llm_track.steps import SpanStep


class HomemadeCall(SpanStep):
    """Reads what the function was given and what it returned as the request and the answer of a provider."""

    __slots__ = ("format", "model", "provider")

    owns_calls = True

    def __init__(
        self,
        name: str,
        parent: Node | None,
        identity: Identity,
        provider: str | None,
        model: str | None,
        wire_format: Format | None,
    ) -> None:
        super().__init__(name, "generation", parent, identity)
        self.provider = provider
        self.model = model
        self.format = wire_format
        telemetry.hold_call(self.seen, self.parent)

    def record(self) -> Record:
        """Return the generation, on the worker."""
        request, response = self._request(), self._response()
        return ModelCall(
            kind="generation",
            name=self.name,
            provider=self.provider or "unknown",
            request=replace(request, model=request.model or self.model, stream=isinstance(self.output, list)),
            response=response,
            http_status=200 if self.error is None else 0,
            base_url="",
            **self.shared(),
        )

    def _request(self) -> Request:
        body = _request_body(mask_fields(jsonable(self.given()) or {}))
        if self.format is not None:
            return self.format.request(body)
        return Request(input=[{"role": "user", "content": _text(value)} for value in body.values()])

    def _response(self) -> Response | None:
        output = jsonable(self.output)
        if output is None:
            return None
        if self.format is None:
            return Response(output=[{"role": "assistant", "content": _text(output)}], model=self.model)
        if isinstance(output, list):
            fold = self.format.fold()
            for chunk in output:
                if isinstance(chunk, dict):
                    fold.add(chunk)
            return self.format.response(fold.body())
        return self.format.response(output) if isinstance(output, Mapping) else None


def _request_body(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The argument that is a request body, if one is; else the arguments themselves, as those of an SDK's method."""
    for value in arguments.values():
        if isinstance(value, Mapping) and value.keys() & {"messages", "input", "prompt", "contents"}:
            return value
    extra = arguments.get("kwargs")
    return {**arguments, **extra} if isinstance(extra, Mapping) else arguments


def _text(value: Any) -> str:
    from llm_track.formats._json import dump

    return value if isinstance(value, str) else dump(value)
