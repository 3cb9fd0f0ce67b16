"""Writer, through its own SDK: OpenAI's language under paths of its own."""

from __future__ import annotations

from llm_track.formats import chat_completions, completions
from llm_track.providers._speakers import speaker

PROVIDER = speaker(
    "writerai",
    "Writer",
    distribution="writer-sdk",
    provider="writer",
    endpoints={"/chat": ("generation", chat_completions), "/completions": ("generation", completions)},
    names={"/chat": "chat", "/completions": "completions"},
)
