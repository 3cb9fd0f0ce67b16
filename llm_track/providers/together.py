"""Together AI, through its own SDK."""

from __future__ import annotations

from llm_track.providers._speakers import speaker

PROVIDER = speaker("together", "Together", distribution="together", provider="together")
