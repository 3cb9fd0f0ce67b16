"""Speech: what a recording cost is told by its tokens, those of sound apart."""

from __future__ import annotations

from typing import Any

import pytest

from llm_track.formats import audio


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59,
          "input_token_details": {"text_tokens": 4, "audio_tokens": 10}}, (14, 45, 10)),
        ({"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}, (14, 45, None)),
        ({"prompt_tokens": 14, "completion_tokens": 45, "prompt_tokens_details": {"audio_tokens": 10}}, (14, 45, 10)),
        ({"type": "duration", "seconds": 27}, (None, None, None)),
    ],
    ids=["apart", "not apart", "in the words of chats", "by its length"],
)  # fmt: skip
def test_the_tokens_of_a_recording(usage: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    """The tokens of sound are counted apart, however the details are spelled; what is not told is absent."""
    read = audio.response({"text": "hi", "usage": usage}).usage
    assert (read.input_tokens, read.output_tokens, read.audio_input_tokens) == counts
    assert read.raw == usage
