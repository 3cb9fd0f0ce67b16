"""Pictures and videos of google-genai, the real SDK: what was asked for and what came, without a byte of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
from typing import Any

import pytest
from conformance.server import CaseServer

from llm_track.testing import Events

from .calls import BOTH

KEY = "AIzaCanary7Qx2Lm9Zt4Rw8sVbK1nD3fG5"
RAW = random.Random(7).randbytes(900)
MARK = f"[base64 image/png 900 bytes sha256 {hashlib.sha256(RAW).hexdigest()} redacted]"
BYTES = base64.b64encode(RAW).decode()
SDK = "google.genai"
pytestmark = pytest.mark.filterwarnings("ignore")


def ask(client: Any, mode: str, name: str, **given: Any) -> Any:
    """Call a method of the models."""
    if mode == "sync":
        return getattr(client.models, name)(**given)
    return asyncio.run(getattr(client.aio.models, name)(**given))


def only(events: Events) -> Any:
    """Return the one event there is; it holds no media."""
    (event,) = events.settle()
    assert BYTES[:60] not in json.dumps(event.properties)
    return event


def client_of(sdk: Any, server: CaseServer, answer: Any, *, vertex: bool = True) -> Any:
    """Return a client that will get an answer."""
    options = {"base_url": server.play([answer]).url}
    return sdk.Client(api_key=KEY, http_options=options, **({"vertexai": True} if vertex else {}))


@BOTH
@pytest.mark.parametrize("vertex", [True, False], ids=["vertex", "developer"])
def test_pictures_are_a_generation(vertex: bool, mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Pictures that are asked for are one generation with the prompt, marks for them, and no counts."""
    if not vertex and int(sdk.__version__.partition(".")[0]) >= 3:
        pytest.skip("the developer API of this version makes no pictures so")
    made = [{"mimeType": "image/png", "bytesBase64Encoded": BYTES}, {"raiFilteredReason": "the other one is too slow"}]
    client = client_of(sdk, server, {"json": {"predictions": made}}, vertex=vertex)
    given = {"model": "imagen-4.0-generate-001", "prompt": "two snails", "config": {"number_of_images": 2}}
    answer = ask(client, mode, "generate_images", **given)
    assert answer.generated_images[0].image.image_bytes == RAW
    event = only(events)
    told = event.properties
    assert (event.name, told["$ai_model"], told["llm_outcome"]) == (
        "$ai_generation", "imagen-4.0-generate-001", "completed",
    )  # fmt: skip
    assert told["$ai_provider"] == ("google-vertex" if vertex else "gemini")
    assert told["$ai_input"] == [{"role": "user", "content": "two snails"}]
    (message,) = told["$ai_output_choices"]
    picture, reason = message["content"]
    assert (picture["type"], picture["source"]["data"]) == ("image", MARK)
    assert reason == {"type": "text", "text": "the other one is too slow"}
    assert told["$ai_model_parameters"]["sampleCount"] == 2
    assert not [key for key in told if key.endswith("_tokens") or "cost" in key]


@BOTH
def test_a_picture_that_is_edited(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Pictures given along are marks in the input, those in a bucket are named."""
    types = sdk.types
    client = client_of(sdk, server, {"json": {"predictions": [{"gcsUri": "gs://snails/3.png"}]}})
    raw = types.RawReferenceImage(reference_id=1, reference_image=types.Image(image_bytes=RAW, mime_type="image/png"))
    far = types.RawReferenceImage(reference_id=2, reference_image=types.Image(gcs_uri="gs://snails/2.png"))
    ask(client, mode, "edit_image", model="imagen-3.0-capability-001", prompt="slower", reference_images=[raw, far])
    told = only(events).properties
    (asked,) = told["$ai_input"]
    assert [block["type"] for block in asked["content"]] == ["text", "image", "text"]
    assert asked["content"][2]["text"] == "[image gs://snails/2.png]"
    assert told["$ai_output_choices"] == [{"role": "assistant", "content": "[image gs://snails/3.png]"}]


@BOTH
def test_a_picture_that_is_enlarged(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """Enlarging a picture is a generation whose input is that picture."""
    client = client_of(sdk, server, {"json": {"predictions": [{"bytesBase64Encoded": BYTES}]}})
    image = sdk.types.Image(image_bytes=RAW, mime_type="image/png")
    ask(client, mode, "upscale_image", model="imagen-3.0-generate-002", image=image, upscale_factor="x2")
    told = only(events).properties
    assert told["$ai_input"][0]["content"][0]["source"]["data"] == MARK
    assert told["$ai_model_parameters"]["upscaleConfig"] == {"upscaleFactor": "x2"}


@BOTH
def test_pictures_that_are_refused(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A refusal is one failed event with its status and message, without the key it quotes."""
    said = {"error": {"code": 429, "message": f"too much for {KEY}", "status": "RESOURCE_EXHAUSTED"}}
    client = client_of(sdk, server, {"status": 429, "json": said})
    with pytest.raises(sdk.errors.APIError):
        ask(client, mode, "generate_images", model="imagen-4.0-generate-001", prompt="a snail")
    told = only(events).properties
    assert (told["llm_outcome"], told["$ai_http_status"]) == ("failed", 429)
    assert "too much" in told["$ai_error"]
    assert KEY not in json.dumps(told)


@BOTH
def test_a_picture_from_a_chat_model(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A picture out of ``generate_content`` is drawn beside the words, as a mark, and counted as the wire counts it."""
    parts = [{"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": BYTES}}]
    details = [{"modality": "IMAGE", "tokenCount": 1290}]
    said = {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1291, "candidatesTokensDetails": details},
    }
    client = client_of(sdk, server, {"json": said}, vertex=False)
    ask(client, mode, "generate_content", model="gemini-2.5-flash-image", contents="draw a snail")
    told = only(events).properties
    (message,) = told["$ai_output_choices"]
    assert message["content"][0] == {"type": "text", "text": "here"}
    assert message["content"][1]["source"]["data"] == MARK
    assert told["$ai_output_tokens"] == 1291


@BOTH
def test_a_video_is_a_step(mode: str, sdk: Any, server: CaseServer, events: Events) -> None:
    """A video is made while nobody waits: asking for it and looking for it are spans, and the video is a mark."""
    done = {"videos": [{"bytesBase64Encoded": BYTES, "mimeType": "video/mp4"}]}
    name = "projects/p/locations/l/publishers/google/models/veo-3/operations/1"
    run = server.play([{"json": {"name": name}}, {"json": {"name": name, "done": True, "response": done}}])
    client = sdk.Client(vertexai=True, api_key=KEY, http_options={"base_url": run.url})
    image = sdk.types.Image(image_bytes=RAW, mime_type="image/png")
    asked: dict[str, Any] = {"model": "veo-3.0-generate-001", "prompt": "a snail", "image": image}

    async def made() -> Any:
        if mode == "sync":
            return client.operations.get(client.models.generate_videos(**asked))
        return await client.aio.operations.get(await client.aio.models.generate_videos(**asked))

    assert asyncio.run(made()).done
    found = events.settle()
    assert [event.name for event in found] == ["$ai_span"] * 2
    assert [event.properties["$ai_span_name"] for event in found] == [
        "models.predictLongRunning", "models.fetchPredictOperation",
    ]  # fmt: skip
    assert BYTES[:60] not in json.dumps([event.properties for event in found])
    assert MARK in json.dumps(found[0].properties)
    assert MARK.replace("image/png", "video/mp4") in json.dumps(found[1].properties)
