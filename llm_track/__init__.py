"""Every LLM call of a Python program as one correct, private, cheap PostHog event.

>>> import llm_track
>>> report = llm_track.autopatch()
"""

from __future__ import annotations

from typing import Any

from llm_track.accounts import stats
from llm_track.closing import shutdown
from llm_track.config import configure
from llm_track.consent import set_content
from llm_track.errors import BudgetExceeded, ConfigurationError
from llm_track.patching import autopatch, instrument, stand_by, unpatch
from llm_track.propagation import extract, inject
from llm_track.remarks import evaluation, feedback, feedback_token, metric
from llm_track.serverless import flush_after
from llm_track.spans import current_trace_id, llm_span
from llm_track.tracking import track_llm
from llm_track.worker import flush

__all__ = [
    "BudgetExceeded",
    "ConfigurationError",
    "autopatch",
    "configure",
    "current_trace_id",
    "evaluation",
    "extract",
    "feedback",
    "feedback_token",
    "flush",
    "flush_after",
    "inject",
    "instrument",
    "llm_span",
    "metric",
    "set_content",
    "shutdown",
    "stats",
    "track_llm",
    "unpatch",
]

stand_by()


def __getattr__(name: str) -> Any:
    """Find the version, and the submodules that are loaded only by who asks for them."""
    if name == "__version__":
        from importlib.metadata import version

        return version("llm-track")
    if name == "testing":
        from importlib import import_module

        return import_module("llm_track.testing")
    raise AttributeError(f"module 'llm_track' has no attribute {name!r}")
