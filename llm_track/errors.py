"""The errors that a user of llm_track can meet."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """A setting that llm_track does not know or cannot use; the message says what to write instead."""
