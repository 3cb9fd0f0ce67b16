"""xAI's own SDK, over gRPC.

A chat gathers messages and is asked for an answer by one of its methods.  What it then sends is copied when it is put
together, which for a stream is when the first chunk is read; the copy becomes JSON in the background, as does the
answer, whose message the program gets as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from llm_track.formats import Format, xai_chat, xai_image
from llm_track.providers import Invocation, Provider, Reading, Target, _grpc, _xai_clients
from llm_track.snapshot import snapshot


def _reading(part: Any, name: str, wire_format: Format, body: dict[str, Any]) -> Reading:
    base_url, secrets = _xai_clients.base_url(part), _xai_clients.secrets(part)
    return Reading("generation", name, "xai", body, format=wire_format, base_url=base_url, secrets=secrets)


def _asking(method: str) -> Callable[[Invocation], Reading | None]:
    def read(invocation: Invocation) -> Reading | None:
        model = getattr(getattr(invocation.instance, "_proto", None), "model", None)
        reading = _reading(invocation.instance, f"chat.{method}", xai_chat, {"model": model} if model else {})
        reading.stream = method.startswith("stream")
        return reading

    return read


def _note_request(call: Any, invocation: Invocation) -> None:
    """Note what a chat is about to send: ``_make_request(n)``."""
    (number,) = invocation.args
    call.reading.written = partial(_written, _grpc.copied(invocation.instance._proto), {"n": number})


def _note_compaction(call: Any, invocation: Invocation) -> None:
    """Note a chat that is about to be compacted: only its messages are sent."""
    call.reading.written = partial(_written, _grpc.copied(invocation.instance._proto), {}, ("model", "messages"))


def _written(message: Any, more: dict[str, Any], only: tuple[str, ...] | None = None) -> dict[str, Any]:
    written = _grpc.to_json(message) | more
    return written if only is None else {key: written[key] for key in only if key in written}


def _compacting(invocation: Invocation) -> Reading | None:
    """Read a client that compacts messages which are in no chat."""
    given = {**dict(zip(("model", "messages"), invocation.args, strict=False)), **invocation.kwargs}
    reading = _reading(invocation.instance, "chat.compact", xai_chat, {"model": snapshot(given.get("model"))})
    if isinstance(given.get("messages"), (list, tuple)):
        messages = [_grpc.copied(message) for message in given["messages"]]
        reading.written = partial(_compacted, dict(reading.body), messages)
    return reading


def _compacted(body: dict[str, Any], messages: list[Any]) -> dict[str, Any]:
    return body | {"messages": [_grpc.to_json(message) for message in messages]}


def _note_answer(call: Any, invocation: Invocation) -> None:
    """Note an answer when it is wrapped for the program: ``parse`` may yet refuse what was paid for."""
    if not call.reading.stream and invocation.args:
        call.result = invocation.args[0]


def _drawing(method: str) -> Callable[[Invocation], Reading | None]:
    def read(invocation: Invocation) -> Reading | None:
        given = {**dict(zip(("prompt", "model", "n"), invocation.args, strict=False)), **invocation.kwargs}
        return _reading(invocation.instance, f"image.{method}", xai_image, snapshot(given))

    return read


def _to_json(result: Any) -> Any:
    """Return the JSON of what a program gets: an answer, several that share a message, or a stream's pair.

    Of a pair of a stream the chunk is the last, of a pair of ``parse`` the answer is the first.
    """
    message = _message(result)
    return None if message is None else _grpc.to_json(message)


def _message(result: Any) -> Any:
    if isinstance(result, (list, tuple)):
        return next((found for each in (result[-1:], result[:1]) for one in each if (found := _message(one))), None)
    message = getattr(result, "_proto", result)
    return message if hasattr(message, "DESCRIPTOR") else None


_chats_of: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The part of a client that draws -> the part that chats, by which a client that is tracked alone is known."""


def _hooked(client: Any) -> Any:
    """From a client of the SDK to its part that makes chats; what that makes is tracked with it."""
    if not type(client).__module__.startswith("xai_sdk.") or not hasattr(client, "chat"):
        return client
    _chats_of[client.image] = client.chat
    return client.chat


def _held(part: Any) -> Any:
    return _chats_of.get(part, part)


_METHODS = ("sample", "sample_batch", "stream", "stream_batch", "parse", "defer", "defer_batch", "compact")


def _targets(mode: str) -> Iterator[Target]:
    for method in _METHODS:
        yield Target(f"xai_sdk.{mode}.chat", f"Chat.{method}", _asking(method), optional=method == "compact")
    yield Target(f"xai_sdk.{mode}.chat", "Client.compact_context", _compacting, optional=True)
    yield Target(f"xai_sdk.{mode}.chat", "Client._make_chat")  # for `copies`
    for method in ("sample", "sample_batch"):
        yield Target(f"xai_sdk.{mode}.image", f"Client.{method}", _drawing(method))


PROVIDER = Provider(
    name="xai_sdk",
    distribution="xai-sdk",
    targets=(
        *_targets("sync"),
        *_targets("aio"),
        Target("xai_sdk.client", "BaseClient.__init__", made=_xai_clients.remember),
        Target("xai_sdk.chat", "BaseChat._make_request", notes=_note_request),
        Target("xai_sdk.chat", "BaseChat._make_compact_request", notes=_note_compaction, optional=True),
        Target("xai_sdk.chat", "Response.__init__", notes=_note_answer),
    ),
    to_json=_to_json,
    failure=_grpc.failure,
    copies=("create",),
    hooked=_hooked,
    held=_held,
    asks_when_read=True,
)
