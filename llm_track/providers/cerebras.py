"""Cerebras, through its own SDK."""

from __future__ import annotations

from llm_track.providers._speakers import speaker

PROVIDER = speaker("cerebras.cloud.sdk", "Cerebras", distribution="cerebras-cloud-sdk", provider="cerebras")
