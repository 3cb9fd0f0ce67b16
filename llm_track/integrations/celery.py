"""Celery: a task belongs to who sends it.  In the program that sends tasks and in the worker:

    from llm_track.integrations import celery
    celery.follow()

A task goes with the headers of `llm_track.inject` in a header of its own, ``llm_track``.  One that runs at once, in the
program itself, stays where it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from llm_track import closing
from llm_track._guard import guarded
from llm_track.propagation import Extracted, extract, inject

signals: Any = import_module("celery.signals")  # by name: type checkers take this very file for that package
_HEADER = "llm_track"
_SEND = guarded("carry a span into a task of Celery")
_RUN = guarded("continue the trace of a task of Celery")
_open: dict[str, list[Extracted]] = {}
"""By their id, the tasks that run."""


def follow() -> None:
    """Have tasks continue the trace in which they are sent, and a worker's processes deliver before they leave."""
    for signal, receiver in _RECEIVERS:
        signal.connect(receiver, weak=False, dispatch_uid=_uid(receiver))


def unfollow() -> None:
    """Leave Celery alone again."""
    for signal, receiver in _RECEIVERS:
        signal.disconnect(receiver, dispatch_uid=_uid(receiver))


def _uid(receiver: Any) -> str:
    return f"llm_track{receiver.__name__}"


def _sent(headers: Any = None, **_: Any) -> None:
    with _SEND:
        said = inject(dict[str, str]())
        if said and isinstance(headers, dict):
            headers[_HEADER] = said


def _begins(task_id: Any = None, task: Any = None, **_: Any) -> None:
    with _RUN:
        request = task.request
        said = getattr(request, _HEADER, None) or (getattr(request, "headers", None) or {}).get(_HEADER)
        if said:
            continued = extract(said)
            continued.__enter__()
            _open.setdefault(task_id, []).append(continued)


def _ends(task_id: Any = None, **_: Any) -> None:
    with _RUN:
        continued = _open.get(task_id)
        if continued:
            continued.pop().__exit__(None, None, None)
            if not continued:
                del _open[task_id]


def _leaves(**_: Any) -> None:
    closing.shutdown()


_RECEIVERS = (
    (signals.before_task_publish, _sent),
    (signals.task_prerun, _begins),
    (signals.task_postrun, _ends),
    (signals.worker_process_shutdown, _leaves),
)
