"""Background runs: asked for in one call, fetched in others, and one generation in all.

A run that was only accepted is a span, and so is fetching an answer that was counted before.  The first fetch that
finds a background run done is the generation.  Its id is derived from the provider's, so that two processes which both
fetch it send the same event, of which PostHog keeps one.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass

from llm_track.records import JSON, Identity, Response

_REMEMBERED = 10_000
_NAMESPACE = uuid.UUID("8f1d1f0e-5f0b-4a52-9b6e-3f4f1c2a7d10")


@dataclass(slots=True)
class _Run:
    body: JSON | None = None
    """What was asked, if it was asked by this process."""
    started: float | None = None
    """When, in `time.perf_counter` seconds."""
    identity: Identity | None = None
    counted: bool = False


class Runs:
    """What this process knows of background runs; used by the worker's thread only."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    def is_run(self, response: Response) -> bool:
        """Tell whether an answer that was fetched is of a background run, where it does not say so itself.

        One that is not done when it is fetched is; from then on it is known, as one that was accepted is.
        """
        if response.id is not None and response.pending:
            self._of(response.id)
        return response.id in self._runs or response.pending

    def accepted(self, response: Response, body: JSON, started: float, identity: Identity) -> None:
        """Remember a run that was accepted, to give its request to the generation that it becomes."""
        if response.id is not None:
            run = self._of(response.id)
            run.body, run.started, run.identity = body, started, identity

    def fetched(self, response: Response) -> _Run | None:
        """Return the run whose generation this answer is, or ``None`` if it is none or was counted before."""
        if response.id is None or not response.background or response.pending:
            return None
        run = self._of(response.id)
        if run.counted:
            return None
        run.counted = True
        return run

    def asked_by(self, response: Response) -> Identity | None:
        """Return who asked for a run, and what may leave of it, however often it was fetched before."""
        run = self._runs.get(response.id) if response.id is not None else None
        return None if run is None else run.identity

    def _of(self, response_id: str) -> _Run:
        run = self._runs.setdefault(response_id, _Run())
        self._runs.move_to_end(response_id)
        while len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)
        return run


def span_id(provider: str, response: Response) -> str:
    """Return the id of the generation of a background run: the same wherever it is fetched."""
    return str(uuid.uuid5(_NAMESPACE, f"{provider}:{response.id}"))
