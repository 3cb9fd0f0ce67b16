"""Mistral's fill in the middle, ``POST /v1/fim/completions``: asked like a legacy completion, answered like a chat."""

from __future__ import annotations

from llm_track.formats.chat_completions import fold, is_content, response
from llm_track.formats.completions import request

__all__ = ["fold", "is_content", "request", "response"]
