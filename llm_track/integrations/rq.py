"""RQ: a job belongs to who enqueues it.  In the program that enqueues jobs and in the worker:

    from llm_track.integrations import rq
    rq.follow()

A job goes with the headers of `llm_track.inject` in its ``meta``, under ``llm_track``.  Both lines can stand in the
module of the jobs: where it is imported only in the process made for a job, that job is followed all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from llm_track import closing
from llm_track._guard import guarded
from llm_track.following import hook_method
from llm_track.propagation import Extracted, extract, inject

Worker: Any = import_module("rq").Worker  # by name: type checkers take this very file for that package
Job: Any = import_module("rq.job").Job
get_current_job: Callable[[], Any] = import_module("rq").get_current_job
_META = "llm_track"
_SEND = guarded("carry a span into a job of RQ")
_LEAVE = guarded("deliver before a job's process leaves")
_RUN = guarded("continue the trace of the job that runs")
_undo: list[Callable[[], None]] = []
_running: list[Extracted] = []
"""The job amid which jobs began to be followed."""


def follow() -> None:
    """Have jobs continue the trace in which they are enqueued, and a worker's processes deliver before they leave."""
    if not _undo:
        _undo.append(hook_method(Job, "create", _create))
        _undo.append(hook_method(Job, "perform", _perform))
        for name in ("perform_job", "handle_job_success", "handle_job_failure"):
            owner = next(each for each in Worker.__mro__ if name in vars(each))
            _undo.append(hook_method(owner, name, _and_deliver))
        with _RUN:
            if said := _said(get_current_job()):
                _running.append(extract(said))
                _running[0].__enter__()


def unfollow() -> None:
    """Leave RQ alone again."""
    while _undo:
        _undo.pop()()


def _create(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    job = wrapped(*args, **kwargs)
    with _SEND:
        said = inject(dict[str, str]())
        if said:
            job.meta = {**job.meta, _META: said}
    return job


def _perform(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    said = _said(instance)
    if not said:
        return wrapped(*args, **kwargs)
    with extract(said):
        return wrapped(*args, **kwargs)


def _said(job: Any) -> Any:
    meta = getattr(job, "meta", None)
    return meta.get(_META) if isinstance(meta, dict) else None


def _and_deliver(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The process that a worker makes for a job leaves without any exit hook as soon as the job is done.

    The last method of those that run then may have begun before it was hooked.
    """
    try:
        return wrapped(*args, **kwargs)
    finally:
        with _LEAVE:
            if _running:
                _running.pop().__exit__(None, None, None)
            if getattr(instance, "_is_horse", False):
                closing.shutdown()
