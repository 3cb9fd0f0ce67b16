"""Google's models of pictures, such as Imagen: ``predict``, of the developer API and of Vertex.

API reference: Vertex, "Imagen API" (its instances, parameters and predictions).  It counts no tokens.
"""

from __future__ import annotations

from llm_track.formats import _blocks
from llm_track.formats._blocks import Block
from llm_track.formats._errors import error_of
from llm_track.formats._json import JSON, dump, name, obj, objects, text, without
from llm_track.formats._whole import Whole
from llm_track.records import Request, Response

_PICTURES = ("image", "referenceImage", "personImage", "scribble")
_SEVERAL = ("referenceImages", "productImages")


def request(body: JSON) -> Request:
    """Read what is to be drawn, and the pictures that are given with it."""
    asked = [block for instance in objects(body.get("instances")) for block in _asked(instance)]
    return Request(
        model=name(body.get("model")),
        input=_blocks.messages("user", asked) if asked else [],
        parameters=without(obj(body.get("parameters"))),
    )


def response(body: JSON) -> Response:
    """Read the pictures, and the reasons for those that were held back."""
    drawn = [block for each in objects(body.get("predictions")) for block in _answered(each)]
    error, error_type = error_of(body)
    return Response(
        output=_blocks.messages("assistant", drawn) if drawn else [],
        error=error,
        error_type=error_type,
    )


def _asked(instance: JSON) -> list[Block]:
    prompt = text(instance.get("prompt"))
    given = [instance, *(each for key in _SEVERAL for each in objects(instance.get(key)))]
    pictures = [block for each in given for key in _PICTURES if (block := _given(obj(each.get(key)))) is not None]
    return [*([] if prompt is None else [_blocks.said(prompt)]), *pictures]


def _given(picture: JSON) -> Block | None:
    """A picture of a request, which may lie one level deeper: ``personImage.image``."""
    return _picture(obj(picture.get("image")) or picture)


def _answered(prediction: JSON) -> list[Block]:
    """A picture with the prompt as the model rewrote it, or with the labels of what it shows."""
    picture, reason = _picture(prediction), name(prediction.get("raiFilteredReason"))
    prompt, labels = name(prediction.get("prompt")), prediction.get("labels")
    blocks = [] if picture is None else [picture]
    blocks += [_blocks.said(words) for words in (reason, prompt) if words is not None]
    return [*blocks, *([_blocks.said(dump(labels))] if labels else [])]


def _picture(picture: JSON) -> Block | None:
    data, address = name(picture.get("bytesBase64Encoded")), name(picture.get("gcsUri"))
    if data is not None:
        return _blocks.embedded("image", name(picture.get("mimeType")) or "image/png", data)
    return _blocks.said(f"[image {address}]") if address is not None else None


def is_content(chunk: JSON) -> bool:
    """Tell whether a chunk carries output."""
    return any(_answered(prediction) for prediction in objects(chunk.get("predictions")))


def fold() -> Whole:
    """Begin a "stream" of one body."""
    return Whole()
