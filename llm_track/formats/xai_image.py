"""xAI's gRPC API for pictures: ``GenerateImageRequest`` and ``ImageResponse``, as JSON.

API reference: xAI, "gRPC API reference", ``image.proto``.
"""

from __future__ import annotations

from llm_track.formats import _blocks
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, entries, name, objects, text, without
from llm_track.formats._sampling import sampling_usage
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response

_GIVEN = ("image_url", "image_urls", "image_file_id", "image_file_ids")


def request(body: JSON) -> Request:
    """Read what is to be drawn, and the pictures that are given, under the names that the SDK's method has for them."""
    prompt = text(body.get("prompt"))
    asked = [_blocks.said(prompt)] if prompt is not None else []
    for key in _GIVEN:
        value = body.get(key)
        asked += [_picture(each) for each in entries(value) or [value] if isinstance(each, str)]
    return Request(
        model=name(body.get("model")),
        input=_blocks.messages("user", asked) if asked else [],
        parameters=without(body, "prompt", "model", "user", *_GIVEN),
    )


def _picture(picture: str) -> _blocks.Block:
    """Return a picture by its address; one that is known by another name, in words."""
    drawable = picture.startswith(("data:", "http://", "https://"))
    return {"type": "image", "image": picture} if drawable else _blocks.said(f"[image {picture}]")


def response(body: JSON) -> Response:
    """Read the pictures: each by its address, or whole as a ``data:`` address."""
    found = [name(picture.get("base64")) or name(picture.get("url")) for picture in objects(body.get("images"))]
    drawn = [_picture(address) for address in found if address is not None]
    error, error_type = error_of(body)
    return Response(
        output=_blocks.messages("assistant", drawn) if drawn else [],
        usage=sampling_usage(body.get("usage")),
        model=name(body.get("model")),
        error=error,
        error_type=error_type,
    )


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries a picture."""
    return bool(objects(chunk.get("images")))


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
