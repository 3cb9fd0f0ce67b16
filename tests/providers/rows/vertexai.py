"""Google's older SDK for Vertex AI: by gRPC in both modes, and by REST, which it has for synchronous calls only.

What the program holds is a model; there is no client.
"""

from __future__ import annotations

from typing import Any

from conformance.grpc_server import GrpcServer, Methods, address
from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

SERVICE = "google.cloud.aiplatform.v1.PredictionService"
USED = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}


def said(words: str, **more: Any) -> dict[str, Any]:
    """Return an answer, or a chunk of one."""
    candidate = {"content": {"role": "model", "parts": [{"text": words}]}, **more}
    return {"candidates": [candidate], "usageMetadata": USED, "modelVersion": "snail-1-0926"}


def methods() -> Methods:
    """Return the methods of Vertex AI that the tests call."""
    types = sdk("google.cloud.aiplatform_v1.types")
    asked, answer = types.GenerateContentRequest.pb(), types.GenerateContentResponse.pb()
    return {
        f"/{SERVICE}/GenerateContent": (asked, answer, False),
        f"/{SERVICE}/StreamGenerateContent": (asked, answer, True),
    }


def serve() -> GrpcServer:
    """Return a server of Vertex AI."""
    return GrpcServer(methods)


def credentials() -> Any:
    """Return credentials that nobody refreshes."""
    return sdk("google.oauth2.credentials").Credentials(token=KEY)


def by_grpc(url: str, mode: Mode) -> Any:
    """Return a model whose clients speak to a server without TLS."""
    host, number = address(url)
    sdk("vertexai").init(project=f"run-{number or 0}", location="us-central1", credentials=credentials())
    model = sdk("vertexai.generative_models").GenerativeModel("snail-1")
    grpc, home = sdk("grpc"), sdk("google.cloud.aiplatform_v1.services.prediction_service")
    transports = sdk("google.cloud.aiplatform_v1.services.prediction_service.transports")

    async def connect() -> None:
        if mode.prefix:
            to_host = transports.PredictionServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(host))
            model._prediction_async_client = home.PredictionServiceAsyncClient(transport=to_host)
        else:
            to_host = transports.PredictionServiceGrpcTransport(channel=grpc.insecure_channel(host))
            model._prediction_client = home.PredictionServiceClient(transport=to_host)

    mode.run(connect())
    return model


def by_rest(url: str, mode: Mode) -> Any:
    """Return a model that asks a server by REST."""
    settings = {"project": "p", "location": "us-central1", "credentials": credentials()}
    sdk("vertexai").init(**settings, api_endpoint=url, api_transport="rest")
    model = sdk("vertexai.generative_models").GenerativeModel("snail-1")
    assert model._prediction_client is not None  # made now, for the next model has another address
    return model


def _ask(mode: Mode, model: Any, streamed: bool) -> Any:
    return (model.generate_content_async if mode.prefix else model.generate_content)(ASKED, stream=streamed)


async def _chat(mode: Mode, model: Any) -> None:
    chat = model.start_chat()
    await mode.call(chat.send_message_async if mode.prefix else chat.send_message, ASKED)


async def _streamed_chat(mode: Mode, model: Any) -> None:
    chat = model.start_chat()
    await mode.items(await mode.call(chat.send_message_async if mode.prefix else chat.send_message, ASKED, stream=True))


async def _end(mode: Mode, model: Any) -> None:
    """A model is not closed."""


def _shown(answer: Any) -> Any:
    return type(answer), answer.to_dict()


def _row(form: str, **more: Any) -> Row:
    return Row(
        provider="vertexai",
        form=form,
        billed="google-vertex",
        ask=_ask,
        end=_end,
        shown=_shown,
        stop="STOP",
        ways={"chat": _chat},
        streamed_ways={"chat": _streamed_chat},
        whole={"json": said("".join(WORDS), finishReason="STOP")},
        **more,
    )


_CHUNKS = [said(WORDS[0]), said(WORDS[1], finishReason="STOP")]
_ERROR = {"error": {"code": 429, "message": f"too much for {KEY}", "status": "RESOURCE_EXHAUSTED"}}

ROWS = [
    _row(
        "grpc",
        make=by_grpc,
        host="aiplatform.googleapis.com",  # of a transport that is given a channel, nobody knows another
        serve=serve,
        chunks={"events": _CHUNKS},
        refused={"grpc": "RESOURCE_EXHAUSTED", "message": "too much"},
        broken={"events": _CHUNKS[:1], "grpc": "ABORTED", "message": "overloaded"},
    ),
    _row(
        "rest",
        make=by_rest,
        modes=("sync",),
        chunks={"json": _CHUNKS},
        refused={"status": 429, "json": _ERROR},
    ),
]
