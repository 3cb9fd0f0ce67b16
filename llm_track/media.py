"""Embedded pictures, sound and files in events, and the marks that replace them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_track.masking import is_base64, mark, strip_data_uris
from llm_track.records import Event

_MEDIA_KEYS = {
    "data": "media",
    "file_data": "file",
    "b64_json": "image",
    "partial_image_b64": "image",
    "result": "image",
    "bytesBase64Encoded": "media",
    "encodedVideo": "video",
}


def strip_media(event: Event) -> Event:
    """Replace embedded pictures, sound and files by a mark that says what they were and how long."""
    return replace(event, properties={key: _without_media(value) for key, value in event.properties.items()})


def _without_media(value: Any) -> Any:
    if isinstance(value, str):
        return strip_data_uris(value)
    if isinstance(value, list):
        return [_without_media(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _media(key, item, value) if key in _MEDIA_KEYS else _without_media(item) for key, item in value.items()
    }


def _media(key: str, item: Any, around: dict[str, Any]) -> Any:
    if not isinstance(item, str) or not is_base64(item):
        return _without_media(item)
    kind = around.get("media_type") or around.get("mime_type") or around.get("mimeType") or _MEDIA_KEYS[key]
    return mark(str(kind), item)
