"""OpenAI Images: ``POST /images/generations``, ``/images/edits`` and ``/images/variations``."""

from __future__ import annotations

from typing import Any

from llm_track.formats import _blocks
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, dump, name, objects, text, without
from llm_track.formats._usage import responses_usage
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response


def request(body: JSON) -> Request:
    """Read what is to be drawn; pictures that are given are named after it."""
    prompt, given = text(body.get("prompt")), body.get("image")
    asked = [_blocks.said(prompt)] if prompt is not None else []
    if given is not None:
        asked.append(_blocks.said(f"[image {given if isinstance(given, str) else dump(given)}]"))
    return Request(
        model=name(body.get("model")),
        input=_blocks.messages("user", asked) if asked else [],
        parameters=without(body, "prompt", "image", "mask", "model", "stream", "user"),
        stream=body.get("stream") is True,
    )


def response(body: JSON) -> Response:
    """Read the pictures: each by its address or its bytes, and the prompt as the model rewrote it."""
    drawn: list[Any] = [block for picture in objects(body.get("data")) for block in _answered(picture)]
    error, error_type = error_of(body)
    return Response(
        output=_blocks.messages("assistant", drawn) if drawn else [],
        usage=responses_usage(body.get("usage")),
        error=error,
        error_type=error_type,
    )


def _answered(picture: JSON) -> list[_blocks.Block]:
    block, prompt = _picture(picture), name(picture.get("revised_prompt"))
    return [*([] if block is None else [block]), *([] if prompt is None else [_blocks.said(prompt)])]


def _picture(picture: JSON) -> _blocks.Block | None:
    address, data = name(picture.get("url")), name(picture.get("b64_json"))
    if data is not None:
        return _blocks.embedded("image", "image/png", data)
    if address is None:
        return None
    drawable = address.startswith(("data:", "http://", "https://"))
    return {"type": "image", "image": address} if drawable else _blocks.said(f"[image {address}]")


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries a picture."""
    return bool(objects(chunk.get("data")) or name(chunk.get("b64_json")))


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
