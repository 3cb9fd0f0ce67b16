"""Mistral's fill in the middle: requests like those of legacy completions, answers like those of chats."""

from __future__ import annotations

from ._draw import ids, record, words
from .chat_completions import COST, COUNTS, answer, bodies, chunks, ended

requests = record({"model": ids, "prompt": words}, suffix=words)

__all__ = ["COST", "COUNTS", "answer", "bodies", "chunks", "ended", "requests"]
