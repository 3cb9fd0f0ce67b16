"""xAI's own SDK, over gRPC; both modes have classes of the same name, and chats gather their messages."""

from __future__ import annotations

from typing import Any

from conformance.grpc_server import GrpcServer, Methods, address
from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

SERVICE = "/xai_api.Chat/"
USED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
FRAME = {"id": "g-1", "model": "snail-1-0926"}


def methods() -> Methods:
    """Return the methods of xAI's API that the tests call."""
    proto = sdk("xai_sdk.proto")
    chat, deferred, image = proto.chat_pb2, proto.deferred_pb2, proto.image_pb2
    found = {
        SERVICE + "GetCompletion": (chat.GetCompletionsRequest, chat.GetChatCompletionResponse, False),
        SERVICE + "GetCompletionChunk": (chat.GetCompletionsRequest, chat.GetChatCompletionChunk, True),
        SERVICE + "StartDeferredCompletion": (chat.GetCompletionsRequest, deferred.StartDeferredResponse, False),
        SERVICE + "GetDeferredCompletion": (deferred.GetDeferredRequest, chat.GetDeferredCompletionResponse, False),
        "/xai_api.Image/GenerateImage": (image.GenerateImageRequest, image.ImageResponse, False),
    }
    if hasattr(chat, "CompactContextRequest"):
        found[SERVICE + "CompactContext"] = (chat.CompactContextRequest, chat.CompactContextResponse, False)
    return found


def serve() -> GrpcServer:
    """Return a server of xAI's API."""
    return GrpcServer(methods)


def made(url: str, mode: Mode) -> Any:
    """Return a client; a channel of gRPC belongs to the event loop in which it is made."""
    host, number = address(url)
    home = sdk("xai_sdk")
    kind = home.AsyncClient if mode.prefix else home.Client
    options = [("grpc.enable_retries", 0)]

    async def make() -> Any:
        run = (("x-run", f"run-{number}"),)
        return kind(KEY, api_host=host, metadata=run, use_insecure_channel=True, channel_options=options)

    return mode.run(make())


def said(words: str, **more: Any) -> dict[str, Any]:
    """Return an answer."""
    message = {"role": "ROLE_ASSISTANT", "content": words}
    return {**FRAME, "outputs": [{"message": message, "finish_reason": "REASON_STOP"}], "usage": USED, **more}


def piece(words: str, **more: Any) -> dict[str, Any]:
    """Return a chunk of one."""
    return {**FRAME, "outputs": [{"delta": {"role": "ROLE_ASSISTANT", "content": words}, **more}]}


def chat(client: Any) -> Any:
    """Return a chat with the question in it."""
    return client.chat.create(model="snail-1", messages=[sdk("xai_sdk.chat").user(ASKED)])


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    return chat(client).stream() if streamed else chat(client).sample()


async def _batch(mode: Mode, client: Any) -> None:
    await mode.call(chat(client).sample_batch, 1)


async def _streamed_batch(mode: Mode, client: Any) -> None:
    await mode.items(chat(client).stream_batch(1))


def _shown(answer: Any) -> Any:
    """Of an answer that a stream builds up, the program saw what there was then: here is what there is in the end."""
    parts = answer if isinstance(answer, tuple) else (answer,)
    return [(type(part), part.proto.SerializeToString(deterministic=True)) for part in parts]


ROWS = [
    Row(
        provider="xai_sdk",
        billed="xai",
        make=made,
        ask=_ask,
        serve=serve,
        shown=_shown,
        stop="REASON_STOP",
        ways={"batch": _batch},
        streamed_ways={"batch": _streamed_batch},
        whole={"json": said("".join(WORDS))},
        chunks={"events": [piece(WORDS[0]), {**piece(WORDS[1], finish_reason="REASON_STOP"), "usage": USED}]},
        refused={"grpc": "RESOURCE_EXHAUSTED", "message": f"too much for {KEY}"},
        broken={"events": [piece(WORDS[0])], "grpc": "ABORTED", "message": "overloaded"},
    )
]
