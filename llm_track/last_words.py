"""What is said when a process ends and not everything was delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_track._guard import logger

if TYPE_CHECKING:
    from llm_track.sinks.posthog import PostHogSink


def say(waiting: int, sinks: list[PostHogSink]) -> None:
    """Say how many events wait: in a spool, for the next process, or nowhere.

    Args:
        waiting: how many are not delivered, in all.
        sinks: who has them.
    """
    kept = sum(each.kept() for each in sinks)
    for each in sinks:
        if number := each.kept():
            logger.warning(
                "%d events wait in the spool %s: the next process that uses it sends them, and so does "
                "`llm-track replay %s`.",
                number,
                each.spool,
                each.spool,
            )
    if lost := waiting - kept:
        logger.warning(
            "llm_track could not deliver %d events before the program ended: PostHog, its client or a processor is "
            "slow or cannot be reached. llm_track.configure(exit_seconds=...) waits longer, and "
            "llm_track.configure(spool=DIRECTORY) keeps them for the next process.",
            lost,
        )
