"""Imagen: instances with a prompt and pictures, predictions with pictures or with why there are none."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ._answer import Answer, texts
from ._draw import Object, counts, flags, ids, record, words

COST = None
COUNTS: dict[str, list[str]] = {}

_picture = record({"bytesBase64Encoded": "iVBORw0KGgo="}, mimeType=st.just("image/png")) | record(
    {"gcsUri": "gs://a/b.png"}
)
_reference = record({"referenceImage": _picture, "referenceId": counts}, referenceType=ids)
_instance = record(
    {},
    prompt=words,
    image=_picture,
    scribble=record({"image": _picture}),
    personImage=record({"image": _picture}),
    referenceImages=st.lists(_reference, max_size=2),
    productImages=st.lists(record({"image": _picture}), max_size=2),
)
requests = record(
    {"instances": st.lists(_instance, max_size=2)},
    model=ids,
    parameters=record({"sampleCount": counts, "addWatermark": flags}),
)

_filtered = record({"raiFilteredReason": words})
_labelled = record({"bytesBase64Encoded": "iVBORw0KGgo="}, labels=st.lists(record({"label": words}), max_size=1))
_rewritten = record({"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/jpeg"}, prompt=words)
_judged = record({"safetyAttributes": record({"scores": st.lists(st.floats(0, 1), max_size=2)})})
_predictions = _picture | _filtered | _labelled | _rewritten | _judged
bodies = record({}, predictions=st.lists(_predictions, max_size=3), deployedModelId=ids)


def chunks(draw: st.DrawFn, body: Object) -> list[Object]:
    """Nothing streams: the body is the only chunk."""
    return [body]


def answer(body: Object) -> Answer:
    """Pictures, or where they are; why others are not there; prompts as they were rewritten."""
    made = body.get("predictions", [])
    pictures = sum("bytesBase64Encoded" in each for each in made)
    return Answer(texts(made, "gcsUri", "raiFilteredReason", "prompt"), pictures=pictures)


def ended(seen: list[Any]) -> bool:
    """The body came."""
    return bool(seen)
