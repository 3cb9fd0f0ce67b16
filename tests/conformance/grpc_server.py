"""A provider on loopback that speaks gRPC and gives prepared answers, one after the other, as `CaseServer` does.

    with GrpcServer(methods) as server:
        run = server.play([{"json": {...}}])
        host, number = address(run.url)      # ``run-`` and the number go into the metadata of every request

An answer is a JSON object: ``json`` (one message) or ``events`` (several), perhaps ``grpc`` (the name of a status with
which it fails, after the events) and ``message``; ``delay`` and ``hold_after`` are as in `CaseServer`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .server import HELD_SECONDS, Run

Methods = Mapping[str, tuple[Any, Any, bool]]
"""The path of a method -> the classes of its request and of its answer, and whether it streams."""


def address(url: str) -> tuple[str, str]:
    """Return the host and the number of a run's address."""
    host, _, number = url.removeprefix("http://").partition("/")
    return host, number


def _run(metadata: Any) -> str:
    """Return the number of the run that the metadata of a request names."""
    found = (re.search(r"run-(\d+)", str(value)) for _, value in metadata)
    return next(each[1] for each in found if each is not None)


class GrpcServer:
    """Listens while its ``with`` block runs."""

    def __init__(self, methods: Callable[[], Methods]) -> None:
        grpc = pytest.importorskip("grpc", exc_type=ImportError)
        self.methods, self.runs, self._grpc = methods(), dict[str, Run](), grpc
        self._server = grpc.server(ThreadPoolExecutor(64))
        self._server.add_generic_rpc_handlers((self,))
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    def play(self, answers: list[dict[str, Any]]) -> Run:
        """Begin a test."""
        number = str(len(self.runs))
        run = self.runs[number] = Run(number, f"http://127.0.0.1:{self._port}", answers)
        return run

    def __enter__(self) -> GrpcServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for run in self.runs.values():
            run.over.set()
        self._server.stop(0)

    def service_name(self) -> str | None:
        """Every service is ours; asked for by gRPC."""
        return None

    def service(self, details: Any) -> Any:
        """Return what answers the calls of a method; called by gRPC."""
        if details.method not in self.methods:
            return None
        request, answer, streams = self.methods[details.method]

        def answered(message: Any, context: Any) -> Iterator[Any]:
            return self._answer(details.method, answer, message, context)

        def answered_once(message: Any, context: Any) -> Any:
            return next(answered(message, context))

        made = self._grpc.unary_stream_rpc_method_handler if streams else self._grpc.unary_unary_rpc_method_handler
        return made(
            answered if streams else answered_once,
            request_deserializer=request.FromString,
            response_serializer=answer.SerializeToString,
        )

    def _answer(self, method: str, kind: Any, message: Any, context: Any) -> Iterator[Any]:
        from google.protobuf.json_format import MessageToDict, ParseDict

        run = self.runs[_run(context.invocation_metadata())]
        sent = json.loads(
            re.sub(r"run-\d+", "run", json.dumps(MessageToDict(message, preserving_proto_field_name=True)))
        )
        answer = run.next_answer({"method": "POST", "path": method, "body": sent})
        if "delay" in answer:
            run.over.wait(answer["delay"])
        messages = answer.get("events") or [answer[key] for key in ("json",) if key in answer]
        for number, each in enumerate(messages):
            if number == answer.get("hold_after"):
                run.over.wait(HELD_SECONDS)
            yield ParseDict(each, kind(), ignore_unknown_fields=True)
        if "grpc" in answer:
            context.abort(self._grpc.StatusCode[answer["grpc"]], answer["message"])
